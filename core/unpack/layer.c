/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two archives of libarchive in a row: the outer one ("raw" format) only uncompresses, so that every byte of
 * the uncompressed archive passes through our hands for its digest; the inner one reads the tar format.
 */
#include "core/unpack/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/unpack/tree.h"

#define BUFFER_SIZE 65536

struct pipeline {
	const struct stream *blob;
	const struct manifest_layer *expected;
	const struct unpack_limits *limits;
	struct unpack_totals *totals;
	int64_t blob_bytes;
	struct digest *blob_digest;
	struct digest *tar_digest;
	struct archive *inflate;
	struct archive *tar;
	bool inflate_ended;
	struct baton_error failure; /* code 0: none. libarchive keeps only a text of its own */
	char blob_buffer[BUFFER_SIZE];
	char tar_buffer[BUFFER_SIZE];
};

static void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	if (pipeline->tar)
		(void)archive_read_free(pipeline->tar);
	if (pipeline->inflate)
		(void)archive_read_free(pipeline->inflate);
	digest_free(pipeline->blob_digest);
	digest_free(pipeline->tar_digest);
	free(pipeline);
}

static void cleanup_pipeline_(struct pipeline **pipeline)
{
	pipeline_free(*pipeline);
}

static const char *reason_of(struct archive *archive)
{
	const char *reason = archive_error_string(archive);

	return reason ? reason : "unreadable";
}

/* Our own failure, when a callback had one, says more than libarchive's "read error". */
static int pipeline_failure(const struct pipeline *pipeline, struct archive *archive, struct baton_error *err)
{
	if (pipeline->failure.code != 0)
		return error_set(err, pipeline->failure.code, "%s", pipeline->failure.message);
	return error_set(err, archive_errno(archive) == ENOMEM ? ENOMEM : EINVAL, "damaged layer: %s",
	        reason_of(archive));
}

static ssize_t read_blob(struct pipeline *pipeline)
{
	const int64_t expected = pipeline->expected->blob_size;
	ssize_t got = pipeline->blob->read(
	        pipeline->blob->arg, pipeline->blob_buffer, BUFFER_SIZE, &pipeline->failure);

	if (got <= 0)
		return got;
	pipeline->blob_bytes += got;
	if (expected >= 0 && pipeline->blob_bytes > expected)
		return error_set(&pipeline->failure, EINVAL,
		        "the blob is larger than the %lld bytes of its descriptor", (long long)expected);
	if (digest_update(pipeline->blob_digest, pipeline->blob_buffer, (size_t)got) < 0)
		return error_set(&pipeline->failure, EIO, "digest");
	return got;
}

static la_ssize_t on_inflate_read(struct archive *archive, void *arg, const void **ret_data)
{
	struct pipeline *pipeline = arg;
	ssize_t got = read_blob(pipeline);

	if (got < 0)
		archive_set_error(archive, EIO, "read error");
	*ret_data = pipeline->blob_buffer;
	return got < 0 ? -1 : got;
}

static ssize_t read_tar(struct pipeline *pipeline)
{
	struct unpack_totals *totals = pipeline->totals;
	la_ssize_t got;

	if (pipeline->inflate_ended)
		return 0;
	got = archive_read_data(pipeline->inflate, pipeline->tar_buffer, BUFFER_SIZE);
	if (got < 0)
		return pipeline_failure(pipeline, pipeline->inflate, &pipeline->failure);
	pipeline->inflate_ended = got == 0;
	if ((uint64_t)got > pipeline->limits->bytes - totals->bytes)
		return error_set(&pipeline->failure, EFBIG, "the image is larger than %llu bytes unpacked",
		        (unsigned long long)pipeline->limits->bytes);
	totals->bytes += (uint64_t)got;
	if (digest_update(pipeline->tar_digest, pipeline->tar_buffer, (size_t)got) < 0)
		return error_set(&pipeline->failure, EIO, "digest");
	return got;
}

static la_ssize_t on_tar_read(struct archive *archive, void *arg, const void **ret_data)
{
	struct pipeline *pipeline = arg;
	ssize_t got = read_tar(pipeline);

	if (got < 0)
		archive_set_error(archive, EIO, "read error");
	*ret_data = pipeline->tar_buffer;
	return got < 0 ? -1 : got;
}

