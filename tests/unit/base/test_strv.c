/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/strv.h"

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

static void test_append_copy_contains(void **state)
{
	cleanup_strv char **one = NULL;
	cleanup_strv char **two = NULL;

	(void)state;
	assert_int_equal(strv_length(one), 0);
	assert_int_equal(strv_copy(one, &two), 0);
	assert_null(two);
	assert_int_equal(strv_append(&one, "a"), 0);
	assert_int_equal(strv_appendf(&one, "%s=%d", "b", 2), 0);
	assert_int_equal(strv_copy(one, &two), 0);
	assert_int_equal(strv_length(two), 2);
	assert_string_equal(two[0], "a");
	assert_string_equal(two[1], "b=2");
	assert_true(strv_contains(two, "b=2"));
	assert_false(strv_contains(two, "b"));
	assert_int_equal(strv_append(&two, "c"), 0);
	assert_int_equal(strv_length(one), 2);
	assert_int_equal(strv_length(two), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_append_copy_contains) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
