/* SPDX-License-Identifier: Apache-2.0 */
/* Headers made by hand: numbers of both kinds, checksums, long names, and what must end it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/unpack/tar.h"

#define BLOCK 512

static struct {
	unsigned char data[64 * BLOCK];
	size_t length;
	size_t position;
} bytes;

static ssize_t read_bytes(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	size_t left = bytes.length - bytes.position;
	size_t piece = size < left ? size : left;

	(void)arg;
	(void)err;
	memcpy(buffer, bytes.data + bytes.position, piece);
	bytes.position += piece;
	return (ssize_t)piece;
}

static const struct stream stream = { .read = read_bytes, .arg = NULL };

static void seal(unsigned char *header)
{
	unsigned sum = 0;

	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += header[i];
	(void)snprintf((char *)header + 148, 8, "%06o", sum);
}

/* A header with its data behind it; returns the header, for changes before seal(). */
static unsigned char *add(char type, const char *name, const char *data)
{
	unsigned char *header = bytes.data + bytes.length;
	size_t size = strlen(data);

	memset(header, 0, BLOCK);
	memcpy(header, name, strlen(name));
	memcpy(header + 100, "0000755", 8);
	memcpy(header + 108, "0000012", 8);
	memcpy(header + 116, "0000007", 8);
	(void)snprintf((char *)header + 124, 12, "%011o", (unsigned)size);
	memcpy(header + 136, "00000000001", 12);
	header[156] = (unsigned char)type;
	memcpy(header + 257, "ustar\00000", 8);
	memset(header + BLOCK, 0, (size + BLOCK - 1) / BLOCK * BLOCK);
	memcpy(header + BLOCK, data, size);
	bytes.length += BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
	seal(header);
	return header;
}

static int setup(void **state)
{
	struct tar *tar;

	memset(&bytes, 0, sizeof(bytes));
	assert_int_equal(tar_new(&stream, &tar, NULL), 0);
	*state = tar;
	return 0;
}

static int teardown(void **state)
{
	tar_free(*state);
	return 0;
}

static int next(void **state, struct tar_entry *ret_entry)
{
	struct baton_error err = { 0 };
	int r = tar_next(*state, ret_entry, &err);

	assert_int_equal(r < 0 ? r : 0, -err.code);
	return r;
}

static void plain(void **state)
{
	struct tar_entry entry;
	char text[16];

	(void)add('0', "a/b", "hello");
	(void)add('5', "d/", "");
	bytes.length += (size_t)2 * BLOCK; /* zeros: the end */
	assert_int_equal(next(state, &entry), 1);
	assert_string_equal(entry.path, "a/b");
	assert_int_equal(entry.type, S_IFREG);
	assert_int_equal(entry.mode, 0755);
	assert_int_equal(entry.uid, 10);
	assert_int_equal(entry.gid, 7);
	assert_int_equal(entry.size, 5);
	assert_int_equal(entry.mtime.tv_sec, 1);
	assert_int_equal(tar_read(*state, text, 2, NULL), 2);
	assert_int_equal(tar_read(*state, text + 2, sizeof(text) - 2, NULL), 3);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(tar_read(*state, text, sizeof(text), NULL), 0);
	assert_int_equal(next(state, &entry), 1);
	assert_int_equal(entry.type, S_IFDIR);
	assert_int_equal(next(state, &entry), 0);
	assert_int_equal(next(state, &entry), 0);
}

static void unread_data_are_skipped(void **state)
{
	struct tar_entry entry;
	struct tar_piece piece;

	(void)add('0', "a", "hello");
	(void)add('0', "b", "world");
	assert_int_equal(next(state, &entry), 1);
	assert_int_equal(next(state, &entry), 1);
	assert_string_equal(entry.path, "b");
	assert_int_equal(tar_read_piece(*state, &piece, NULL), 1);
	assert_int_equal(piece.offset, 0);
	assert_int_equal(piece.size, 5);
	assert_memory_equal(piece.data, "world", 5);
	assert_int_equal(tar_read_piece(*state, &piece, NULL), 0);
	/* Without the blocks of zeros the end of the stream is the end. */
	assert_int_equal(next(state, &entry), 0);
}

