/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/base/cleanup.h"

#define WALL_MS_MAX 253402300799999 /* 9999-12-31T23:59:59.999Z */

static int64_t read_ns(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now); /* cannot fail for these clocks and a valid pointer */
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

int64_t clock_boot_ms(void)
{
	return read_ns(CLOCK_BOOTTIME) / 1000000;
}

int64_t clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / 1000000;
}

void clock_format(int64_t wall_ms, char text[static CLOCK_TEXT_SIZE])
{
	time_t seconds;
	struct tm parts;

	if (wall_ms < 0)
		wall_ms = 0;
	if (wall_ms > WALL_MS_MAX)
		wall_ms = WALL_MS_MAX;
	seconds = (time_t)(wall_ms / 1000);
	(void)gmtime_r(&seconds, &parts);
	/* The remainders tell the compiler the widths that the clamp above already guarantees. */
	(void)snprintf(text, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	        (unsigned)(parts.tm_year + 1900) % 10000U, (unsigned)(parts.tm_mon + 1) % 100U,
	        (unsigned)parts.tm_mday % 100U, (unsigned)parts.tm_hour % 100U, (unsigned)parts.tm_min % 100U,
	        (unsigned)parts.tm_sec % 100U, (unsigned)(wall_ms % 1000));
}

int clock_boot_id(char id[static BOOT_ID_SIZE])
{
	cleanup_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, id, BOOT_ID_SIZE - 1);
	if (length != BOOT_ID_SIZE - 1)
		return length < 0 ? -errno : -EIO;
	id[BOOT_ID_SIZE - 1] = '\0';
	return 0;
}
