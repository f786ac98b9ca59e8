/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uncompresses a stream; how, its first bytes tell. Two implementations, chosen when linking:
 * decompress_zlib.c knows plain data and gzip, decompress_archive.c uses libarchive and knows zstd too.
 */
#ifndef BATON_UNPACK_DECOMPRESS_H
#define BATON_UNPACK_DECOMPRESS_H

#include "core/unpack/unpack.h"

struct decompress;

/* `input` must outlive it. 0, or negative errno: -EINVAL damaged, -ENOTSUP a compression that is not known.
 */
int decompress_new(const struct stream *input, struct decompress **ret_decompress, struct baton_error *err);
void decompress_free(struct decompress *state); /* takes NULL */

/* The `read` of a stream, with the decompress as its argument. */
ssize_t decompress_read(void *state, void *buffer, size_t size, struct baton_error *err);

#endif
