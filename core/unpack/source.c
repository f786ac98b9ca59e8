/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/unpack/decompress.h"
#include "core/unpack/path.h"
#include "core/unpack/tar.h"

#define ENTRIES_MAX         16384       /* of the outer archive: layers, documents, directories */
#define DOCUMENTS_TOTAL_MAX (16U << 20) /* kept in memory */
#define LINKS_MAX           8           /* docker save names a repeated layer by a symbolic link */

struct source_entry {
	char *path;
	char *link; /* target of a symbolic or hard link, clean; NULL for a file */
	char *text; /* of a file that looks like JSON and is small enough */
	size_t length;
};

struct source {
	int fd;
	bool directory;
	const struct unpack_limits *limits;
	struct source_entry *entries; /* of an archive */
	size_t n_entries;
	size_t documents_total;
};

/* One pass over the archive. */
struct pass {
	int fd;
	struct stream file_stream;
	struct stream tar_stream;
	struct decompress *decompress;
	struct tar *tar;
};

static void pass_end(struct pass *pass)
{
	tar_free(pass->tar);
	decompress_free(pass->decompress);
}

static ssize_t read_file_stream(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	ssize_t got;

	do {
		got = read(*(int *)arg, buffer, size);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? error_errno(err, errno, "archive or layer") : got;
}

/* Streams point into *pass: it must not be moved. */
static int pass_begin(int fd, struct pass *pass, struct baton_error *err)
{
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "archive");
	pass->fd = fd;
	pass->file_stream = (struct stream){ .read = read_file_stream, .arg = &pass->fd };
	r = decompress_new(&pass->file_stream, &pass->decompress, err);
	if (r < 0)
		return r;
	pass->tar_stream = (struct stream){ .read = decompress_read, .arg = pass->decompress };
	return tar_new(&pass->tar_stream, &pass->tar, err);
}

/* 1 with an entry, 0 at the end, negative errno. */
static int next_entry(const struct source *source, struct tar *tar, char path[static PATH_MAX],
        struct tar_entry *ret_entry, struct baton_error *err)
{
	int r = tar_next(tar, ret_entry, err);

	if (r <= 0)
		return r;
	r = path_clean(ret_entry->path, source->limits->path, path, err);
	return r < 0 ? r : 1;
}

/* Where a link points, from the root of the archive; NULL when it points out of it. */
static char *link_target(const char *path, const struct tar_entry *entry, size_t max)
{
	const char *hard = entry->hardlink;
	const char *symbolic = entry->symlink;
	char clean[PATH_MAX];
	char joined[2 * PATH_MAX];
	size_t parent;

	if (hard)
		return path_clean(hard, max, clean, NULL) == 0 ? strdup(clean) : NULL;
	/* Only the form that docker save writes: "../ID/layer.tar" beside one level of directories. */
	(void)path_name(path, &parent);
	if (!symbolic || strlen(symbolic) > max)
		return NULL;
	if (strncmp(symbolic, "../", 3) == 0 && !memchr(path, '/', parent)) {
		symbolic += 3;
		parent = 0;
	}
	memcpy(joined, path, parent);
	joined[parent] = '/';
	memcpy(joined + parent + 1, symbolic, strlen(symbolic) + 1);
	return path_clean(joined, max, clean, NULL) == 0 ? strdup(clean) : NULL;
}

static int keep_document(struct source *source, struct tar *tar, int64_t size, struct source_entry *entry,
        struct baton_error *err)
{
	cleanup_free char *text = malloc((size_t)size + 1);

	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	for (int64_t done = 0; done < size;) {
		ssize_t got = tar_read(tar, text + done, (size_t)(size - done), err);

		if (got <= 0)
			return got < 0 ? error_prefix(err, "\"%s\"", entry->path)
			               : error_set(err, EINVAL, "damaged archive, at \"%s\"", entry->path);
		done += got;
	}
	if (text[0] != '{' && text[0] != '[')
		return 0;
	source->documents_total += (size_t)size;
	if (source->documents_total > DOCUMENTS_TOTAL_MAX)
		return error_set(err, E2BIG, "the archive holds more than %u bytes of JSON documents",
		        DOCUMENTS_TOTAL_MAX);
	text[size] = '\0';
	entry->text = steal_ptr(text);
	entry->length = (size_t)size;
	return 0;
}