static int open_inflate(struct pipeline *pipeline, struct baton_error *err)
{
	struct archive_entry *entry;
	int r;

	pipeline->inflate = archive_read_new();
	/* ARCHIVE_WARN would mean that libarchive was built without zlib or zstd and means to run a program.
	 */
	if (!pipeline->inflate || archive_read_support_format_raw(pipeline->inflate) != ARCHIVE_OK ||
	        archive_read_support_format_empty(pipeline->inflate) != ARCHIVE_OK ||
	        archive_read_support_filter_gzip(pipeline->inflate) != ARCHIVE_OK ||
	        archive_read_support_filter_zstd(pipeline->inflate) != ARCHIVE_OK)
		return error_set(err, ENOMEM, "cannot set up libarchive");
	if (archive_read_open(pipeline->inflate, pipeline, NULL, on_inflate_read, NULL) != ARCHIVE_OK)
		return pipeline_failure(pipeline, pipeline->inflate, err);
	r = archive_read_next_header(pipeline->inflate, &entry);
	if (r < ARCHIVE_WARN)
		return pipeline_failure(pipeline, pipeline->inflate, err);
	pipeline->inflate_ended = r == ARCHIVE_EOF;
	return 0;
}

static int open_tar(struct pipeline *pipeline, struct baton_error *err)
{
	pipeline->tar = archive_read_new();
	if (!pipeline->tar || archive_read_support_format_tar(pipeline->tar) < ARCHIVE_WARN ||
	        archive_read_support_format_empty(pipeline->tar) != ARCHIVE_OK)
		return error_set(err, ENOMEM, "cannot set up libarchive");
	if (archive_read_open(pipeline->tar, pipeline, NULL, on_tar_read, NULL) != ARCHIVE_OK)
		return pipeline_failure(pipeline, pipeline->tar, err);
	return 0;
}

static int unpack_entries(struct pipeline *pipeline, struct tree *tree, struct baton_error *err)
{
	struct archive_entry *entry;
	uint64_t files = 0;
	int r;

	/* ARCHIVE_WARN: a name that is not UTF-8, say. The entry is whole, and checked as any other. */
	while ((r = archive_read_next_header(pipeline->tar, &entry)) >= ARCHIVE_WARN && r != ARCHIVE_EOF) {
		if (++files > pipeline->limits->files)
			return error_set(err, E2BIG, "the layer has more than %llu entries",
			        (unsigned long long)pipeline->limits->files);
		r = tree_add(tree, pipeline->tar, entry, err);
		if (r < 0)
			return pipeline->failure.code != 0 ? pipeline_failure(pipeline, pipeline->tar, err)
			                                   : r;
	}
	return r == ARCHIVE_EOF ? 0 : pipeline_failure(pipeline, pipeline->tar, err);
}

/* Padding after the end mark of tar, and what follows the compressed data: both belong to the digests. */
static int drain(struct pipeline *pipeline, struct baton_error *err)
{
	ssize_t got;

	while ((got = read_tar(pipeline)) > 0)
		;
	while (got == 0 && (got = read_blob(pipeline)) > 0)
		got = 0;
	return got < 0 ? error_set(err, pipeline->failure.code, "%s", pipeline->failure.message) : 0;
}

static int check_digest(
        struct digest *digest, const char *expected, const char *what, struct baton_error *err)
{
	char hex[DIGEST_HEX_SIZE];
	int r = digest_finish(digest, hex);

	if (r < 0)
		return error_errno(err, -r, "digest");
	if (*expected && strcmp(hex, expected) != 0)
		return error_set(
		        err, EINVAL, "the %s should have sha256:%s but has sha256:%s", what, expected, hex);
	return 0;
}

static int check(struct pipeline *pipeline, struct baton_error *err)
{
	const struct manifest_layer *expected = pipeline->expected;
	int r;

	if (expected->blob_size >= 0 && pipeline->blob_bytes != expected->blob_size)
		return error_set(err, EINVAL, "the blob has %lld bytes and should have %lld",
		        (long long)pipeline->blob_bytes, (long long)expected->blob_size);
	r = check_digest(pipeline->blob_digest, expected->blob_hex, "blob", err);
	return r < 0 ? r : check_digest(pipeline->tar_digest, expected->diff_id, "uncompressed layer", err);
}

int layer_unpack(const struct stream *blob, const struct manifest_layer *expected, int dir_fd,
        const struct unpack_limits *limits, struct unpack_totals *totals, struct baton_error *err)
{
	cleanup_with(cleanup_pipeline_) struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	cleanup_with(tree_release) struct tree tree = { .parent_fd = -1 };
	int r;

	if (!pipeline)
		return error_set(err, ENOMEM, "out of memory");
	pipeline->blob = blob;
	pipeline->expected = expected;
	pipeline->limits = limits;
	pipeline->totals = totals;
	tree_init(&tree, dir_fd, limits, totals);
	if (digest_new(&pipeline->blob_digest) < 0 || digest_new(&pipeline->tar_digest) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = open_inflate(pipeline, err);
	if (r == 0)
		r = open_tar(pipeline, err);
	if (r == 0)
		r = unpack_entries(pipeline, &tree, err);
	if (r == 0)
		r = drain(pipeline, err);
	return r == 0 ? check(pipeline, err) : r;
}
