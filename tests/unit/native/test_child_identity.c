/* SPDX-License-Identifier: Apache-2.0 */
/* Who the child becomes: also the numbers that the 16-bit system calls of 32-bit machines would cut. */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugins/native/child.h"

#define GROUPS_ROOM 8

/* What the kernel says of the process after child_identity(). */
struct identity {
	int result;
	uid_t uids[3];
	gid_t gids[3];
	int n_groups;
	gid_t groups[GROUPS_ROOM];
};

static struct identity look(int result)
{
	struct identity found = { .result = result };

	if (getresuid(&found.uids[0], &found.uids[1], &found.uids[2]) < 0 ||
	        getresgid(&found.gids[0], &found.gids[1], &found.gids[2]) < 0)
		found.result = -errno;
	found.n_groups = getgroups(GROUPS_ROOM, found.groups);
	return found;
}

static struct identity become(const struct spec *spec)
{
	struct identity found = { 0 };
	int ends[2];
	int status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct baton_error err;

		found = look(child_identity(spec, &err));
		_exit(write(ends[1], &found, sizeof(found)) != (ssize_t)sizeof(found));
	}
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &found, sizeof(found)), sizeof(found));
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return found;
}

static void assert_becomes(uint32_t uid, uint32_t gid, uint32_t group)
{
	const struct spec spec = {
		.uid = uid, .gid = gid, .groups = { group, 27 }, .n_groups = 2, .bounding = UINT64_MAX
	};
	struct identity found = become(&spec);

	assert_int_equal(found.result, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(found.uids[i], uid);
		assert_int_equal(found.gids[i], gid);
	}
	assert_int_equal(found.n_groups, 2);
	/* The kernel sorts them. */
	assert_true(found.groups[0] == group || found.groups[1] == group);
	assert_true(found.groups[0] == 27 || found.groups[1] == 27);
}

static void small_numbers(void **state)
{
	(void)state;
	assert_becomes(1000, 1001, 44);
}

/* In 16 bits these are 0, "leave it as it is", and other users. */
static void numbers_above_16_bits(void **state)
{
	(void)state;
	assert_becomes(65535, 65535, 65535);
	assert_becomes(65536, 65536, 65536);
	assert_becomes(70000, 70001, 70002);
	assert_becomes(INT32_MAX, INT32_MAX, INT32_MAX);
}

static void no_groups(void **state)
{
	const struct spec spec = { .uid = 1000, .gid = 1000, .bounding = UINT64_MAX };

	(void)state;
	assert_int_equal(become(&spec).n_groups, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_numbers),
		cmocka_unit_test(numbers_above_16_bits),
		cmocka_unit_test(no_groups),
	};

	if (geteuid() != 0) {
		(void)fputs("test_native_child_identity: skipped: only root can change users\n", stderr);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