static int index_entry(struct source *source, struct tar *tar, const char *path,
        const struct tar_entry *entry, struct baton_error *err)
{
	struct source_entry *grown;
	struct source_entry *own;
	int64_t size = entry->size;

	if (source->n_entries >= ENTRIES_MAX)
		return error_set(err, E2BIG, "the archive has more than %d entries", ENTRIES_MAX);
	grown = reallocarray(source->entries, source->n_entries + 1, sizeof(*grown));
	if (!grown)
		return error_set(err, ENOMEM, "out of memory");
	source->entries = grown;
	own = &grown[source->n_entries++];
	*own = (struct source_entry){ .path = strdup(path) };
	if (!own->path)
		return error_set(err, ENOMEM, "out of memory");
	if (entry->hardlink || entry->type == S_IFLNK) {
		own->link = link_target(path, entry, source->limits->path);
		return 0;
	}
	if (entry->type != S_IFREG || size <= 0 || size > DOCUMENT_MAX)
		return 0;
	return keep_document(source, tar, size, own, err);
}

static int index_archive(struct source *source, struct baton_error *err)
{
	cleanup_with(pass_end) struct pass pass = { .fd = -1 };
	struct tar_entry entry;
	char path[PATH_MAX];
	uint64_t bytes = 0;
	int r = pass_begin(source->fd, &pass, err);

	while (r >= 0 && (r = next_entry(source, pass.tar, path, &entry, err)) > 0) {
		/* Checked before the data are skipped, which for a compressed archive means unpacking them.
		 */
		if (entry.size < 0 || (uint64_t)entry.size > source->limits->bytes - bytes)
			return error_set(err, EFBIG, "the archive is larger than %llu bytes",
			        (unsigned long long)source->limits->bytes);
		bytes += (uint64_t)entry.size;
		r = index_entry(source, pass.tar, path, &entry, err);
	}
	return r < 0 ? error_prefix(err, "not a tar archive that can be read") : 0;
}

int source_open(
        int fd, const struct unpack_limits *limits, struct source **ret_source, struct baton_error *err)
{
	struct source *source = calloc(1, sizeof(*source));
	struct stat status;
	int r = 0;

	if (!source)
		return error_set(err, ENOMEM, "out of memory");
	source->fd = fd;
	source->limits = limits;
	if (fstat(fd, &status) < 0)
		r = error_errno(err, errno, "source");
	source->directory = r == 0 && S_ISDIR(status.st_mode);
	if (r == 0 && !source->directory)
		r = index_archive(source, err);
	if (r < 0) {
		source_free(source);
		return r;
	}
	*ret_source = source;
	return 0;
}

void source_free(struct source *source)
{
	if (!source)
		return;
	for (size_t i = 0; i < source->n_entries; i++) {
		free(source->entries[i].path);
		free(source->entries[i].link);
		free(source->entries[i].text);
	}
	free(source->entries);
	free(source);
}

/* The last entry of a name counts, as for tar(1). */
static const struct source_entry *find_entry(const struct source *source, const char *path)
{
	for (size_t i = source->n_entries; i > 0; i--) {
		if (strcmp(source->entries[i - 1].path, path) == 0)
			return &source->entries[i - 1];
	}
	return NULL;
}

static const struct source_entry *resolve_entry(const struct source *source, const char *path)
{
	const struct source_entry *entry = find_entry(source, path);

	for (int i = 0; entry && entry->link; i++) {
		if (i == LINKS_MAX)
			return NULL;
		entry = find_entry(source, entry->link);
	}
	return entry;
}

