/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"

#define TREE_DEPTH_MAX 256
#define READ_CHUNK     4096

static int open_how(int dir_fd, const char *path, int flags, mode_t mode, unsigned long long resolve)
{
	struct open_how how = {
		.flags = (unsigned long long)(unsigned)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
		.resolve = resolve,
	};
	long fd;

	/* openat2(2): EAGAIN when a rename or mount raced with "..", which the caller may retry. Bounded
	 * here. */
	for (int i = 0; i < 64; i++) {
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return -errno;
}

int file_open_in_root(int root_fd, const char *path, int flags, mode_t mode)
{
	return open_how(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int file_open_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	return open_how(dir_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int dir_open_make_at(int dir_fd, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(dir_fd, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* O_PATH needs no right to read: a level may be one that we can only pass through. */
static int open_level(int parent, const char *name, mode_t mode)
{
	int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int dir_open_make(const char *path, mode_t mode, struct baton_error *err)
{
	cleanup_close int level = -1;
	char copy[PATH_MAX];
	char *next = copy + 1;
	int fd;

	if (path[0] != '/' || strlen(path) >= sizeof(copy))
		return error_set(err, EINVAL,
		        "directory \"%s\" must be an absolute path of less than %zu bytes", path,
		        sizeof(copy));
	memcpy(copy, path, strlen(path) + 1);
	level = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (level < 0)
		return error_errno(err, errno, "directory \"/\"");
	while (next) {
		char *name = next;

		next = strchr(name, '/');
		if (next)
			*next++ = '\0';
		if (*name == '\0')
			continue;
		fd = open_level(level, name, mode);
		if (fd < 0)
			return error_errno(err, -fd, "directory \"%s\", at \"%s\"", path, name);
		close_fd(&level);
		level = fd;
	}
	fd = openat(level, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "directory \"%s\"", path) : fd;
}

int dir_open_owned(const char *path, mode_t mode, uid_t uid, gid_t gid, struct baton_error *err)
{
	cleanup_close int fd = dir_open_make(path, mode, err);
	struct stat status;

	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0)
		return error_errno(err, errno, "directory \"%s\"", path);
	/* Only what differs: an inode that is changed is a block written to flash. */
	if ((status.st_uid != uid || status.st_gid != gid) && fchown(fd, uid, gid) < 0)
		return error_errno(err, errno, "owner of directory \"%s\"", path);
	if ((status.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return error_errno(err, errno, "mode of directory \"%s\"", path);
	return steal_fd(&fd);
}

int file_read_fd(int fd, size_t max, char **ret_data, size_t *ret_length)
{
	cleanup_buf struct buf buf = { .data = NULL };
	char chunk[READ_CHUNK];

	buf_init(&buf, max);
	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));
		int r;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		r = buf_append(&buf, chunk, (size_t)got);
		if (r < 0)
			return r == -EMSGSIZE ? -EFBIG : r;
		if (got == 0)
			break;
	}
	if (ret_length)
		*ret_length = buf.length;
	*ret_data = buf_steal(&buf);
	return 0;
}

int file_read_at(int dir_fd, const char *path, size_t max, char **ret_data, size_t *ret_length)
{
	cleanup_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return file_read_fd(fd, max, ret_data, ret_length);
}

int file_write_all(int fd, const void *data, size_t length)
{
	const char *next = data;

	while (length > 0) {
		ssize_t written = write(fd, next, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		next += written;
		length -= (size_t)written;
	}
	return 0;
}

int file_write_text_at(int dir_fd, const char *path, const char *text)
{
	cleanup_close int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(text);

	if (fd < 0)
		return -errno;
	/* One write only: the kernel parses a cgroup or sysctl value per write(2). */
	ssize_t written = write(fd, text, length);

	if (written < 0)
		return -errno;
	return (size_t)written == length ? 0 : -EIO;
}

static int write_temporary(int dir_fd, const char *temporary, const void *data, size_t length, mode_t mode,
        enum file_durability durability)
{
	cleanup_close int fd =
	        openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = file_write_all(fd, data, length);
	if (r < 0)
		return r;
	if (durability == FILE_DURABLE && fsync(fd) < 0)
		return -errno;
	return close(steal_fd(&fd)) < 0 ? -errno : 0;
}

int file_replace_at(int dir_fd, const char *name, const void *data, size_t length, mode_t mode,
        enum file_durability durability)
{
	char temporary[NAME_MAX + 1];
	int r;

	/* One fixed temporary name per target: what a power cut leaves behind is overwritten by the next
	 * write. */
	if ((size_t)snprintf(temporary, sizeof(temporary), ".%s.tmp", name) >= sizeof(temporary))
		return -ENAMETOOLONG;
	r = write_temporary(dir_fd, temporary, data, length, mode, durability);
	if (r == 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, temporary, 0); /* the first error counts */
		return r;
	}
	if (durability == FILE_DURABLE) {
		/* dir_fd may be O_PATH, which fsync(2) refuses. */
		cleanup_close int directory = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (directory < 0 || fsync(directory) < 0)
			return -errno;
	}
	return 0;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int remove_level(int dir_fd, const char *name, dev_t device, int depth);

static int remove_children(int fd, dev_t device, int depth)
{
	cleanup_dir DIR *directory = fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (!directory) {
		close_fd(&fd);
		return -errno;
	}
	while ((entry = readdir(directory))) {
		int r = is_dot(entry->d_name)
		                ? 0
		                : remove_level(dirfd(directory), entry->d_name, device, depth + 1);

		if (r < 0 && result == 0)
			result = r;
	}
	return result;
}

static int remove_level(int dir_fd, const char *name, dev_t device, int depth)
{
	struct stat status;
	int fd;
	int r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || (device != 0 && status.st_dev != device)) {
		close_fd(&fd);
		return -EXDEV;
	}
	r = remove_children(fd, status.st_dev, depth);
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && r == 0)
		r = -errno;
	return r;
}

int tree_remove_at(int dir_fd, const char *name)
{
	return remove_level(dir_fd, name, 0, 0);
}

int64_t file_system_room(int fd)
{
	struct statvfs system;

	if (fstatvfs(fd, &system) < 0)
		return -errno;
	/* f_files is 0 where inodes are not counted. */
	if (system.f_files > 0 && system.f_favail == 0)
		return 0;
	return (int64_t)((uint64_t)system.f_bavail * (uint64_t)system.f_frsize);
}
