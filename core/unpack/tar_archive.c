/* SPDX-License-Identifier: Apache-2.0 */
/* With libarchive. */
#include "core/unpack/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/cleanup.h"
#include "core/unpack/archive-priv.h"

#define NSEC_MAX 999999999

struct tar {
	struct archive_input input;
	struct archive *archive;
	struct tar_xattr *xattrs;
};

void tar_free(struct tar *tar)
{
	if (!tar)
		return;
	if (tar->archive)
		(void)archive_read_free(tar->archive); /* reading only: nothing is lost */
	free(tar->xattrs);
	free(tar);
}

static void cleanup_tar_(struct tar **tar)
{
	tar_free(*tar);
}

int tar_new(const struct stream *input, struct tar **ret_tar, struct baton_error *err)
{
	cleanup_with(cleanup_tar_) struct tar *tar = calloc(1, sizeof(*tar));

	if (!tar)
		return error_set(err, ENOMEM, "out of memory");
	tar->input.stream = input;
	tar->archive = archive_read_new();
	if (!tar->archive || archive_read_support_format_tar(tar->archive) < ARCHIVE_WARN ||
	        archive_read_support_format_empty(tar->archive) != ARCHIVE_OK)
		return error_set(err, ENOMEM, "cannot set up libarchive");
	if (archive_read_open(tar->archive, &tar->input, NULL, archive_input_read, NULL) != ARCHIVE_OK)
		return archive_input_error(&tar->input, tar->archive, err);
	*ret_tar = steal_ptr(tar);
	return 0;
}

static int take_xattrs(struct tar *tar, struct archive_entry *entry, struct tar_entry *ret_entry)
{
	const int count = archive_entry_xattr_reset(entry);
	size_t used = 0;

	free(tar->xattrs);
	tar->xattrs = count > 0 ? calloc((size_t)count, sizeof(*tar->xattrs)) : NULL;
	if (count > 0 && !tar->xattrs)
		return -ENOMEM;
	while (used < (size_t)count &&
	        archive_entry_xattr_next(entry, &tar->xattrs[used].name, &tar->xattrs[used].value,
	                &tar->xattrs[used].size) == ARCHIVE_OK)
		used++;
	ret_entry->xattrs = tar->xattrs;
	ret_entry->n_xattrs = used;
	return 0;
}

int tar_next(struct tar *tar, struct tar_entry *ret_entry, struct baton_error *err)
{
	struct archive_entry *entry;
	int r = archive_read_next_header(tar->archive, &entry);
	long nsec;

	if (r == ARCHIVE_EOF)
		return 0;
	/* ARCHIVE_WARN: a name that is not UTF-8, say. The entry is whole, and checked as any other. */
	if (r < ARCHIVE_WARN)
		return archive_input_error(&tar->input, tar->archive, err);
	nsec = archive_entry_mtime_nsec(entry);
	*ret_entry = (struct tar_entry){
		.path = archive_entry_pathname(entry),
		.hardlink = archive_entry_hardlink(entry),
		.symlink = archive_entry_symlink(entry),
		.type = archive_entry_filetype(entry),
		.mode = archive_entry_perm(entry) & 07777,
		.uid = archive_entry_uid(entry),
		.gid = archive_entry_gid(entry),
		.size = archive_entry_size(entry),
		.mtime = { .tv_sec = archive_entry_mtime(entry),
		        .tv_nsec = nsec >= 0 && nsec <= NSEC_MAX ? nsec : 0 },
	};
	if (!ret_entry->path)
		return error_set(err, EINVAL, "damaged archive: an entry without a name");
	return take_xattrs(tar, entry, ret_entry) < 0 ? error_set(err, ENOMEM, "out of memory") : 1;
}

int tar_read_piece(struct tar *tar, struct tar_piece *ret_piece, struct baton_error *err)
{
	la_int64_t offset;
	int r = archive_read_data_block(tar->archive, &ret_piece->data, &ret_piece->size, &offset);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		return archive_input_error(&tar->input, tar->archive, err);
	ret_piece->offset = offset;
	return 1;
}

ssize_t tar_read(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	struct tar *tar = arg;
	la_ssize_t got = archive_read_data(tar->archive, buffer, size);

	return got < 0 ? archive_input_error(&tar->input, tar->archive, err) : got;
}
