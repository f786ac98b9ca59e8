/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of all messages: a new member is one row here, and encoder, decoder, limits and tests follow. */
#include "core/ipc/message.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/ipc/codec-priv.h"
#include "core/model/assignment.h"
#include "core/model/node.h"

#define NAME_MAX_BYTES  63 /* app, service, runtime: one level of a topic */
#define VERSION_MAX     64
#define DIGEST_TEXT_MAX (sizeof("sha256:") - 1 + DIGEST_HEX_LENGTH)
#define MISSING_MAX     64
#define PID_MAX         4194304 /* PID_MAX_LIMIT of the kernel on 64-bit machines */
#define ERRNO_MAX       4095    /* MAX_ERRNO of the kernel */
#define SIGNAL_MAX      64

/* Requests take bits 1 to 15 of a context, answers and events 16 to 30, the bare spec of identity_hash()
 * bit 31. */
#define ON(type)    (1U << ((type) < IPC_REPLY ? (type) : (type)-IPC_REPLY + 16))
#define ON_IDENTITY (1U << 31)
#define ON_ALL      UINT32_MAX
#define ON_MESSAGES (ON_ALL & ~ON_IDENTITY)

/* Enums travel as FIELD_U32. */
static_assert(sizeof(enum mount_type) == sizeof(uint32_t), "enum is not 32 bits wide");
static_assert(sizeof(enum network_mode) == sizeof(uint32_t), "enum is not 32 bits wide");

#define MOUNT_FIELD(tag_, type_, member_, ...)                                                               \
	{                                                                                                    \
		.tag = tag_, .type = type_, .name = "mount " #member_,                                       \
		.offset = offsetof(struct container_mount, member_), .carried = ON_ALL, __VA_ARGS__          \
	}

static const struct field mount_fields[] = {
	MOUNT_FIELD(1, FIELD_U32, type, .max = MOUNT_TMPFS),
	MOUNT_FIELD(2, FIELD_TEXT, source, .max = CONFIG_MAX_STRING_BYTES, .required = ON_ALL),
	MOUNT_FIELD(3, FIELD_TEXT, target, .max = CONFIG_MAX_STRING_BYTES, .required = ON_ALL),
	MOUNT_FIELD(4, FIELD_BOOL, read_only),
	MOUNT_FIELD(5, FIELD_BOOL, nocopy),
	MOUNT_FIELD(6, FIELD_BOOL, create_host_path),
	MOUNT_FIELD(7, FIELD_U64, tmpfs_size, .max = UINT64_MAX),
	MOUNT_FIELD(8, FIELD_U32, tmpfs_mode, .max = 07777),
	MOUNT_FIELD(9, FIELD_BOOL, tmpfs_mode_zero),
};
static const struct record mount_record = { "mount", mount_fields, array_size(mount_fields),
	sizeof(struct container_mount) };

#define ULIMIT_FIELD(tag_, type_, member_, ...)                                                              \
	{                                                                                                    \
		.tag = tag_, .type = type_, .name = "ulimit " #member_,                                      \
		.offset = offsetof(struct container_ulimit, member_), .carried = ON_ALL, __VA_ARGS__         \
	}

static const struct field ulimit_fields[] = {
	ULIMIT_FIELD(1, FIELD_NAME, name, .max = NAME_MAX_BYTES, .required = ON_ALL),
	ULIMIT_FIELD(2, FIELD_U64, soft, .max = UINT64_MAX),
	ULIMIT_FIELD(3, FIELD_U64, hard, .max = UINT64_MAX),
};
static const struct record ulimit_record = { "ulimit", ulimit_fields, array_size(ulimit_fields),
	sizeof(struct container_ulimit) };

#define SPEC_FIELD(tag_, type_, member_, ...)                                                                \
	{                                                                                                    \
		.tag = tag_, .type = type_, .name = "spec " #member_,                                        \
		.offset = offsetof(struct container_spec, member_), .carried = ON_ALL, __VA_ARGS__           \
	}
