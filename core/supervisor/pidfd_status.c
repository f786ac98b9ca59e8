/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/pidfd_status.h"

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/pidfd.h"
#include "core/base/process.h"

/* linux/pidfd.h of 6.15; Debian 12's headers (6.1) do not have it. */
struct info {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define GET_INFO  _IOWR(0xFF, 11, struct info)
#define INFO_EXIT (UINT64_C(1) << 3)

static struct pidfd_status decode(int status)
{
	if (WIFSIGNALED(status))
		return (struct pidfd_status){ .code = 128 + WTERMSIG(status), .signal = WTERMSIG(status) };
	return (struct pidfd_status){ .code = WEXITSTATUS(status) };
}

int pidfd_status_wait(int pidfd, struct pidfd_status *ret_status)
{
	siginfo_t info;
	int r = pidfd_reap(pidfd, &info);

	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	if (info.si_code == CLD_EXITED)
		*ret_status = (struct pidfd_status){ .code = info.si_status };
	else
		*ret_status = (struct pidfd_status){ .code = 128 + info.si_status, .signal = info.si_status };
	return 0;
}

int pidfd_status_foreign(int pidfd, struct pidfd_status *ret_status)
{
	struct info info = { .mask = INFO_EXIT };

	if (ioctl(pidfd, GET_INFO, &info) < 0)
		return errno == ESRCH ? -EAGAIN : -EOPNOTSUPP;
	if (!(info.mask & INFO_EXIT))
		return -EAGAIN;
	*ret_status = decode(info.exit_code);
	return 0;
}

int pidfd_open_checked(int pid, unsigned long long start_time)
{
	unsigned long long now;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return -1;
	/* Open first, then compare: from here on the number cannot be reused for another process behind our
	 * back. */
	if (process_start_time(pid, &now) < 0 || now != start_time) {
		(void)close(fd);
		return -1;
	}
	return fd;
}
