/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broken baton-control may leave out any field. Every START that lacks one is refused, or passes what the
 * supervisor makes of it; a pointer that it takes for granted would end root's daemon here.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/ipc/message.h"
#include "core/supervisor/volumes.h"
#include "tests/unit/ipc/sample.h"

#define BUFFER_MAX  (1U << 20)
#define HEADER_SIZE 8
#define BLOCK_HEAD  sizeof(uint32_t)
#define FIELD_HEAD  (sizeof(uint16_t) + BLOCK_HEAD)

/* Tags as in message.c: a field that holds a record, or records. */
enum { TAG_ULIMITS = 19, TAG_MOUNTS = 20, TAG_SPEC = 22 };

static uint32_t length_at(const char *bytes)
{
	uint32_t length;

	memcpy(&length, bytes, sizeof(length));
	return le32toh(length);
}

static void put_length(struct buf *out, size_t at)
{
	uint32_t length = htole32((uint32_t)(out->length - at - BLOCK_HEAD));

	memcpy(out->data + at, &length, sizeof(length));
}

static void copy_fields(const char *bytes, size_t length, size_t *countdown, struct buf *out);

static void copy_blocks(const char *bytes, size_t length, size_t *countdown, struct buf *out)
{
	for (const char *end = bytes + length; bytes < end; bytes += BLOCK_HEAD + length_at(bytes)) {
		size_t at = out->length;

		assert_int_equal(buf_append(out, bytes, BLOCK_HEAD), 0);
		copy_fields(bytes + BLOCK_HEAD, length_at(bytes), countdown, out);
		put_length(out, at);
	}
}

/* Copies fields, and those of the records in them, without the one that *countdown comes to. */
static void copy_fields(const char *bytes, size_t length, size_t *countdown, struct buf *out)
{
	for (const char *end = bytes + length; bytes < end;) {
		const char *value = bytes + FIELD_HEAD;
		size_t size = length_at(bytes + sizeof(uint16_t));
		size_t at = out->length + sizeof(uint16_t);
		uint16_t tag;

		memcpy(&tag, bytes, sizeof(tag));
		tag = le16toh(tag);
		if ((*countdown)-- != 0) {
			assert_int_equal(buf_append(out, bytes, FIELD_HEAD), 0);
			if (tag == TAG_SPEC)
				copy_fields(value, size, countdown, out);
			else if (tag == TAG_MOUNTS || tag == TAG_ULIMITS)
				copy_blocks(value, size, countdown, out);
			else
				assert_int_equal(buf_append(out, value, size), 0);
			put_length(out, at);
		}
		bytes = value + size;
	}
}

/* What container_start() does with a spec, as far as it needs no root. */
static void supervise(const struct container_spec *spec)
{
	char folder[] = "/tmp/baton-absent-XXXXXX";
	char *const allowed[] = { folder, NULL };
	struct image image = { .working_dir = sample_text(""),
		.user = sample_text(""),
		.stop_signal = sample_text(""),
		.architecture = sample_text("amd64") };
	struct volumes_place place = { .root = folder, .instance = folder, .allowed = allowed };
	cleanup_json json_t *seccomp = json_object();
	struct volumes volumes = { 0 };
	struct baton_error err;

	assert_non_null(mkdtemp(folder));
	place.volumes_fd = place.instance_fd = dir_open_make(folder, 0700, &err);
	assert_true(place.volumes_fd >= 0);
	/* Refused or not: it comes back. */
	if (volumes_check(spec, allowed, &err) == 0 && volumes_make(&place, spec, &volumes, &err) == 0) {
		const struct bundle bundle = { .spec = spec,
			.image = &image,
			.rootfs = "/r",
			.hostname = "h",
			.mounts = volumes.mounts,
			.n_mounts = volumes.n_mounts,
			.seccomp = seccomp };
		cleanup_json json_t *config = bundle_config(&bundle, &err);

		assert_true(config || *err.message);
	}
	volumes_release(&volumes);
	image_release(&image);
	close_fd(&place.volumes_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, folder), 0);
}

static void test_every_field_in_turn(void **state)
{
	cleanup_buf struct buf whole = { .data = NULL };
	cleanup_buf struct buf part = { .data = NULL };
	struct ipc_message message = {
		.type = IPC_START, .sequence = 7, .generation = 1, .has_spec = true, .spec = sample_spec()
	};
	size_t refused = 0;
	size_t n = 0;

	(void)state;
	buf_init(&whole, BUFFER_MAX);
	buf_init(&part, BUFFER_MAX);
	assert_int_equal(ipc_message_encode(&message, &whole), 0);
	for (;; n++) {
		struct baton_error err = { 0 };
		struct ipc_message copy;
		size_t countdown = n;

		buf_reset(&part);
		assert_int_equal(buf_append(&part, whole.data, HEADER_SIZE), 0);
		copy_fields(whole.data + HEADER_SIZE, whole.length - HEADER_SIZE, &countdown, &part);
		if (part.length == whole.length)
			break; /* there is no field number n */
		if (ipc_message_decode(part.data, part.length, &copy, &err) < 0) {
			assert_non_null(strstr(err.message, "is missing"));
			refused++;
			continue;
		}
		supervise(&copy.spec);
		ipc_message_release(&copy);
	}
	/* The spec as a whole, its id, app, service and image; source and target of two mounts; one ulimit's
	 * name. */
	assert_int_equal(refused, 10);
	assert_true(n > 40);
	ipc_message_release(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