#define SPEC_TEXT(tag_, member_) SPEC_FIELD(tag_, FIELD_TEXT, member_, .max = CONFIG_MAX_STRING_BYTES)
#define SPEC_LIST(tag_, member_) SPEC_FIELD(tag_, FIELD_LIST, member_, .max = CONFIG_MAX_LIST_ITEMS)
#define SPEC_ARRAY(tag_, member_, count_, ...)                                                               \
	SPEC_FIELD(tag_, FIELD_RECORDS, member_, .companion = offsetof(struct container_spec, count_),       \
	        __VA_ARGS__)

/*
 * Tags are for ever: identity_hash() is made of these bytes, and a changed tag would replace every container
 * of a fleet at its next update.
 */
static const struct field spec_fields[] = {
	SPEC_FIELD(1, FIELD_NAME, id, .max = INSTANCE_ID_MAX, .required = ON_MESSAGES),
	SPEC_FIELD(2, FIELD_NAME, app, .max = NAME_MAX_BYTES, .required = ON_MESSAGES),
	SPEC_FIELD(3, FIELD_NAME, service, .max = NAME_MAX_BYTES, .required = ON_MESSAGES),
	SPEC_FIELD(4, FIELD_U32, slot, .max = UINT32_MAX),
	SPEC_FIELD(5, FIELD_NAME, runtime, .max = NAME_MAX_BYTES),
	SPEC_FIELD(6, FIELD_TEXT, image, .max = CONFIG_MAX_STRING_BYTES, .required = ON_MESSAGES),
	SPEC_LIST(7, entrypoint),
	SPEC_LIST(8, command),
	SPEC_FIELD(9, FIELD_BOOL, has_entrypoint),
	SPEC_FIELD(10, FIELD_BOOL, has_command),
	SPEC_LIST(11, environment),
	SPEC_TEXT(12, working_dir),
	SPEC_TEXT(13, user),
	SPEC_TEXT(14, hostname),
	SPEC_LIST(15, labels),
	SPEC_LIST(16, cap_add),
	SPEC_LIST(17, cap_drop),
	SPEC_LIST(18, sysctls),
	SPEC_ARRAY(19, ulimits, n_ulimits, .max = CONFIG_MAX_LIST_ITEMS, .record = &ulimit_record),
	SPEC_ARRAY(20, mounts, n_mounts, .max = CONFIG_MAX_MOUNTS, .record = &mount_record),
	SPEC_FIELD(21, FIELD_U32, network, .max = NETWORK_HOST),
	SPEC_FIELD(22, FIELD_BOOL, init),
	SPEC_FIELD(23, FIELD_BOOL, read_only),
	SPEC_FIELD(24, FIELD_I64, memory_limit, .max = INT64_MAX),
	SPEC_FIELD(25, FIELD_I64, cpu_limit, .max = INT64_MAX),
	SPEC_FIELD(26, FIELD_I64, pids_limit, .min = -1, .max = INT64_MAX),
	SPEC_TEXT(27, stop_signal),
	SPEC_FIELD(28, FIELD_U32, stop_grace_ms, .max = UINT32_MAX),
	SPEC_FIELD(29, FIELD_U64, log_max_size, .max = CONTAINER_LOG_SIZE_MAX),
	SPEC_FIELD(30, FIELD_U32, log_max_files, .max = CONTAINER_LOG_FILES_MAX),
};
static const struct record spec_record = { "spec", spec_fields, array_size(spec_fields),
	sizeof(struct container_spec) };

#define FIELD(tag_, type_, member_, carried_, ...)                                                           \
	{                                                                                                    \
		.tag = tag_, .type = type_, .name = #member_,                                                \
		.offset = offsetof(struct ipc_message, member_), .carried = (carried_), __VA_ARGS__          \
	}
#define WITH_ID (ON(IPC_STOP) | ON(IPC_FORGET) | ON(IPC_INSTANCE))

