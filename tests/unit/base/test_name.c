/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAX 16

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} table[] = {
		{ "a", true },
		{ "0", true },
		{ "Shop.cart_2-x", true },
		{ "a..b", true },
		{ "0123456789abcdef", true },
		{ "0123456789abcdefg", false },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ ".trash", false },
		{ "-rf", false },
		{ "_a", false },
		{ "a/b", false },
		{ "a b", false },
		{ "a\n", false },
		{ "\xc3\xa9", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (name_valid(table[i].name, strlen(table[i].name), MAX) != table[i].valid)
			fail_msg("\"%s\"", table[i].name);
	}
}

static void test_length_counts_not_the_nul(void **state)
{
	(void)state;
	assert_true(name_valid("ab/", 2, MAX));
	assert_false(name_valid("a\0b", 3, MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_length_counts_not_the_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
