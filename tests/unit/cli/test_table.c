/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, and times and durations as people write them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/cli/table.h"

#define UNCHANGED INT64_C(-7)

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{ "90s", 90 },
		{ "10m", 600 },
		{ "1h30m", 5400 },
		{ "2d", 172800 },
		{ "1d2h3m4s", 93784 },
		{ "0s", 0 },
		{ "45", 45 }, /* a bare number */
		{ "2147483647d", INT64_C(2147483647) * 86400 },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		int64_t ms = UNCHANGED;

		assert_int_equal(duration_parse(rows[i].text, &ms), 0);
		assert_int_equal(ms, rows[i].seconds * 1000);
	}
}

static void test_bad_durations(void **state)
{
	static const char *const rows[] = { "", "s", "-1s", "+1s", " 1s", "1s ", "1 s", "1w", "1.5h", "1h30",
		"1hh", "m1", "2147483648s", "99999999999999999999s", "yesterday",
		/* each is a duration, and the sum is none */
		("2147483647d2147483647d2147483647d2147483647d2147483647d2147483647d2147483647d2147483647d"
		 "2147483647d2147483647d2147483647d2147483647d2147483647d2147483647d2147483647d2147483647"
		 "d") };

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		int64_t ms = UNCHANGED;

		assert_int_equal(duration_parse(rows[i], &ms), -EINVAL);
		assert_int_equal(ms, UNCHANGED);
	}
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 }, { "1970-01-01T00:00:01.5Z", 1500 },
		{ "1970-01-01T00:00:00.123456789Z", 123 }, { "2000-02-29T12:00:00Z", INT64_C(951825600000) },
		{ "2000-03-01T00:00:00Z", INT64_C(951868800000) },
		{ "2026-11-24T10:00:00Z", INT64_C(1795514400000) },
		{ "2026-11-24t10:00:00z", INT64_C(1795514400000) },
		{ "2026-11-24 10:00:00Z", INT64_C(1795514400000) },
		{ "2026-11-24T12:00:00+02:00", INT64_C(1795514400000) },
		{ "2026-11-24T04:30:00-05:30", INT64_C(1795514400000) }, { "1969-12-31T23:59:59Z", -1000 },
		{ "2016-12-31T23:59:60Z", INT64_C(1483228800000) }, /* a leap second */
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		int64_t ms = UNCHANGED;

		assert_int_equal(time_parse(rows[i].text, &ms), 0);
		assert_int_equal(ms, rows[i].ms);
	}
}

static void test_bad_times(void **state)
{
	static const char *const rows[] = { "", "2026", "2026-11-24", "2026-11-24T10:00:00",
		"2026-11-24T10:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z", "26-01-01T00:00:00Z", "2026-1-01T00:00:00Z", "2026-11-24T10:00:00ZZ",
		"2026-11-24T10:00:00+2", "2026-11-24T10:00:00+24:00", "2026-11-24T10:00:00+02:60",
		"2026-11-24T10:00:00+0200", "2026-11-24T10:00:00 Z", "90s" };

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		int64_t ms = UNCHANGED;

		assert_int_equal(time_parse(rows[i], &ms), -EINVAL);
		assert_int_equal(ms, UNCHANGED);
	}
}

static void test_ages(void **state)
{
	static const struct {
		const char *time;
		int64_t now_s;
		const char *text;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0, "0s" },
		{ "1970-01-01T00:00:00Z", 119, "119s" },
		{ "1970-01-01T00:00:00Z", 120, "2m" },
		{ "1970-01-01T00:00:00Z", 7200, "2h" },
		{ "1970-01-01T00:00:00Z", 172800, "2d" },
		{ "1970-01-01T00:00:01Z", 0, "-" }, /* the clocks of two machines */
		{ "nonsense", 0, "-" },
		{ NULL, 0, "-" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		char text[AGE_TEXT_SIZE];

		age_format(rows[i].time, rows[i].now_s * 1000, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_table(void **state)
{
	static const char *const titles[] = { "NAME", "REASON", NULL };
	static const char *const first[] = { "caf\303\251", "b\033[2J\302\2332J" };
	static const char *const second[] = { NULL, "" };
	struct table *table = table_new(titles);
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_non_null(out);
	table_add(table, first);
	table_add(table, second);
	table_write(table, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "NAME  REASON\ncaf\303\251  b?[2J?2J\n-     -\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_bad_durations),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_bad_times),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
