/* SPDX-License-Identifier: Apache-2.0 */
/* Files relative to a held directory. Every descriptor is O_CLOEXEC. All functions block on local file
 * systems only. */
#ifndef BATON_BASE_FILES_H
#define BATON_BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

/*
 * openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: symbolic links of the tree are followed inside it
 * and can not leave it. For every path that a workload or an image can influence. Returns a descriptor or
 * negative errno.
 */
int file_open_in_root(int root_fd, const char *path, int flags, mode_t mode);

/* openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS: for our own trees. Descriptor or negative errno. */
int file_open_beneath(int dir_fd, const char *path, int flags, mode_t mode);

/* Opens an absolute directory path, making each missing level with `mode`. Descriptor or negative errno. */
int dir_open_make(const char *path, mode_t mode, struct baton_error *err);

/* As dir_open_make; then the last level has this owner and mode, whoever made it. Descriptor or negative
 * errno. */
int dir_open_owned(const char *path, mode_t mode, uid_t uid, gid_t gid, struct baton_error *err);

/* mkdirat that is content with a directory that exists, then opens it. Descriptor or negative errno. */
int dir_open_make_at(int dir_fd, const char *name, mode_t mode);

/*
 * Whole file into memory: *ret_data is NUL-terminated (free() it), *ret_length without the NUL. -EFBIG above
 * max. Works for /proc files too, whose size is not known beforehand.
 */
int file_read_at(int dir_fd, const char *path, size_t max, char **ret_data, size_t *ret_length);
int file_read_fd(int fd, size_t max, char **ret_data, size_t *ret_length);

/* Writes everything, goes on after EINTR. 0 or negative errno. */
int file_write_all(int fd, const void *data, size_t length);

/* Opens an existing file (cgroup, /proc/sys) and writes `text` with one write(2). */
int file_write_text_at(int dir_fd, const char *path, const char *text);

/*
 * Bytes that an unprivileged process may still write to the file system of `fd`, 0 when it has no inode left,
 * or negative errno.
 */
int64_t file_system_room(int fd);

enum file_durability { FILE_VOLATILE, FILE_DURABLE };

/*
 * Atomic replacement: temporary file beside the target, then rename. FILE_DURABLE adds fsync of the file and
 * of the directory, so that after a power cut either the old or the new content is there, whole. 0 or
 * negative errno.
 */
int file_replace_at(int dir_fd, const char *name, const void *data, size_t length, mode_t mode,
        enum file_durability durability);

/* Removes a file or a whole tree below dir_fd, without following links or crossing into mounts. -ENOENT is
 * success. */
int tree_remove_at(int dir_fd, const char *name);

#endif
