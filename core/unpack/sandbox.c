/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"

#ifndef UNPACK_ADDRESS_SPACE
/* zstd may ask for a window of 128 MiB; everything else needs a tenth of that. */
#define UNPACK_ADDRESS_SPACE (384ULL << 20)
#endif

#define CAP_BIT(capability) (1ULL << (capability))

/*
 * To give files their owner, mode, time and file capabilities, in directories of any owner. Not MKNOD: a
 * whiteout needs none since Linux 5.8. Not DAC_READ_SEARCH: open_by_handle_at(2) reaches any file of the file
 * system. Not SYS_ADMIN, which trusted.overlay.opaque would need: the trusted side writes that.
 */
#define CAPABILITIES                                                                                         \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |        \
	        CAP_BIT(CAP_SETFCAP))

static const struct {
	__rlimit_resource_t resource;
	rlim_t limit;
} resource_limits[] = {
	{ RLIMIT_CORE, 0 },
	{ RLIMIT_FSIZE, (rlim_t)CONFIG_IMAGE_BYTES_MAX_MIB << 20 },
	{ RLIMIT_AS, UNPACK_ADDRESS_SPACE },
	{ RLIMIT_NOFILE, 256 },
	{ RLIMIT_CPU, CONFIG_IMAGE_IMPORT_DEADLINE_S },
};

/*
 * Names that an architecture does not have are passed over: 32-bit ARM has the ones ending in 64 and 32.
 * sigaltstack is only for the sanitizers, and harmless.
 */
static const char *const allowed_calls[] = { "brk", "clock_gettime", "clock_gettime64", "close", "exit",
	"exit_group", "fadvise64", "fadvise64_64", "arm_fadvise64_64", "fchmod", "fchown", "fchown32",
	"fchownat", "fcntl", "fcntl64", "fsetxattr", "fstat", "fstat64", "fstatat64", "ftruncate",
	"ftruncate64", "futex", "futex_time64", "getdents64", "getpid", "getrandom", "gettid", "linkat",
	"lseek", "_llseek", "madvise", "mkdirat", "mknodat", "mremap", "munmap", "newfstatat", "openat",
	"openat2", "pread64", "pwrite64", "read", "restart_syscall", "rt_sigprocmask", "rt_sigreturn",
	"sched_yield", "sigaltstack", "statx", "symlinkat", "ugetrlimit", "unlinkat", "utimensat",
	"utimensat_time64", "write" };

/* Memory may be mapped, but never as code. */
static const char *const mapping_calls[] = { "mmap", "mmap2", "mprotect" };

static int limit_resources(struct baton_error *err)
{
	for (size_t i = 0; i < array_size(resource_limits); i++) {
		struct rlimit limit;

		if (getrlimit(resource_limits[i].resource, &limit) < 0)
			return error_errno(err, errno, "resource limit %d", (int)resource_limits[i].resource);
		/* Never up: that would need CAP_SYS_RESOURCE. */
		if (limit.rlim_max > resource_limits[i].limit)
			limit.rlim_max = resource_limits[i].limit;
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(resource_limits[i].resource, &limit) < 0)
			return error_errno(err, errno, "resource limit %d", (int)resource_limits[i].resource);
	}
	/* Then a file that is too large is EFBIG, with its path in the error, and not the end of the process.
	 */
	return signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? error_errno(err, errno, "SIGXFSZ") : 0;
}

/* A mount of its own for one directory: its ".." is itself, wherever the directory lies. Private, as
 * pivot_root(2) refuses a shared one and systemd shares all mounts. Descriptor or negative errno. */
static int detach(int fd, uint64_t attributes, const char *what, struct baton_error *err)
{
	struct mount_attr attr = { .attr_set = attributes | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		                               MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE };
	int tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return error_errno(err, errno, "%s: open_tree", what);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
		int code = errno;

		close_fd(&tree);
		return error_errno(err, code, "%s: mount_setattr", what);
	}
	return tree;
}

/* A source file needs nothing: openat(2) below it is ENOTDIR, and it was opened for reading. */
static int detach_source(int *source_fd, struct baton_error *err)
{
	struct stat status;
	int tree;

	if (fstat(*source_fd, &status) < 0)
		return error_errno(err, errno, "source");
	if (!S_ISDIR(status.st_mode))
		return 0;
	tree = detach(*source_fd, MOUNT_ATTR_RDONLY, "source", err);
	if (tree < 0)
		return tree;
	close_fd(source_fd);
	*source_fd = tree;
	return 0;
}

/*
 * Descriptors that were opened before unshare(2) belong to the mounts of the old namespace and can not be
 * cloned there any more, so the detached mounts are made first. The working directory, unlike them, moves
 * along.
 */
static int change_root(int *source_fd, int *work_fd, struct baton_error *err)
{
	cleanup_close int work = -1;
	int r = detach_source(source_fd, err);

	if (r < 0)
		return r;
	work = detach(*work_fd, 0, "work directory", err);
	if (work < 0)
		return work;
	if (fchdir(*work_fd) < 0)
		return error_errno(err, errno, "work directory");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0)
		return error_errno(err, errno, "namespaces");
	/* Nothing mounted or unmounted here may reach the node. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "private mounts");
	if (move_mount(work, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(work) < 0)
		return error_errno(err, errno, "work directory: move_mount");
	/* pivot_root(2): with both paths ".", the old root is stacked on the new one and can be taken off. */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(err, errno, "pivot_root");
	close_fd(work_fd);
	*work_fd = steal_fd(&work);
	return 0;
}

static int drop_capabilities(struct baton_error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };

	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
		if ((CAPABILITIES & CAP_BIT(capability)) == 0 &&
		        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return error_errno(err, errno, "capability %d", capability);
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_errno(err, errno, "ambient capabilities");
	data[0].effective = data[0].permitted = (uint32_t)CAPABILITIES;
	data[1].effective = data[1].permitted = (uint32_t)(CAPABILITIES >> 32);
	if (syscall(SYS_capset, &header, data) < 0)
		return error_errno(err, errno, "capabilities");
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? error_errno(err, errno, "no_new_privs") : 0;
}

static int add_rules(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < array_size(allowed_calls); i++) {
		int number = seccomp_syscall_resolve_name(allowed_calls[i]);
		int r = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < array_size(mapping_calls); i++) {
		int number = seccomp_syscall_resolve_name(mapping_calls[i]);
		int r = number < 0 ? 0
		                   : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
		                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

		if (r < 0)
			return r;
	}
	return 0;
}

/* EPERM and not death for the rest: a C library that tries something new is not an attack. */
static int filter_calls(struct baton_error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!filter)
		return error_set(err, ENOMEM, "system call filter");
	r = add_rules(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? error_errno(err, -r, "system call filter") : 0;
}

int sandbox_enter(int *source_fd, int *work_fd, struct baton_error *err)
{
	int r;

	(void)umask(0);
	/* Not traced, no core, /proc/PID closed to others of the same user. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, errno, "PR_SET_DUMPABLE");
	r = change_root(source_fd, work_fd, err);
	if (r == 0)
		r = limit_resources(err);
	if (r == 0)
		r = drop_capabilities(err);
	if (r == 0)
		r = filter_calls(err);
	return r < 0 ? error_prefix(err, "cannot confine the unpack helper") : 0;
}
