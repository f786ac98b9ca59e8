/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"

static void test_format(void **state)
{
	char text[CLOCK_TEXT_SIZE];

	(void)state;
	clock_format(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	clock_format(1795514400123, text);
	assert_string_equal(text, "2026-11-24T10:00:00.123Z");
	clock_format(-5, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	clock_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-24T10:00:00.123Z", 1795514400123 },
		{ "2026-11-24T10:00:00.123456789Z", 1795514400123 },
		{ "2026-11-24T10:00:00.5Z", 1795514400500 },
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		/* behind the last second of a 32-bit time_t */
		{ "2038-01-19T03:14:08.000Z", 2147483648000 },
		{ "2106-02-07T06:28:16.001Z", 4294967296001 },
		{ "9999-12-31T23:59:59.999Z", 253402300799999 },
	};
	static const char *const bad[] = {
		"",
		"Z",
		"2026-11-24",
		"2026-11-24T10:00:00",
		"2026-11-24T10:00:00.Z",
		"2026-11-24T10:00:00.1",
		"2026-11-24T10:00:00+01:00",
		"2026-11-24T10:00:00z",
		"2026-11-24 10:00:00Z",
		" 2026-11-24T10:00:00Z",
		"2026-11-24T 9:00:00Z",
		"2026-11-24T9:00:00Z",
		"2026-11-24T10:00:00ZZ",
		"2026-02-30T10:00:00Z",
		"2026-13-01T10:00:00Z",
		"2026-11-24T24:00:00Z",
		"2026-11-24T10:00:60Z",
		"1969-12-31T23:59:59.999Z",
		"10000-01-01T00:00:00Z",
		"-001-01-01T00:00:00Z",
	};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ms = -1;
		if (clock_parse(good[i].text, &ms) != 0 || ms != good[i].ms)
			fail_msg("%s: %lld", good[i].text, (long long)ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ms = -1;
		if (clock_parse(bad[i], &ms) != -EINVAL || ms != -1)
			fail_msg("\"%s\" is taken for %lld", bad[i], (long long)ms);
	}
}

static void test_boot_clock_and_id(void **state)
{
	int64_t before = clock_boot_ns();
	char id[BOOT_ID_SIZE];

	(void)state;
	assert_true(clock_boot_ns() >= before);
	assert_int_equal(clock_boot_id(id), 0);
	assert_int_equal(strlen(id), 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_boot_clock_and_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
