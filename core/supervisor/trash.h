/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of whole trees without blocking the loop: renamed into a trash directory, emptied by a child
 * process. */
#ifndef BATON_SUPERVISOR_TRASH_H
#define BATON_SUPERVISOR_TRASH_H

#include <event2/event.h>

#include "core/base/error.h"

struct trash;

/*
 * Uses DIR/.trash of the held directory `dir_fd` (duplicated), made when missing; what an earlier process
 * left there is removed too. 0 and *ret_trash or negative errno.
 */
int trash_new(struct event_base *base, int dir_fd, struct trash **ret_trash, struct baton_error *err);
void trash_free(struct trash *trash); /* takes NULL */

/*
 * Moves DIR/name out of the way at once (the name is free when this returns) and removes it soon. A tree of
 * empty directories, the usual writable layer, is removed here. -ENOENT is success. 0 or negative errno.
 */
int trash_put(struct trash *trash, const char *name);

#endif
