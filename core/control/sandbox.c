/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/control/sandbox-priv.h"

#define FIRST_FD  3
#define NOFILE    512 /* one connection, followed logs, a resolver; each needs a few */
#define FSIZE_MAX (64U << 20)

static int drop_descriptors(int keep_fd)
{
	unsigned keep = keep_fd < 0 ? FIRST_FD - 1 : (unsigned)keep_fd;

	if (keep > FIRST_FD && close_range(FIRST_FD, keep - 1, 0) < 0)
		return -errno;
	return close_range(keep + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	/* Emptying the inheritable set empties the ambient one too, see capabilities(7). */
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

static int set_limits(void)
{
	static const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, NOFILE },
		{ RLIMIT_FSIZE, FSIZE_MAX },
		{ RLIMIT_MEMLOCK, 0 },
	};

	for (size_t i = 0; i < array_size(limits); i++) {
		struct rlimit limit;

		/* Lowering never needs a privilege; a limit that is lower already stays. */
		if (getrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			return -errno;
		if (limit.rlim_max > limits[i].value)
			limit.rlim_max = limits[i].value;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			return -errno;
	}
	return 0;
}

int sandbox_enter(const struct sandbox_spec *spec, bool *ret_landlock, struct baton_error *err)
{
	int landlock;
	int r;

	if (getuid() == 0 || geteuid() == 0)
		return error_set(err, EPERM,
		        "must not run as root: batond starts it as the user of its configuration file");
	r = drop_descriptors(spec->keep_fd);
	if (r < 0)
		return error_errno(err, -r, "closing inherited descriptors");
	r = drop_capabilities();
	if (r < 0)
		return error_errno(err, -r, "giving up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "no_new_privs");
	/* Nobody of the same user may attach to it or read its memory: the MQTT password is in there. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "dumpable");
	r = set_limits();
	if (r < 0)
		return error_errno(err, -r, "resource limits");
	landlock = sandbox_landlock(spec, err);
	if (landlock < 0)
		return landlock;
	r = sandbox_seccomp(err);
	if (r < 0)
		return r;
	*ret_landlock = landlock > 0;
	return 0;
}
