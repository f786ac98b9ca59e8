/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile peer may send. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/ipc/message.h"
#include "tests/unit/ipc/sample.h"

#define BUFFER_MAX (8U << 20)

static void put_u32(struct buf *out, uint32_t value)
{
	value = htole32(value);
	assert_int_equal(buf_append(out, &value, sizeof(value)), 0);
}

static void put_field(struct buf *out, uint16_t tag, uint32_t length, const void *value, size_t value_length)
{
	tag = htole16(tag);
	assert_int_equal(buf_append(out, &tag, sizeof(tag)), 0);
	put_u32(out, length);
	assert_int_equal(buf_append(out, value, value_length), 0);
}

/* Tags as in message.c. */
enum {
	TAG_ID = 1,
	TAG_VERSION = 2,
	TAG_SIGNAL = 6,
	TAG_STATE = 8,
	TAG_HAS_EXIT = 10,
	TAG_RUNTIMES = 19,
	TAG_SPEC = 22
};

struct raw_field {
	uint16_t tag;
	uint32_t length;
	const char *value;
	size_t value_length;
};
#define RAW(tag, text)                                                                                       \
	{                                                                                                    \
		tag, sizeof(text) - 1, text, sizeof(text) - 1                                                \
	}
#define RAW_LENGTH(tag, claim, text)                                                                         \
	{                                                                                                    \
		tag, claim, text, sizeof(text) - 1                                                           \
	}

static const struct {
	uint32_t type;
	uint32_t sequence;
	struct raw_field fields[3];
	const char *complaint;
} hostile_table[] = {
	{ 99, 1, { { 0 } }, "unknown message type" },
	{ IPC_STOP, 0, { RAW(TAG_ID, "a") }, "sequence number" },
	{ IPC_SYNCED, 5, { { 0 } }, "sequence number" },
	{ IPC_STOP, 1, { { 0 } }, "id is missing" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "") }, "id: not a name" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "..") }, "id: not a name" },
	{ IPC_STOP, 1, { RAW(TAG_ID, ".trash") }, "id: not a name" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "-rf") }, "id: not a name" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "../x") }, "id: not a name" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a\0b") }, "id: not a name" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a b") }, "id: not a name" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a"), RAW(TAG_ID, "a") }, "id: out of order or repeated" },
	{ IPC_STOP, 1, { RAW(TAG_SIGNAL, "\x0f\0\0\0"), RAW(TAG_ID, "a") }, "id: out of order" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a"), RAW(TAG_SIGNAL, "\0\0\0\0") }, "signal: a default value" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a"), RAW(TAG_SIGNAL, "\x0f\0\0") }, "signal: wrong size" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a"), RAW(TAG_SIGNAL, "\x0f\0\0\0\0\0\0\0") }, "signal: wrong size" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a"), RAW(TAG_SIGNAL, "\x41\0\0\0") }, "signal: out of range" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a"), RAW(TAG_SIGNAL, "\xff\xff\xff\xff") }, "signal: out of range" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a"), RAW(TAG_HAS_EXIT, "") }, "has_exit_code: does not belong" },
	{ IPC_STOP, 1, { RAW(TAG_ID, "a"), RAW(999, "") }, "unknown field 999" },
	{ IPC_STOP, 1, { RAW(0, ""), RAW(TAG_ID, "a") }, "unknown field 0" },
	{ IPC_STOP, 1, { RAW_LENGTH(TAG_ID, 2, "a") }, "truncated" },
	{ IPC_STOP, 1, { RAW_LENGTH(TAG_ID, UINT32_MAX, "a") }, "truncated" },
	{ IPC_HELLO, 1, { RAW(TAG_VERSION, "1\0") }, "version: NUL" },
	{ IPC_INSTANCE, 0, { RAW(TAG_ID, "a"), RAW(TAG_STATE, "\5\0\0\0") }, "state: out of range" },
	{ IPC_INSTANCE, 0, { RAW(TAG_ID, "a"), RAW(TAG_STATE, "\1\0\0\0"), RAW(TAG_HAS_EXIT, "\1") },
	        "has_exit_code: a flag has no value" },
	{ IPC_NODE, 0, { RAW(TAG_RUNTIMES, "") }, "runtimes: broken, empty" },
	{ IPC_NODE, 0, { RAW(TAG_RUNTIMES, "\2\0\0\0a") }, "runtimes: broken" },
	{ IPC_NODE, 0,
	        { RAW(TAG_RUNTIMES, "\xff\xff\xff\xff"
	                            "a") },
	        "runtimes: broken" },
	{ IPC_NODE, 0, { RAW(TAG_RUNTIMES, "\2\0\0\0a\0") }, "runtimes: NUL" },
	{ IPC_NODE, 0,
	        { RAW(TAG_RUNTIMES,
	                "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
	        "too long list" },
	{ IPC_START, 1, { RAW(TAG_SPEC, "") }, "spec: spec id is missing" },
	{ IPC_START, 1, { RAW(TAG_SPEC, "\1\0\1\0\0\0a") }, "is missing" },
	{ IPC_START, 1, { RAW(TAG_SPEC, "\1\0\2\0\0\0a") }, "truncated" },
	{ IPC_START, 1, { RAW(TAG_SPEC, "\x14\0\x00\0\0\0") }, "spec mounts: broken" },
	{ IPC_START, 1, { RAW(TAG_SPEC, "\x14\0\x04\0\0\0\0\0\0\0") }, "mount source is missing" },
	{ IPC_START, 1, { RAW(TAG_SPEC, "\x14\0\x0a\0\0\0\6\0\0\0\2\0\0\0\0\0") },
	        "mount target is missing" },
	{ IPC_START, 1, { RAW(TAG_SPEC, "\x14\0\x0e\0\0\0\x0a\0\0\0\1\0\4\0\0\0\3\0\0\0") },
	        "mount type: out of range" },
};

static void test_hostile(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(hostile_table); i++) {
		cleanup_buf struct buf out = { .data = NULL };
		struct ipc_message message = { .type = 12345 };
		struct baton_error err = { 0 };

		buf_init(&out, BUFFER_MAX);
		put_u32(&out, hostile_table[i].type);
		put_u32(&out, hostile_table[i].sequence);
		for (size_t j = 0; j < 3 && hostile_table[i].fields[j].value; j++) {
			const struct raw_field *field = &hostile_table[i].fields[j];

			put_field(&out, field->tag, field->length, field->value, field->value_length);
		}
		assert_int_equal(ipc_message_decode(out.data, out.length, &message, &err), -EINVAL);
		if (!strstr(err.message, hostile_table[i].complaint))
			fail_msg("row %zu: \"%s\" instead of \"%s\"", i, err.message,
			        hostile_table[i].complaint);
		assert_int_equal(message.type, 12345); /* outputs only on success */
	}
}

