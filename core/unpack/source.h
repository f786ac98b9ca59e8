/* SPDX-License-Identifier: Apache-2.0 */
/* Where an image comes from: a directory, or a tar archive that may be compressed with gzip or zstd. */
#ifndef BATON_UNPACK_SOURCE_H
#define BATON_UNPACK_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/unpack/unpack.h"

struct source;

/*
 * Takes neither the descriptor (a directory, or a regular file that can be read again from its start) nor the
 * limits. An archive is read once to its end: names, links and small JSON documents are kept.
 */
int source_open(
        int fd, const struct unpack_limits *limits, struct source **ret_source, struct baton_error *err);
void source_free(struct source *source); /* takes NULL */

bool source_has(const struct source *source, const char *path);

/* One JSON document of at most DOCUMENT_MAX bytes; free() it. -ENOENT, -EFBIG or another negative errno. */
int source_document(const struct source *source, const char *path, char **ret_text, size_t *ret_length,
        struct baton_error *err);

/*
 * Calls visit once for each of the paths, in the order in which they lie in the source: an archive is read
 * only once more, however many layers it has. Failure of visit ends it. -ENOENT for a path that is not there.
 */
typedef int (*source_blob_fn)(void *arg, size_t index, const struct stream *blob, struct baton_error *err);
int source_blobs(const struct source *source, char *const *paths, source_blob_fn visit, void *arg,
        struct baton_error *err);

#endif
