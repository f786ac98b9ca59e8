/* SPDX-License-Identifier: Apache-2.0 */
/* What happens after an instance has ended: a pure function of policy, exit and history. No I/O, no clock. */
#ifndef BATON_AGENT_RESTART_H
#define BATON_AGENT_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model/app.h"

struct restart_history {
	uint32_t attempts; /* restarts since the last run of CONFIG_BACKOFF_RESET_MS */
	int64_t ran_ms;    /* how long the run that ended took; 0 when unknown */
	bool has_exit_code;
	int exit_code;
};

enum restart_decision {
	RESTART_AGAIN,     /* after restart_delay_ms() */
	RESTART_DONE,      /* the condition does not ask for it */
	RESTART_EXHAUSTED, /* max_attempts are used up */
};

/*
 * An exit code that nobody knows counts as a failure: the opposite mistake leaves a broken service down. Sets
 * *ret_attempts to the attempts that count from now on: 0 after a long run.
 */
enum restart_decision restart_decide(
        const struct restart_policy *policy, const struct restart_history *history, uint32_t *ret_attempts);

/*
 * Wait before attempt number `attempts` (from 0): CONFIG_BACKOFF_MIN_MS doubled each time up to
 * CONFIG_BACKOFF_MAX_MS, less up to a quarter of it by `random`, so that a fleet that fails together does not
 * come back together.
 */
int64_t restart_delay_ms(uint32_t attempts, uint32_t random);

#endif
