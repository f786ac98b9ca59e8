/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/json.h"

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

static const struct json_limits limits = { .bytes = 100, .depth = 4 };

static int parse(const char *text, size_t length, struct baton_error *err)
{
	cleanup_json json_t *value = NULL;

	return json_parse(text, length, limits, &value, err);
}

static void test_limits_at_max_and_one_more(void **state)
{
	struct baton_error err = { 0 };
	char text[102];

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "[[[[]]]]", 8);
	assert_int_equal(parse(text, 100, &err), 0);
	assert_int_equal(parse(text, 101, &err), -EMSGSIZE);
	assert_non_null(strstr(err.message, "100"));
	memcpy(text, "[[[[[]]]]]", 10);
	assert_int_equal(parse(text, 100, &err), -EMSGSIZE);
	assert_int_equal(
	        parse("\"[[[[[[[[\\\"[[[\"", 15, &err), -EINVAL); /* a string: no depth, but no document */
}

static void test_hostile_texts(void **state)
{
	static const char *const texts[] = { "", "{", "nul", "{\"a\":1,\"a\":2}", "[1] x",
		"{\"a\":\"\\u0000\"}", "[1e999]", "\xff", "[\"\xc3\x28\"]" };
	struct baton_error err;

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		err.message[0] = '\0';
		assert_int_equal(parse(texts[i], strlen(texts[i]), &err), -EINVAL);
		assert_non_null(strstr(err.message, "line"));
	}
	assert_int_equal(parse("[\"a\0b\"]", 7, &err), -EINVAL);
}

static void test_members(void **state)
{
	cleanup_json json_t *object = json_pack("{s:s, s:i, s:b, s:[]}", "s", "text", "i", 5, "b", 1, "a");
	struct baton_error err;
	const char *text;
	int64_t number;
	json_t *array;

	(void)state;
	assert_string_equal(json_get_string(object, "s", "x"), "text");
	assert_string_equal(json_get_string(object, "i", "x"), "x");
	assert_int_equal(json_get_int(object, "i", 0), 5);
	assert_true(json_get_bool(object, "b", false));
	assert_int_equal(json_need_string(object, "s", 4, &text, &err), 0);
	assert_int_equal(json_need_string(object, "s", 3, &text, &err), -EINVAL);
	assert_int_equal(json_need_int(object, "i", 0, 5, &number, &err), 0);
	assert_int_equal(json_need_int(object, "i", 0, 4, &number, &err), -EINVAL);
	assert_int_equal(json_need_array(object, "a", 0, &array, &err), 0);
	assert_int_equal(json_need_array(object, "missing", 9, &array, &err), -EINVAL);
	assert_non_null(strstr(err.message, "missing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_at_max_and_one_more),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
