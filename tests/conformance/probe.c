/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs inside a container and tries what a container must not do. Each argument names an attempt; one line
 * for each says what came of it: "mount EPERM", "clone-user ok", "x32 SIGSYS". Linked statically, so any root
 * file system can run it.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define X32_BIT 0x40000000L /* Documentation/arch/x86: marks calls of the x32 ABI */

struct attempt {
	const char *name;
	long number;
	long arguments[5];
};

/*
 * Arguments are such that an unrestricted root gets something else than EPERM, mostly EFAULT or EINVAL: the
 * answer EPERM is the filter's, or that of a missing capability.
 */
static const struct attempt attempts[] = {
	{ "mount", SYS_mount, { 0 } },
	{ "umount2", SYS_umount2, { 0 } },
	{ "pivot_root", SYS_pivot_root, { 0 } },
	{ "open_tree", SYS_open_tree, { -1, 0, 0 } },
	{ "move_mount", SYS_move_mount, { -1, 0, -1, 0, 0 } },
	{ "fsopen", SYS_fsopen, { 0 } },
	{ "fsconfig", SYS_fsconfig, { -1, 0, 0, 0, 0 } },
	{ "fsmount", SYS_fsmount, { -1, 0, 0 } },
	{ "fspick", SYS_fspick, { -1, 0, 0 } },
	{ "mount_setattr", SYS_mount_setattr, { -1, 0, 0, 0, 0 } },
	{ "unshare-user", SYS_unshare, { CLONE_NEWUSER } },
	{ "unshare-cgroup", SYS_unshare, { CLONE_NEWCGROUP } },
	{ "unshare-net", SYS_unshare, { CLONE_NEWNET } },
	{ "setns", SYS_setns, { -1, 0 } },
	{ "keyctl", SYS_keyctl, { KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0 } },
	{ "add_key", SYS_add_key, { 0 } },
	{ "request_key", SYS_request_key, { 0 } },
	{ "bpf", SYS_bpf, { BPF_MAP_CREATE, 0, 0 } },
	{ "perf_event_open", SYS_perf_event_open, { 0, 0, -1, -1, 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 1, 0 } },
	{ "io_uring_enter", SYS_io_uring_enter, { -1, 0, 0, 0, 0 } },
	{ "io_uring_register", SYS_io_uring_register, { -1, 0, 0, 0 } },
	{ "userfaultfd", SYS_userfaultfd, { 0 } },
	{ "init_module", SYS_init_module, { 0 } },
	{ "finit_module", SYS_finit_module, { -1, 0, 0 } },
	{ "delete_module", SYS_delete_module, { 0 } },
	{ "kexec_load", SYS_kexec_load, { 0 } },
	{ "reboot", SYS_reboot, { 0 } },
	{ "swapon", SYS_swapon, { 0 } },
	{ "acct", SYS_acct, { 0 } },
	{ "quotactl", SYS_quotactl, { 0 } },
	{ "syslog", SYS_syslog, { 3, 0, 0 } },
	{ "open_by_handle_at", SYS_open_by_handle_at, { -1, 0, 0 } },
	{ "settimeofday", SYS_settimeofday, { 0 } },
	{ "sethostname", SYS_sethostname, { 0 } },
	{ "kcmp", SYS_kcmp, { 1, 1, 0, 0, 0 } },
	{ "clone3", SYS_clone3, { 0 } },
	{ "socket-alg", SYS_socket, { 38, SOCK_SEQPACKET, 0 } },
	{ "socket-vsock", SYS_socket, { 40, SOCK_STREAM, 0 } },
	{ "socket-unix", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 } },
	{ "personality", SYS_personality, { 0x0040000 } },
	{ "setuid-0", SYS_setuid, { 0 } },
	{ "getpid", SYS_getpid, { 0 } },
#ifdef __x86_64__
	{ "iopl", SYS_iopl, { 3 } },
	{ "ioperm", SYS_ioperm, { 0x80, 1, 1 } },
	{ "x32", X32_BIT | SYS_getpid, { 0 } },
#endif
};

static void say(const char *name, int code)
{
	const char *text = code == 0 ? "ok" : strerrorname_np(code);

	(void)printf("%s %s\n", name, text ? text : "?");
}

/* In a child: a filter may kill, and what succeeds (another user, another namespace) must not last. */
static void in_child(const char *name, int (*run)(const void *arg), const void *arg)
{
	int status;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(run(arg));
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		say(name, errno);
	else if (WIFSIGNALED(status))
		(void)printf("%s SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
	else
		say(name, WEXITSTATUS(status));
}

static int run_attempt(const void *arg)
{
	const struct attempt *attempt = arg;
	const long *a = attempt->arguments;

	return syscall(attempt->number, a[0], a[1], a[2], a[3], a[4]) < 0 ? errno : 0;
}

/* One by one, as each namespace has a bit of its own in the filter's mask. */
static int run_clone(const void *arg)
{
	long pid = syscall(SYS_clone, *(const long *)arg | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static void try_clones(void)
{
	static const struct {
		const char *name;
		long flag;
	} kinds[] = {
		{ "clone-user", CLONE_NEWUSER },
		{ "clone-mount", CLONE_NEWNS },
		{ "clone-pid", CLONE_NEWPID },
		{ "clone-net", CLONE_NEWNET },
		{ "clone-ipc", CLONE_NEWIPC },
		{ "clone-uts", CLONE_NEWUTS },
		{ "clone-cgroup", CLONE_NEWCGROUP },
		{ "clone-plain", 0 },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		in_child(kinds[i].name, run_clone, &kinds[i].flag);
}

static int run_mknod(const void *arg)
{
	(void)arg;
	return mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0)) < 0 ? errno : 0;
}

/* What the test has put into the session keyring of the runtime; not a key of any container. */
static int run_session_key(const void *arg)
{
	(void)arg;
	return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "baton-conformance", 0) <
	                       0
	               ? errno
	               : 0;
}

#ifdef __x86_64__
/* The 32-bit entry of the kernel, call 20 (getpid): a filter for x86_64 alone must not let it through. */
static int run_int80(const void *arg)
{
	int result;

	(void)arg;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return result < 0 ? -result : 0;
}
#endif

/* What takes more than the arguments of one call. */
static const struct {
	const char *name;
	int (*run)(const void *arg);
} others[] = {
	{ "mknod", run_mknod },
	{ "session-key", run_session_key },
#ifdef __x86_64__
	{ "int80", run_int80 },
#endif
};

static bool try(const char *name)
{
	if (strcmp(name, "clones") == 0) {
		try_clones();
		return true;
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(others[i].name, name) == 0) {
			in_child(name, others[i].run, NULL);
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (strcmp(attempts[i].name, name) == 0) {
			in_child(name, run_attempt, &attempts[i]);
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!try(argv[i])) {
			(void)fprintf(stderr, "unknown attempt %s\n", argv[i]);
			return 2;
		}
	}
	return 0;
}
