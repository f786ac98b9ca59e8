/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/image/layer.h"
#include "core/unpack/path.h"

#define XATTR_CAPABILITY "security.capability"
#define XATTR_USER       "user."
#define XATTR_OVERLAY    "user.overlay."

/* A new entry: `name` in the directory that the tree has entered. */
struct item {
	struct tree *tree;
	struct tar *tar;
	const struct tar_entry *entry;
	const char *name;
	bool hid_lower; /* a whiteout stood there */
};

typedef int (*make_fn)(struct item *item, struct baton_error *err);

/* chown(2): -1 means "as it is", and nothing may be left with our own user by chance. */
static int check_owner(const struct tar_entry *entry, struct baton_error *err)
{
	if (entry->uid < 0 || entry->uid >= UINT32_MAX || entry->gid < 0 || entry->gid >= UINT32_MAX)
		return error_set(err, EINVAL, "owner %lld:%lld is out of range", (long long)entry->uid,
		        (long long)entry->gid);
	return 0;
}

/* 1 when it was set, 0 when it is of a kind that images may not set here. */
static int set_xattr(int fd, bool directory, const char *name, const void *value, size_t size)
{
	bool capability = strcmp(name, XATTR_CAPABILITY) == 0 && !directory;
	bool user = strncmp(name, XATTR_USER, strlen(XATTR_USER)) == 0 &&
	            strncmp(name, XATTR_OVERLAY, strlen(XATTR_OVERLAY)) != 0;

	if (!capability && !user)
		return 0;
	if (fsetxattr(fd, name, value, size, 0) == 0)
		return 1;
	return user && errno == EOPNOTSUPP ? 0 : -errno;
}

static int set_xattrs(struct item *item, int fd, bool directory, struct baton_error *err)
{
	for (size_t i = 0; i < item->entry->n_xattrs; i++) {
		const struct tar_xattr *xattr = &item->entry->xattrs[i];
		int r = set_xattr(fd, directory, xattr->name, xattr->value, xattr->size);

		if (r < 0)
			return error_errno(err, -r, "extended attribute \"%.64s\"", xattr->name);
		if (r == 0)
			item->tree->totals->dropped_xattrs++;
	}
	return 0;
}

/* Owner before mode, as chown(2) clears set-user-ID, and before attributes, as it clears file capabilities.
 */
static int set_metadata(struct item *item, int fd, bool directory, struct baton_error *err)
{
	const struct timespec times[2] = { item->entry->mtime, item->entry->mtime };
	int r = check_owner(item->entry, err);

	if (r < 0)
		return r;
	if (fchown(fd, (uid_t)item->entry->uid, (gid_t)item->entry->gid) < 0 ||
	        fchmod(fd, item->entry->mode) < 0)
		return error_errno(err, errno, "owner and mode");
	r = set_xattrs(item, fd, directory, err);
	if (r < 0)
		return r;
	return futimens(fd, times) < 0 ? error_errno(err, errno, "time") : 0;
}

/* The same for what can not be opened. The mode of a symbolic link means nothing; a FIFO was made with its
 * own. */
