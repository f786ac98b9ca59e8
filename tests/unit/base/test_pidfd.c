/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/pidfd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"

/* A child that waits for a signal, or ends with `status`. */
static int child(int status)
{
	int pidfd = -1;
	pid_t pid = pidfd_clone(&pidfd);

	assert_true(pid >= 0);
	if (pid == 0) {
		while (status < 0)
			(void)pause();
		_exit(status);
	}
	assert_true(pidfd >= 0);
	return pidfd;
}

static int reap(int pidfd, siginfo_t *info)
{
	int r;

	while ((r = pidfd_reap(pidfd, info)) == 0)
		(void)usleep(1000);
	return r;
}

static void test_exit(void **state)
{
	cleanup_close int pidfd = child(7);
	siginfo_t info;

	(void)state;
	assert_int_equal(reap(pidfd, &info), 1);
	assert_int_equal(info.si_code, CLD_EXITED);
	assert_int_equal(info.si_status, 7);
	assert_int_equal(pidfd_reap(pidfd, &info), -ECHILD);
	assert_int_equal(pidfd_signal(pidfd, SIGTERM), -ESRCH);
}

static void test_signal(void **state)
{
	cleanup_close int pidfd = child(-1);
	siginfo_t info = { .si_code = 12345 };

	(void)state;
	assert_int_equal(pidfd_reap(pidfd, &info), 0);
	assert_int_equal(info.si_code, 12345); /* outputs only on success */
	assert_int_equal(pidfd_signal(pidfd, SIGTERM), 0);
	assert_int_equal(reap(pidfd, &info), 1);
	assert_int_equal(info.si_code, CLD_KILLED);
	assert_int_equal(info.si_status, SIGTERM);
}

static void test_end(void **state)
{
	cleanup_close int running = child(-1);
	cleanup_close int ended = child(0);
	siginfo_t info;

	(void)state;
	pidfd_end(running);
	pidfd_end(ended);
	/* It waits for a moment only, which a busy machine may need for more: then it is left to others. */
	assert_true(reap(running, &info) != 0);
	assert_true(reap(ended, &info) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
