/* SPDX-License-Identifier: Apache-2.0 */
/* The value files of control groups, both versions, on directories of plain files; the device program. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/supervisor/cgroup-priv.h"

#define MEMORY_LIMIT (INT64_C(32) * 1024 * 1024)

static const struct cgroup_device null_only[] = { { 'c', 1, 3, "rwm" } };

static const struct cgroup_limits all_limits = {
	.memory = MEMORY_LIMIT,
	.cpu = 250,
	.pids = 17,
	.devices = null_only,
	.n_devices = 1,
};

static void assert_file(const char *directory, const char *file, const char *expected)
{
	cleanup_free char *text = NULL;
	char path[PATH_MAX];

	assert_true((size_t)snprintf(path, sizeof(path), "%s/%s", directory, file) < sizeof(path));
	if (file_read_at(AT_FDCWD, path, 4096, &text, NULL) < 0)
		fail_msg("%s cannot be read", path);
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, expected);
}

static void write_file(int dir_fd, const char *name, const char *text)
{
	assert_return_code(file_replace_at(dir_fd, name, text, strlen(text), 0600, FILE_VOLATILE), errno);
}

static int fake_directory(char path[static PATH_MAX])
{
	int fd;

	(void)snprintf(path, PATH_MAX, "/tmp/baton-test-cgroup-XXXXXX");
	assert_non_null(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void fake_remove(char path[static PATH_MAX])
{
	assert_return_code(tree_remove_at(AT_FDCWD, path), errno);
}

static void test_v2_formats(void **state)
{
	static const char *const files[] = { "memory.max", "memory.swap.max", "cpu.max", "pids.max" };
	static const char *const values[] = { "33554432", "0", "25000 100000", "17" };
	char path[PATH_MAX];
	cleanup_close int fd = fake_directory(path);
	unsigned held = 0;
	struct baton_error err;

	(void)state;
	for (size_t i = 0; i < array_size(files); i++)
		write_file(fd, files[i], "");
	assert_return_code(
	        cgroup_limits_apply(fd, true, cgroup_limits_wanted(&all_limits), &all_limits, &held, &err),
	        errno);
	assert_int_equal(held, CONTROLLERS_ALL);
	for (size_t i = 0; i < array_size(files); i++)
		assert_file(path, files[i], values[i]);
	fake_remove(path);
}

static void test_v1_formats(void **state)
{
	static const char *const files[] = { "memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
		"cpu.cfs_period_us", "cpu.cfs_quota_us", "pids.max", "devices.deny", "devices.allow" };
	static const char *const values[] = { "33554432", "33554432", "100000", "25000", "17", "a",
		"c 1:3 rwm" };
	char path[PATH_MAX];
	cleanup_close int fd = fake_directory(path);
	unsigned held = 0;
	struct baton_error err;

	(void)state;
	for (size_t i = 0; i < array_size(files); i++)
		write_file(fd, files[i], "");
	assert_return_code(cgroup_limits_apply(fd, false, CONTROLLERS_ALL, &all_limits, &held, &err), errno);
	assert_int_equal(held, CONTROLLERS_ALL);
	for (size_t i = 0; i < array_size(files); i++)
		assert_file(path, files[i], values[i]);
	fake_remove(path);
}

/* A kernel without a value file: the limit is not held, and nothing fails. Swap files may be absent. */
static void test_lacking_files(void **state)
{
	char path[PATH_MAX];
	cleanup_close int fd = fake_directory(path);
	unsigned held = 0;
	struct baton_error err;

	(void)state;
	write_file(fd, "memory.max", "");
	assert_return_code(cgroup_limits_apply(fd, true,
	                           CONTROLLER_BIT(CONTROLLER_MEMORY) | CONTROLLER_BIT(CONTROLLER_CPU),
	                           &all_limits, &held, &err),
	        errno);
	assert_int_equal(held, CONTROLLER_BIT(CONTROLLER_MEMORY));
	fake_remove(path);
}

