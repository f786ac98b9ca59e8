/* SPDX-License-Identifier: Apache-2.0 */
/* What a helper that was taken over can still do: each way out is tried from inside. Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/unpack/sandbox.h"

struct inside {
	int source_fd;
	int work_fd;
};

typedef bool (*attempt_fn)(const struct inside *inside);

/* ---- what must go on working ---- */

static bool makes_files(const struct inside *inside)
{
	int fd = openat(inside->work_fd, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat status;

	return fd >= 0 && write(fd, "x", 1) == 1 && fchown(fd, 1000, 1001) == 0 && fchmod(fd, 06755) == 0 &&
	       fstat(fd, &status) == 0 && status.st_mode == (S_IFREG | 06755) &&
	       mknodat(inside->work_fd, "whiteout", S_IFCHR, makedev(0, 0)) == 0 &&
	       mkdirat(inside->work_fd, "closed", 0) == 0 &&
	       fchownat(inside->work_fd, "closed", 7, 7, AT_SYMLINK_NOFOLLOW) == 0 &&
	       file_open_beneath(inside->work_fd, "closed", O_RDONLY | O_DIRECTORY, 0) >= 0;
}

static bool reads_source(const struct inside *inside)
{
	return file_open_beneath(inside->source_fd, "content", O_RDONLY, 0) >= 0;
}

/* ---- what must not ---- */

static bool leaves_work(const struct inside *inside)
{
	return faccessat(inside->work_fd, "../secret", F_OK, 0) == 0 ||
	       openat(inside->work_fd, "../secret", O_RDONLY) >= 0;
}

static bool leaves_source(const struct inside *inside)
{
	return openat(inside->source_fd, "../secret", O_RDONLY) >= 0 ||
	       openat(inside->source_fd, "../../../../etc/passwd", O_RDONLY) >= 0;
}

static bool sees_root(const struct inside *inside)
{
	(void)inside;
	return open("/etc/passwd", O_RDONLY) >= 0 || open("/proc/self/status", O_RDONLY) >= 0 ||
	       open("/../../etc/passwd", O_RDONLY) >= 0;
}

static bool writes_source(const struct inside *inside)
{
	return openat(inside->source_fd, "content", O_WRONLY) >= 0 ||
	       mkdirat(inside->source_fd, "new", 0700) == 0 || unlinkat(inside->source_fd, "content", 0) == 0;
}

static bool makes_device(const struct inside *inside)
{
	return mknodat(inside->work_fd, "null", S_IFCHR | 0666, makedev(1, 3)) == 0 ||
	       mknodat(inside->work_fd, "disk", S_IFBLK | 0666, makedev(8, 0)) == 0;
}

static bool writes_trusted_xattr(const struct inside *inside)
{
	return fsetxattr(inside->work_fd, "trusted.overlay.opaque", "y", 1, 0) == 0 ||
	       setxattr("/", "trusted.overlay.opaque", "y", 1, 0) == 0;
}

static bool runs_programs(const struct inside *inside)
{
	char *const argv[] = { NULL };

	(void)inside;
	(void)execve("/bin/true", argv, argv);
	return errno != EPERM || fork() >= 0 || syscall(SYS_clone3, NULL, 0) >= 0 || errno != EPERM;
}

static bool opens_sockets(const struct inside *inside)
{
	(void)inside;
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ||
	       socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool changes_mounts(const struct inside *inside)
{
	return mount("none", "/", "tmpfs", 0, NULL) == 0 || umount2("/", MNT_DETACH) == 0 ||
	       unshare(CLONE_NEWUSER) == 0 || chroot("/") == 0 || fchdir(inside->source_fd) == 0 ||
	       setns(inside->work_fd, 0) == 0 || open_tree(inside->work_fd, "", AT_EMPTY_PATH) >= 0;
}

static bool touches_processes(const struct inside *inside)
{
	(void)inside;
	return kill(getppid(), 0) == 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ||
	       syscall(SYS_pidfd_open, 1, 0) >= 0;
}

static bool opens_by_handle(const struct inside *inside)
{
	return syscall(SYS_open_by_handle_at, inside->work_fd, NULL, O_RDONLY) >= 0 || errno != EPERM;
}

static bool makes_code(const struct inside *inside)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)inside;
	return page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ||
	       mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static const struct {
	const char *name;
	attempt_fn attempt;
	bool expected;
} attempts[] = {
	{ "makes files", makes_files, true },
	{ "reads the source", reads_source, true },
	{ "leaves the work directory", leaves_work, false },
	{ "leaves the source", leaves_source, false },
	{ "sees the node's files", sees_root, false },
	{ "writes the source", writes_source, false },
	{ "makes device nodes", makes_device, false },
	{ "writes trusted attributes", writes_trusted_xattr, false },
	{ "runs programs", runs_programs, false },
	{ "opens sockets", opens_sockets, false },
	{ "changes mounts", changes_mounts, false },
	{ "touches other processes", touches_processes, false },
	{ "opens by handle", opens_by_handle, false },
	{ "makes code", makes_code, false },
};

/* As systemd leaves the mounts of a machine, in a namespace that this machine does not see. */
static bool share_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0;
}

/* Exit status: 0, 200 when the confinement failed, else 1 + the index of the attempt that went wrong. */
static _Noreturn void run_inside(const char *path, bool shared)
{
	struct inside inside = { -1, -1 };
	struct baton_error err;

	if ((shared && !share_mounts()) || chdir(path) < 0)
		_exit(200);
	inside.source_fd = open("source", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	inside.work_fd = open("work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sandbox_enter(&inside.source_fd, &inside.work_fd, &err) < 0) {
		(void)!write(STDERR_FILENO, err.message, strlen(err.message));
		_exit(200);
	}
	for (size_t i = 0; i < array_size(attempts); i++) {
		if (attempts[i].attempt(&inside) != attempts[i].expected)
			_exit((int)i + 1);
	}
	_exit(0);
}

static void expect_confined(bool shared)
{
	char path[] = "/tmp/baton-sandbox-XXXXXX";
	cleanup_close int root = -1, source = -1, work = -1;
	int status = 0;
	pid_t pid;

	assert_non_null(mkdtemp(path));
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	source = dir_open_make_at(root, "source", 0700);
	work = dir_open_make_at(root, "work", 0700);
	assert_int_equal(file_replace_at(root, "secret", "s", 1, 0644, FILE_VOLATILE), 0);
	assert_int_equal(file_replace_at(source, "content", "c", 1, 0644, FILE_VOLATILE), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_inside(path, shared);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(tree_remove_at(AT_FDCWD, path), 0);
	assert_true(WIFEXITED(status));
	status = WEXITSTATUS(status);
	if (status == 200)
		fail_msg("not confined");
	if (status > 0)
		fail_msg(
		        "inside: \"%s\" is not %d", attempts[status - 1].name, attempts[status - 1].expected);
}

static void confined(void **state)
{
	(void)state;
	expect_confined(false);
}

static void confined_on_shared_mounts(void **state)
{
	(void)state;
	expect_confined(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(confined),
		cmocka_unit_test(confined_on_shared_mounts),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "the confinement needs root: nothing was tested\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
