/* SPDX-License-Identifier: Apache-2.0 */
/* One layer: bytes of a blob in, files below a directory out, both digests checked on the way. */
#ifndef BATON_UNPACK_LAYER_H
#define BATON_UNPACK_LAYER_H

#include "core/unpack/documents.h"
#include "core/unpack/unpack.h"

/*
 * Reads the blob to its end, uncompresses it (none, gzip, zstd: told by its first bytes), and unpacks the tar
 * archive into the empty directory `dir_fd` in the form that core/image/layer.h describes. Adds to *totals.
 * -EINVAL for a damaged archive or a digest or size that is not the expected one, -EFBIG and -E2BIG above the
 * limits, -EPERM for what an image must not hold. What was written before a failure stays for the caller to
 * remove.
 */
int layer_unpack(const struct stream *blob, const struct manifest_layer *expected, int dir_fd,
        const struct unpack_limits *limits, struct unpack_totals *totals, struct baton_error *err);

#endif
