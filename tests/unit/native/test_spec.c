/* SPDX-License-Identifier: Apache-2.0 */
/* config.json as a whole: limits, versions, the root, hooks, the file itself. */
#include "plugins/native/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "tests/unit/native/sample.h"

static void test_smallest(void **state)
{
	struct spec spec = sample_accepted(NULL, NULL);

	(void)state;
	assert_string_equal(spec.args[0], "/bin/true");
	assert_null(spec.args[1]);
	assert_null(spec.env[0]);
	assert_string_equal(spec.rootfs, "/bundle/rootfs");
	assert_false(spec.rootfs_read_only);
	assert_int_equal(spec.umask, 022);
	assert_int_equal(
	        spec.bounding | spec.permitted | spec.effective | spec.inheritable | spec.ambient, 0);
	assert_null(spec.seccomp);
	assert_null(spec.masked_paths[0]);
	spec_release(&spec);
	spec_release(&spec); /* of what is released already */
}

static void test_root(void **state)
{
	struct spec spec = sample_accepted("root", "{'path': '/abs/root', 'readonly': true}");

	(void)state;
	assert_string_equal(spec.rootfs, "/abs/root");
	assert_true(spec.rootfs_read_only);
	spec_release(&spec);
}

static void test_longest_root(void **state)
{
	char value[4200] = "{'path': '/";
	const size_t head = strlen(value);
	struct spec spec;

	(void)state;
	for (size_t length = sizeof(spec.rootfs) - 1; length <= sizeof(spec.rootfs); length++) {
		memset(value + head, 'a', length - 1);
		strncpy(value + head + length - 1, "'}", 3);
		if (length < sizeof(spec.rootfs)) {
			spec = sample_accepted("root", value);
			assert_int_equal(strlen(spec.rootfs), length);
			spec_release(&spec);
		} else {
			sample_refused("root", value, ENAMETOOLONG, "root.path");
		}
	}
}

static void test_refused(void **state)
{
	static const struct sample_fault faults[] = {
		{ "ociVersion", "'2.0.0'", EINVAL, "ociVersion" },
		{ "ociVersion", "1.0", EINVAL, "ociVersion" },
		{ "ociVersion", NULL, EINVAL, "ociVersion" },
		{ "root", NULL, EINVAL, "root.path" },
		{ "root", "'rootfs'", EINVAL, "root.path" },
		{ "root", "{'path': ''}", EINVAL, "root.path" },
		{ "root", "{'path': 5}", EINVAL, "root.path" },
		{ "root.readonly", "'true'", EINVAL, "readonly" },
		{ "root.readonly", "1", EINVAL, "readonly" },
		{ "hooks", "[]", EINVAL, "hooks" },
		{ "hooks", "{'prestart': [{'path': '/x'}]}", EOPNOTSUPP, "prestart" },
		{ "hooks", "{'poststop': {'path': '/x'}}", EOPNOTSUPP, "poststop" },
		{ "mounts", "{}", EINVAL, "mounts" },
		{ "process", NULL, EINVAL, "process" },
		{ "process", "[]", EINVAL, "process" },
		{ "linux", NULL, EOPNOTSUPP, "mount namespace" },
		{ "linux", "'x'", EOPNOTSUPP, "mount namespace" },
	};

	(void)state;
	sample_all_refused(faults, array_size(faults));
}

static void test_nothing_is_no_hook(void **state)
{
	static const char *const values[] = { "{}", "null", "{'prestart': [], 'poststop': null}" };

	(void)state;
	for (size_t i = 0; i < array_size(values); i++) {
		struct spec spec = sample_accepted("hooks", values[i]);

		spec_release(&spec);
	}
}

static void test_text_that_is_no_document(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} texts[] = { { "", 0 }, { "[]", 2 }, { "5", 1 }, { "null", 4 }, { "{", 1 }, { "{}x", 3 },
		{ "{\"a\":1,\"a\":2}", 13 }, { "{\"a\":\"\\u0000\"}", 14 }, { "{\"a\":\"\xff\"}", 9 } };
	struct baton_error err;
	struct spec spec;

	(void)state;
	for (size_t i = 0; i < array_size(texts); i++) {
		err.code = 0;
		assert_int_equal(spec_parse(texts[i].text, texts[i].length, "/bundle", &spec, &err), -EINVAL);
		assert_int_equal(err.code, EINVAL);
	}
}

static void test_depth(void **state)
{
	char value[2 * SPEC_DEPTH_MAX + 8];

	(void)state;
	/* The document itself is one level. */
	for (size_t depth = SPEC_DEPTH_MAX - 1; depth <= SPEC_DEPTH_MAX; depth++) {
		memset(value, '[', depth);
		memset(value + depth, ']', depth);
		value[2 * depth] = '\0';
		if (depth < SPEC_DEPTH_MAX) {
			struct spec spec = sample_accepted("annotations", value);

			spec_release(&spec);
		} else {
			sample_refused("annotations", value, EMSGSIZE, "deep");
		}
	}
}

static void test_file(void **state)
{
	char folder[] = "/tmp/baton-spec-XXXXXX";
	static const char text[] =
	        "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"x\"]},"
	        "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}";
	cleanup_free char *large = calloc(1, SPEC_BYTES_MAX + 2);
	cleanup_close int fd = -1;
	struct baton_error err = { 0 };
	struct spec spec;

	(void)state;
	assert_non_null(mkdtemp(folder));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0 && large);
	assert_int_equal(spec_load(folder, &spec, &err), -ENOENT);
	assert_int_equal(file_replace_at(fd, "config.json", text, strlen(text), 0600, FILE_VOLATILE), 0);
	assert_int_equal(spec_load(folder, &spec, &err), 0);
	assert_memory_equal(spec.rootfs, folder, strlen(folder));
	spec_release(&spec);
	memset(large, ' ', SPEC_BYTES_MAX + 1);
	assert_int_equal(
	        file_replace_at(fd, "config.json", large, SPEC_BYTES_MAX + 1, 0600, FILE_VOLATILE), 0);
	assert_int_equal(spec_load(folder, &spec, &err), -EFBIG);
	assert_int_equal(tree_remove_at(AT_FDCWD, folder), 0);
	assert_int_equal(spec_load(folder, &spec, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smallest),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_longest_root),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nothing_is_no_hook),
		cmocka_unit_test(test_text_that_is_no_document),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
