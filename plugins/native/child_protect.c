/* SPDX-License-Identifier: Apache-2.0 */
/* Masked and read-only paths (config-linux.md). */
#include "plugins/native/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

struct covers {
	int empty_fd;     /* a read-only directory, for all masked ones */
	int null_fd;      /* for files */
	bool is_attached; /* empty_fd */
};

static int make_empty_directory(void)
{
	cleanup_close int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "2", 0) < 0 ||
	        fsconfig(context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(context, FSMOUNT_CLOEXEC,
	        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The host's node, checked: what the image has at that path counts for nothing (CVE-2025-31133). */
static int open_null(void)
{
	cleanup_close int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
		return -ENODEV;
	return steal_fd(&fd);
}

static int move_to(int tree_fd, int target_fd)
{
	return move_mount(tree_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
	               ? -errno
	               : 0;
}

/*
 * The null device of the masks is an inode of the host: on a mount that is read-only the container's root can
 * write to it as ever, but not change its mode or owner for everybody.
 */
static int clone_read_only(int source_fd, int target_fd, unsigned recursive)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	unsigned flags = AT_EMPTY_PATH | recursive;
	cleanup_close int tree = open_tree(source_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);

	if (tree < 0 || mount_setattr(tree, "", flags, &read_only, sizeof(read_only)) < 0)
		return -errno;
	return move_to(tree, target_fd);
}

/* Before Linux 6.15 only a mount that is attached can be cloned: the first target gets the mount itself. */
static int cover_directory(struct covers *covers, int target_fd)
{
	int r;

	if (covers->is_attached)
		return clone_read_only(covers->empty_fd, target_fd, 0);
	r = move_to(covers->empty_fd, target_fd);
	covers->is_attached = r == 0;
	return r;
}

static int mask(int root_fd, const char *path, struct covers *covers)
{
	cleanup_close int target = file_open_in_root(root_fd, path, O_PATH, 0);
	struct stat status;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0; /* this kernel does not have it */
	if (target < 0)
		return target;
	if (fstat(target, &status) < 0)
		return -errno;
	return S_ISDIR(status.st_mode) ? cover_directory(covers, target)
	                               : clone_read_only(covers->null_fd, target, 0);
}

static int make_read_only(int root_fd, const char *path)
{
	cleanup_close int target = file_open_in_root(root_fd, path, O_PATH, 0);

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	return target < 0 ? target : clone_read_only(target, target, AT_RECURSIVE);
}

int child_protect(const struct spec *spec, int root_fd, struct baton_error *err)
{
	cleanup_close int empty_fd = -1;
	cleanup_close int null_fd = -1;
	struct covers covers;

	if (spec->masked_paths[0]) {
		empty_fd = make_empty_directory();
		null_fd = open_null();
		if (empty_fd < 0 || null_fd < 0)
			return error_errno(
			        err, empty_fd < 0 ? -empty_fd : -null_fd, "covers of masked paths");
	}
	covers = (struct covers){ .empty_fd = empty_fd, .null_fd = null_fd };
	for (char **path = spec->masked_paths; *path; path++) {
		int r = mask(root_fd, *path, &covers);

		if (r < 0)
			return error_errno(err, -r, "masking %s", *path);
	}
	for (char **path = spec->readonly_paths; *path; path++) {
		int r = make_read_only(root_fd, *path);

		if (r < 0)
			return error_errno(err, -r, "read-only %s", *path);
	}
	return 0;
}
