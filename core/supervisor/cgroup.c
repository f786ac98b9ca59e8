/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/supervisor/cgroup-priv.h"

struct cgroup_group {
	struct cgroup_root *root;
	char *name;
	struct baton_cgroup view;
	int procs_fds[HIERARCHIES_MAX];
};

static bool group_name_valid(const char *name)
{
	return *name && *name != '.' && !strpbrk(name, "/\n") && strlen(name) <= NAME_MAX;
}

static int open_group(const struct cgroup_hierarchy *hierarchy, const char *name)
{
	int fd = openat(hierarchy->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static struct cgroup_group *group_alloc(struct cgroup_root *root, const char *name)
{
	struct cgroup_group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	group->root = root;
	group->name = strdup(name);
	group->view = (struct baton_cgroup){ .struct_size = sizeof(group->view), .dir_fd = -1 };
	if (!group->name) {
		free(group);
		return NULL;
	}
	return group;
}

/* ---- creation ---- */

static bool devices_equal(const struct cgroup_device *a, const struct cgroup_device *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor &&
	       strncmp(a->access, b->access, sizeof(a->access)) == 0;
}

static bool program_fits(const struct cgroup_root *root, const struct cgroup_limits *limits)
{
	if (root->device_program < 0 || root->n_program_devices != limits->n_devices)
		return false;
	for (size_t i = 0; i < limits->n_devices; i++) {
		if (!devices_equal(&root->program_devices[i], &limits->devices[i]))
			return false;
	}
	return true;
}

/* Most containers have the same devices, and the kernel's verifier is the slow part: the last program is
 * kept. */
static int attach_devices(struct cgroup_root *root, int dir_fd, const struct cgroup_limits *limits)
{
	if (!program_fits(root, limits)) {
		int program = cgroup_device_bpf_load(limits->devices, limits->n_devices);

		if (program < 0)
			return program;
		close_fd(&root->device_program);
		root->device_program = program;
		for (size_t i = 0; i < limits->n_devices; i++)
			root->program_devices[i] = limits->devices[i];
		root->n_program_devices = limits->n_devices;
	}
	return cgroup_device_bpf_attach(dir_fd, root->device_program);
}

static int set_limits(struct cgroup_group *group, size_t index, int dir_fd,
        const struct cgroup_limits *limits, unsigned *held, struct baton_error *err)
{
	const struct cgroup_hierarchy *hierarchy = &group->root->hierarchies[index];
	unsigned wanted = cgroup_limits_wanted(limits) & hierarchy->controllers;
	int r = cgroup_limits_apply(dir_fd, hierarchy->v2, wanted, limits, held, err);

	if (r < 0)
		return error_prefix(err, "control group %s", group->name);
	if (hierarchy->v2 && (wanted & CONTROLLER_BIT(CONTROLLER_DEVICES))) {
		r = attach_devices(group->root, dir_fd, limits);
		if (r < 0)
			return error_errno(err, -r, "control group %s: device filter", group->name);
	}
	return 0;
}

static int make_in(struct cgroup_group *group, size_t index, const struct cgroup_limits *limits,
        unsigned *held, struct baton_error *err)
{
	const struct cgroup_hierarchy *hierarchy = &group->root->hierarchies[index];
	cleanup_close int fd = open_group(hierarchy, group->name);
	int r;

	if (fd < 0)
		return error_errno(err, -fd, "control group %s", group->name);
	r = set_limits(group, index, fd, limits, held, err);
	if (r < 0)
		return r;
	group->procs_fds[group->view.n_procs_fds] = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (group->procs_fds[group->view.n_procs_fds] < 0)
		return error_errno(err, errno, "control group %s: cgroup.procs", group->name);
	group->view.n_procs_fds++;
	if (hierarchy->v2)
		group->view.dir_fd = steal_fd(&fd);
	return 0;
}

/* 0, or -EEXIST when any hierarchy has the group already; then none is left that was made here. */
static int make_directories(const struct cgroup_root *root, const char *name, struct baton_error *err)
{
	for (size_t i = 0; i < root->n_hierarchies; i++) {
		int code;

		if (mkdirat(root->hierarchies[i].parent_fd, name, 0755) == 0)
			continue;
		code = errno;
		while (i-- > 0)
			(void)unlinkat(root->hierarchies[i].parent_fd, name,
			        AT_REMOVEDIR); /* the first failure counts */
		return error_errno(err, code, "control group %s", name);
	}
	return 0;
}

int cgroup_create(struct cgroup_root *root, const char *name, const struct cgroup_limits *limits,
        struct cgroup_group **ret_group, bool *ret_unenforced, struct baton_error *err)
{
	struct cgroup_group *group;
	unsigned held = 0;
	int r;

	if (!group_name_valid(name))
		return error_set(err, EINVAL, "\"%s\" is not a name for a control group", name);
	group = group_alloc(root, name);
	if (!group)
		return error_set(err, ENOMEM, "out of memory");
	r = make_directories(root, name, err);
	if (r < 0) {
		cgroup_group_free(group);
		return r;
	}
	for (size_t i = 0; r == 0 && i < root->n_hierarchies; i++)
		r = make_in(group, i, limits, &held, err);
	if (r < 0) {
		(void)cgroup_remove(group); /* it is new and empty */
		cgroup_group_free(group);
		return r;
	}
	group->view.procs_fds = group->procs_fds;
	*ret_unenforced = (cgroup_limits_wanted(limits) & ~held) != 0;
	*ret_group = group;
	return 0;
}

int cgroup_open_existing(
        struct cgroup_root *root, const char *name, struct cgroup_group **ret_group, struct baton_error *err)
{
	struct cgroup_group *group;
	bool found = false;

	if (!group_name_valid(name))
		return error_set(err, EINVAL, "\"%s\" is not a name for a control group", name);
	for (size_t i = 0; i < root->n_hierarchies && !found; i++)
		found = faccessat(root->hierarchies[i].parent_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (!found)
		return error_set(err, ENOENT, "there is no control group %s", name);
	group = group_alloc(root, name);
	if (!group)
		return error_set(err, ENOMEM, "out of memory");
	*ret_group = group;
	return 0;
}

void cgroup_close_view(struct cgroup_group *group)
{
	for (size_t i = 0; i < group->view.n_procs_fds; i++)
		close_fd(&group->procs_fds[i]);
	close_fd(&group->view.dir_fd);
	group->view.n_procs_fds = 0;
}

void cgroup_group_free(struct cgroup_group *group)
{
	if (!group)
		return;
	cgroup_close_view(group);
	free(group->name);
	free(group);
}

const struct baton_cgroup *cgroup_view(const struct cgroup_group *group)
{
	return &group->view;
}

/* ---- what goes on in it ---- */

bool cgroup_oom_killed(const struct cgroup_group *group)
{
	const struct cgroup_root *root = group->root;

	for (size_t i = 0; i < root->n_hierarchies; i++) {
		const struct cgroup_hierarchy *hierarchy = &root->hierarchies[i];
		cleanup_close int fd = hierarchy->controllers & CONTROLLER_BIT(CONTROLLER_MEMORY)
		                               ? open_group(hierarchy, group->name)
		                               : -1;

		if (fd >= 0 && cgroup_limits_oom_kills(fd, hierarchy->v2) > 0)
			return true;
	}
	return false;
}

static int kill_in(const struct cgroup_hierarchy *hierarchy, const char *name)
{
	cleanup_close int fd = open_group(hierarchy, name);
	int r = fd;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* The kernel kills the whole tree at once, whatever forks meanwhile. */
	if (hierarchy->v2) {
		r = file_write_text_at(fd, "cgroup.kill", "1");
		if (r != -ENOENT)
			return r;
	}
	return cgroup_walk_kill(fd);
}

int cgroup_kill(const struct cgroup_group *group)
{
	const struct cgroup_root *root = group->root;
	int result = 0;

	/* v2 first: it takes all at once; the v1 hierarchies then hold at most a process that was still
	 * joining. */
	for (size_t i = root->n_hierarchies; i-- > 0;) {
		int r = kill_in(&root->hierarchies[i], group->name);

		if (r < 0 && result == 0)
			result = r;
	}
	return result;
}

int cgroup_remove(struct cgroup_group *group)
{
	const struct cgroup_root *root = group->root;
	int result = 0;

	for (size_t i = 0; i < root->n_hierarchies; i++) {
		int r = cgroup_walk_remove(root->hierarchies[i].parent_fd, group->name);

		if (r < 0 && result == 0)
			result = r;
	}
	return result;
}

bool cgroup_in_use(const struct cgroup_root *root, const char *name)
{
	for (size_t i = 0; i < root->n_hierarchies; i++) {
		cleanup_close int fd = open_group(&root->hierarchies[i], name);

		if (fd >= 0 ? cgroup_walk_count(fd) != 0 : fd != -ENOENT)
			return true;
	}
	return false;
}

static int list_hierarchy(const struct cgroup_hierarchy *hierarchy, char ***names)
{
	cleanup_close int fd = openat(hierarchy->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const char *name;
	int child;
	int r = 0;

	if (!directory)
		return -errno;
	(void)steal_fd(&fd); /* now the stream's */
	while (r == 0 && (child = cgroup_next_child(directory, &name)) >= 0) {
		close_fd(&child);
		r = strv_contains(*names, name) ? 0 : strv_append(names, name);
	}
	return r;
}

int cgroup_list(struct cgroup_root *root, char ***ret_names)
{
	cleanup_strv char **names = NULL;

	for (size_t i = 0; i < root->n_hierarchies; i++) {
		int r = list_hierarchy(&root->hierarchies[i], &names);

		if (r < 0)
			return r;
	}
	*ret_names = steal_ptr(names);
	return 0;
}
