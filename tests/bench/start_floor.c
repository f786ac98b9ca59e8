/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own floor of a container start: clone3 with the namespaces, the mounts, masks and read-only
 * paths of a default container, pivot_root and execve, in a loop that does nothing else. No runtime, no
 * seccomp, no cgroup.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "tests/bench/measure.h"

static const struct {
	const char *type;
	const char *target;
	unsigned long flags;
	const char *data;
} mounts[] = {
	{ "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL },
	{ "tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k" },
	{ "devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5" },
	{ "tmpfs", "dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k" },
	{ "mqueue", "dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL },
	{ "sysfs", "sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL },
};
static const char *const masked_files[] = { "proc/interrupts", "proc/kcore", "proc/keys", "proc/timer_list" };
static const char *const masked_directories[] = { "proc/acpi", "proc/scsi", "sys/firmware" };
static const char *const read_only[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys",
	"proc/sysrq-trigger" };
static const struct {
	const char *path;
	unsigned major;
	unsigned minor;
} devices[] = {
	{ "dev/null", 1, 3 },
	{ "dev/zero", 1, 5 },
	{ "dev/full", 1, 7 },
	{ "dev/random", 1, 8 },
	{ "dev/urandom", 1, 9 },
	{ "dev/tty", 5, 0 },
};

static void protect(void)
{
	for (size_t i = 0; i < array_size(masked_files); i++) {
		if (mount("dev/null", masked_files[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			_exit(3);
	}
	for (size_t i = 0; i < array_size(masked_directories); i++) {
		if (mount("tmpfs", masked_directories[i], "tmpfs", MS_RDONLY, NULL) < 0 && errno != ENOENT)
			_exit(4);
	}
	for (size_t i = 0; i < array_size(read_only); i++) {
		if ((mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0 ||
		            mount(NULL, read_only[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0) &&
		        errno != ENOENT)
			_exit(5);
	}
}

static _Noreturn void child(const char *rootfs, int out)
{
	char *const argv[] = { (char[]){ "/stamp" }, NULL };
	char *const envp[] = { NULL };

	if (mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(rootfs) < 0)
		_exit(1);
	for (size_t i = 0; i < array_size(mounts); i++) {
		(void)mkdir(mounts[i].target, 0755); /* those below dev are new, the others there */
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags, mounts[i].data) <
		        0)
			_exit(2);
	}
	for (size_t i = 0; i < array_size(devices); i++) {
		if (mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) < 0)
			_exit(6);
	}
	protect();
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || dup2(out, 1) < 0)
		_exit(7);
	(void)execve(argv[0], argv, envp);
	_exit(8);
}

static double once(const char *rootfs)
{
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
		         CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	int out[2];
	int64_t began;
	int64_t stamp;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -1;
	began = clock_boot_ns();
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		child(rootfs, out[1]);
	(void)close(out[1]);
	stamp = bench_read_stamp(out[0]);
	(void)close(out[0]);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return stamp > 0 ? (double)(stamp - began) / 1e6 : -1;
}

int main(int argc, char **argv)
{
	static double values[BENCH_ROUNDS];
	char folder[64];
	char rootfs[96];

	if (argc != 2 || bench_prepare(argv[1], folder) < 0) {
		(void)fprintf(stderr, "usage: %s STAMP-PROGRAM (as root)\n", argv[0]);
		return EXIT_FAILURE;
	}
	(void)snprintf(rootfs, sizeof(rootfs), "%s/rootfs", folder);
	for (int i = -BENCH_WARMUP; i < BENCH_ROUNDS; i++) {
		double value = once(rootfs);

		if (value < 0) {
			(void)fprintf(stderr, "a round failed\n");
			bench_clean(folder);
			return EXIT_FAILURE;
		}
		if (i >= 0)
			values[i] = value;
	}
	bench_print(values, BENCH_ROUNDS);
	bench_clean(folder);
	return EXIT_SUCCESS;
}
