/* SPDX-License-Identifier: Apache-2.0 */
/* Records of extended headers, right and wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/unpack/pax.h"

static struct pax pax;
static char buffer[16384];

static int parse(const char *text, size_t length)
{
	struct baton_error err = { 0 };
	int r;

	memcpy(buffer, text, length);
	r = pax_parse(buffer, length, &pax, &err);
	assert_int_equal(r, -err.code);
	return r;
}

#define PARSE(text) parse(text, sizeof(text) - 1)

static void every_key(void **state)
{
	(void)state;
	assert_int_equal(
	        PARSE("12 path=a/b\n14 linkpath=x\n14 uid=123456\n15 gid=7654321\n19 size=8589934592\n"
	              "16 mtime=1.500\n18 comment=ignore\n"),
	        -EINVAL); /* the third length is one too large for its record */
	assert_int_equal(PARSE("12 path=a/b\n14 linkpath=x\n"), 0);
	assert_string_equal(pax.path, "a/b");
	assert_string_equal(pax.linkpath, "x");
	assert_int_equal(PARSE("14 uid=123456\n15 gid=7654321\n19 size=8589934592\n19 comment=ignored\n"), 0);
	assert_true(pax.has_uid && pax.has_gid && pax.has_size && !pax.has_mtime);
	assert_int_equal(pax.uid, 123456);
	assert_int_equal(pax.gid, 7654321);
	assert_int_equal(pax.size, 8589934592);
	assert_null(pax.path);
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
		long nsec;
	} rows[] = {
		{ "11 mtime=1\n", 1, 0 },
		{ "13 mtime=1.5\n", 1, 500000000 },
		{ "14 mtime=-1.5\n", -2, 500000000 },
		{ "14 mtime=-0.5\n", -1, 500000000 },
		{ "24 mtime=1.000000001999\n", 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		assert_int_equal(parse(rows[i].text, strlen(rows[i].text)), 0);
		assert_int_equal(pax.mtime.tv_sec, rows[i].seconds);
		assert_int_equal(pax.mtime.tv_nsec, rows[i].nsec);
	}
	assert_int_equal(PARSE("13 mtime=1,5\n"), -EINVAL);
	assert_int_equal(PARSE("13 mtime=1.x\n"), -EINVAL);
	assert_int_equal(PARSE("12 mtime= 1\n"), -EINVAL);
}

static void attributes(void **state)
{
	(void)state;
	assert_int_equal(PARSE("27 SCHILY.xattr.user.a=b\0c\n"), 0);
	assert_int_equal(pax.n_xattrs, 1);
	assert_string_equal(pax.xattrs[0].name, "user.a");
	assert_int_equal(pax.xattrs[0].size, 3);
	assert_memory_equal(pax.xattrs[0].value, "b\0c", 3);
}

static void most_attributes(void **state)
{
	static const char record[] = "22 SCHILY.xattr.a=bcd\n";
	cleanup_free char *text = malloc((PAX_XATTRS_MAX + 1) * (sizeof(record) - 1));

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i <= PAX_XATTRS_MAX; i++)
		memcpy(text + i * (sizeof(record) - 1), record, sizeof(record) - 1);
	assert_int_equal(parse(text, PAX_XATTRS_MAX * (sizeof(record) - 1)), 0);
	assert_int_equal(pax.n_xattrs, PAX_XATTRS_MAX);
	assert_int_equal(parse(text, (PAX_XATTRS_MAX + 1) * (sizeof(record) - 1)), -E2BIG);
}

static void malformed(void **state)
{
	static const char *const texts[] = { "x", "12", "12 ", " 12 path=a/b\n", "13 path=a/b\n",
		"11 path=a/b\n", "0 path=a\n", "3 \n", "5 ab\n", "99999999999 a=b\n", "-5 a=b\n", "8 uid=\n",
		"9 uid=x\n", "27 uid=9223372036854775808\n", "9 uid=1 \n", "10 uid=+1\n", "12 path=a/b" };

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++)
		assert_int_equal(parse(texts[i], strlen(texts[i])), -EINVAL);
	assert_int_equal(PARSE("12 path=a\0b\n"), -EINVAL);
	assert_int_equal(PARSE("22 GNU.sparse.major=1\n"), -ENOTSUP);
	assert_int_equal(PARSE(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key),
		cmocka_unit_test(times),
		cmocka_unit_test(attributes),
		cmocka_unit_test(most_attributes),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
