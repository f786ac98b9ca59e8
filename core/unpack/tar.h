/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of a tar archive that is not compressed. Two implementations, chosen when linking: tar_plain.c
 * reads ustar, pax and what GNU tar makes of long names; tar_archive.c uses libarchive and knows sparse files
 * and the other dialects too.
 */
#ifndef BATON_UNPACK_TAR_H
#define BATON_UNPACK_TAR_H

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "core/unpack/unpack.h"

struct tar_xattr {
	const char *name;
	const void *value;
	size_t size;
};

/* Everything as the archive says it, unchecked; the texts live until the next entry is asked for. */
struct tar_entry {
	const char *path;
	const char *hardlink; /* NULL when it is none; then `type` means nothing */
	const char *symlink;  /* NULL when it is none */
	mode_t type;          /* S_IFREG, ...; 0 for what no system knows */
	mode_t mode;          /* permission bits */
	int64_t uid;
	int64_t gid;
	int64_t size;
	struct timespec mtime;
	const struct tar_xattr *xattrs;
	size_t n_xattrs;
};

struct tar;

/* `input` must outlive it. */
int tar_new(const struct stream *input, struct tar **ret_tar, struct baton_error *err);
void tar_free(struct tar *tar); /* takes NULL */

/* 1 with an entry, 0 at the end. Data of the entry before that nobody read are skipped. */
int tar_next(struct tar *tar, struct tar_entry *ret_entry, struct baton_error *err);

/* The data of the entry in pieces: 1 with one, 0 at the end. Between them are holes. */
struct tar_piece {
	const void *data; /* until the next call */
	size_t size;
	int64_t offset; /* in the file; unchecked */
};
int tar_read_piece(struct tar *tar, struct tar_piece *ret_piece, struct baton_error *err);

/* The same as the `read` of a stream, with the tar as its argument: holes are zeros. */
ssize_t tar_read(void *tar, void *buffer, size_t size, struct baton_error *err);

#endif
