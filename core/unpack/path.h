/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as tar archives write them. */
#ifndef BATON_UNPACK_PATH_H
#define BATON_UNPACK_PATH_H

#include <limits.h>
#include <stddef.h>

#include "core/base/error.h"

/*
 * Brings "/a//./b/" to "a/b", and the root itself to "". A ".." is refused, not resolved: no writer of images
 * has a reason for one. 0; -EINVAL; -ENAMETOOLONG above `max` bytes or LAYER_DEPTH_MAX levels.
 */
int path_clean(const char *path, size_t max, char clean[static PATH_MAX], struct baton_error *err);

/* The last component; *ret_parent_length is what stands before its "/", 0 without one. */
const char *path_name(const char *clean, size_t *ret_parent_length);

#endif