/* A regular file of the directory; never waits on a FIFO, never follows a symbolic link. */
static int open_file(const struct source *source, const char *path, struct baton_error *err)
{
	cleanup_close int fd = file_open_beneath(source->fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat status;

	if (fd < 0)
		return error_errno(err, -fd, "\"%s\"", path);
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return error_set(err, EINVAL, "\"%s\" is not a regular file", path);
	return steal_fd(&fd);
}

bool source_has(const struct source *source, const char *path)
{
	struct stat status;

	if (!source->directory)
		return resolve_entry(source, path) != NULL;
	return fstatat(source->fd, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

int source_document(const struct source *source, const char *path, char **ret_text, size_t *ret_length,
        struct baton_error *err)
{
	const struct source_entry *entry;
	int r;

	if (source->directory) {
		cleanup_close int fd = open_file(source, path, err);

		if (fd < 0)
			return fd;
		r = file_read_fd(fd, DOCUMENT_MAX, ret_text, ret_length);
		return r < 0 ? error_errno(err, -r, "\"%s\"", path) : 0;
	}
	entry = resolve_entry(source, path);
	if (!entry)
		return error_set(err, ENOENT, "\"%s\" is not in the archive", path);
	if (!entry->text)
		return error_set(
		        err, EINVAL, "\"%s\" is not a JSON document of at most %u bytes", path, DOCUMENT_MAX);
	*ret_text = malloc(entry->length + 1);
	if (!*ret_text)
		return error_set(err, ENOMEM, "out of memory");
	memcpy(*ret_text, entry->text, entry->length + 1);
	*ret_length = entry->length;
	return 0;
}

static int directory_blobs(const struct source *source, char *const *paths, source_blob_fn visit, void *arg,
        struct baton_error *err)
{
	for (size_t i = 0; paths[i]; i++) {
		cleanup_close int fd = open_file(source, paths[i], err);
		const struct stream stream = { .read = read_file_stream, .arg = &fd };
		int r = fd < 0 ? fd : visit(arg, i, &stream, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Where each path is found at last; NULL ends the list. The caller frees only the array. */
static int resolve_all(
        const struct source *source, char *const *paths, const char ***ret_resolved, struct baton_error *err)
{
	cleanup_free const char **resolved = calloc(strv_length(paths) + 1, sizeof(*resolved));

	if (!resolved)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; paths[i]; i++) {
		const struct source_entry *entry = resolve_entry(source, paths[i]);

		if (!entry)
			return error_set(err, ENOENT, "\"%s\" is not in the archive", paths[i]);
		resolved[i] = entry->path;
	}
	*ret_resolved = steal_ptr(resolved);
	return 0;
}

static int archive_blobs(const struct source *source, char *const *paths, source_blob_fn visit, void *arg,
        struct baton_error *err)
{
	cleanup_with(pass_end) struct pass pass = { .fd = -1 };
	cleanup_free const char **wanted = NULL;
	size_t missing = strv_length(paths);
	struct tar_entry entry;
	char path[PATH_MAX];
	int r = resolve_all(source, paths, &wanted, err);

	if (r == 0)
		r = pass_begin(source->fd, &pass, err);
	while (r >= 0 && wanted && missing > 0 && (r = next_entry(source, pass.tar, path, &entry, err)) > 0) {
		const struct stream stream = { .read = tar_read, .arg = pass.tar };

		for (size_t i = 0; entry.type == S_IFREG && !entry.hardlink && paths[i]; i++) {
			if (!wanted[i] || strcmp(wanted[i], path) != 0)
				continue;
			wanted[i] = NULL;
			missing--;
			r = visit(arg, i, &stream, err);
			break; /* the data are read only once: two layers at one path have one diff-id, or are
			          wrong */
		}
	}
	if (r >= 0 && missing > 0)
		return error_set(
		        err, EINVAL, "a layer of the archive is not a regular file, or two share one");
	return r < 0 ? r : 0;
}

int source_blobs(const struct source *source, char *const *paths, source_blob_fn visit, void *arg,
        struct baton_error *err)
{
	if (!paths)
		return 0;
	return source->directory ? directory_blobs(source, paths, visit, arg, err)
	                         : archive_blobs(source, paths, visit, arg, err);
}
