/* SPDX-License-Identifier: Apache-2.0 */
/* What batond sets up before anything runs: its locks and its directories. */
#ifndef BATON_BATOND_STATE_H
#define BATON_BATOND_STATE_H

#include "core/base/error.h"
#include "core/config/config.h"

/*
 * Makes ROOT and RUN with their directories and takes the locks that keep a second batond away from either.
 * The locks last until the process ends. 0, -EBUSY with the pid of the other one in err, or another negative
 * errno.
 */
int state_prepare(const struct config *config, struct baton_error *err);

#endif
