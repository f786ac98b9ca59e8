/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes/{node}/logs/{instance}: what an instance writes from now on, while somebody asks for it at least
 * every CONFIG_LOG_FOLLOW_LEASE_MS. At most CONFIG_LOG_FOLLOW_BYTES_PER_SECOND of its log; above that the
 * oldest bytes are dropped, and a line of stream "baton" says how many.
 */
#ifndef BATON_AGENT_FOLLOW_H
#define BATON_AGENT_FOLLOW_H

#include "core/agent/agent-priv.h"
#include "core/agent/log_read.h"

/*
 * Begins to follow, or renews the lease. 0, -EBUSY when CONFIG_LOG_FOLLOW_MAX instances are followed already,
 * -ENOENT for an instance that was never started, or another negative errno, each with the reason in err.
 */
int follow_start(struct agent *agent, const char *instance, struct baton_error *err);

/* Where one that has just begun goes on from; no effect on one that was renewed. */
void follow_from(struct agent *agent, const char *instance, const struct log_position *position);

void follow_free_all(struct agent *agent);

#endif