static int set_metadata_at(struct item *item, struct baton_error *err)
{
	const struct timespec times[2] = { item->entry->mtime, item->entry->mtime };
	int r = check_owner(item->entry, err);

	if (r < 0)
		return r;
	if (fchownat(item->tree->parent_fd, item->name, (uid_t)item->entry->uid, (gid_t)item->entry->gid,
	            AT_SYMLINK_NOFOLLOW) < 0 ||
	        utimensat(item->tree->parent_fd, item->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "owner and time");
	return 0;
}

static int write_at(int fd, const char *data, size_t size, int64_t offset)
{
	while (size > 0) {
		ssize_t written = pwrite(fd, data, size, offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		size -= (size_t)written;
		offset += written;
	}
	return 0;
}

static int write_data(struct item *item, int fd, int64_t size, struct baton_error *err)
{
	struct tar_piece piece;
	int r;

	while ((r = tar_read_piece(item->tar, &piece, err)) > 0) {
		/* Sparse maps are the archive's word: each piece must lie in the file. */
		if (piece.offset < 0 || piece.offset > size || piece.size > (uint64_t)(size - piece.offset))
			return error_set(err, EINVAL, "data beyond the size of the file");
		r = write_at(fd, piece.data, piece.size, piece.offset);
		if (r < 0)
			return error_errno(err, -r, "cannot write");
	}
	if (r < 0)
		return r;
	/* A sparse file may end in a hole. */
	return ftruncate(fd, size) < 0 ? error_errno(err, errno, "cannot write") : 0;
}

static int make_file(struct item *item, struct baton_error *err)
{
	int64_t size = item->entry->size;
	cleanup_close int fd = -1;
	int r;

	if (size < 0 || (uint64_t)size > item->tree->limits->bytes)
		return error_set(err, EFBIG, "the file is larger than %llu bytes",
		        (unsigned long long)item->tree->limits->bytes);
	fd = openat(item->tree->parent_fd, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	        0600);
	if (fd < 0)
		return error_errno(err, errno, "cannot make the file");
	r = write_data(item, fd, size, err);
	return r < 0 ? r : set_metadata(item, fd, false, err);
}

static int make_directory(struct item *item, struct baton_error *err)
{
	cleanup_close int fd = -1;
	int r;

	if (mkdirat(item->tree->parent_fd, item->name, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make the directory");
	fd = openat(item->tree->parent_fd, item->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot make the directory");
	r = item->hid_lower ? tree_mark_opaque(fd) : 0;
	return r < 0 ? error_errno(err, -r, "whiteout") : set_metadata(item, fd, true, err);
}

static int make_symlink(struct item *item, struct baton_error *err)
{
	const char *target = item->entry->symlink;

	if (!target || *target == '\0' || strlen(target) > item->tree->limits->symlink)
		return error_set(err, EINVAL, "the target of a symbolic link must have 1 to %zu bytes",
		        item->tree->limits->symlink);
	if (symlinkat(target, item->tree->parent_fd, item->name) < 0)
		return error_errno(err, errno, "cannot make the symbolic link");
	return set_metadata_at(item, err);
}

static int make_fifo(struct item *item, struct baton_error *err)
{
	if (mknodat(item->tree->parent_fd, item->name, S_IFIFO | (item->entry->mode & 0777), 0) < 0)
		return error_errno(err, errno, "cannot make the FIFO");
	return set_metadata_at(item, err);
}

static int refuse_device(struct item *item, struct baton_error *err)
{
	(void)item;
	return error_set(err, EPERM, "images must not hold device nodes");
}

static const struct {
	mode_t type;
	make_fn make;
} kinds[] = {
	{ S_IFREG, make_file },
	{ S_IFDIR, make_directory },
	{ S_IFLNK, make_symlink },
	{ S_IFIFO, make_fifo },
	{ S_IFCHR, refuse_device },
	{ S_IFBLK, refuse_device },
};

/* The other name must be a file of this layer: the lower ones are not here, and links do not cross layers. */
static int make_hardlink(struct item *item, const char *raw, struct baton_error *err)
{
	cleanup_close int other_fd = -1;
	char target[PATH_MAX];
	char parent[PATH_MAX];
	struct stat status;
	const char *name;
	size_t length;
	int r = path_clean(raw, item->tree->limits->path, target, err);

	if (r < 0)
		return error_prefix(err, "hard link to \"%.128s\"", raw);
	name = path_name(target, &length);
	memcpy(parent, target, length);
	parent[length] = '\0';
	other_fd = file_open_beneath(item->tree->root_fd, length > 0 ? parent : ".", O_PATH | O_DIRECTORY, 0);
	if (other_fd < 0)
		return error_errno(err, -other_fd, "hard link to \"%.128s\"", target);
	if (fstatat(other_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "hard link to \"%.128s\"", target);
	if (S_ISDIR(status.st_mode) || S_ISCHR(status.st_mode))
		return error_set(err, EINVAL, "hard link to \"%.128s\", which is not a file", target);
	if (linkat(other_fd, name, item->tree->parent_fd, item->name, 0) < 0)
		return error_errno(err, errno, "hard link to \"%.128s\"", target);
	return 0;
}

static int make_item(struct item *item, struct baton_error *err)
{
	const char *other = item->entry->hardlink;
	bool directory = !other && item->entry->type == S_IFDIR;
	int r;

	/* A link to itself must not lose the file when room is made for it. */
	if (other) {
		char target[PATH_MAX];
		size_t length = strlen(item->tree->parent);

		if (path_clean(other, item->tree->limits->path, target, NULL) == 0 &&
		        strncmp(target, item->tree->parent, length) == 0 &&
		        strcmp(target + length + (length > 0 && target[length] == '/'), item->name) == 0)
			return error_set(err, EINVAL, "hard link to itself");
	}
	r = tree_make_room(item->tree, item->name, directory, &item->hid_lower);
	if (r < 0)
		return error_errno(err, -r, "cannot replace what is there");
	if (other)
		return make_hardlink(item, other, err);
	for (size_t i = 0; i < array_size(kinds); i++) {
		if (kinds[i].type == item->entry->type)
			return kinds[i].make(item, err);
	}
	return error_set(err, EINVAL, "entry of an unknown type");
}

/* The layer's own "./": owner, mode and time of "/" in the container. */
static int set_root(struct item *item, struct baton_error *err)
{
	if (item->entry->hardlink || item->entry->type != S_IFDIR)
		return error_set(err, EINVAL, "the root of the image is not a directory");
	return set_metadata(item, item->tree->root_fd, true, err);
}

enum whiteout { NO_WHITEOUT, WHITEOUT, OPAQUE, METADATA, BELOW_WHITEOUT };

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum whiteout whiteout_kind(const char *path, const char *name)
{
	for (const char *part = path; part != name; part = strchr(part, '/') + 1) {
		if (has_prefix(part, LAYER_METADATA_PREFIX))
			return METADATA;
		if (has_prefix(part, LAYER_WHITEOUT_PREFIX))
			return BELOW_WHITEOUT;
	}
	if (strcmp(name, LAYER_OPAQUE_MARKER) == 0)
		return OPAQUE;
	if (has_prefix(name, LAYER_METADATA_PREFIX))
		return METADATA;
	return has_prefix(name, LAYER_WHITEOUT_PREFIX) ? WHITEOUT : NO_WHITEOUT;
}

static int add_whiteout(struct tree *tree, enum whiteout kind, const char *name, struct baton_error *err)
{
	const char *hidden = name + strlen(LAYER_WHITEOUT_PREFIX);
	int r;

	if (kind == OPAQUE)
		r = tree_mark_opaque(tree->parent_fd);
	else if (*hidden == '\0' || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
		r = -EINVAL;
	else
		r = tree_whiteout(tree, hidden);
	return r < 0 ? error_errno(err, -r, "whiteout") : 0;
}

static int add_clean(struct item *item, const char *path, struct baton_error *err)
{
	size_t length;
	enum whiteout kind;
	int r;

	item->name = path_name(path, &length);
	kind = whiteout_kind(path, item->name);
	if (path[0] == '\0')
		return set_root(item, err);
	if (kind == METADATA)
		return 0;
	if (kind == BELOW_WHITEOUT)
		return error_set(err, EINVAL, "an entry below a whiteout");
	r = tree_enter(item->tree, path, length);
	if (r == -ELOOP)
		return error_set(err, ELOOP, "an entry below a symbolic link");
	if (r == -ENOTDIR)
		return error_set(err, ENOTDIR, "an entry below something that is not a directory");
	if (r < 0)
		return error_errno(err, -r, "cannot make the directory above");
	return kind == NO_WHITEOUT ? make_item(item, err) : add_whiteout(item->tree, kind, item->name, err);
}

int tree_add(struct tree *tree, struct tar *tar, const struct tar_entry *entry, struct baton_error *err)
{
	struct item item = { .tree = tree, .tar = tar, .entry = entry };
	char path[PATH_MAX];
	int r = path_clean(entry->path, tree->limits->path, path, err);

	if (r == 0)
		r = add_clean(&item, path, err);
	return r < 0 ? error_prefix(err, "\"%.128s\"", entry->path) : 0;
}
