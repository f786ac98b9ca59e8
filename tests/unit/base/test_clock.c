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
		cmocka_unit_test(test_boot_clock_and_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
