/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/process.h"

#define TRASH_NAME      ".trash"
#define FILLED          "t"
#define EMPTIED         "removing" /* never added to: rm would find its directory filled again */
#define EMPTY_DEPTH_MAX 3          /* ID/{upper,work/work} */
#define RM_PATH         "/bin/rm"

struct trash {
	struct event_base *base;
	int dir_fd;
	int trash_fd;
	unsigned long long sequence;
	struct process *rm;
	bool more; /* FILLED has something that the running rm does not remove */
};

static void start_rm(struct trash *trash);

static void on_rm_exit(struct process *process, const struct process_exit *exit, void *arg)
{
	struct trash *trash = arg;
	bool again = exit->code == 0 && trash->more;

	if (exit->code != 0)
		log_warning("removal of old writable layers failed (%s exited with %d); tried again with the "
		            "next one",
		        RM_PATH, exit->code);
	process_free(process);
	trash->rm = NULL;
	if (again)
		start_rm(trash);
}

static int make_filled(const struct trash *trash)
{
	return mkdirat(trash->trash_fd, FILLED, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* False while what a killed predecessor has left stands in the way. */
static bool take_filled(const struct trash *trash)
{
	return renameat(trash->trash_fd, FILLED, trash->trash_fd, EMPTIED) == 0 || errno == ENOENT;
}

/* Through the descriptor of the trash: a path could have been replaced. */
static void start_rm(struct trash *trash)
{
	char *const argv[] = { (char[]){ RM_PATH }, (char[]){ "-rf" }, (char[]){ "--" },
		(char[]){ "/proc/self/fd/3/" EMPTIED }, NULL };
	const struct process_spec spec = {
		.path = RM_PATH,
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.keep_fds = &trash->trash_fd,
		.n_keep_fds = 1,
		.on_exit = on_rm_exit,
		.arg = trash,
	};
	struct baton_error err;

	if (trash->rm) {
		trash->more = true;
		return;
	}
	trash->more = !take_filled(trash);
	if (process_spawn(trash->base, &spec, &trash->rm, &err) < 0)
		log_warning("old writable layers stay on disk: %s", err.message);
}

static bool is_left(const struct trash *trash, const char *name)
{
	return unlinkat(trash->trash_fd, name, AT_REMOVEDIR) < 0 && errno == ENOTEMPTY;
}

int trash_new(struct event_base *base, int dir_fd, struct trash **ret_trash, struct baton_error *err)
{
	struct trash *trash = calloc(1, sizeof(*trash));
	int r;

	if (!trash)
		return error_set(err, ENOMEM, "out of memory");
	trash->base = base;
	trash->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	trash->trash_fd = dir_open_make_at(dir_fd, TRASH_NAME, 0700);
	if (trash->dir_fd < 0 || trash->trash_fd < 0) {
		r = error_errno(err, errno, "trash directory");
		trash_free(trash);
		return r;
	}
	if (is_left(trash, EMPTIED) || is_left(trash, FILLED))
		start_rm(trash);
	*ret_trash = trash;
	return 0;
}

void trash_free(struct trash *trash)
{
	if (!trash)
		return;
	process_free(trash->rm);
	close_fd(&trash->trash_fd);
	close_fd(&trash->dir_fd);
	free(trash);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Removes a tree of nothing but empty directories; true when it is gone. */
static bool remove_empty(int dir_fd, const char *name, int depth)
{
	cleanup_dir DIR *directory = NULL;
	struct dirent *entry;
	int fd;

	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
		return true;
	if (errno != ENOTEMPTY || depth >= EMPTY_DEPTH_MAX)
		return false;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	directory = fdopendir(fd);
	if (!directory) {
		close_fd(&fd);
		return false;
	}
	while ((entry = readdir(directory))) {
		if (!is_dot(entry->d_name) && !remove_empty(dirfd(directory), entry->d_name, depth + 1))
			return false;
	}
	return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0;
}

int trash_put(struct trash *trash, const char *name)
{
	char target[64];
	int r;

	if (remove_empty(trash->dir_fd, name, 0) || errno == ENOENT)
		return 0;
	/* The pid keeps names apart from those of an earlier process whose rm still runs. */
	(void)snprintf(
	        target, sizeof(target), TRASH_NAME "/" FILLED "/%d-%llu", (int)getpid(), trash->sequence++);
	r = make_filled(trash);
	if (r < 0)
		return r;
	if (renameat(trash->dir_fd, name, trash->dir_fd, target) < 0)
		return errno == ENOENT ? 0 : -errno;
	start_rm(trash);
	return 0;
}
