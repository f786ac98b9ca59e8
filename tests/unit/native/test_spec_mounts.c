/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "tests/unit/native/sample.h"

static void test_file_system(void **state)
{
	struct spec spec = sample_accepted("mounts",
	        "[{'destination': '/t', 'type': 'tmpfs', 'source': 'tmpfs',"
	        "  'options': ['nosuid', 'size=64k', 'ro', 'nr_inodes=5', 'rw', 'noexec', 'x']}]");
	const struct spec_mount *mount = &spec.mounts[0];

	(void)state;
	assert_int_equal(spec.n_mounts, 1);
	assert_string_equal(mount->type, "tmpfs");
	assert_false(mount->bind || mount->recursive || mount->cgroup);
	assert_int_equal(mount->attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC); /* "rw" took "ro" back */
	assert_string_equal(mount->data[0], "size=64k");
	assert_string_equal(mount->data[1], "nr_inodes=5");
	assert_string_equal(mount->data[2], "x");
	assert_null(mount->data[3]);
	spec_release(&spec);
}

static void test_bind(void **state)
{
	struct spec spec = sample_accepted("mounts",
	        "[{'destination': '/a', 'type': 'bind', 'source': '/x'},"
	        " {'destination': '/b', 'source': '/x', 'options': ['rbind', 'ro', 'rslave']},"
	        " {'destination': '/c', 'type': 'none', 'source': '/x', 'options': ['bind', 'rro']}]");

	(void)state;
	assert_true(spec.mounts[0].bind && !spec.mounts[0].recursive);
	assert_true(spec.mounts[1].bind && spec.mounts[1].recursive);
	assert_int_equal(spec.mounts[1].attr_set, MOUNT_ATTR_RDONLY);
	assert_int_equal(spec.mounts[1].propagation, MS_SLAVE);
	assert_true(spec.mounts[2].bind && spec.mounts[2].recursive);
	assert_int_equal(spec.mounts[2].attr_set, MOUNT_ATTR_RDONLY);
	spec_release(&spec);
}

static void test_control_group_is_version_2_whatever_is_asked(void **state)
{
	struct spec spec = sample_accepted(
	        "mounts", "[{'destination': '/sys/fs/cgroup', 'type': 'cgroup', 'options': ['ro']}]");

	(void)state;
	assert_true(spec.mounts[0].cgroup);
	assert_string_equal(spec.mounts[0].type, "cgroup2");
	spec_release(&spec);
}

static void test_proc_is_mounted_by_its_own_name_only(void **state)
{
	struct spec spec = sample_accepted("mounts",
	        "[{'destination': '/proc', 'type': 'proc'}, {'destination': '/procfs', 'type': 'tmpfs'}]");

	(void)state;
	assert_int_equal(spec.n_mounts, 2);
	spec_release(&spec);
}

