/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define STAMP_WAIT_MS 5000

static int copy_program(const char *from, int root_fd)
{
	cleanup_close int in = open(from, O_RDONLY | O_CLOEXEC);
	cleanup_close int out = openat(root_fd, "stamp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	if (in < 0 || out < 0)
		return -errno;
	return sendfile(out, in, NULL, 1U << 20) > 0 ? 0 : -errno;
}

int bench_prepare(const char *stamp, char folder[static 64])
{
	cleanup_close int folder_fd = -1;
	cleanup_close int root_fd = -1;

	(void)snprintf(folder, 64, "/dev/shm/baton-bench-XXXXXX");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	        !mkdtemp(folder))
		return -errno;
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	root_fd = dir_open_make_at(folder_fd, "rootfs", 0755);
	if (root_fd < 0 || mkdirat(root_fd, "proc", 0755) < 0 || mkdirat(root_fd, "sys", 0755) < 0 ||
	        mkdirat(root_fd, "dev", 0755) < 0)
		return -errno;
	return copy_program(stamp, root_fd);
}

void bench_clean(const char *folder)
{
	(void)tree_remove_at(AT_FDCWD, folder); /* a bench that cannot clean up still has its numbers */
}

int64_t bench_read_stamp(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char text[32];
	ssize_t length = poll(&poll_fd, 1, STAMP_WAIT_MS) == 1 ? read(fd, text, sizeof(text) - 1) : 0;

	if (length <= 0)
		return 0;
	text[length] = '\0';
	return strtoll(text, NULL, 10);
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

void bench_print(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	(void)printf("{\"exec_ms\": %.4f, \"p90_ms\": %.4f}\n", values[count / 2], values[count * 9 / 10]);
}