static const struct field message_fields[] = {
	FIELD(1, FIELD_NAME, id, WITH_ID, .max = INSTANCE_ID_MAX, .required = WITH_ID),
	FIELD(2, FIELD_TEXT, version, ON(IPC_HELLO) | ON(IPC_NODE), .max = VERSION_MAX,
	        .required = ON(IPC_HELLO)),
	FIELD(3, FIELD_TEXT, image, ON(IPC_IMAGE), .max = CONFIG_MAX_STRING_BYTES, .required = ON(IPC_IMAGE)),
	FIELD(4, FIELD_TEXT, image_digest, ON(IPC_REPLY) | ON(IPC_INSTANCE), .max = DIGEST_TEXT_MAX),
	FIELD(5, FIELD_U64, generation, ON(IPC_START) | ON(IPC_INSTANCE), .max = UINT64_MAX),
	FIELD(6, FIELD_I32, signal, ON(IPC_STOP) | ON(IPC_INSTANCE), .max = SIGNAL_MAX),
	FIELD(7, FIELD_U32, grace_ms, ON(IPC_STOP), .max = UINT32_MAX),
	FIELD(8, FIELD_U32, state, ON(IPC_INSTANCE), .min = IPC_INSTANCE_STARTING, .max = IPC_INSTANCE_ENDED,
	        .required = ON(IPC_INSTANCE)),
	FIELD(9, FIELD_I32, pid, ON(IPC_INSTANCE), .max = PID_MAX),
	FIELD(10, FIELD_BOOL, has_exit_code, ON(IPC_INSTANCE)),
	FIELD(11, FIELD_I32, exit_code, ON(IPC_INSTANCE), .max = 255),
	FIELD(12, FIELD_BOOL, oom_killed, ON(IPC_INSTANCE)),
	FIELD(13, FIELD_BOOL, never_ran, ON(IPC_INSTANCE)),
	FIELD(14, FIELD_BOOL, limit_unenforced, ON(IPC_INSTANCE)),
	FIELD(15, FIELD_U64, started_ns, ON(IPC_INSTANCE), .max = UINT64_MAX),
	FIELD(16, FIELD_I32, code, ON(IPC_REPLY), .max = ERRNO_MAX),
	FIELD(17, FIELD_TEXT, message, ON(IPC_REPLY) | ON(IPC_INSTANCE), .max = CONFIG_MAX_STRING_BYTES),
	FIELD(18, FIELD_NAME, runtime, ON(IPC_INSTANCE), .max = NAME_MAX_BYTES),
	FIELD(19, FIELD_LIST, runtimes, ON(IPC_NODE), .max = NODE_RUNTIMES_MAX),
	FIELD(20, FIELD_LIST, missing, ON(IPC_NODE), .max = MISSING_MAX),
	FIELD(21, FIELD_TEXT, cgroup_mode, ON(IPC_NODE), .max = NAME_MAX_BYTES),
	FIELD(22, FIELD_RECORD, spec, ON(IPC_START) | ON(IPC_INSTANCE), .required = ON(IPC_START),
	        .companion = offsetof(struct ipc_message, has_spec), .record = &spec_record),
	FIELD(23, FIELD_U32, attempts, ON(IPC_START) | ON(IPC_INSTANCE), .max = UINT32_MAX),
	FIELD(24, FIELD_U64, ended_ns, ON(IPC_INSTANCE), .max = UINT64_MAX),
};
static const struct record message_record = { "message", message_fields, array_size(message_fields),
	sizeof(struct ipc_message) };

/*
 * The spec of a START comes back in INSTANCE events, with a reason and more beside it: what can be started
 * must also be reportable, so a START leaves room for that.
 */
#define REPORT_ROOM (CONFIG_MAX_STRING_BYTES + 1024)
static_assert(
        CONFIG_IPC_MESSAGE_MAX >= 2 * REPORT_ROOM, "CONFIG_IPC_MESSAGE_MAX is too small for the strings");
