/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/become.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int drop_bounding_set(void)
{
	/* EINVAL: one above the kernel's last capability. */
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

/* The change of user has emptied permitted and effective; inheritable survives it. */
static int clear_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/*
 * A child inherits the score that protects root's daemon; only that one is raised, as lowering takes
 * CAP_SYS_RESOURCE. On a kernel or in a sandbox where it cannot be told the child is no worse for it.
 */
static void reset_oom_score(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char sign = '0';

	if (fd < 0)
		return;
	if (pread(fd, &sign, 1, 0) == 1 && sign == '-')
		(void)!pwrite(fd, "0", 1, 0);
	(void)close(fd);
}

int become_prepare(void *arg)
{
	const struct become *become = arg;
	int r = drop_bounding_set();

	if (r < 0)
		return r;
	reset_oom_score();
	if (setgroups(0, NULL) < 0 || setresgid(become->gid, become->gid, become->gid) < 0 ||
	        setresuid(become->uid, become->uid, become->uid) < 0)
		return -errno;
	r = clear_capabilities();
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (become->parent_death_signal == 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, become->parent_death_signal, 0, 0, 0) < 0)
		return -errno;
	return getppid() == become->parent ? 0 : -ESRCH; /* it died before the signal was armed */
}
