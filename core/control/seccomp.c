/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that libevent, libmosquitto, OpenSSL, Lua, libc and the child that resolves host names
 * need. The rest gets EPERM, so that a library falls back or fails with a message; what only an intruder
 * would call ends the process.
 */
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "core/base/cleanup.h"
#include "core/control/sandbox-priv.h"

/* Names that an architecture does not have are left out there. */
static const char *const allowed[] = {
	/* most frequent first: the filter is searched in this order */
	"epoll_wait", "epoll_pwait", "read", "write", "recvmsg", "sendto", "recvfrom", "sendmsg", "epoll_ctl",
	"clock_gettime", "clock_gettime64", "futex", "futex_time64", "timerfd_settime", "timerfd_settime64",
	/* descriptors */
	"recv", "send", "sendmmsg", "recvmmsg", "readv", "writev", "pread64", "pwrite64", "close",
	"close_range", "lseek", "_llseek", "dup", "dup2", "dup3", "fcntl", "fcntl64", "pipe", "pipe2",
	"eventfd2", "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
	"epoll_create", "epoll_create1", "epoll_pwait2", "timerfd_create", "inotify_init1",
	"inotify_add_watch", "inotify_rm_watch",
	/* files */
	"open", "openat", "openat2", "stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "newfstatat",
	"fstatat64", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64", "access", "faccessat",
	"faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "rename", "renameat", "renameat2",
	"unlink", "unlinkat", "mkdir", "mkdirat", "fchmod", "ftruncate", "ftruncate64", "fsync", "fdatasync",
	"flock", "umask", "getcwd", "fadvise64", "fadvise64_64", "arm_fadvise64_64",
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise",
	/* network; socket() is below */
	"connect", "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown",
	/* processes; clone() is below */
	"fork", "vfork", "wait4", "waitid", "pidfd_open", "pidfd_send_signal", "kill", "tgkill", "exit",
	"exit_group", "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getuid32",
	"geteuid32", "getgid32", "getegid32", "set_tid_address", "set_robust_list", "rseq", "set_tls",
	"sched_yield", "sched_getaffinity", "getrlimit", "ugetrlimit", "getrusage", "sysinfo", "uname",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "sigaltstack", "restart_syscall",
	/* time and chance */
	"clock_getres", "clock_getres_time64", "clock_nanosleep", "clock_nanosleep_time64", "nanosleep",
	"gettimeofday", "time", "getrandom"
};

static const char *const deadly[] = { "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev",
	"mount", "umount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "fspick", "fsconfig",
	"mount_setattr", "pivot_root", "chroot", "setns", "unshare", "bpf", "perf_event_open", "userfaultfd",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "add_key",
	"request_key", "keyctl", "name_to_handle_at", "open_by_handle_at", "reboot", "swapon", "swapoff",
	"io_uring_setup", "io_uring_enter", "io_uring_register" };

/* The same, with a condition on an argument; several rows of one name are alternatives. */
static const struct {
	const char *name;
	struct scmp_arg_cmp argument;
} conditional[] = {
#define NAMESPACES                                                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |        \
	        CLONE_NEWNET)
#define EQUALS(number, value)                                                                                \
	{                                                                                                    \
		.arg = (number), .op = SCMP_CMP_EQ, .datum_a = (value)                                       \
	}
	{ "clone", { .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = NAMESPACES, .datum_b = 0 } },
	{ "socket", EQUALS(0, AF_UNIX) }, { "socket", EQUALS(0, AF_INET) }, { "socket", EQUALS(0, AF_INET6) },
	{ "socket", EQUALS(0, AF_NETLINK) }, /* getaddrinfo(3) asks which addresses this host has */
	{ "socketpair", EQUALS(0, AF_UNIX) }, { "ioctl", EQUALS(1, FIONREAD) },
	{ "ioctl", EQUALS(1, FIONBIO) }, { "prctl", EQUALS(0, PR_SET_PDEATHSIG) },
	{ "prctl", EQUALS(0, PR_SET_NAME) },
	{ "prlimit64", EQUALS(0, 0) }, /* of itself; it has no capability to raise any */
};

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count,
        const char **ret_name)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		int r;

		*ret_name = names[i];
		if (number == __NR_SCMP_ERROR)
			continue; /* newer than this libseccomp: the default action does for it */
		r = seccomp_rule_add(filter, action, number, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_conditional(scmp_filter_ctx filter, const char **ret_name)
{
	for (size_t i = 0; i < array_size(conditional); i++) {
		int number = seccomp_syscall_resolve_name(conditional[i].name);
		int r;

		*ret_name = conditional[i].name;
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &conditional[i].argument);
		if (r < 0)
			return r;
	}
	/* Its flags lie in memory that a filter cannot see; libc falls back to clone. */
	*ret_name = "clone3";
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), seccomp_syscall_resolve_name("clone3"), 0);
}

static int make_filter(scmp_filter_ctx filter, const char **ret_name)
{
	int r = add_names(filter, SCMP_ACT_ALLOW, allowed, array_size(allowed), ret_name);

	if (r == 0)
		r = add_names(filter, SCMP_ACT_KILL_PROCESS, deadly, array_size(deadly), ret_name);
	if (r == 0)
		r = add_conditional(filter, ret_name);
	return r;
}

int sandbox_seccomp(struct baton_error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	const char *name = "load";
	int r;

	if (!filter)
		return error_set(err, ENOMEM, "seccomp: out of memory");
	r = make_filter(filter, &name);
	if (r == 0) {
		name = "load";
		r = seccomp_load(filter);
	}
	seccomp_release(filter);
	return r < 0 ? error_errno(err, -r, "seccomp: %s", name) : 0;
}
