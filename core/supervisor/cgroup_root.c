/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Baton's group in each hierarchy, below the hierarchy's root: where batond itself was started (a session, a
 * service, another container) has no influence on the containers' limits, and a restart from elsewhere finds
 * them again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/supervisor/cgroup-priv.h"

#define CONTROLLERS_FILE_MAX ((size_t)4096)

static const char *const advice[CONTROLLERS] = {
	[CONTROLLER_MEMORY] =
	        "boot with cgroup_enable=memory on the command line (and cgroup_memory=1 on a Pi)",
	[CONTROLLER_CPU] = "the kernel needs CONFIG_CFS_BANDWIDTH",
	[CONTROLLER_PIDS] = "the kernel needs CONFIG_CGROUP_PIDS",
	[CONTROLLER_DEVICES] = "the kernel needs CONFIG_CGROUP_DEVICE (v1) or CONFIG_CGROUP_BPF (v2)",
};

/* ---- v2: a controller is there for a group when all groups above hand it down ---- */

static unsigned read_controllers(int dir_fd, const char *file)
{
	cleanup_free char *text = NULL;
	unsigned found = 0;
	char *state = NULL;

	if (file_read_at(dir_fd, file, CONTROLLERS_FILE_MAX, &text, NULL) < 0)
		return 0;
	for (char *word = text ? strtok_r(text, " \n", &state) : NULL; word;
	        word = strtok_r(NULL, " \n", &state)) {
		for (unsigned i = 0; i < CONTROLLERS; i++) {
			if (strcmp(word, cgroup_controller_names[i]) == 0)
				found |= CONTROLLER_BIT(i);
		}
	}
	return found;
}

/* One write for each: a refused one (a busy group, a realtime process for cpu) must not take others along. */
static unsigned hand_down(int dir_fd)
{
	unsigned wanted = read_controllers(dir_fd, "cgroup.controllers") &
	                  ~read_controllers(dir_fd, "cgroup.subtree_control");

	for (unsigned i = 0; i < CONTROLLERS; i++) {
		char text[32];

		if (!(wanted & CONTROLLER_BIT(i)))
			continue;
		(void)snprintf(text, sizeof(text), "+%s", cgroup_controller_names[i]);
		(void)file_write_text_at(
		        dir_fd, "cgroup.subtree_control", text); /* what failed is not in the file below */
	}
	return read_controllers(dir_fd, "cgroup.subtree_control");
}

/* ---- the parent group ---- */

static bool parent_valid(const char *parent)
{
	const char *next = parent;

	while (*next) {
		size_t length = strcspn(next, "/");

		if (length == 0 || next[0] == '.' || length > NAME_MAX)
			return false;
		next += length;
		if (*next == '/')
			next++;
	}
	return *parent != '\0' && next[-1] != '/' && strlen(parent) < PATH_MAX;
}

/* Makes each level of `parent`, on v2 with all controllers handed down to the next. */
static int make_parent(struct cgroup_hierarchy *hierarchy, const char *mount, const char *parent)
{
	char copy[PATH_MAX];
	char *state = NULL;
	int fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memcpy(copy, parent, strlen(parent) + 1);
	for (char *name = strtok_r(copy, "/", &state); name; name = strtok_r(NULL, "/", &state)) {
		cleanup_close int above = fd;

		if (hierarchy->v2)
			(void)hand_down(above); /* the last level's answer counts */
		fd = dir_open_make_at(above, name, 0755);
		if (fd < 0)
			return fd;
	}
	if (hierarchy->v2)
		hierarchy->controllers = hand_down(fd) & ~CONTROLLER_BIT(CONTROLLER_DEVICES);
	hierarchy->parent_fd = fd;
	return 0;
}

static int add_hierarchy(struct cgroup_root *root, const struct cgroup_place *place, const char *parent,
        struct baton_error *err)
{
	struct cgroup_hierarchy hierarchy = { .v2 = place->v2, .controllers = place->controllers };
	int r = make_parent(&hierarchy, place->path, parent);

