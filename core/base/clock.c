/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/cleanup.h"

#define WALL_MS_MAX    253402300799999 /* 9999-12-31T23:59:59.999Z */
#define SECONDS_LENGTH 19              /* 2026-01-31T10:00:00 */

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

int64_t clock_thread_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_wall_ms(void)
{
	return clock_wall_ns() / 1000000;
}

int64_t clock_wall_ns(void)
{
	return read_ns(CLOCK_REALTIME);
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

int clock_parse(const char *text, int64_t *ret_wall_ms)
{
	struct tm parts = { .tm_isdst = 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
	char again[CLOCK_TEXT_SIZE];
	int64_t scale = 100;
	int64_t ms;

	if (!rest)
		return -EINVAL;
	ms = (int64_t)timegm(&parts) * 1000;
	if (rest[0] == '.' && rest[1] != 'Z')
		rest++;
	for (; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
		ms += (*rest - '0') * scale;
	/* strptime(3) lets spaces and missing zeros pass, and timegm(3) makes March of the 30th of February.
	 */
	clock_format(ms, again);
	if (strcmp(rest, "Z") != 0 || strncmp(text, again, SECONDS_LENGTH) != 0)
		return -EINVAL;
	*ret_wall_ms = ms;
	return 0;
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
