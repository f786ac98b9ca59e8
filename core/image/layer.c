/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"

#define STAT_BLOCK 512 /* stat(2): unit of st_blocks, whatever the file system */
/* Directories that the helper makes beside the counted entries: missing parents. */
#define ENTRIES_MAX (2ULL * CONFIG_IMAGE_FILES_MAX)

struct walk {
	bool seal;
	dev_t device;
	uint64_t entries;
	uint64_t bytes;
};

static int walk_directory(struct walk *walk, int fd, int depth, struct baton_error *err);

static const char *forbidden_kind(const struct stat *status)
{
	switch (status->st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO: return NULL;
	case S_IFCHR: return status->st_rdev == makedev(0, 0) ? NULL : "a device node";
	case S_IFBLK: return "a device node";
	default: return "a socket";
	}
}

static void count(struct walk *walk, const struct stat *status)
{
	uint64_t links = S_ISDIR(status->st_mode) || status->st_nlink == 0 ? 1 : status->st_nlink;

	walk->bytes += (uint64_t)status->st_blocks * STAT_BLOCK / links;
}

static int mark_opaque(int parent_fd, struct baton_error *err)
{
	struct stat status;
	struct timespec times[2];

	/* The time of the directory belongs to the image: taking the marker away must not change it. */
	if (fstat(parent_fd, &status) < 0)
		return error_errno(err, errno, "opaque directory");
	times[0] = status.st_atim;
	times[1] = status.st_mtim;
	if (fsetxattr(parent_fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
		return error_errno(err, errno, "cannot mark an opaque directory");
	if (unlinkat(parent_fd, LAYER_OPAQUE_MARKER, 0) < 0 || futimens(parent_fd, times) < 0)
		return error_errno(err, errno, "opaque directory");
	return 0;
}

static int walk_child(struct walk *walk, int parent_fd, const char *name, int depth, struct baton_error *err)
{
	struct stat status;
	const char *kind;
	int fd;

	if (fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "layer, at \"%s\"", name);
	kind = forbidden_kind(&status);
	if (kind)
		return error_set(err, EPERM, "the unpacked layer holds %s \"%s\"", kind, name);
	if (status.st_dev != walk->device || ++walk->entries > ENTRIES_MAX || depth > LAYER_DEPTH_MAX)
		return error_set(err, EOVERFLOW,
		        "the unpacked layer is too deep, too large or not on one file system");
	count(walk, &status);
	if (!S_ISDIR(status.st_mode))
		return 0;
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "layer, at \"%s\"", name);
	return walk_directory(walk, fd, depth, err);
}

/* Takes fd. */
static int walk_directory(struct walk *walk, int fd, int depth, struct baton_error *err)
{
	cleanup_dir DIR *directory = fdopendir(fd);
	struct dirent *entry;
	bool opaque = false;

	if (!directory) {
		close_fd(&fd);
		return error_set(err, ENOMEM, "out of memory");
	}
	while ((entry = readdir(directory))) {
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (walk->seal && strcmp(entry->d_name, LAYER_OPAQUE_MARKER) == 0) {
			opaque = true;
			continue;
		}
		r = walk_child(walk, fd, entry->d_name, depth + 1, err);
		if (r < 0)
			return r;
	}
	return opaque ? mark_opaque(fd, err) : 0;
}

static int walk_layer(int layer_fd, bool seal, uint64_t *ret_bytes, struct baton_error *err)
{
	/* A new description: the position of a directory stream is shared by duplicates. */
	int fd = openat(layer_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk walk = { .seal = seal };
	struct stat status;
	int r;

	if (fd < 0)
		return error_errno(err, errno, "layer");
	if (fstat(fd, &status) < 0) {
		close_fd(&fd);
		return error_errno(err, errno, "layer");
	}
	walk.device = status.st_dev;
	count(&walk, &status);
	r = walk_directory(&walk, fd, 0, err);
	if (r == 0)
		*ret_bytes = walk.bytes;
	return r;
}

int image_layer_seal(int layer_fd, uint64_t *ret_bytes, struct baton_error *err)
{
	return walk_layer(layer_fd, true, ret_bytes, err);
}

int image_layer_measure(int layer_fd, uint64_t *ret_bytes, struct baton_error *err)
{
	return walk_layer(layer_fd, false, ret_bytes, err);
}