/* Each is a mount that would be the only one. */
static void test_refused(void **state)
{
	static const struct {
		const char *mount;
		int code;
		const char *word;
	} faults[] = {
		{ "5", EINVAL, "destination" },
		{ "{'type': 'tmpfs'}", EINVAL, "destination" },
		{ "{'destination': 't', 'type': 'tmpfs'}", EINVAL, "absolute" },
		{ "{'destination': '/t/../u', 'type': 'tmpfs'}", EINVAL, ".." },
		{ "{'destination': '/t/..', 'type': 'tmpfs'}", EINVAL, ".." },
		{ "{'destination': '/', 'type': 'tmpfs'}", EINVAL, "root" },
		{ "{'destination': '//', 'type': 'tmpfs'}", EINVAL, "destination" },
		{ "{'destination': '/.', 'type': 'tmpfs'}", EINVAL, "destination" },
		{ "{'destination': '/a/./b', 'type': 'tmpfs'}", EINVAL, "destination" },
		{ "{'destination': '/a//b', 'type': 'tmpfs'}", EINVAL, "destination" },
		{ "{'destination': '/a/', 'type': 'tmpfs'}", EINVAL, "destination" },
		/* CVE-2019-16884, 2023-27561: and every other way to write the same. */
		{ "{'destination': '/proc', 'type': 'tmpfs'}", EINVAL, "/proc" },
		{ "{'destination': '/proc', 'type': 'bind', 'source': '/x'}", EINVAL, "/proc" },
		{ "{'destination': '/proc', 'type': 'proc', 'source': '/x', 'options': ['bind']}", EINVAL,
		        "/proc" },
		{ "{'destination': '/proc/sys', 'type': 'proc'}", EINVAL, "/proc" },
		{ "{'destination': '//proc', 'type': 'tmpfs'}", EINVAL, "destination" },
		{ "{'destination': '/./proc', 'type': 'tmpfs'}", EINVAL, "destination" },
		{ "{'destination': '/proc/.', 'type': 'tmpfs'}", EINVAL, "destination" },
		{ "{'destination': '/t', 'type': 'ext4', 'source': '/dev/sda'}", EOPNOTSUPP, "ext4" },
		{ "{'destination': '/t', 'type': 'cgroup2'}", EOPNOTSUPP, "cgroup2" },
		{ "{'destination': '/t'}", EOPNOTSUPP, "none" },
		{ "{'destination': '/t', 'type': 5}", EOPNOTSUPP, "none" },
		{ "{'destination': '/t', 'type': 'bind'}", EINVAL, "source" },
		{ "{'destination': '/t', 'type': 'bind', 'source': 'x'}", EINVAL, "source" },
		{ "{'destination': '/t', 'type': 'bind', 'source': 5}", EINVAL, "source" },
		{ "{'destination': '/t', 'type': 'bind', 'source': '/x', 'options': ['nosuidx']}", EINVAL,
		        "nosuidx" },
		{ "{'destination': '/t', 'type': 'tmpfs', 'options': 'ro'}", EINVAL, "/t" },
		{ "{'destination': '/t', 'type': 'tmpfs', 'options': [5]}", EINVAL, "/t" },
		{ "{'destination': '/t', 'type': 'bind', 'source': '/x', 'uidMappings': [{'size': 1}]}",
		        EOPNOTSUPP, "mappings" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(faults); i++) {
		char value[256];

		(void)snprintf(value, sizeof(value), "[%s]", faults[i].mount);
		sample_refused("mounts", value, faults[i].code, faults[i].word);
	}
}

static void test_number_of_mounts(void **state)
{
	static const char item[] = "{'destination': '/t', 'type': 'tmpfs'}";
	const size_t length = sizeof(item);
	cleanup_free char *text = malloc((SPEC_MOUNTS_MAX + 1) * length + 3);

	(void)state;
	assert_non_null(text);
	for (size_t count = SPEC_MOUNTS_MAX; count <= SPEC_MOUNTS_MAX + 1; count++) {
		text[0] = '[';
		for (size_t i = 0; i < count; i++) {
			memcpy(text + 1 + i * length, item, length - 1);
			text[(i + 1) * length] = i + 1 < count ? ',' : ']';
		}
		text[1 + count * length] = '\0';
		if (count <= SPEC_MOUNTS_MAX) {
			struct spec spec = sample_accepted("mounts", text);

			spec_release(&spec);
		} else {
			sample_refused("mounts", text, EINVAL, "limit");
		}
	}
}

/* What was decoded before a fault is released: the sanitizer's business. */
static void test_fault_after_good_ones(void **state)
{
	(void)state;
	sample_refused("mounts",
	        "[{'destination': '/a', 'type': 'tmpfs', 'options': ['size=1']},"
	        " {'destination': '/b', 'type': 'tmpfs', 'options': ['size=1', 5]}]",
	        EINVAL, "/b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_system),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_control_group_is_version_2_whatever_is_asked),
		cmocka_unit_test(test_proc_is_mounted_by_its_own_name_only),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_number_of_mounts),
		cmocka_unit_test(test_fault_after_good_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