static void test_tiny_and_huge_cpu(void **state)
{
	static const struct {
		int64_t cpu;
		const char *value;
	} cases[] = { { 1, "1000 100000" }, { 10, "1000 100000" }, { 11, "1100 100000" },
		{ 2500, "250000 100000" }, { INT64_MAX, "819200000 100000" } };
	char path[PATH_MAX];
	cleanup_close int fd = fake_directory(path);
	struct baton_error err;

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		const struct cgroup_limits limits = { .cpu = cases[i].cpu };
		unsigned held = 0;

		write_file(fd, "cpu.max", "");
		assert_return_code(
		        cgroup_limits_apply(fd, true, CONTROLLER_BIT(CONTROLLER_CPU), &limits, &held, &err),
		        errno);
		assert_file(path, "cpu.max", cases[i].value);
	}
	fake_remove(path);
}

static void test_oom_formats(void **state)
{
	char path[PATH_MAX];
	cleanup_close int fd = fake_directory(path);

	(void)state;
	assert_int_equal(cgroup_limits_oom_kills(fd, true), 0);
	/* "oom" counts hits of the limit and "oom_group_kill" groups: neither is the number asked for. */
	write_file(fd, "memory.events", "low 0\nhigh 0\nmax 9\noom 8\noom_kill 7\noom_group_kill 6\n");
	assert_int_equal(cgroup_limits_oom_kills(fd, true), 7);
	write_file(fd, "memory.oom_control", "oom_kill_disable 0\nunder_oom 1\noom_kill 3\n");
	assert_int_equal(cgroup_limits_oom_kills(fd, false), 3);
	write_file(fd, "memory.oom_control", "oom_kill_disable 5\nunder_oom 0\n");
	assert_int_equal(cgroup_limits_oom_kills(fd, false), 0);
	write_file(fd, "memory.oom_control", "");
	assert_int_equal(cgroup_limits_oom_kills(fd, false), 0);
	fake_remove(path);
}

/* What a group below the parent gets is what the parent's subtree_control says, not what was asked for. */
static void test_v2_controllers(void **state)
{
	struct cgroup_place place = { .v2 = true };
	cleanup_close int fd = fake_directory(place.path);
	cleanup_close int parent = -1;
	struct cgroup_root *root = NULL;
	struct baton_error err;

	(void)state;
	write_file(fd, "cgroup.controllers", "cpuset cpu io hugetlb pids rdma misc\n");
	write_file(fd, "cgroup.subtree_control", "cpu\n");
	parent = dir_open_make_at(fd, "parent", 0755);
	assert_true(parent >= 0);
	write_file(parent, "cgroup.controllers", "cpu pids\n");
	write_file(parent, "cgroup.subtree_control", "cpu pids\n");
	assert_return_code(cgroup_root_build(&place, 1, "parent", &root, &err), errno);
	assert_string_equal(cgroup_mode(root), "v2");
	/* Asked for one by one; a plain file keeps the last write. */
	assert_file(place.path, "cgroup.subtree_control", "+pids");
	assert_int_equal(root->hierarchies[0].controllers & ~CONTROLLER_BIT(CONTROLLER_DEVICES),
	        CONTROLLER_BIT(CONTROLLER_CPU) | CONTROLLER_BIT(CONTROLLER_PIDS));
	assert_non_null(cgroup_missing(root)[0]);
	assert_memory_equal(cgroup_missing(root)[0], "memory: ", 8);
	cgroup_root_free(root);
	fake_remove(place.path);
}

static void test_device_program_limits(void **state)
{
	struct cgroup_device rules[CONFIG_CGROUP_DEVICES_MAX + 1];
	cleanup_close int most = -1;

	(void)state;
	for (size_t i = 0; i < array_size(rules); i++)
		rules[i] = (struct cgroup_device){ 'b', (int32_t)i, 0, "r" }; /* the longest rule */
	most = cgroup_device_bpf_load(rules, CONFIG_CGROUP_DEVICES_MAX);
	assert_true(most >= 0);
	assert_true(fcntl(most, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(cgroup_device_bpf_load(rules, CONFIG_CGROUP_DEVICES_MAX + 1), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v2_formats),
		cmocka_unit_test(test_v1_formats),
		cmocka_unit_test(test_lacking_files),
		cmocka_unit_test(test_tiny_and_huge_cpu),
		cmocka_unit_test(test_oom_formats),
		cmocka_unit_test(test_v2_controllers),
		cmocka_unit_test(test_device_program_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
