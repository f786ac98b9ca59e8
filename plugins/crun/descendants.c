/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/crun/descendants.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/pidfd.h"

#define LIST_MAX  ((size_t)64 * 1024)
#define DEPTH_MAX 8

/*
 * While its parent lives a process keeps its number, even as a zombie, unless the parent reaps it. crun reaps
 * as soon as it can, so a number may be a stranger's: only one that is still in the list after the pidfd was
 * opened is taken.
 */
static bool still_child(pid_t parent, pid_t pid)
{
	char path[64];
	cleanup_free char *text = NULL;
	char *next;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	if (file_read_at(AT_FDCWD, path, LIST_MAX, &text, NULL) < 0)
		return false;
	for (next = text; next && *next;) {
		char *end;

		if (strtol(next, &end, 10) == pid)
			return true;
		next = *end ? end + 1 : end;
	}
	return false;
}

static void collect_level(struct descendants *descendants, pid_t parent, int depth)
{
	char path[64];
	cleanup_free char *text = NULL;
	char *next;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	if (depth == DEPTH_MAX || file_read_at(AT_FDCWD, path, LIST_MAX, &text, NULL) < 0)
		return;
	for (next = text; next && *next && descendants->count < DESCENDANTS_MAX;) {
		char *end;
		pid_t pid = (pid_t)strtol(next, &end, 10);
		int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

		next = *end ? end + 1 : end;
		if (pidfd < 0)
			continue;
		if (!still_child(parent, pid)) {
			close_fd(&pidfd);
			continue;
		}
		descendants->pidfds[descendants->count++] = pidfd;
		collect_level(descendants, pid, depth + 1);
	}
}

void descendants_collect(struct descendants *descendants, pid_t pid)
{
	collect_level(descendants, pid, 0);
}

void descendants_signal(const struct descendants *descendants, int signal)
{
	for (size_t i = 0; i < descendants->count; i++)
		(void)pidfd_signal(descendants->pidfds[i], signal); /* ESRCH: it has ended */
}

bool descendants_reap(struct descendants *descendants)
{
	size_t left = 0;

	for (size_t i = 0; i < descendants->count; i++) {
		int pidfd = descendants->pidfds[i];
		siginfo_t info;
		int r = pidfd_reap(pidfd, &info);

		/* ECHILD: its own parent has reaped it, or (killed just now) will hand it over at once. */
		if (r == 1 || (r < 0 && pidfd_signal(pidfd, 0) == -ESRCH))
			close_fd(&pidfd);
		else
			descendants->pidfds[left++] = pidfd;
	}
	descendants->count = left;
	return left == 0;
}

void descendants_release(struct descendants *descendants)
{
	for (size_t i = 0; i < descendants->count; i++)
		close_fd(&descendants->pidfds[i]);
	descendants->count = 0;
}
