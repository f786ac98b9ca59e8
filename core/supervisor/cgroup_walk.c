/* SPDX-License-Identifier: Apache-2.0 */
/* A container may make groups below its own (a privileged one, or through a delegated v2 group). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/pidfd.h"
#include "core/supervisor/cgroup-priv.h"

#define DEPTH_MAX   32
#define PROCS_MAX   ((size_t)4 * 1024 * 1024)
#define KILL_ROUNDS 3

int cgroup_next_child(DIR *directory, const char **ret_name)
{
	struct dirent *entry;

	/* kernfs fills d_type always; a group's only directories are the groups below it. */
	while ((entry = readdir(directory))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
			int fd = openat(dirfd(directory), entry->d_name,
			        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (fd >= 0) {
				*ret_name = entry->d_name;
				return fd;
			}
		}
	}
	return -ENOENT;
}

static DIR *open_directory(int dir_fd)
{
	cleanup_close int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (directory)
		(void)steal_fd(&fd); /* now the stream's */
	return directory;
}

static int walk_level(int dir_fd, cgroup_walk_fn fn, void *arg, int depth)
{
	cleanup_dir DIR *directory = NULL;
	int r = fn(dir_fd, arg);
	const char *name;
	int child;

	if (r < 0 || depth == DEPTH_MAX)
		return r;
	directory = open_directory(dir_fd);
	while (r >= 0 && directory && (child = cgroup_next_child(directory, &name)) >= 0) {
		r = walk_level(child, fn, arg, depth + 1);
		close_fd(&child);
	}
	return r;
}

int cgroup_walk(int dir_fd, cgroup_walk_fn fn, void *arg)
{
	return walk_level(dir_fd, fn, arg, 0);
}

/* ---- processes ---- */

struct member {
	pid_t pid;
	int pidfd;
};

/* Calls fn with each number of cgroup.procs. A threaded v2 group has none to show (EOPNOTSUPP). */
static int for_each_pid(int dir_fd, int (*fn)(pid_t pid, void *arg), void *arg)
{
	cleanup_free char *text = NULL;
	char *next;
	int r = file_read_at(dir_fd, "cgroup.procs", PROCS_MAX, &text, NULL);

	if (r < 0)
		return r == -EOPNOTSUPP || r == -ENODEV ? 0 : r;
	next = text;
	while (next && *next) {
		char *end;
		long pid = strtol(next, &end, 10);

		if (end == next)
			return -EIO;
		/* 0: a process outside this process's pid namespace, which it can not name. */
		r = pid > 0 ? fn((pid_t)pid, arg) : 0;
		if (r < 0)
			return r;
		next = end + (*end == '\n');
	}
	return 0;
}

static int count_one(pid_t pid, void *arg)
{
	(void)pid;
	++*(int *)arg;
	return 0;
}

static int count_group(int dir_fd, void *arg)
{
	return for_each_pid(dir_fd, count_one, arg);
}

int cgroup_walk_count(int dir_fd)
{
	int count = 0;
	int r = cgroup_walk(dir_fd, count_group, &count);

	return r < 0 ? r : count;
}

struct members {
	struct member *items;
	size_t count;
	size_t capacity;
};

static int members_add(pid_t pid, void *arg)
{
	struct members *members = arg;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return errno == ESRCH ? 0 : -errno;
	if (members->count == members->capacity) {
		size_t capacity = members->capacity ? members->capacity * 2 : 64;
		struct member *items = reallocarray(members->items, capacity, sizeof(*items));

		if (!items) {
			close_fd(&pidfd);
			return -ENOMEM;
		}
		members->items = items;
		members->capacity = capacity;
	}
	members->items[members->count++] = (struct member){ pid, pidfd };
	return 0;
}

static int members_kill(pid_t pid, void *arg)
{
	const struct members *members = arg;

	for (size_t i = 0; i < members->count; i++) {
		if (members->items[i].pid == pid)
			(void)pidfd_signal(members->items[i].pidfd, SIGKILL); /* ESRCH: it has ended */
	}
	return 0;
}

/*
 * A number read from cgroup.procs may belong to a stranger by the time it is used. So:
 *  1. read the numbers and open a pidfd for each: it names whoever has the number now;
 *  2. read the numbers again, and signal through the pidfds of those that are still there.
 * If a number was reused in between, either the stranger is not in the second list, or the new owner is a
 * member and the pidfd names a dead process, which takes no signal. Whoever is missed is found in the next
 * round.
 */
static int kill_group(int dir_fd, void *arg)
{
	struct members members = { 0 };
	int r = for_each_pid(dir_fd, members_add, &members);

	(void)arg;
	/* Out of descriptors or memory: those that are known go now and make room for the others. */
	if (members.count > 0)
		r = for_each_pid(dir_fd, members_kill, &members);
	for (size_t i = 0; i < members.count; i++)
		close_fd(&members.items[i].pidfd);
	free(members.items);
	return r;
}

static int forbid_forks(int dir_fd, void *arg)
{
	(void)arg;
	(void)file_write_text_at(dir_fd, "pids.max", "0"); /* only the pids hierarchy has it */
	return 0;
}

int cgroup_walk_kill(int dir_fd)
{
	int r = 0;

	for (int i = 0; i < KILL_ROUNDS && r >= 0 && cgroup_walk_count(dir_fd) != 0; i++) {
		(void)cgroup_walk(dir_fd, forbid_forks, NULL); /* always 0 */
		r = cgroup_walk(dir_fd, kill_group, NULL);
	}
	return r;
}

/* ---- removal ---- */

static int remove_level(int parent_fd, const char *name, int depth)
{
	cleanup_close int fd = -1;
	cleanup_dir DIR *directory = NULL;
	const char *child_name;
	int child;
	int r = 0;

	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY || depth == DEPTH_MAX)
		return -errno;
	/* Busy with processes, or with groups below: the latter can be helped. */
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	directory = fd < 0 ? NULL : open_directory(fd);
	while (r == 0 && directory && (child = cgroup_next_child(directory, &child_name)) >= 0) {
		close_fd(&child);
		r = remove_level(fd, child_name, depth + 1);
	}
	if (r == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int cgroup_walk_remove(int parent_fd, const char *name)
{
	return remove_level(parent_fd, name, 0);
}
