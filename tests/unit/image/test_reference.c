/* SPDX-License-Identifier: Apache-2.0 */
/* References in all written forms, and the file names made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/image/store-priv.h"
#include "core/image/store.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void normal_forms(void **state)
{
	static const char *const pairs[][2] = {
		{ "busybox", "docker.io/library/busybox:latest" },
		{ "busybox:1.36", "docker.io/library/busybox:1.36" },
		{ "team/app", "docker.io/team/app:latest" },
		{ "docker.io/busybox", "docker.io/library/busybox:latest" },
		{ "index.docker.io/busybox", "docker.io/library/busybox:latest" },
		{ "registry.local/cart:2", "registry.local/cart:2" },
		{ "localhost/app", "localhost/app:latest" },
		{ "localhost:5000/app", "localhost:5000/app:latest" },
		{ "host:5000/a/b/c:v", "host:5000/a/b/c:v" },
		{ "Host/app", "Host/app:latest" },
		{ "[::1]:5000/app:1", "[::1]:5000/app:1" },
		{ "a.b", "docker.io/library/a.b:latest" },
		{ "a__b-c---d.e", "docker.io/library/a__b-c---d.e:latest" },
		{ "app@sha256:" HEX, "docker.io/library/app@sha256:" HEX },
		{ "r.io/app:1@sha256:" HEX, "r.io/app@sha256:" HEX },
		{ "app:_.-A", "docker.io/library/app:_.-A" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(pairs); i++) {
		char normal[IMAGE_REF_MAX + 1] = "";
		char again[IMAGE_REF_MAX + 1] = "";
		struct baton_error err = { 0 };

		assert_int_equal(image_ref_normalise(pairs[i][0], normal, &err), 0);
		assert_string_equal(normal, pairs[i][1]);
		assert_int_equal(image_ref_normalise(normal, again, &err), 0);
		assert_string_equal(again, normal);
	}
}

static void refused_forms(void **state)
{
	static const char *const texts[] = { "", "/", "a/", "/a", "a//b", "A", "a/B", "a:", ":1", "a:b:c",
		"a b", "a\n", "..", "../a", "a/../b", ".a", "a.", "a..b", "a___b", "-a", "a-", "a@",
		"a@sha256:12", "a@sha512:" HEX, "a@sha256:" HEX "0", "a:.x", "a:-x", "-h.io/a", "h-.io/a",
		"h..io/a", "h.io:/a", "h.io:x/a", "h.io:123456/a", "[::1/a", "[]/a", HEX, "caf\xc3\xa9",
		"a%2fb", "a@sha256:" HEX "@sha256:" HEX };

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		char normal[IMAGE_REF_MAX + 1] = "untouched";
		struct baton_error err = { 0 };

		if (image_ref_normalise(texts[i], normal, &err) == 0)
			fail_msg("\"%s\" was accepted as \"%s\"", texts[i], normal);
		assert_true(err.message[0] != '\0');
		assert_string_equal(normal, "untouched");
	}
}

static void lengths(void **state)
{
	char text[1024];
	char normal[IMAGE_REF_MAX + 1];

	(void)state;
	memset(text, 't', sizeof(text));
	memcpy(text, "a:", 2);
	text[2 + 128] = '\0';
	assert_int_equal(image_ref_normalise(text, normal, NULL), 0);
	text[2 + 128] = 't';
	text[2 + 129] = '\0';
	assert_true(image_ref_normalise(text, normal, NULL) < 0);
	/* The longest name whose file name still fits: NAME_MAX minus the temporary file's dot and ".tmp". */
	memset(text, 'a', sizeof(text));
	memcpy(text, "h.io/", 5);
	text[STORE_REF_FILE_MAX - 2 - (sizeof(":latest") - 1)] = '\0';
	assert_int_equal(image_ref_normalise(text, normal, NULL), 0);
	text[strlen(text)] = 'a';
	text[STORE_REF_FILE_MAX - 2 - (sizeof(":latest") - 1) + 1] = '\0';
	assert_true(image_ref_normalise(text, normal, NULL) < 0);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(image_ref_normalise(text, normal, NULL) < 0);
}

static void file_names(void **state)
{
	char name[STORE_REF_FILE_MAX + 1];
	char back[IMAGE_REF_MAX + 1];

	(void)state;
	assert_int_equal(store_ref_encode("[::1]:5000/a/b:1", name), 0);
	assert_string_equal(name, "%5B::1%5D:5000%2Fa%2Fb:1");
	assert_int_equal(store_ref_decode(name, back), 0);
	assert_string_equal(back, "[::1]:5000/a/b:1");
	assert_true(store_ref_decode("a%2", back) < 0);
	assert_true(store_ref_decode("a%", back) < 0);
	assert_true(store_ref_decode("a%2f", back) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_forms),
		cmocka_unit_test(refused_forms),
		cmocka_unit_test(lengths),
		cmocka_unit_test(file_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
