/* SPDX-License-Identifier: Apache-2.0 */
/* Plain scalars: every production of the core schema (YAML 1.2.2, chapter 10.3.2) and its neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/cli/scalar.h"

struct example {
	const char *text;
	const char *json;
};

static void check(const struct example *example)
{
	struct baton_error err = { 0 };
	cleanup_json json_t *value = scalar_resolve(example->text, &err);
	cleanup_free char *json = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) : NULL;

	if (!json || strcmp(json, example->json) != 0)
		fail_msg("%s is %s (%s), not %s", example->text, json ? json : "nothing", err.message,
		        example->json);
	assert_int_equal(err.code, 0);
}

static void words_and_numbers(void **state)
{
	static const struct example examples[] = {
		{ "", "null" },
		{ "~", "null" },
		{ "null", "null" },
		{ "Null", "null" },
		{ "NULL", "null" },
		{ "true", "true" },
		{ "True", "true" },
		{ "TRUE", "true" },
		{ "false", "false" },
		{ "False", "false" },
		{ "FALSE", "false" },
		{ "0", "0" },
		{ "-0", "0" },
		{ "+12", "12" },
		{ "-19", "-19" },
		{ "0o17", "15" },
		{ "0440", "288" },
		{ "-010", "-8" },
		{ "089", "89" },
		{ "0x1fA", "506" },
		{ "9223372036854775807", "9223372036854775807" },
		{ "-9223372036854775808", "-9223372036854775808" },
		{ "0x7fffffffffffffff", "9223372036854775807" },
		{ "1.", "1.0" },
		{ ".5", "0.5" },
		{ "-1.5", "-1.5" },
		{ "+12e03", "12000.0" },
		{ "-2E+05", "-200000.0" },
		{ "1e-3", "0.001" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(examples); i++)
		check(&examples[i]);
}

static void anything_else_is_text(void **state)
{
	static const char *const texts[] = { "nULL", "tRUE", "TRue", "yes", "no", "on", "off", "y", "22:22",
		"1:30:00", "1_000", "0b11", "0o8", "0o", "0x", "0xg", "-0x1", "+0o7", "0O7", "0X1", "1e",
		"e1", "1e+", ".", "-", "+", "..", "1.2.3", "+.", ".e1", "- 1", "1 ", "2001-12-14", "inf",
		"nan", ".info", "+.nan", "~~", "Infinity", "1d", "0x1p3", "\xc3\xa9" };

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		struct baton_error err = { 0 };
		cleanup_json json_t *value = scalar_resolve(texts[i], &err);

		if (!json_is_string(value) || strcmp(json_string_value(value), texts[i]) != 0)
			fail_msg("\"%s\" is no text", texts[i]);
	}
}

static void what_json_cannot_hold(void **state)
{
	static const char *const texts[] = { ".inf", "-.inf", "+.Inf", ".INF", ".nan", ".NaN", ".NAN",
		"1e999", "-1e999", "9223372036854775808", "-9223372036854775809", "0xffffffffffffffff",
		"99999999999999999999999" };

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		struct baton_error err = { 0 };

		if (scalar_resolve(texts[i], &err))
			fail_msg("%s is a number", texts[i]);
		assert_int_not_equal(err.code, 0);
		assert_non_null(strstr(err.message, texts[i]));
		assert_non_null(strstr(err.message, "quotes"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_numbers),
		cmocka_unit_test(anything_else_is_text),
		cmocka_unit_test(what_json_cannot_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
