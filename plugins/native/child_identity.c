/* SPDX-License-Identifier: Apache-2.0 */
/* Who the program is and what it may do: resource limits, users, capabilities(7). */
#include "plugins/native/child.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITIES_MAX 64

int child_limits(const struct spec *spec, struct baton_error *err)
{
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		const struct spec_rlimit *limit = &spec->rlimits[i];

		if (setrlimit((__rlimit_resource_t)limit->resource, &limit->limit) < 0)
			return error_errno(err, errno, "%s soft %llu hard %llu", limit->name,
			        (unsigned long long)limit->limit.rlim_cur,
			        (unsigned long long)limit->limit.rlim_max);
	}
	return 0;
}

/* PR_CAPBSET_DROP ends with EINVAL at the first number this kernel does not have. */
static int drop_bounding(uint64_t keep, struct baton_error *err)
{
	for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
		if (keep & (UINT64_C(1) << i))
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				return 0;
			return error_errno(err, errno, "bounding capability %u", i);
		}
	}
	return 0;
}

static int set_users(const struct spec *spec, struct baton_error *err)
{
	/*
	 * Exactly these groups, none of the daemon's (CVE-2022-36109). Not the raw calls: on 32-bit machines
	 * those names are the calls of 16-bit ids, which make 65536 root. glibc tells its other threads, and
	 * this process has none.
	 */
	if (setgroups(spec->n_groups, spec->groups) < 0)
		return error_errno(err, errno, "supplementary groups");
	if (setresgid(spec->gid, spec->gid, spec->gid) < 0)
		return error_errno(err, errno, "group %u", spec->gid);
	if (setresuid(spec->uid, spec->uid, spec->uid) < 0)
		return error_errno(err, errno, "user %u", spec->uid);
	return 0;
}

static int set_capabilities(const struct spec *spec, struct baton_error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].effective = (uint32_t)(spec->effective >> (32 * i));
		data[i].permitted = (uint32_t)(spec->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(spec->inheritable >> (32 * i));
	}
	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno, "capabilities");
	for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
		if (!(spec->ambient & (UINT64_C(1) << i)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return error_errno(err, errno, "ambient capability %u", i);
	}
	return 0;
}

int child_identity(const struct spec *spec, struct baton_error *err)
{
	int r = drop_bounding(spec->bounding, err);

	/* Keeps the permitted set over the change of users, so that it can be cut to size afterwards. */
	if (r == 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		r = error_errno(err, errno, "PR_SET_KEEPCAPS");
	if (r == 0)
		r = set_users(spec, err);
	if (r == 0)
		r = set_capabilities(spec, err);
	if (r == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		r = error_errno(err, errno, "PR_SET_KEEPCAPS");
	return r;
}
