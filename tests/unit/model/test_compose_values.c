/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, shell words, signals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/model/compose_values.h"

struct number {
	const char *text;
	int result;
	int64_t value;
};

typedef int (*number_parser)(const char *text, int64_t max, int64_t *ret_value);

static void check_numbers(number_parser parse, int64_t max, const struct number *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t value = -77;
		int r = parse(numbers[i].text, max, &value);

		if (r != numbers[i].result || value != (r == 0 ? numbers[i].value : -77))
			fail_msg("\"%s\": result %d, value %lld", numbers[i].text, r, (long long)value);
	}
}

static void test_integer(void **state)
{
	static const struct number numbers[] = {
		{ "0", 0, 0 },
		{ "-5", 0, -5 },
		{ "100", 0, 100 },
		{ "101", -ERANGE, 0 },
		{ "-6", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "0x1", -EINVAL, 0 },
		{ "99999999999999999999999999", -ERANGE, 0 },
	};
	int64_t value;

	(void)state;
	for (size_t i = 0; i < array_size(numbers); i++) {
		assert_int_equal(value_integer(numbers[i].text, -5, 100, &value), numbers[i].result);
		if (numbers[i].result == 0)
			assert_int_equal(value, numbers[i].value);
	}
	assert_int_equal(value_integer("9223372036854775807", 0, INT64_MAX, &value), 0);
	assert_true(value == INT64_MAX);
	assert_int_equal(value_integer("9223372036854775808", 0, INT64_MAX, &value), -ERANGE);
	assert_int_equal(value_integer("-9223372036854775808", INT64_MIN, INT64_MAX, &value), -ERANGE);
}

static void test_octal(void **state)
{
	static const struct number numbers[] = {
		{ "0", 0, 0 },
		{ "1777", 0, 01777 },
		{ "7777", 0, 07777 },
		{ "10000", -ERANGE, 0 },
		{ "77777777777777777777777777777777", -ERANGE, 0 },
		{ "8", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
	};

	(void)state;
	check_numbers(value_octal, 07777, numbers, array_size(numbers));
}

static void test_duration(void **state)
{
	static const struct number numbers[] = {
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "1us", 0, 1 },
		{ "1000us", 0, 1 },
		{ "1001us", 0, 2 },
		{ "10ms", 0, 10 },
		{ "1.5s", 0, 1500 },
		{ "1m30s", 0, 90000 },
		{ "0.000000001h", 0, 1 },
		{ "1h", 0, 3600000 },
		{ "59m60s", 0, 3600000 },
		{ "1h1us", -ERANGE, 0 },
		{ "1h1ms", -ERANGE, 0 },
		{ "9223372036854775807h", -ERANGE, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "1", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ ".5s", -EINVAL, 0 },
		{ "1d", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 },
		{ "1s2", -EINVAL, 0 },
		{ "1e3s", -EINVAL, 0 },
	};

	(void)state;
	check_numbers(value_duration_ms, 3600000, numbers, array_size(numbers));
}

