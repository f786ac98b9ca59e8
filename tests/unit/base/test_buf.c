/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/buf.h"

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

static void test_grows_to_its_maximum_and_no_further(void **state)
{
	cleanup_buf struct buf buf = { .data = NULL };

	(void)state;
	buf_init(&buf, 1000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(buf_append(&buf, "0123456789", 10), 0);
	assert_int_equal(buf.length, 1000);
	assert_int_equal(buf_append(&buf, "x", 1), -EMSGSIZE);
	assert_int_equal(buf_appendf(&buf, "%d", 5), -EMSGSIZE);
	assert_int_equal(buf.length, 1000);
	assert_int_equal(buf.data[1000], '\0');
}

static void test_reset_and_steal(void **state)
{
	cleanup_buf struct buf buf = { .data = NULL };
	cleanup_free char *data = NULL;

	(void)state;
	buf_init(&buf, 100);
	assert_int_equal(buf_appendf(&buf, "%s-%d", "abc", 7), 0);
	assert_string_equal(buf.data, "abc-7");
	buf_reset(&buf);
	assert_int_equal(buf.length, 0);
	assert_int_equal(buf_append(&buf, "z", 1), 0);
	data = buf_steal(&buf);
	assert_string_equal(data, "z");
	assert_null(buf.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_to_its_maximum_and_no_further),
		cmocka_unit_test(test_reset_and_steal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
