/* SPDX-License-Identifier: Apache-2.0 */
/* Where entries go: parents, what stands in the way, whiteouts. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/image/layer.h"
#include "core/unpack/tree.h"

void tree_init(
        struct tree *tree, int root_fd, const struct unpack_limits *limits, struct unpack_totals *totals)
{
	*tree = (struct tree){ .root_fd = root_fd, .limits = limits, .totals = totals, .parent_fd = -1 };
}

static void leave_parent(struct tree *tree)
{
	if (tree->parent_fd < 0)
		return;
	(void)futimens(tree->parent_fd, tree->parent_times); /* only a time: not worth losing the layer */
	close_fd(&tree->parent_fd);
}

void tree_release(struct tree *tree)
{
	leave_parent(tree);
}

/* Missing parents get root and 0755; -ELOOP at a symbolic link, -ENOTDIR at anything else in the way. */
static int make_parents(struct tree *tree, char *path)
{
	for (char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
		cleanup_close int fd = -1;
		size_t parent = 0;
		const char *name;

		if (slash)
			*slash = '\0';
		name = path;
		for (char *c = path; *c; c++) {
			if (*c == '/') {
				name = c + 1;
				parent = (size_t)(c - path);
			}
		}
		if (parent > 0)
			path[parent] = '\0';
		fd = file_open_beneath(tree->root_fd, parent > 0 ? path : ".", O_RDONLY | O_DIRECTORY, 0);
		if (parent > 0)
			path[parent] = '/';
		if (fd < 0)
			return fd;
		if (mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (!slash)
			return 0;
		*slash = '/';
	}
}

int tree_enter(struct tree *tree, const char *path, size_t length)
{
	char copy[PATH_MAX];
	struct stat status;
	int fd;

	if (tree->parent_fd >= 0 && strlen(tree->parent) == length && memcmp(tree->parent, path, length) == 0)
		return 0;
	leave_parent(tree);
	memcpy(copy, path, length);
	copy[length] = '\0';
	fd = file_open_beneath(tree->root_fd, length > 0 ? copy : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT) {
		int r = make_parents(tree, copy);

		if (r < 0)
			return r;
		fd = file_open_beneath(tree->root_fd, copy, O_RDONLY | O_DIRECTORY, 0);
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0) {
		close_fd(&fd);
		return -errno;
	}
	tree->parent_fd = fd;
	memcpy(tree->parent, copy, length + 1);
	tree->parent_times[0] = status.st_atim;
	tree->parent_times[1] = status.st_mtim;
	return 0;
}

static bool is_whiteout(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && status->st_rdev == makedev(0, 0);
}

/*
 * A later entry of one archive replaces an earlier one; only directories are merged. Where a whiteout stood,
 * *ret_hid_lower is set: a directory made there must go on hiding what lower layers have below that name.
 */
int tree_make_room(struct tree *tree, const char *name, bool directory, bool *ret_hid_lower)
{
	struct stat status;

	*ret_hid_lower = false;
	if (fstatat(tree->parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (directory && S_ISDIR(status.st_mode))
		return 0;
	*ret_hid_lower = is_whiteout(&status);
	return tree_remove_at(tree->parent_fd, name);
}

/* The trusted side turns the marker into the attribute (core/image/layer.h). */
int tree_mark_opaque(int dir_fd)
{
	int fd = openat(dir_fd, LAYER_OPAQUE_MARKER, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close_fd(&fd);
	return 0;
}

/*
 * Hides `name` of the layers below. It says nothing about an entry of that name in this very layer
 * (image-spec layer.md): a file hides the lower one anyway, a directory becomes opaque. A 0:0 character
 * device needs no CAP_MKNOD since Linux 5.8.
 */
int tree_whiteout(struct tree *tree, const char *name)
{
	cleanup_close int fd = -1;
	struct stat status;
	struct timespec times[2];
	int r;

	if (mknodat(tree->parent_fd, name, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	fd = openat(tree->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	times[0] = status.st_atim;
	times[1] = status.st_mtim;
	r = tree_mark_opaque(fd);
	return r == 0 && futimens(fd, times) < 0 ? -errno : r;
}