static void names(void **state)
{
	struct tar_entry entry;
	char longest[101];
	unsigned char *header;

	memset(longest, 'n', 100);
	longest[100] = '\0';
	header = add('0', "", "");
	memcpy(header, longest, 100);
	memcpy(header + 345, "prefix", 6);
	seal(header);
	(void)add('L', "././@LongLink", "a long name");
	(void)add('K', "././@LongLink", "a long target");
	(void)add('2', "short", "");
	(void)add('x', "PaxHeader", "12 path=pax\n");
	(void)add('g', "global", "15 path=global\n");
	(void)add('0', "ustar", "");
	(void)add('0', "plain", "");
	assert_int_equal(next(state, &entry), 1);
	assert_int_equal(strlen(entry.path), 107);
	assert_memory_equal(entry.path, "prefix/nnn", 10);
	assert_int_equal(next(state, &entry), 1);
	assert_string_equal(entry.path, "a long name");
	assert_string_equal(entry.symlink, "a long target");
	assert_int_equal(next(state, &entry), 1);
	assert_string_equal(entry.path, "pax");
	/* An extension is for one entry only. */
	assert_int_equal(next(state, &entry), 1);
	assert_string_equal(entry.path, "plain");
}

static void binary_numbers(void **state)
{
	struct tar_entry entry;
	unsigned char *header = add('0', "a", "");

	memcpy(header + 108, "\x80\0\0\0\x80\0\0\0", 8); /* 2^31 */
	memcpy(header + 136, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
	seal(header);
	header = add('0', "b", "");
	memcpy(header + 124, "\x80\x80\0\0\0\0\0\0\0\0\0\0", 12); /* does not fit into 64 bits */
	seal(header);
	assert_int_equal(next(state, &entry), 1);
	assert_int_equal(entry.uid, 0x80000000);
	assert_int_equal(entry.mtime.tv_sec, -2);
	assert_int_equal(next(state, &entry), -EINVAL);
	assert_int_equal(next(state, &entry), 0);
}

static void only_files_have_data(void **state)
{
	struct tar_entry entry;
	unsigned char *header = add('1', "link", "");

	memcpy(header + 157, "target", 6);
	memcpy(header + 124, "00000000777", 12);
	seal(header);
	(void)add('0', "next", "");
	assert_int_equal(next(state, &entry), 1);
	assert_string_equal(entry.hardlink, "target");
	assert_int_equal(entry.size, 0);
	assert_int_equal(next(state, &entry), 1);
	assert_string_equal(entry.path, "next");
}

static void wrong_headers(void **state)
{
	struct tar_entry entry;
	unsigned char *header = add('0', "a", "");

	header[0] = 'b';
	assert_int_equal(next(state, &entry), -EINVAL);
}

static void sparse(void **state)
{
	struct tar_entry entry;

	(void)add('S', "a", "");
	assert_int_equal(next(state, &entry), -ENOTSUP);
}

static void cut(void **state)
{
	struct tar_entry entry;

	(void)add('0', "a", "hello");
	bytes.length = BLOCK + 3;
	assert_int_equal(next(state, &entry), 1);
	assert_int_equal(next(state, &entry), -EINVAL);
}

static void cut_header(void **state)
{
	struct tar_entry entry;

	(void)add('0', "a", "");
	bytes.length = BLOCK - 1;
	assert_int_equal(next(state, &entry), -EINVAL);
}

static void extensions_without_end(void **state)
{
	struct tar_entry entry;

	for (int i = 0; i < 17; i++)
		(void)add('g', "g", "");
	(void)add('0', "a", "");
	assert_int_equal(next(state, &entry), -EINVAL);
}

static void most_extensions(void **state)
{
	struct tar_entry entry;

	for (int i = 0; i < 16; i++)
		(void)add('g', "g", "");
	(void)add('0', "a", "");
	assert_int_equal(next(state, &entry), 1);
}

static void large_extension(void **state)
{
	struct tar_entry entry;
	unsigned char *header = add('x', "x", "");

	memcpy(header + 124, "00004000001", 12); /* 1 MiB and a byte */
	seal(header);
	assert_int_equal(next(state, &entry), -ENAMETOOLONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain),
		TEST(unread_data_are_skipped),
		TEST(names),
		TEST(binary_numbers),
		TEST(only_files_have_data),
		TEST(wrong_headers),
		TEST(sparse),
		TEST(cut),
		TEST(cut_header),
		TEST(extensions_without_end),
		TEST(most_extensions),
		TEST(large_extension),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
