/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a layer, each at its maximum and one above. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/base/files.h"
#include "core/unpack/layer.h"

#define TAR_MAX 65536

struct memory {
	char data[TAR_MAX];
	size_t length;
	size_t position;
};

static ssize_t read_memory(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	struct memory *memory = arg;
	size_t left = memory->length - memory->position;
	size_t piece = size < left ? size : left;

	(void)err;
	memcpy(buffer, memory->data + memory->position, piece);
	memory->position += piece;
	return (ssize_t)piece;
}

/* `count` files of `size` bytes, the first one named `name`, and a link to `target` unless that is NULL. */
static void make_tar(struct memory *memory, const char *name, int count, size_t size, const char *target)
{
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	static const char zeros[4096];

	assert_int_equal(archive_write_set_format_pax_restricted(archive), ARCHIVE_OK);
	assert_int_equal(archive_write_set_bytes_in_last_block(archive, 1), ARCHIVE_OK);
	assert_int_equal(
	        archive_write_open_memory(archive, memory->data, sizeof(memory->data), &memory->length),
	        ARCHIVE_OK);
	for (int i = 0; i < count; i++) {
		char numbered[32];

		(void)snprintf(numbered, sizeof(numbered), "file%d", i);
		(void)archive_entry_clear(entry);
		archive_entry_set_pathname(entry, i == 0 && name ? name : numbered);
		archive_entry_set_perm(entry, 0644);
		archive_entry_set_filetype(entry, i == 0 && target ? AE_IFLNK : AE_IFREG);
		archive_entry_set_size(entry, i == 0 && target ? 0 : (la_int64_t)size);
		archive_entry_set_uid(entry, getuid());
		archive_entry_set_gid(entry, getgid());
		if (i == 0 && target)
			archive_entry_set_symlink(entry, target);
		assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
		if (size > 0 && !(i == 0 && target))
			assert_int_equal(archive_write_data(archive, zeros, size), size);
	}
	assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
	archive_entry_free(entry);
	assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
}

static int unpack(struct memory *memory, const struct unpack_limits *limits, struct unpack_totals *totals)
{
	struct manifest_layer expected = { .blob_size = (int64_t)memory->length };
	const struct stream stream = { .read = read_memory, .arg = memory };
	char path[] = "/tmp/baton-layer-XXXXXX";
	struct baton_error err = { 0 };
	int r;

	memory->position = 0;
	assert_int_equal(digest_sha256(memory->data, memory->length, expected.blob_hex), 0);
	memcpy(expected.diff_id, expected.blob_hex, sizeof(expected.diff_id));
	assert_non_null(mkdtemp(path));
	{
		cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		r = layer_unpack(&stream, &expected, fd, limits, totals, &err);
	}
	assert_int_equal(tree_remove_at(AT_FDCWD, path), 0);
	assert_int_equal(r, -err.code);
	return r;
}

static struct unpack_limits wide(void)
{
	return (struct unpack_limits){ .bytes = 1 << 20, .files = 100, .path = 1000, .symlink = 100 };
}

static void entries(void **state)
{
	struct memory *memory = *state;
	struct unpack_limits limits = wide();
	struct unpack_totals totals = { 0 };

	limits.files = 5;
	make_tar(memory, NULL, 5, 0, NULL);
	assert_int_equal(unpack(memory, &limits, &totals), 0);
	make_tar(memory, NULL, 6, 0, NULL);
	assert_int_equal(unpack(memory, &limits, &totals), -E2BIG);
}

static void bytes(void **state)
{
	struct memory *memory = *state;
	struct unpack_limits limits = wide();
	struct unpack_totals totals = { 0 };

	make_tar(memory, NULL, 2, 4000, NULL);
	limits.bytes = memory->length;
	assert_int_equal(unpack(memory, &limits, &totals), 0);
	assert_int_equal(totals.bytes, memory->length);
	/* The total goes on over the layers of an image. */
	limits.bytes = 2 * memory->length;
	assert_int_equal(unpack(memory, &limits, &totals), 0);
	assert_int_equal(unpack(memory, &limits, &totals), -EFBIG);
	totals.bytes = 0;
	limits.bytes = memory->length - 1;
	assert_int_equal(unpack(memory, &limits, &totals), -EFBIG);
}

static void path_length(void **state)
{
	struct memory *memory = *state;
	struct unpack_limits limits = wide();
	struct unpack_totals totals = { 0 };

	limits.path = 10;
	make_tar(memory, "0123456789", 1, 0, NULL);
	assert_int_equal(unpack(memory, &limits, &totals), 0);
	make_tar(memory, "0123456789a", 1, 0, NULL);
	assert_int_equal(unpack(memory, &limits, &totals), -ENAMETOOLONG);
}

static void link_length(void **state)
{
	struct memory *memory = *state;
	struct unpack_limits limits = wide();
	struct unpack_totals totals = { 0 };

	limits.symlink = 10;
	make_tar(memory, "link", 1, 0, "0123456789");
	assert_int_equal(unpack(memory, &limits, &totals), 0);
	make_tar(memory, "link", 1, 0, "0123456789a");
	assert_int_equal(unpack(memory, &limits, &totals), -EINVAL);
}

static void every_truncation(void **state)
{
	struct memory *memory = *state;
	struct unpack_limits limits = wide();
	struct unpack_totals totals = { 0 };
	struct memory *cut = calloc(1, sizeof(*cut));

	assert_non_null(cut);
	make_tar(memory, NULL, 3, 700, NULL);
	/* Whatever is missing, it ends, and without the digest of the whole it never counts as that. */
	for (size_t length = 0; length < memory->length; length += 97) {
		const struct stream stream = { .read = read_memory, .arg = cut };
		struct manifest_layer expected = { .blob_size = -1 };
		char path[] = "/tmp/baton-layer-XXXXXX";

		memcpy(cut, memory, sizeof(*cut));
		cut->length = length;
		cut->position = 0;
		assert_int_equal(digest_sha256(memory->data, memory->length, expected.diff_id), 0);
		assert_non_null(mkdtemp(path));
		{
			cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			struct baton_error err = { 0 };

			assert_int_equal(
			        layer_unpack(&stream, &expected, fd, &limits, &totals, &err), -EINVAL);
		}
		assert_int_equal(tree_remove_at(AT_FDCWD, path), 0);
		totals.bytes = 0;
	}
	free(cut);
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct memory));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entries, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(path_length, setup, teardown),
		cmocka_unit_test_setup_teardown(link_length, setup, teardown),
		cmocka_unit_test_setup_teardown(every_truncation, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