static void test_sizes(void **state)
{
	cleanup_free char *data = calloc(1, CONFIG_IPC_MESSAGE_MAX + 1);
	struct ipc_message message;

	(void)state;
	assert_non_null(data);
	for (size_t length = 0; length < 8; length++)
		assert_int_equal(ipc_message_decode(data, length, &message, NULL), -EINVAL);
	assert_int_equal(ipc_message_decode(data, CONFIG_IPC_MESSAGE_MAX + 1, &message, NULL), -EINVAL);
}

/* Every byte of a valid message changed in turn: an error or another message that encodes to the same bytes.
 */
static void test_flipped_bytes(void **state)
{
	cleanup_buf struct buf out = { .data = NULL };
	cleanup_buf struct buf again = { .data = NULL };
	struct ipc_message message = {
		.type = IPC_START, .sequence = 7, .generation = 1, .has_spec = true, .spec = sample_spec()
	};

	(void)state;
	buf_init(&out, BUFFER_MAX);
	buf_init(&again, BUFFER_MAX);
	assert_int_equal(ipc_message_encode(&message, &out), 0);
	for (size_t i = 0; i < out.length; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct ipc_message copy = { 0 };

			out.data[i] ^= (char)(1U << bit);
			if (ipc_message_decode(out.data, out.length, &copy, NULL) == 0) {
				buf_reset(&again);
				assert_int_equal(ipc_message_encode(&copy, &again), 0);
				assert_int_equal(out.length, again.length);
				assert_memory_equal(out.data, again.data, out.length);
				ipc_message_release(&copy);
			}
			out.data[i] ^= (char)(1U << bit);
		}
	}
	ipc_message_release(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_flipped_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
