/* SPDX-License-Identifier: Apache-2.0 */
/* With libarchive, whose "raw" format only uncompresses. */
#include "core/unpack/decompress.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/cleanup.h"
#include "core/unpack/archive-priv.h"

struct decompress {
	struct archive_input input;
	struct archive *archive;
	bool ended;
};

void decompress_free(struct decompress *state)
{
	if (!state)
		return;
	if (state->archive)
		(void)archive_read_free(state->archive); /* reading only: nothing is lost */
	free(state);
}

static void cleanup_decompress_(struct decompress **state)
{
	decompress_free(*state);
}

int decompress_new(const struct stream *input, struct decompress **ret_decompress, struct baton_error *err)
{
	cleanup_with(cleanup_decompress_) struct decompress *state = calloc(1, sizeof(*state));
	struct archive_entry *entry;
	int r;

	if (!state)
		return error_set(err, ENOMEM, "out of memory");
	state->input.stream = input;
	state->archive = archive_read_new();
	/* ARCHIVE_WARN would mean that libarchive was built without zlib or zstd and means to run a program.
	 */
	if (!state->archive || archive_read_support_format_raw(state->archive) != ARCHIVE_OK ||
	        archive_read_support_format_empty(state->archive) != ARCHIVE_OK ||
	        archive_read_support_filter_gzip(state->archive) != ARCHIVE_OK ||
	        archive_read_support_filter_zstd(state->archive) != ARCHIVE_OK)
		return error_set(err, ENOMEM, "cannot set up libarchive");
	r = archive_read_open(state->archive, &state->input, NULL, archive_input_read, NULL);
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(state->archive, &entry);
	if (r < ARCHIVE_WARN)
		return archive_input_error(&state->input, state->archive, err);
	state->ended = r == ARCHIVE_EOF;
	*ret_decompress = steal_ptr(state);
	return 0;
}

ssize_t decompress_read(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	struct decompress *state = arg;
	la_ssize_t got;

	if (state->ended)
		return 0;
	got = archive_read_data(state->archive, buffer, size);
	if (got < 0)
		return archive_input_error(&state->input, state->archive, err);
	state->ended = got == 0;
	return got;
}
