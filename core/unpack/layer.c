/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two steps in a row: the first one only uncompresses, so that every byte of the uncompressed archive passes
 * through our hands for its digest; the second one reads the tar format.
 */
#include "core/unpack/layer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/unpack/decompress.h"
#include "core/unpack/tar.h"
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
	struct stream blob_stream; /* the blob, counted and digested */
	struct stream tar_stream;  /* the same of the uncompressed archive */
	struct decompress *decompress;
	struct tar *tar;
	char buffer[BUFFER_SIZE];
};

static void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	tar_free(pipeline->tar);
	decompress_free(pipeline->decompress);
	digest_free(pipeline->blob_digest);
	digest_free(pipeline->tar_digest);
	free(pipeline);
}

static void cleanup_pipeline_(struct pipeline **pipeline)
{
	pipeline_free(*pipeline);
}

static ssize_t read_blob(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	struct pipeline *pipeline = arg;
	const int64_t expected = pipeline->expected->blob_size;
	ssize_t got = pipeline->blob->read(pipeline->blob->arg, buffer, size, err);

	if (got <= 0)
		return got;
	pipeline->blob_bytes += got;
	if (expected >= 0 && pipeline->blob_bytes > expected)
		return error_set(err, EINVAL, "the blob is larger than the %lld bytes of its descriptor",
		        (long long)expected);
	if (digest_update(pipeline->blob_digest, buffer, (size_t)got) < 0)
		return error_set(err, EIO, "digest");
	return got;
}

static ssize_t read_tar(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	struct pipeline *pipeline = arg;
	struct unpack_totals *totals = pipeline->totals;
	ssize_t got = decompress_read(pipeline->decompress, buffer, size, err);

	if (got < 0)
		return got;
	if ((uint64_t)got > pipeline->limits->bytes - totals->bytes)
		return error_set(err, EFBIG, "the image is larger than %llu bytes unpacked",
		        (unsigned long long)pipeline->limits->bytes);
	totals->bytes += (uint64_t)got;
	if (digest_update(pipeline->tar_digest, buffer, (size_t)got) < 0)
		return error_set(err, EIO, "digest");
	return got;
}

static int unpack_entries(struct pipeline *pipeline, struct tree *tree, struct baton_error *err)
{
	struct tar_entry entry;
	uint64_t files = 0;
	int r;

	while ((r = tar_next(pipeline->tar, &entry, err)) > 0) {
		if (++files > pipeline->limits->files)
			return error_set(err, E2BIG, "the layer has more than %llu entries",
			        (unsigned long long)pipeline->limits->files);
		r = tree_add(tree, pipeline->tar, &entry, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* Padding after the end mark of tar, and what follows the compressed data: both belong to the digests. */
static int drain(struct pipeline *pipeline, struct baton_error *err)
{
	ssize_t got;

	while ((got = read_tar(pipeline, pipeline->buffer, BUFFER_SIZE, err)) > 0)
		;
	while (got == 0 && (got = read_blob(pipeline, pipeline->buffer, BUFFER_SIZE, err)) > 0)
		got = 0;
	return (int)got;
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
	pipeline->blob_stream = (struct stream){ .read = read_blob, .arg = pipeline };
	pipeline->tar_stream = (struct stream){ .read = read_tar, .arg = pipeline };
	r = decompress_new(&pipeline->blob_stream, &pipeline->decompress, err);
	if (r == 0)
		r = tar_new(&pipeline->tar_stream, &pipeline->tar, err);
	if (r == 0)
		r = unpack_entries(pipeline, &tree, err);
	if (r == 0)
		r = drain(pipeline, err);
	return r == 0 ? check(pipeline, err) : r;
}
