/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_sequence(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} rows[] = {
		{ "", 0 },
		{ "a", 1 },
		{ "\x7f", 1 },
		{ "\xc3\xa9", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x90\x8b", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\x80", 0 },     /* continuation without a start */
		{ "\xc0\xaf", 0 }, /* overlong */
		{ "\xe0\x9f\xbf", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xed\xa0\x80", 0 },     /* surrogate */
		{ "\xf4\x90\x80\x80", 0 }, /* above U+10FFFF */
		{ "\xff", 0 },
		{ "\xe2\x82", 0 }, /* cut */
		{ "\xf0\x9f\x90", 0 },
		{ "\xc3"
		  "a",
		        0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (utf8_sequence(rows[i].text, strlen(rows[i].text)) != rows[i].length)
			fail_msg("row %zu", i);
	}
}

static void test_copy(void **state)
{
	char text[8];

	(void)state;
	utf8_copy(text, sizeof(text), NULL);
	assert_string_equal(text, "");
	utf8_copy(text, sizeof(text),
	        "a\xff"
	        "b\xc3\xa9");
	assert_string_equal(text, "a?b\xc3\xa9");
	utf8_copy(text, sizeof(text), "1234567");
	assert_string_equal(text, "1234567");
	utf8_copy(text, sizeof(text), "12345678");
	assert_string_equal(text, "1234567");
	utf8_copy(text, sizeof(text), "123456\xc3\xa9"); /* does not fit whole */
	assert_string_equal(text, "123456");
	utf8_copy(text, 1, "x");
	assert_string_equal(text, "");
}

static void test_trim(void **state)
{
	static const struct {
		const char *text;
		size_t left;
	} rows[] = {
		{ "", 0 }, { "abc", 3 }, { "a\xc3\xa9", 3 }, { "a\xc3", 1 }, { "a\xe2\x82\xac", 4 },
		{ "a\xe2\x82", 1 }, { "a\xe2", 1 }, { "a\xf0\x9f\x90\x8b", 5 }, { "a\xf0\x9f\x90", 1 },
		{ "\x80\x80\x80\x80\x80", 5 }, /* no text at all: never more than a character is cut */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (utf8_trim(rows[i].text, strlen(rows[i].text)) != rows[i].left)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_trim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