	if (r < 0)
		return error_errno(err, -r, "control group %s/%s", place->path, parent);
	root->hierarchies[root->n_hierarchies++] = hierarchy;
	return 0;
}

/* ---- what there is ---- */

static unsigned usable(const struct cgroup_root *root)
{
	unsigned found = 0;

	for (size_t i = 0; i < root->n_hierarchies; i++)
		found |= root->hierarchies[i].controllers;
	return found;
}

/* Where no v1 controller judges devices, a program on the v2 group does. An empty one proves that it can be
 * loaded. */
static void probe_device_program(struct cgroup_root *root)
{
	struct cgroup_hierarchy *last = &root->hierarchies[root->n_hierarchies - 1];
	cleanup_close int program = -1;

	if (!last->v2 || (usable(root) & CONTROLLER_BIT(CONTROLLER_DEVICES)))
		return;
	program = cgroup_device_bpf_load(NULL, 0);
	if (program >= 0)
		last->controllers |= CONTROLLER_BIT(CONTROLLER_DEVICES);
}

static int note_missing(struct cgroup_root *root)
{
	unsigned found = usable(root);

	for (unsigned i = 0; i < CONTROLLERS; i++) {
		int r = found & CONTROLLER_BIT(i)
		                ? 0
		                : strv_appendf(&root->missing, "%s: limits are not enforced; %s",
		                          cgroup_controller_names[i], advice[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static void set_mode(struct cgroup_root *root)
{
	bool has_v2 = root->hierarchies[root->n_hierarchies - 1].v2;

	if (!has_v2)
		root->mode = "v1";
	else
		root->mode = root->n_hierarchies > 1 ? "hybrid" : "v2";
}

int cgroup_root_build(const struct cgroup_place *places, size_t n_places, const char *parent,
        struct cgroup_root **ret_root, struct baton_error *err)
{
	struct cgroup_root *root;
	int r = 0;

	if (!parent_valid(parent))
		return error_set(err, EINVAL, "\"%s\" is not a name for a control group", parent);
	if (n_places == 0)
		return error_set(err, ENOENT,
		        "no control groups are mounted; mount cgroup2 at /sys/fs/cgroup, as init systems do");
	root = calloc(1, sizeof(*root));
	if (!root)
		return error_set(err, ENOMEM, "out of memory");
	root->device_program = -1;
	for (size_t i = 0; r == 0 && i < n_places; i++)
		r = add_hierarchy(root, &places[i], parent, err);
	if (r == 0) {
		probe_device_program(root);
		set_mode(root);
		if (note_missing(root) < 0)
			r = error_set(err, ENOMEM, "out of memory");
	}
	if (r < 0) {
		cgroup_root_free(root);
		return r;
	}
	*ret_root = root;
	return 0;
}

int cgroup_root_new(const char *parent, struct cgroup_root **ret_root, struct baton_error *err)
{
	struct cgroup_place places[HIERARCHIES_MAX];
	size_t count = 0;
	int r = cgroup_discover(places, &count, err);

	return r < 0 ? r : cgroup_root_build(places, count, parent, ret_root, err);
}

int cgroup_root_lock(const struct cgroup_root *root)
{
	for (size_t i = 0; i < root->n_hierarchies; i++) {
		if (flock(root->hierarchies[i].parent_fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
	}
	return 0;
}

void cgroup_root_free(struct cgroup_root *root)
{
	if (!root)
		return;
	for (size_t i = 0; i < root->n_hierarchies; i++)
		close_fd(&root->hierarchies[i].parent_fd);
	close_fd(&root->device_program);
	strv_free(root->missing);
	free(root);
}

const char *cgroup_mode(const struct cgroup_root *root)
{
	return root->mode;
}

char *const *cgroup_missing(const struct cgroup_root *root)
{
	static char *const none[] = { NULL };

	return root->missing ? root->missing : none;
}
