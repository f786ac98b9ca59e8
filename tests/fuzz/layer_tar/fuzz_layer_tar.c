/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer, plain or compressed, into a directory of its own; beside that directory nothing may ever appear,
 * and what was made must be something that the trusted side can remove.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/unpack/layer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t left;
};

static ssize_t read_input(void *arg, void *buffer, size_t size, struct baton_error *err)
{
	struct input *input = arg;
	size_t piece = size < input->left ? size : input->left;

	(void)err;
	memcpy(buffer, input->data, piece);
	input->data += piece;
	input->left -= piece;
	return (ssize_t)piece;
}

static int entries_of(const char *path)
{
	cleanup_dir DIR *directory = opendir(path);
	int count = 0;

	while (directory && readdir(directory))
		count++;
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct unpack_limits limits = { .bytes = 1 << 20, .files = 200, .path = 4000, .symlink = 1000 };
	const struct manifest_layer expected = { .blob_size = -1 };
	struct input input = { .data = data, .left = size };
	const struct stream stream = { .read = read_input, .arg = &input };
	struct unpack_totals totals = { 0 };
	struct baton_error err;
	char path[] = "/tmp/baton-fuzz-XXXXXX";
	cleanup_close int outer_fd = -1;
	cleanup_close int fd = -1;

	if (!mkdtemp(path))
		abort();
	outer_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = dir_open_make_at(outer_fd, "layer", 0700);
	(void)layer_unpack(&stream, &expected, fd, &limits, &totals, &err);
	if (entries_of(path) != 3 || totals.bytes > limits.bytes)
		abort();
	if (tree_remove_at(AT_FDCWD, path) < 0)
		abort();
	return 0;
}