static void test_bytes(void **state)
{
	static const struct number numbers[] = {
		{ "0", 0, 0 },
		{ "1b", 0, 1 },
		{ "1k", 0, 1024 },
		{ "1KB", 0, 1024 },
		{ "2m", 0, 2 << 20 },
		{ "2Mb", 0, 2 << 20 },
		{ "1.5g", 0, 1610612736 },
		{ "0.5gb", 0, 1 << 29 },
		{ "2147483648", 0, 2147483648 },
		{ "2147483649", -ERANGE, 0 },
		{ "2.000000001g", -ERANGE, 0 },
		{ "9223372036854775807g", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "m", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1mm", -EINVAL, 0 },
		{ "1 m", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "inf", -EINVAL, 0 },
	};

	(void)state;
	check_numbers(value_bytes, INT64_C(2) << 30, numbers, array_size(numbers));
}

static void test_cpus(void **state)
{
	static const struct number numbers[] = {
		{ "0.5", 0, 500 },
		{ "0.29", 0, 290 },
		{ "2", 0, 2000 },
		{ "0.0009", 0, 0 },
		{ "0.00199999999999999", 0, 1 },
		{ "8192", 0, 8192000 },
		{ "8192.001", -ERANGE, 0 },
		{ "nan", -EINVAL, 0 },
		{ "1,5", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "-0.5", -EINVAL, 0 },
	};
	int64_t value;

	(void)state;
	check_numbers(value_cpus, 8192000, numbers, array_size(numbers));
	assert_int_equal(value_cpus_real(0.29, 8192000, &value), 0);
	assert_int_equal(value, 290);
	assert_int_equal(value_cpus_real(-0.1, 8192000, &value), -EINVAL);
	assert_int_equal(value_cpus_real(__builtin_nan(""), 8192000, &value), -EINVAL);
	assert_int_equal(value_cpus_real(__builtin_inf(), 8192000, &value), -ERANGE);
}

static void check_words(const char *text, const char *const *wanted, size_t count)
{
	cleanup_strv char **words = NULL;

	assert_int_equal(value_words(text, 8, &words), 0);
	assert_int_equal(strv_length(words), count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(words[i], wanted[i]);
}

static void test_words(void **state)
{
	char **untouched = NULL;

	(void)state;
	check_words("", NULL, 0);
	check_words(" \t\n", NULL, 0);
	check_words("a", (const char *const[]){ "a" }, 1);
	check_words("  a  b ", (const char *const[]){ "a", "b" }, 2);
	check_words("sh -c 'echo \"$A\" \\n'", (const char *const[]){ "sh", "-c", "echo \"$A\" \\n" }, 3);
	check_words("\"a \\\" \\$ \\x\"", (const char *const[]){ "a \" $ \\x" }, 1);
	check_words("a\\ b c\\\\", (const char *const[]){ "a b", "c\\" }, 2);
	check_words("a'b'\"c\"d", (const char *const[]){ "abcd" }, 1);
	check_words("'' \"\"", (const char *const[]){ "", "" }, 2);
	check_words("a; b|c #d", (const char *const[]){ "a;", "b|c", "#d" }, 3);
	check_words("a \\\n b\\\nc \"d\\\ne\"", (const char *const[]){ "a", "bc", "de" }, 3);
	assert_int_equal(value_words("a 'b", 8, &untouched), -EINVAL);
	assert_int_equal(value_words("a \"b", 8, &untouched), -EINVAL);
	assert_int_equal(value_words("a \"b\\", 8, &untouched), -EINVAL);
	assert_int_equal(value_words("a \\", 8, &untouched), -EINVAL);
	assert_int_equal(value_words("1 2 3 4 5 6 7 8 9", 8, &untouched), -E2BIG);
	assert_null(untouched);
}

static void test_signal(void **state)
{
	static const struct {
		const char *text;
		const char *name;
	} signals[] = {
		{ "SIGTERM", "SIGTERM" },
		{ "term", "SIGTERM" },
		{ "15", "SIGTERM" },
		{ "sigusr1", "SIGUSR1" },
		{ "SIGRTMIN", "SIGRTMIN" },
		{ "RTMIN+3", "SIGRTMIN+3" },
		{ "SIGRTMIN+0", "SIGRTMIN" },
		{ "37", "SIGRTMIN+3" },
		{ "64", "SIGRTMIN+30" },
		{ "SIGRTMIN+30", "SIGRTMIN+30" },
		{ "65", NULL },
		{ "SIGRTMIN+31", NULL },
		{ "SIGRTMIN+", NULL },
		{ "SIGRTMIN-1", NULL },
		{ "32", NULL }, /* glibc's own */
		{ "0", NULL },
		{ "-1", NULL },
		{ "", NULL },
		{ "SIG", NULL },
		{ "SIGSIGTERM", NULL },
		{ "KILL ", NULL },
	};

	(void)state;
	for (size_t i = 0; i < array_size(signals); i++) {
		char name[SIGNAL_NAME_SIZE];
		int r = value_signal(signals[i].text, name);

		assert_int_equal(r, signals[i].name ? 0 : -EINVAL);
		if (signals[i].name)
			assert_string_equal(name, signals[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integer),
		cmocka_unit_test(test_octal),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
