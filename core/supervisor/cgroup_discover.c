/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcgroup's part. Its cgroup_init() finds out what is mounted where on all generations of kernels, but it
 * dirties 0.8 MiB of static tables that nothing can free, more than the rest of batond. So it runs once, in a
 * short-lived child, and the answer comes back through a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/supervisor/cgroup-priv.h"

#define ANSWER_MAX ((size_t)256 * 1024)

const char *const cgroup_controller_names[CONTROLLERS] = {
	[CONTROLLER_MEMORY] = "memory",
	[CONTROLLER_CPU] = "cpu",
	[CONTROLLER_PIDS] = "pids",
	[CONTROLLER_DEVICES] = "devices",
};

/* ---- in the child ---- */

/* One line "controller path" for each controller that is mounted; the exit status is 0 or errno. */
static int answer(int fd)
{
	struct cgroup_mount_point found;
	void *handle = NULL;
	int r = cgroup_init();

	/* ECGROUPNOTMOUNTED: only a v2 hierarchy without controllers, or none. The parent looks for that. */
	if (r == ECGROUPNOTMOUNTED)
		return 0;
	if (r != 0)
		return r == ECGOTHER ? cgroup_get_last_errno() : EIO;
	for (r = cgroup_get_controller_begin(&handle, &found); r == 0;
	        r = cgroup_get_controller_next(&handle, &found)) {
		if (dprintf(fd, "%s %s\n", found.name, found.path) < 0)
			return errno;
	}
	(void)cgroup_get_controller_end(&handle); /* the process ends here anyway */
	return 0;
}

static int ask(char **ret_text, struct baton_error *err)
{
	cleanup_free char *text = NULL;
	int fds[2];
	int status = 0;
	pid_t pid;
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "pipe");
	pid = fork();
	if (pid == 0)
		_exit(answer(fds[1]) & 0xff);
	r = pid < 0 ? -errno : 0;
	(void)close(fds[1]);
	if (r == 0)
		r = file_read_fd(fds[0], ANSWER_MAX, &text, NULL);
	(void)close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return error_errno(err, -r, "looking for control groups");
	if (status != 0)
		return error_errno(err, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
		        "libcgroup cannot find the control groups");
	*ret_text = steal_ptr(text);
	return 0;
}

/* ---- in the parent ---- */

static bool is_v2(const char *path)
{
	struct statfs status;

	return statfs(path, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

static unsigned controller_bit(const char *name)
{
	for (unsigned i = 0; i < CONTROLLERS; i++) {
		if (strcmp(name, cgroup_controller_names[i]) == 0)
			return CONTROLLER_BIT(i);
	}
	return 0;
}

/* Controllers that are mounted together (cpu,cpuacct) are one hierarchy. */
static void add_v1(struct cgroup_place *places, size_t *count, const char *path, unsigned bit)
{
	for (size_t i = 0; i < *count; i++) {
		if (strcmp(places[i].path, path) == 0) {
			places[i].controllers |= bit;
			return;
		}
	}
	if (*count < HIERARCHIES_MAX - 1) {
		places[*count] = (struct cgroup_place){ .controllers = bit };
		(void)snprintf(places[*count].path, sizeof(places[*count].path), "%s", path);
		++*count;
	}
}

/* libcgroup does not name a v2 hierarchy without controllers, as hybrid hosts have it. */
static bool find_v2(char path[static PATH_MAX])
{
	cleanup_file FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;

	while (mounts && (entry = getmntent(mounts))) {
		if (strcmp(entry->mnt_type, "cgroup2") == 0 && is_v2(entry->mnt_dir)) {
			(void)snprintf(path, PATH_MAX, "%s", entry->mnt_dir);
			return true;
		}
	}
	return false;
}

int cgroup_discover(
        struct cgroup_place places[static HIERARCHIES_MAX], size_t *ret_count, struct baton_error *err)
{
	cleanup_free char *text = NULL;
	char v2[PATH_MAX] = "";
	size_t count = 0;
	char *state = NULL;
	int r = ask(&text, err);

	if (r < 0)
		return r;
	for (char *line = text ? strtok_r(text, "\n", &state) : NULL; line;
	        line = strtok_r(NULL, "\n", &state)) {
		char *path = strchr(line, ' ');

		if (!path)
			continue;
		*path++ = '\0';
		if (is_v2(path))
			(void)snprintf(v2, sizeof(v2), "%s", path);
		else if (controller_bit(line) != 0)
			add_v1(places, &count, path, controller_bit(line));
	}
	if (*v2 || find_v2(v2)) {
		places[count] = (struct cgroup_place){ .v2 = true };
		(void)snprintf(places[count].path, sizeof(places[count].path), "%s", v2);
		count++;
	}
	*ret_count = count;
	return 0;
}
