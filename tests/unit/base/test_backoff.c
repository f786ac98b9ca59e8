/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/backoff.h"

static void test_doubles_to_the_maximum(void **state)
{
	static const unsigned expected[] = { 100, 200, 400, 800, 1000, 1000, 1000 };
	struct backoff backoff;

	(void)state;
	backoff_init(&backoff, 100, 1000, 60000);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		backoff_started(&backoff);
		assert_int_equal(backoff_ended(&backoff), expected[i]);
	}
}

static void test_long_life_starts_anew(void **state)
{
	struct backoff backoff;

	(void)state;
	backoff_init(&backoff, 100, 1000, 60000);
	(void)backoff_ended(&backoff); /* only the side effect counts */
	backoff_started(&backoff);
	backoff.started_ms -= 59000;
	assert_int_equal(backoff_ended(&backoff), 200);
	backoff_started(&backoff);
	backoff.started_ms -= 60000;
	assert_int_equal(backoff_ended(&backoff), 100);
	assert_int_equal(backoff_ended(&backoff), 200); /* one that did not start has not lived */
}

static void test_no_overflow(void **state)
{
	struct backoff backoff;
	unsigned wait = 0;

	(void)state;
	backoff_init(&backoff, 1, UINT_MAX, 60000);
	for (unsigned i = 0; i < 100; i++) {
		unsigned next = backoff_ended(&backoff);

		assert_true(next >= wait);
		wait = next;
	}
	assert_int_equal(wait, UINT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubles_to_the_maximum),
		cmocka_unit_test(test_long_life_starts_anew),
		cmocka_unit_test(test_no_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
