/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/pidfd.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_MS 100

pid_t pidfd_clone(int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)ret_pidfd, .exit_signal = SIGCHLD
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int pidfd_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int pidfd_reap(int pidfd, siginfo_t *ret_info)
{
	siginfo_t info = { 0 };

	if (waitid(PIDFD_WAIT, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0)
		return -errno;
	if (info.si_pid == 0)
		return 0;
	*ret_info = info;
	return 1;
}

void pidfd_end(int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	siginfo_t info;

	if (pidfd < 0)
		return;
	(void)pidfd_signal(pidfd, SIGKILL); /* ESRCH: it has ended */
	(void)poll(&ended, 1, END_MS);
	(void)pidfd_reap(pidfd, &info);
}