/* A reason that cannot be sent would close the channel instead. */
static_assert(CONFIG_MAX_STRING_BYTES >= ERROR_MESSAGE_MAX,
        "CONFIG_MAX_STRING_BYTES is too small for the text of an error");

static const struct type {
	uint32_t type;
	bool numbered; /* part of a request and its answer: has a sequence number */
	size_t max;    /* bytes */
} type_table[] = {
	{ IPC_HELLO, true, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_START, true, CONFIG_IPC_MESSAGE_MAX - REPORT_ROOM },
	{ IPC_STOP, true, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_FORGET, true, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_IMAGE, true, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_BROKER_SAVE, true, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_REPLY, true, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_NODE, false, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_INSTANCE, false, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_IMAGES_CHANGED, false, CONFIG_IPC_MESSAGE_MAX },
	{ IPC_SYNCED, false, CONFIG_IPC_MESSAGE_MAX },
};

struct header {
	uint32_t type;
	uint32_t sequence;
};

/* NULL: there is no such type, or it has a sequence number where it must not, or none where it must. */
static const struct type *check_header(const struct header *header, struct baton_error *err)
{
	const struct type *type = NULL;

	for (size_t i = 0; i < array_size(type_table); i++) {
		if (type_table[i].type == header->type)
			type = &type_table[i];
	}
	if (!type)
		(void)error_set(err, EINVAL, "unknown message type %u", header->type);
	else if (type->numbered != (header->sequence != 0))
		(void)error_set(err, EINVAL, "message of type %u with sequence number %u", header->type,
		        header->sequence);
	else
		return type;
	return NULL;
}

void ipc_message_release(struct ipc_message *message)
{
	char *const texts[] = { message->id, message->version, message->image, message->image_digest,
		message->message, message->runtime, message->cgroup_mode };

	for (size_t i = 0; i < array_size(texts); i++)
		free(texts[i]);
	strv_free(message->runtimes);
	strv_free(message->missing);
	container_spec_release(&message->spec);
	*message = (struct ipc_message){ 0 };
}

int ipc_message_encode(const struct ipc_message *message, struct buf *out)
{
	struct header header = { .type = message->type, .sequence = message->sequence };
	const struct type *type = check_header(&header, NULL);
	size_t start = out->length;
	int r;

	if (!type)
		return -EINVAL;
	header = (struct header){ .type = htole32(header.type), .sequence = htole32(header.sequence) };
	r = buf_append(out, &header, sizeof(header));
	if (r == 0)
		r = codec_encode(&message_record, ON(message->type), message, out);
	if (r == 0 && out->length - start > type->max)
		r = -EMSGSIZE;
	if (r < 0)
		out->length = start;
	return r;
}

int ipc_message_decode(
        const void *data, size_t length, struct ipc_message *ret_message, struct baton_error *err)
{
	struct ipc_message message = { 0 };
	const struct type *type;
	struct header header;
	int r;

	if (length < sizeof(header) || length > CONFIG_IPC_MESSAGE_MAX)
		return error_set(err, EINVAL, "message of %zu bytes", length);
	memcpy(&header, data, sizeof(header));
	header = (struct header){ .type = le32toh(header.type), .sequence = le32toh(header.sequence) };
	type = check_header(&header, err);
	if (!type)
		return -EINVAL;
	if (length > type->max)
		return error_set(err, EINVAL, "message of type %u of %zu bytes", header.type, length);
	r = codec_decode(&message_record, ON(header.type), (const char *)data + sizeof(header),
	        length - sizeof(header), &message, err);
	if (r < 0) {
		ipc_message_release(&message);
		return r;
	}
	message.type = header.type;
	message.sequence = header.sequence;
	*ret_message = message;
	return 0;
}

int ipc_spec_encode(const struct container_spec *spec, struct buf *out)
{
	struct container_spec anonymous = *spec;

	anonymous.id = NULL;
	anonymous.slot = 0;
	return codec_encode(&spec_record, ON_IDENTITY, &anonymous, out);
}
