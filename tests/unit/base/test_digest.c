/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/digest.h"

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

static void test_known_answer(void **state)
{
	char hex[DIGEST_HEX_SIZE];

	(void)state;
	/* FIPS 180-4, the example message "abc" */
	assert_int_equal(digest_sha256("abc", 3, hex), 0);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(digest_is_valid(hex));
	hex[0] = 'B';
	assert_false(digest_is_valid(hex));
	assert_false(digest_is_valid("ba78"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_known_answer) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
