/* SPDX-License-Identifier: Apache-2.0 */
/* Our streams as libarchive's input. */
#ifndef BATON_UNPACK_ARCHIVE_PRIV_H
#define BATON_UNPACK_ARCHIVE_PRIV_H

#include <archive.h>

#include "core/unpack/unpack.h"

struct archive_input {
	const struct stream *stream;
	struct baton_error failure; /* code 0: none. libarchive keeps only a text of its own */
	char buffer[65536];
};

/* The read callback, with a struct archive_input as its argument. */
la_ssize_t archive_input_read(struct archive *archive, void *arg, const void **ret_data);

/* Why libarchive failed: our own failure, when the stream had one, says more than its "read error". */
int archive_input_error(const struct archive_input *input, struct archive *archive, struct baton_error *err);

#endif
