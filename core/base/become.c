/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/become.h"

#include <errno.h>
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

int become_prepare(void *arg)
{
	const struct become *become = arg;
	int r = drop_bounding_set();

	if (r < 0)
		return r;
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
