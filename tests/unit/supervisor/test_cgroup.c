/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups on the kernel of this host, each test below a parent of its own: on all hierarchies, on the
 * v1 ones alone and on the v2 one alone. Needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/supervisor/cgroup-priv.h"

#define MEMORY_LIMIT (INT64_C(32) * 1024 * 1024)

static const struct cgroup_device null_only[] = { { 'c', 1, 3, "rwm" } };

static const struct cgroup_limits no_limits = { .devices = null_only, .n_devices = 1 };

static const struct cgroup_limits all_limits = {
	.memory = MEMORY_LIMIT,
	.cpu = 250,
	.pids = 17,
	.devices = null_only,
	.n_devices = 1,
};

struct fixture {
	char parent[64];
	struct cgroup_root *root;
	struct cgroup_place places[HIERARCHIES_MAX];
	size_t n_places;
};

/* ---- helpers ---- */

static int setup_places(struct fixture *fixture)
{
	static int number;
	struct baton_error err;

	assert_int_equal(geteuid(), 0);
	(void)snprintf(
	        fixture->parent, sizeof(fixture->parent), "baton-test-%d/p%d", (int)getpid(), ++number);
	return cgroup_discover(fixture->places, &fixture->n_places, &err);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct baton_error err = { 0 };

	*state = fixture;
	if (!fixture || setup_places(fixture) < 0)
		return -1;
	if (cgroup_root_new(fixture->parent, &fixture->root, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.message);
	return -1;
}

/* Only the v2 hierarchy of the host, so that no v1 file can do the work. */
static int setup_v2(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct baton_error err;

	*state = fixture;
	if (!fixture || setup_places(fixture) < 0)
		return -1;
	for (size_t i = 0; i < fixture->n_places; i++) {
		if (fixture->places[i].v2) {
			fixture->places[0] = fixture->places[i];
			fixture->n_places = 1;
			return cgroup_root_build(fixture->places, 1, fixture->parent, &fixture->root, &err);
		}
	}
	fprintf(stderr, "this host has no cgroup2 mount\n");
	return -1;
}

/* Only the v1 hierarchies, as on a host without cgroup2. */
static int setup_v1(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct baton_error err;

	*state = fixture;
	if (!fixture || setup_places(fixture) < 0)
		return -1;
	if (fixture->n_places > 0 && fixture->places[fixture->n_places - 1].v2)
		fixture->n_places--;
	return cgroup_root_build(fixture->places, fixture->n_places, fixture->parent, &fixture->root, &err);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char *slash;
	int failed = 0;

	cgroup_root_free(fixture->root);
	for (size_t i = 0; i < fixture->n_places; i++) {
		cleanup_close int mount = open(fixture->places[i].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		slash = strchr(fixture->parent, '/');
		/* No recursion: a group that a test left behind makes the test fail. */
		if (unlinkat(mount, fixture->parent, AT_REMOVEDIR) < 0)
			failed = -1;
		*slash = '\0';
		(void)unlinkat(mount, fixture->parent, AT_REMOVEDIR); /* shared with the next test */
		*slash = '/';
	}
	free(fixture);
	return failed;
}

static struct cgroup_group *create(
        struct fixture *fixture, const char *name, const struct cgroup_limits *limits)
{
	struct cgroup_group *group = NULL;
	struct baton_error err = { 0 };
	bool unenforced = true;
	int r = cgroup_create(fixture->root, name, limits, &group, &unenforced, &err);

	if (r < 0)
		fail_msg("%s", err.message);
	assert_int_equal(unenforced, *cgroup_missing(fixture->root) != NULL && limits == &all_limits);
	return group;
}

static void join(const struct cgroup_group *group)
{
	const struct baton_cgroup *view = cgroup_view(group);

	for (size_t i = 0; i < view->n_procs_fds; i++) {
		if (write(view->procs_fds[i], "0", 1) != 1)
			_exit(100);
	}
}

/* A member that runs fn; returns when it has joined. */
static pid_t spawn(const struct cgroup_group *group, void (*fn)(void))
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_return_code(pipe2(fds, O_CLOEXEC), errno);
	pid = fork();
	if (pid == 0) {
		join(group);
		(void)!write(fds[1], "x", 1);
		fn();
		_exit(0);
	}
	assert_true(pid > 0);
	close_fd(&fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close_fd(&fds[0]);
	return pid;
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static int wait_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The kernel takes the last process out of its groups a moment after it can be waited for. */
static int remove_soon(struct cgroup_group *group)
{
	int r = -EBUSY;

	for (int i = 0; i < 500 && r == -EBUSY; i++) {
		r = cgroup_remove(group);
		if (r == -EBUSY)
			(void)usleep(10000);
	}
	return r;
}

static bool in_v1(const struct fixture *fixture, enum controller controller, char path[static PATH_MAX])
{
	for (size_t i = 0; i < fixture->n_places; i++) {
		if (fixture->places[i].controllers & CONTROLLER_BIT(controller)) {
			return snprintf(path, PATH_MAX, "%s/%s", fixture->places[i].path, fixture->parent) <
			       PATH_MAX;
		}
	}
	return false;
}

static const char *v2_path(const struct fixture *fixture)
{
	const struct cgroup_place *last = &fixture->places[fixture->n_places - 1];

	return last->v2 ? last->path : NULL;
}

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

/* ---- on the host's hierarchies ---- */

static void test_limits_are_in_the_files(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_group *group = create(fixture, "a.b.1.abcdef", &all_limits);
	static const struct {
		enum controller controller;
		const char *v1, *v1_value, *v2, *v2_value;
	} cases[] = {
		{ CONTROLLER_MEMORY, "memory.limit_in_bytes", "33554432", "memory.max", "33554432" },
		{ CONTROLLER_CPU, "cpu.cfs_quota_us", "25000", "cpu.max", "25000 100000" },
		{ CONTROLLER_PIDS, "pids.max", "17", "pids.max", "17" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		char path[PATH_MAX];
		bool v1 = in_v1(fixture, cases[i].controller, path);

		if (!v1)
			(void)snprintf(path, sizeof(path), "%s/%s", v2_path(fixture), fixture->parent);
		(void)strncat(path, "/a.b.1.abcdef", sizeof(path) - strlen(path) - 1);
		assert_file(path, v1 ? cases[i].v1 : cases[i].v2, v1 ? cases[i].v1_value : cases[i].v2_value);
	}
	assert_return_code(cgroup_remove(group), errno);
	cgroup_group_free(group);
}

static void test_view(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_group *group = create(fixture, "x", &no_limits);
	const struct baton_cgroup *view = cgroup_view(group);

	assert_int_equal(view->n_procs_fds, fixture->n_places);
	assert_int_equal(view->dir_fd >= 0, v2_path(fixture) != NULL);
	for (size_t i = 0; i < view->n_procs_fds; i++)
		assert_true(fcntl(view->procs_fds[i], F_GETFD) & FD_CLOEXEC);
	cgroup_close_view(group);
	assert_int_equal(view->n_procs_fds, 0);
	assert_int_equal(view->dir_fd, -1);
	assert_return_code(cgroup_remove(group), errno);
	cgroup_group_free(group);
}

static void test_exists(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_group *group = create(fixture, "x", &no_limits);
	struct cgroup_group *other = NULL;
	struct baton_error err;
	bool unenforced;

	assert_int_equal(cgroup_create(fixture->root, "x", &no_limits, &other, &unenforced, &err), -EEXIST);
	assert_int_equal(cgroup_open_existing(fixture->root, "y", &other, &err), -ENOENT);
	assert_return_code(cgroup_open_existing(fixture->root, "x", &other, &err), errno);
	assert_int_equal(cgroup_view(other)->n_procs_fds, 0);
	assert_return_code(cgroup_remove(other), errno);
	assert_return_code(cgroup_remove(other), errno); /* again: nothing left is fine */
	cgroup_group_free(other);
	cgroup_group_free(group);
}

/* What a crash half-way through leaves: the group is found although it is in one hierarchy only. */
static void test_partial_group(void **state)
{
	struct fixture *fixture = *state;
	const struct cgroup_hierarchy *last = &fixture->root->hierarchies[fixture->root->n_hierarchies - 1];
	struct cgroup_group *group = NULL;
	cleanup_strv char **names = NULL;
	struct baton_error err;
	bool unenforced;

	assert_return_code(mkdirat(last->parent_fd, "half", 0755), errno);
	assert_int_equal(
	        cgroup_create(fixture->root, "half", &no_limits, &group, &unenforced, &err), -EEXIST);
	assert_return_code(cgroup_list(fixture->root, &names), errno);
	assert_int_equal(strv_length(names), 1);
	assert_string_equal(names[0], "half");
	assert_return_code(cgroup_open_existing(fixture->root, "half", &group, &err), errno);
	assert_return_code(cgroup_kill(group), errno);
	assert_return_code(cgroup_remove(group), errno);
	cgroup_group_free(group);
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".hidden", "a/b", "a\nb" };
	struct fixture *fixture = *state;
	struct cgroup_group *group = NULL;
	struct cgroup_root *root = NULL;
	struct baton_error err;
	bool unenforced;
	char long_name[NAME_MAX + 2];

	for (size_t i = 0; i < array_size(bad); i++) {
		assert_int_equal(
		        cgroup_create(fixture->root, bad[i], &no_limits, &group, &unenforced, &err), -EINVAL);
		assert_int_equal(cgroup_open_existing(fixture->root, bad[i], &group, &err), -EINVAL);
	}
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(
	        cgroup_create(fixture->root, long_name, &no_limits, &group, &unenforced, &err), -EINVAL);
	assert_int_equal(cgroup_root_new("", &root, &err), -EINVAL);
	assert_int_equal(cgroup_root_new("../x", &root, &err), -EINVAL);
	assert_int_equal(cgroup_root_new("/x", &root, &err), -EINVAL);
	assert_int_equal(cgroup_root_new("x/", &root, &err), -EINVAL);
}

/* The most processes of all hierarchies; 0 without the group. */
static int members(const struct fixture *fixture, const char *name)
{
	int most = 0;

	for (size_t i = 0; i < fixture->root->n_hierarchies; i++) {
		cleanup_close int fd = openat(
		        fixture->root->hierarchies[i].parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int count = fd < 0 ? 0 : cgroup_walk_count(fd);

		most = count > most ? count : most;
	}
	return most;
}

static void test_kill_and_remove(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_group *group = create(fixture, "x", &no_limits);
	pid_t pids[3];

	assert_int_equal(members(fixture, "x"), 0);
	for (size_t i = 0; i < array_size(pids); i++)
		pids[i] = spawn(group, sleep_for_ever);
	assert_int_equal(members(fixture, "x"), 3);
	assert_int_equal(cgroup_remove(group), -EBUSY);
	assert_int_equal(members(fixture, "x"), 3); /* the refused removal has moved nobody */
	assert_return_code(cgroup_kill(group), errno);
	for (size_t i = 0; i < array_size(pids); i++)
		assert_int_equal(WTERMSIG(wait_status(pids[i])), SIGKILL);
	assert_return_code(remove_soon(group), errno);
	assert_int_equal(members(fixture, "x"), 0);
	assert_return_code(cgroup_kill(group), errno);
	cgroup_group_free(group);
}

static void fork_for_ever(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid < 0)
			(void)usleep(1000);
	}
}

/* Every generation forks before the signal arrives; nothing may be left. */
static void test_kill_fork_bomb(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_limits limits = no_limits;
	struct cgroup_group *group = NULL;
	struct baton_error err;
	bool unenforced;
	pid_t pid;
	int r = -EBUSY;

	limits.pids = 40;
	assert_return_code(cgroup_create(fixture->root, "bomb", &limits, &group, &unenforced, &err), errno);
	if (unenforced) { /* nothing to stop it with: a bomb of our own would hit the host */
		assert_return_code(cgroup_remove(group), errno);
		cgroup_group_free(group);
		return;
	}
	pid = spawn(group, fork_for_ever);
	(void)usleep(50000);
	assert_true(members(fixture, "bomb") > 1);
	for (int i = 0; i < 100 && r == -EBUSY; i++) {
		assert_return_code(cgroup_kill(group), errno);
		(void)usleep(10000);
		(void)waitpid(pid, NULL, WNOHANG);
		r = cgroup_remove(group);
	}
	assert_int_equal(r, 0);
	cgroup_group_free(group);
}

static void test_groups_below(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_group *group = create(fixture, "x", &no_limits);

	for (size_t i = 0; i < fixture->root->n_hierarchies; i++) {
		int parent = fixture->root->hierarchies[i].parent_fd;

		assert_return_code(mkdirat(parent, "x/inner", 0755), errno);
		assert_return_code(mkdirat(parent, "x/inner/deep", 0755), errno);
	}
	assert_return_code(cgroup_remove(group), errno);
	cgroup_group_free(group);
}

static void eat_memory(void)
{
	size_t size = (size_t)MEMORY_LIMIT * 2;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(101);
	memset(memory, 1, size);
}

static void test_oom(void **state)
{
	struct fixture *fixture = *state;
	const struct cgroup_limits limits = { .memory = MEMORY_LIMIT, .devices = null_only, .n_devices = 1 };
	struct cgroup_group *group = NULL;
	struct baton_error err;
	bool unenforced;
	pid_t pid;

	assert_return_code(cgroup_create(fixture->root, "x", &limits, &group, &unenforced, &err), errno);
	assert_false(cgroup_oom_killed(group));
	if (!unenforced) {
		pid = spawn(group, eat_memory);
		assert_int_equal(WTERMSIG(wait_status(pid)), SIGKILL);
		assert_true(cgroup_oom_killed(group));
	}
	assert_return_code(remove_soon(group), errno);
	assert_false(cgroup_oom_killed(group)); /* gone with the group, and no failure */
	cgroup_group_free(group);
}

static void open_devices(void)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	_exit(null_fd < 0 ? 1 : zero_fd >= 0 ? 2 : errno == EPERM ? 0 : 3);
}

static void test_devices(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_group *group = create(fixture, "x", &no_limits);
	int status = wait_status(spawn(group, open_devices));

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_return_code(remove_soon(group), errno);
	cgroup_group_free(group);
}

static void open_partly(void)
{
	/* reading is allowed for every minor of major 1, writing only for null, and nothing for major 5 */
	bool ok = open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 &&
	          open("/dev/zero", O_RDONLY | O_CLOEXEC) >= 0 && open("/dev/zero", O_RDWR | O_CLOEXEC) < 0 &&
	          open("/dev/zero", O_WRONLY | O_CLOEXEC) < 0 && open("/dev/ptmx", O_RDWR | O_CLOEXEC) < 0;

	_exit(ok ? 0 : 1);
}

static void test_device_access_and_wildcards(void **state)
{
	static const struct cgroup_device rules[] = { { 'b', -1, -1, "rwm" }, { 'c', 1, 3, "rw" },
		{ 'c', 1, -1, "r" } };
	struct fixture *fixture = *state;
	const struct cgroup_limits limits = { .devices = rules, .n_devices = array_size(rules) };
	struct cgroup_group *group = create(fixture, "x", &limits);

	assert_int_equal(wait_status(spawn(group, open_partly)), 0);
	assert_return_code(remove_soon(group), errno);
	cgroup_group_free(group);
}

static void test_list(void **state)
{
	struct fixture *fixture = *state;
	struct cgroup_group *a = create(fixture, "a", &no_limits);
	struct cgroup_group *b = create(fixture, "b", &no_limits);
	cleanup_strv char **names = NULL;
	cleanup_strv char **none = NULL;

	assert_return_code(cgroup_list(fixture->root, &names), errno);
	assert_int_equal(strv_length(names), 2);
	assert_true(strv_contains(names, "a") && strv_contains(names, "b"));
	assert_return_code(cgroup_remove(a), errno);
	assert_return_code(cgroup_remove(b), errno);
	cgroup_group_free(a);
	cgroup_group_free(b);
	assert_return_code(cgroup_list(fixture->root, &none), errno);
	assert_int_equal(strv_length(none), 0);
}

static int count_descriptors(void)
{
	cleanup_dir DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	return count;
}

static void test_no_descriptor_leaks(void **state)
{
	struct fixture *fixture = *state;
	int before = 0;

	for (int i = 0; i < 20; i++) {
		struct cgroup_group *group = create(fixture, "x", &all_limits);

		(void)cgroup_oom_killed(group);
		assert_int_equal(members(fixture, "x"), 0);
		assert_return_code(cgroup_kill(group), errno);
		assert_return_code(cgroup_remove(group), errno);
		cgroup_group_free(group);
		if (i == 0)
			before = count_descriptors(); /* the first group loads the device program, which is
			                                 kept */
	}
	assert_int_equal(count_descriptors(), before);
}

static void test_mode(void **state)
{
	struct fixture *fixture = *state;
	const char *expected = !v2_path(fixture) ? "v1" : fixture->n_places > 1 ? "hybrid" : "v2";

	assert_string_equal(cgroup_mode(fixture->root), expected);
}

#define HOST_TEST(name, mode) cmocka_unit_test_setup_teardown(name, mode, teardown)
#define MODE_TESTS(mode)                                                                                     \
	HOST_TEST(test_view, mode), HOST_TEST(test_exists, mode), HOST_TEST(test_partial_group, mode),       \
	        HOST_TEST(test_kill_and_remove, mode), HOST_TEST(test_kill_fork_bomb, mode),                 \
	        HOST_TEST(test_groups_below, mode), HOST_TEST(test_devices, mode),                           \
	        HOST_TEST(test_device_access_and_wildcards, mode), HOST_TEST(test_list, mode),               \
	        HOST_TEST(test_no_descriptor_leaks, mode), HOST_TEST(test_mode, mode)

static bool has_v1(void)
{
	struct cgroup_place places[HIERARCHIES_MAX];
	struct baton_error err;
	size_t n_places = 0;

	return cgroup_discover(places, &n_places, &err) == 0 && n_places > 0 && !places[0].v2;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST_TEST(test_limits_are_in_the_files, setup),
		HOST_TEST(test_names, setup),
		HOST_TEST(test_oom, setup),
		MODE_TESTS(setup),
		MODE_TESTS(setup_v2),
	};
	const struct CMUnitTest tests_v1[] = { MODE_TESTS(setup_v1) };

	return cmocka_run_group_tests(tests, NULL, NULL) +
	       (has_v1() ? cmocka_run_group_tests(tests_v1, NULL, NULL) : 0);
}
