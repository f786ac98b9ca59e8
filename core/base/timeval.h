/* SPDX-License-Identifier: Apache-2.0 */
/* Milliseconds as libevent wants them. */
#ifndef BATON_BASE_TIMEVAL_H
#define BATON_BASE_TIMEVAL_H

#include <stdint.h>
#include <sys/time.h>

/*
 * At least 0, at most 31 days. 32-bit ARM has a time_t of 32 bits, in which a long wait would wrap to one
 * that is over at once and comes again for ever; who waits that long looks at the clock when he wakes anyway.
 */
static inline struct timeval timeval_of_ms(int64_t ms)
{
	const int64_t most = (int64_t)31 * 24 * 3600 * 1000;

	if (ms < 0)
		ms = 0;
	if (ms > most)
		ms = most;
	return (struct timeval){ .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000 };
}

#endif
