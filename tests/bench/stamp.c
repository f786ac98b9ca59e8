/* SPDX-License-Identifier: Apache-2.0 */
/* The first instruction of a container: prints the boot clock in nanoseconds, then waits for a signal. */
#include <asm/unistd.h>
#include <linux/time.h>

#include "core/launch/syscall.h"

#define CLOCK_BOOT 7 /* CLOCK_BOOTTIME */

void start_c(long *stack)
{
	struct __kernel_timespec now;
	unsigned long long ns;
	char text[24];
	int at = sizeof(text);

	(void)stack;
	(void)raw_syscall(__NR_clock_gettime, CLOCK_BOOT, (long)&now, 0, 0, 0);
	ns = (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
	text[--at] = '\n';
	do {
		text[--at] = (char)('0' + ns % 10);
		ns /= 10;
	} while (ns);
	(void)raw_syscall(__NR_write, 1, (long)&text[at], (long)sizeof(text) - at, 0, 0);
	for (;;)
		(void)raw_syscall(__NR_ppoll, 0, 0, 0, 0, 0);
}
