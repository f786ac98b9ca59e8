/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks: the boot clock decides, the wall clock is only shown to people, the thread's bounds work. */
#ifndef BATON_BASE_CLOCK_H
#define BATON_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_TEXT_SIZE 32
#define BOOT_ID_SIZE    37 /* 36 characters of a UUID and the NUL */

/* Milliseconds and nanoseconds of CLOCK_BOOTTIME: goes on during suspend, never jumps. */
int64_t clock_boot_ms(void);
int64_t clock_boot_ns(void);

/* CPU time of the calling thread: stands still while others have the CPU. A system call, unlike the others.
 */
int64_t clock_thread_ns(void);

/* CLOCK_REALTIME since 1970. Never used in a decision. */
int64_t clock_wall_ms(void);
int64_t clock_wall_ns(void);

/* RFC 3339 in UTC with milliseconds, "2026-11-24T10:00:00.123Z". Wall clock values outside years 0–9999 are
 * clamped. */
void clock_format(int64_t wall_ms, char text[static CLOCK_TEXT_SIZE]);

/*
 * The time of day that such a text names; a fraction of any length may be there or not, and what is below a
 * millisecond is left out. Years 1970 to 9999, UTC only. 0 or -EINVAL. Here and nowhere else, because only
 * this file has a 64-bit time_t on 32-bit machines.
 */
int clock_parse(const char *text, int64_t *ret_wall_ms);

/* /proc/sys/kernel/random/boot_id. 0 or negative errno. */
int clock_boot_id(char id[static BOOT_ID_SIZE]);

#endif
