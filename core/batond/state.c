/* SPDX-License-Identifier: Apache-2.0 */
#include "core/batond/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define PID_TEXT_MAX 32

static int make_directory(
        const char *parent, const char *name, mode_t mode, uid_t uid, gid_t gid, struct baton_error *err)
{
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;

	if (asprintf(&path, "%s/%s", parent, name) < 0) {
		path = NULL; /* undefined after a failure, see asprintf(3) */
		return error_set(err, ENOMEM, "out of memory");
	}
	fd = dir_open_owned(path, mode, uid, gid, err);
	return fd < 0 ? fd : 0;
}

static int refuse_second(int lock_fd, const char *key, const char *path, struct baton_error *err)
{
	cleanup_free char *pid = NULL;

	if (lock_fd < 0 || file_read_fd(lock_fd, PID_TEXT_MAX, &pid, NULL) < 0 || !pid)
		return error_set(err, EBUSY, "another batond uses %s = \"%s\"", key, path);
	pid[strcspn(pid, "\n")] = '\0';
	return error_set(err, EBUSY, "another batond, pid %s, uses %s = \"%s\"", pid, key, path);
}

/* Leaves *ret_fd open: the lock is that of the open file description. */
static int lock_run(const struct config *config, int run_fd, int *ret_fd, struct baton_error *err)
{
	cleanup_close int fd = openat(run_fd, "batond.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	char pid[PID_TEXT_MAX];
	int length;

	if (fd < 0)
		return error_errno(err, errno, "\"%s/batond.lock\"", config->run);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return refuse_second(fd, "run", config->run, err);
	length = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || file_write_all(fd, pid, (size_t)length) < 0)
		return error_errno(err, errno, "\"%s/batond.lock\"", config->run);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int state_prepare(const struct config *config, struct baton_error *err)
{
	cleanup_close int root_fd = -1;
	cleanup_close int run_fd = -1;
	cleanup_close int lock_fd = -1;
	uint32_t uid;
	uint32_t gid;
	int r = config_user(config, &uid, &gid, err);

	if (r < 0)
		return r;
	run_fd = dir_open_owned(config->run, 0711, 0, 0, err);
	if (run_fd < 0)
		return run_fd;
	r = lock_run(config, run_fd, &lock_fd, err);
	if (r < 0)
		return r;
	root_fd = dir_open_owned(config->root, 0711, 0, 0, err);
	if (root_fd < 0)
		return root_fd;
	/* The directory itself is locked: two daemons with different `run` must not share one `root`. */
	if (flock(root_fd, LOCK_EX | LOCK_NB) < 0)
		return refuse_second(-1, "root", config->root, err);
	r = make_directory(config->root, "control", 0700, uid, gid, err);
	if (r == 0)
		r = make_directory(config->run, "logs", 0750, 0, gid, err);
	if (r < 0)
		return r;
	(void)steal_fd(&root_fd); /* locked for as long as this process lives */
	(void)steal_fd(&lock_fd);
	return 0;
}
