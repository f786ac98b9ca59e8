/* SPDX-License-Identifier: Apache-2.0 */
/* Plain data, and gzip (RFC 1952) with zlib. */
#include "core/unpack/decompress.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/base/cleanup.h"

#define INPUT_SIZE  65536
#define GZIP_ONLY   16 /* added to the window bits: a gzip header, and nothing else */
#define MAGIC_SIZE  4
#define GZIP_MAGIC  "\x1f\x8b"
#define ZSTD_MAGIC  "\x28\xb5\x2f\xfd"
#define BZIP2_MAGIC "BZh"
#define XZ_MAGIC                                                                                             \
	"\xfd"                                                                                               \
	"7zX"

struct decompress {
	const struct stream *input;
	z_stream zlib;
	bool gzip;
	bool input_ended;
	bool ended;
	unsigned char buffer[INPUT_SIZE];
};

static const struct {
	const char *magic;
	const char *name;
} unknown[] = { { ZSTD_MAGIC, "zstd" }, { BZIP2_MAGIC, "bzip2" }, { XZ_MAGIC, "xz" } };

void decompress_free(struct decompress *state)
{
	if (!state)
		return;
	if (state->gzip)
		(void)inflateEnd(&state->zlib); /* fails only for a broken state, and frees that too */
	free(state);
}

static void cleanup_decompress_(struct decompress **state)
{
	decompress_free(*state);
}

/* Moves what is left to the front, and reads at least one byte more unless the input ends. */
static int fill(struct decompress *state, struct baton_error *err)
{
	z_stream *zlib = &state->zlib;
	ssize_t got;

	if (zlib->avail_in > 0)
		memmove(state->buffer, zlib->next_in, zlib->avail_in);
	zlib->next_in = state->buffer;
	got = state->input->read(
	        state->input->arg, state->buffer + zlib->avail_in, INPUT_SIZE - zlib->avail_in, err);
	if (got < 0)
		return (int)got;
	state->input_ended = got == 0;
	zlib->avail_in += (unsigned)got;
	return 0;
}

/* The first bytes of the input, or of what follows a member. */
static bool begins_with(const struct decompress *state, const char *magic)
{
	size_t length = strlen(magic);

	return state->zlib.avail_in >= length && memcmp(state->zlib.next_in, magic, length) == 0;
}

static int fill_magic(struct decompress *state, struct baton_error *err)
{
	int r = 0;

	while (r == 0 && state->zlib.avail_in < MAGIC_SIZE && !state->input_ended)
		r = fill(state, err);
	return r;
}

int decompress_new(const struct stream *input, struct decompress **ret_decompress, struct baton_error *err)
{
	cleanup_with(cleanup_decompress_) struct decompress *state = calloc(1, sizeof(*state));
	int r;

	if (!state)
		return error_set(err, ENOMEM, "out of memory");
	state->input = input;
	state->zlib.next_in = state->buffer;
	r = fill_magic(state, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < array_size(unknown); i++) {
		if (begins_with(state, unknown[i].magic))
			return error_set(err, ENOTSUP,
			        "compressed with %s, which needs the package baton-image-formats",
			        unknown[i].name);
	}
	if (begins_with(state, GZIP_MAGIC)) {
		if (inflateInit2(&state->zlib, MAX_WBITS + GZIP_ONLY) != Z_OK)
			return error_set(err, ENOMEM, "out of memory");
		state->gzip = true;
	}
	*ret_decompress = steal_ptr(state);
	return 0;
}

static ssize_t read_plain(struct decompress *state, void *buffer, size_t size, struct baton_error *err)
{
	size_t piece = state->zlib.avail_in;

	if (piece == 0)
		return state->input->read(state->input->arg, buffer, size, err);
	if (piece > size)
		piece = size;
	memcpy(buffer, state->zlib.next_in, piece);
	state->zlib.next_in += piece;
	state->zlib.avail_in -= (unsigned)piece;
	return (ssize_t)piece;
}

/* After a member: another one (RFC 1952 section 2.2), or the end. What follows besides is padding, as for
 * gzip(1). */
static int next_member(struct decompress *state, struct baton_error *err)
{
	int r = fill_magic(state, err);

	if (r < 0)
		return r;
	state->ended = !begins_with(state, GZIP_MAGIC);
	if (!state->ended && inflateReset(&state->zlib) != Z_OK)
		return error_set(err, EINVAL, "damaged gzip data");
	return 0;
}

ssize_t decompress_read(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	struct decompress *state = arg;
	z_stream *zlib = &state->zlib;

	if (!state->gzip)
		return read_plain(state, buffer, size, err);
	zlib->next_out = buffer;
	zlib->avail_out = size > INT32_MAX ? INT32_MAX : (unsigned)size;
	size = zlib->avail_out;
	while (zlib->avail_out == size && !state->ended) {
		int r = zlib->avail_in == 0 && !state->input_ended ? fill(state, err) : 0;
		int z;

		if (r < 0)
			return r;
		z = inflate(zlib, Z_NO_FLUSH);
		if (z == Z_STREAM_END)
			r = next_member(state, err);
		else if (z == Z_BUF_ERROR && state->input_ended)
			return error_set(err, EINVAL, "damaged gzip data: they end too early");
		else if (z != Z_OK && z != Z_BUF_ERROR)
			return error_set(err, z == Z_MEM_ERROR ? ENOMEM : EINVAL, "damaged gzip data: %s",
			        zlib->msg ? zlib->msg : "unreadable");
		if (r < 0)
			return r;
	}
	return (ssize_t)(size - zlib->avail_out);
}
