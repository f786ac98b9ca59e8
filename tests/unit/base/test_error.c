/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/error.h"

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

static void test_set_and_prefix(void **state)
{
	struct baton_error err = { 0 };

	(void)state;
	assert_int_equal(error_set(&err, ENOENT, "no %s", "thing"), -ENOENT);
	assert_int_equal(error_prefix(&err, "step %d", 2), -ENOENT);
	assert_string_equal(err.message, "step 2: no thing");
	assert_int_equal(error_errno(&err, EPERM, "open"), -EPERM);
	assert_string_equal(err.message, "open: Operation not permitted");
	assert_int_equal(error_set(NULL, EIO, "x"), -EIO);
	assert_int_equal(error_prefix(NULL, "x"), -EIO);
}

static void test_too_long_is_cut_between_characters(void **state)
{
	struct baton_error err = { 0 };
	char text[ERROR_MESSAGE_MAX * 2 + 1];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(&text[i], "\xc3\xa9", 2);
	text[sizeof(text) - 1] = '\0';
	(void)error_set(&err, EINVAL, "a%s", text);
	assert_true(strlen(err.message) < ERROR_MESSAGE_MAX);
	assert_int_equal(strlen(err.message) % 2, 1); /* "a" and whole two-byte characters */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_prefix),
		cmocka_unit_test(test_too_long_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
