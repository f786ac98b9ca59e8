/* SPDX-License-Identifier: Apache-2.0 */
/* The container's file systems, by the new mount API: descriptors all the way, no path is resolved twice. */
#include "plugins/native/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

struct mounts {
	const struct spec *spec;
	int root_fd;
	int proc_fd; /* our own procfs, once it is mounted */
};

static int set_attributes(int fd, const struct spec_mount *mount)
{
	struct mount_attr attributes = { .attr_set = mount->attr_set, .propagation = mount->propagation };
	unsigned flags = AT_EMPTY_PATH | (mount->recursive ? AT_RECURSIVE : 0U);

	/* MOUNT_ATTR__ATIME is a field of its own: the bits of the old mode have to be cleared first. */
	if (attributes.attr_set & MOUNT_ATTR__ATIME)
		attributes.attr_clr = MOUNT_ATTR__ATIME;
	if (attributes.attr_set == 0 && attributes.propagation == 0)
		return 0;
	return mount_setattr(fd, "", flags, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

/* "key=value" or "flag" to fsconfig(2). */
static int configure(int context_fd, const char *option)
{
	const char *equals = strchr(option, '=');
	char key[64];
	size_t length = equals ? (size_t)(equals - option) : strlen(option);

	if (length >= sizeof(key))
		return -EINVAL;
	memcpy(key, option, length);
	key[length] = '\0';
	if (fsconfig(context_fd, equals ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key,
	            equals ? equals + 1 : NULL, 0) < 0)
		return -errno;
	return 0;
}

static int new_file_system(const struct spec_mount *mount)
{
	cleanup_close int context = fsopen(mount->type, FSOPEN_CLOEXEC);
	int fd;

	if (context < 0)
		return -errno;
	if (!mount->cgroup && *mount->source &&
	        fsconfig(context, FSCONFIG_SET_STRING, "source", mount->source, 0) < 0)
		return -errno;
	for (char *const *option = mount->data; option && *option; option++) {
		int r = configure(context, *option);

		if (r < 0)
			return r;
	}
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(context, FSMOUNT_CLOEXEC, (unsigned)mount->attr_set);
	return fd < 0 ? -errno : fd;
}

static int clone_tree(const struct spec_mount *mount)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (mount->recursive ? AT_RECURSIVE : 0U);
	int fd = open_tree(AT_FDCWD, mount->source, flags);
	int r;

	if (fd < 0)
		return -errno;
	r = set_attributes(fd, mount);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

/*
 * /proc, /sys and /dev must be real directories of the root: a link there (CVE-2019-16884, 2026-41579) would
 * put the kernel's file systems, and the nodes made in them, elsewhere. Everything else resolves inside the
 * root.
 */
static int open_target(const struct mounts *mounts, const struct spec_mount *mount, int is_directory)
{
	static const char *const fixed[] = { "/proc", "/sys", "/dev" };
	struct statfs status;
	int fd;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (strcmp(mount->destination, fixed[i]) != 0)
			continue;
		if (mkdirat(mounts->root_fd, fixed[i] + 1, 0755) < 0 && errno != EEXIST)
			return -errno;
		return file_open_beneath(mounts->root_fd, fixed[i] + 1, O_PATH | O_DIRECTORY, 0);
	}
	fd = child_target(mounts->root_fd, mount->destination, is_directory);
	/* A link of the image may lead a harmless path into /proc; the kind of file system tells where we
	 * are. */
	if (fd >= 0 && (fstatfs(fd, &status) < 0 || status.f_type == PROC_SUPER_MAGIC)) {
		(void)close(fd);
		return -EPERM;
	}
	return fd;
}

static int attach(struct mounts *mounts, const struct spec_mount *mount, struct baton_error *err)
{
	cleanup_close int tree = mount->bind ? clone_tree(mount) : new_file_system(mount);
	cleanup_close int target = -1;
	struct stat status;
	int r;

	if (tree < 0)
		return error_errno(err, -tree, "mount %s (%s)", mount->destination,
		        mount->bind ? mount->source : mount->type);
	if (fstat(tree, &status) < 0)
		return error_errno(err, errno, "mount %s", mount->destination);
	target = open_target(mounts, mount, S_ISDIR(status.st_mode));
	if (target < 0)
		return error_errno(err, -target, "mount target %s", mount->destination);
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, errno, "mount %s", mount->destination);
	r = mount->bind ? 0 : set_attributes(tree, mount);
	if (r < 0)
		return error_errno(err, -r, "options of mount %s", mount->destination);
	if (strcmp(mount->type, "proc") == 0 && mounts->proc_fd < 0)
		mounts->proc_fd = steal_fd(&tree);
	return 0;
}

/* pivot_root(2) wants a mount point: the root is cloned onto itself, which also keeps later changes private.
 */
static int attach_root(struct mounts *mounts, struct baton_error *err)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	const char *path = mounts->spec->rootfs;
	cleanup_close int place = -1;

	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)) < 0)
		return error_errno(err, errno, "private mount propagation");
	/* Opened once: a link in its place would make another directory the container's, perhaps the host's.
	 */
	place = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		return error_errno(err, errno, "root %s", path);
	mounts->root_fd =
	        open_tree(place, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	if (mounts->root_fd < 0)
		return error_errno(err, errno, "root %s", path);
	if (move_mount(mounts->root_fd, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(err, errno, "root %s", path);
	return 0;
}

/* As Docker does: an image's WORKDIR may not exist yet. */
static void make_cwd(const struct mounts *mounts)
{
	int fd = child_target(mounts->root_fd, mounts->spec->cwd, 1);

	close_fd(&fd); /* a failure shows again when the directory is entered, with its reason */
}

static int enter_root(const struct mounts *mounts, struct baton_error *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	if (fchdir(mounts->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return error_errno(err, errno, "pivot_root");
	/* The old root is stacked over the new one at "." (pivot_root(2), notes) and goes with everything in
	 * it. */
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(err, errno, "leaving the old root");
	if (mounts->spec->rootfs_read_only &&
	        mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) < 0)
		return error_errno(err, errno, "read-only root");
	return 0;
}

static int populate(struct mounts *mounts, struct baton_error *err)
{
	const struct spec *spec = mounts->spec;
	cleanup_close int dev_fd = -1;
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++)
		r = attach(mounts, &spec->mounts[i], err);
	if (r < 0)
		return r;
	dev_fd = file_open_beneath(mounts->root_fd, "dev", O_PATH | O_DIRECTORY, 0);
	if (dev_fd < 0)
		return error_errno(err, -dev_fd, "/dev of the container");
	r = child_devices(spec, dev_fd, err);
	if (r == 0)
		r = child_sysctls(spec, mounts->proc_fd, err);
	if (r == 0)
		r = child_protect(spec, mounts->root_fd, err);
	return r;
}

int child_mounts(const struct spec *spec, struct baton_error *err)
{
	struct mounts mounts = { .spec = spec, .root_fd = -1, .proc_fd = -1 };
	int r = attach_root(&mounts, err);

	(void)umask(0); /* modes below are meant as they are written */
	if (r == 0)
		r = populate(&mounts, err);
	if (r == 0) {
		make_cwd(&mounts);
		r = enter_root(&mounts, err);
	}
	close_fd(&mounts.root_fd);
	close_fd(&mounts.proc_fd);
	return r;
}
