/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before something that ended is started again: doubled each time, anew after a long life.
 */
#ifndef BATON_BASE_BACKOFF_H
#define BATON_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
	unsigned min_ms;
	unsigned max_ms;
	unsigned reset_ms; /* a life of this length starts the waits anew */
	unsigned next_ms;
	int64_t started_ms; /* boot clock; 0: it has not lived */
};

void backoff_init(struct backoff *backoff, unsigned min_ms, unsigned max_ms, unsigned reset_ms);

/* It lives from now on. */
void backoff_started(struct backoff *backoff);

/* It ended, or could not start: milliseconds to wait. */
unsigned backoff_ended(struct backoff *backoff);

#endif
