/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/backoff.h"

#include "core/base/clock.h"

void backoff_init(struct backoff *backoff, unsigned min_ms, unsigned max_ms, unsigned reset_ms)
{
	*backoff = (struct backoff){
		.min_ms = min_ms, .max_ms = max_ms, .reset_ms = reset_ms, .next_ms = min_ms
	};
}

void backoff_started(struct backoff *backoff)
{
	backoff->started_ms = clock_boot_ms();
}

unsigned backoff_ended(struct backoff *backoff)
{
	unsigned wait;

	if (backoff->started_ms != 0 && clock_boot_ms() - backoff->started_ms >= backoff->reset_ms)
		backoff->next_ms = backoff->min_ms;
	backoff->started_ms = 0;
	wait = backoff->next_ms;
	backoff->next_ms = wait < backoff->max_ms / 2 ? wait * 2 : backoff->max_ms;
	return wait;
}
