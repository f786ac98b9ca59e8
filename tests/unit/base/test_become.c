/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/become.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define USER      70000
#define GROUP     70001
#define OOM_SCORE "/proc/self/oom_score_adj"

/* Exit status of a child that has become another user, if `look` likes what it sees. */
static int become_and(int (*prepare)(const char *file), const char *file, int (*look)(void))
{
	struct become become = { .uid = USER, .gid = GROUP };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (prepare && prepare(file) < 0)
			_exit(100);
		_exit(become_prepare(&become) < 0 ? 101 : look());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int look_at_identity(void)
{
	static const char *const lines[] = { "\nUid:\t70000\t70000\t70000\t70000\n",
		"\nGid:\t70001\t70001\t70001\t70001\n", "\nCapInh:\t0000000000000000\n",
		"\nCapPrm:\t0000000000000000\n", "\nCapEff:\t0000000000000000\n",
		"\nCapBnd:\t0000000000000000\n", "\nCapAmb:\t0000000000000000\n", "\nNoNewPrivs:\t1\n" };
	cleanup_free char *text = NULL;

	if (getgroups(0, NULL) != 0 || file_read_at(AT_FDCWD, "/proc/self/status", 8192, &text, NULL) < 0)
		return 1;
	for (size_t i = 0; i < array_size(lines); i++) {
		if (!strstr(text, lines[i]))
			return 2 + (int)i;
	}
	return 0;
}

static void test_nothing_of_root_is_left(void **state)
{
	(void)state;
	assert_int_equal(become_and(NULL, NULL, look_at_identity), 0);
}

/* A file in the place of the kernel's, as not every root may lower the real value. */
static int pretend(const char *file)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return mount(file, OOM_SCORE, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
}

static int look_at_nothing(void)
{
	return 0;
}

/* First characters of the value that was `before`. */
static void assert_score(const char *before, const char *after)
{
	char file[] = "/tmp/baton-become-XXXXXX";
	cleanup_close int fd = mkstemp(file);
	char text[16] = "";

	assert_true(fd >= 0);
	assert_int_equal(write(fd, before, strlen(before)), strlen(before));
	assert_int_equal(become_and(pretend, file, look_at_nothing), 0);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	(void)unlink(file);
	assert_memory_equal(text, after, strlen(after));
}

/* The protection of batond from the OOM killer is not its child's. */
static void test_oom_score_is_not_inherited(void **state)
{
	(void)state;
	assert_score("-500\n", "0");
	assert_score("-1000\n", "0");
}

/* To lower it takes CAP_SYS_RESOURCE, and whoever raised it meant it. */
static void test_oom_score_is_not_lowered(void **state)
{
	(void)state;
	assert_score("200\n", "200\n");
	assert_score("0\n", "0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_of_root_is_left),
		cmocka_unit_test(test_oom_score_is_not_inherited),
		cmocka_unit_test(test_oom_score_is_not_lowered),
	};

	if (geteuid() != 0) {
		(void)fputs("test_base_become: skipped: only root can become another user\n", stderr);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
