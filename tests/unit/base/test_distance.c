/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/distance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(edit_distance("ports", "ports", 5), 0);
	assert_int_equal(edit_distance("prots", "ports", 5), 1);
	assert_int_equal(edit_distance("comand", "command", 5), 1);
	assert_int_equal(edit_distance("kitten", "sitting", 5), 3);
	assert_int_equal(edit_distance("", "abc", 5), 3);
	assert_int_equal(edit_distance("", "", 5), 0);
	assert_int_equal(edit_distance("abc", "xyz", 2), 2);
	assert_int_equal(edit_distance("a", "abcdefgh", 4), 4);
	assert_int_equal(edit_distance(X64 "x", X64, 4), 4); /* too long to compare */
	assert_int_equal(edit_distance(X64, X64, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
