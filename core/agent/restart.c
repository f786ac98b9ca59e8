/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/restart.h"

#include <baton/kconfig.h>

enum restart_decision restart_decide(
        const struct restart_policy *policy, const struct restart_history *history, uint32_t *ret_attempts)
{
	bool failed = !history->has_exit_code || history->exit_code != 0;
	uint32_t attempts = history->ran_ms >= CONFIG_BACKOFF_RESET_MS ? 0 : history->attempts;

	*ret_attempts = attempts;
	if (policy->condition == RESTART_NEVER || (policy->condition == RESTART_ON_FAILURE && !failed))
		return RESTART_DONE;
	if (policy->max_attempts > 0 && attempts >= policy->max_attempts)
		return RESTART_EXHAUSTED;
	return RESTART_AGAIN;
}

int64_t restart_delay_ms(uint32_t attempts, uint32_t random)
{
	int64_t delay = CONFIG_BACKOFF_MIN_MS;

	for (uint32_t i = 0; i < attempts && delay < CONFIG_BACKOFF_MAX_MS; i++)
		delay *= 2;
	if (delay > CONFIG_BACKOFF_MAX_MS)
		delay = CONFIG_BACKOFF_MAX_MS;
	return delay - (int64_t)random % (delay / 4 + 1);
}
