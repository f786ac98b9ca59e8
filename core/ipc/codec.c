/* SPDX-License-Identifier: Apache-2.0 */
/* The table-driven encoder and the decoder that trusts nothing. */
#include "core/ipc/codec-priv.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/name.h"
#include "core/base/strv.h"

#define TAG_SIZE    sizeof(uint16_t)
#define LENGTH_SIZE sizeof(uint32_t)

struct reader {
	const unsigned char *next;
	size_t left;
};

static const void *member(const struct field *field, const void *object)
{
	return (const char *)object + field->offset;
}

static void *member_of(const struct field *field, void *object)
{
	return (char *)object + field->offset;
}

static bool is_signed(const struct field *field)
{
	return field->type == FIELD_I32 || field->type == FIELD_I64;
}

static bool in_range(const struct field *field, uint64_t value)
{
	if (is_signed(field))
		return (int64_t)value >= field->min && (int64_t)value <= (int64_t)field->max;
	return value >= (uint64_t)field->min && value <= field->max;
}

/* ---- encoder ---- */

static int put_u16(struct buf *out, uint16_t value)
{
	value = htole16(value);
	return buf_append(out, &value, sizeof(value));
}

static int put_u32(struct buf *out, uint32_t value)
{
	value = htole32(value);
	return buf_append(out, &value, sizeof(value));
}

/* Writes a length whose value is known only once the bytes behind it are there. */
static void patch_length(struct buf *out, size_t at)
{
	uint32_t length = htole32((uint32_t)(out->length - at - LENGTH_SIZE));

	memcpy(out->data + at, &length, sizeof(length));
}

static uint64_t load_number(const struct field *field, const void *object)
{
	const void *at = member(field, object);

	switch (field->type) {
	case FIELD_U32: return *(const uint32_t *)at;
	case FIELD_I32: return (uint64_t)(int64_t) * (const int32_t *)at;
	case FIELD_I64: return (uint64_t) * (const int64_t *)at;
	default: return *(const uint64_t *)at;
	}
}

static bool is_default(const struct field *field, const void *object)
{
	const void *at = member(field, object);

	switch (field->type) {
	case FIELD_BOOL: return !*(const bool *)at;
	case FIELD_TEXT:
	case FIELD_NAME: return !*(char *const *)at;
	case FIELD_LIST: return strv_length(*(char **const *)at) == 0;
	case FIELD_RECORD: return !*(const bool *)((const char *)object + field->companion);
	case FIELD_RECORDS:
		return *(const size_t *)(const void *)((const char *)object + field->companion) == 0;
	default: return load_number(field, object) == 0;
	}
}

static int encode_number(const struct field *field, const void *object, struct buf *out)
{
	uint64_t value = load_number(field, object);

	if (!in_range(field, value))
		return -EINVAL;
	if (field->type == FIELD_U32 || field->type == FIELD_I32)
		return put_u32(out, (uint32_t)value);
	value = htole64(value);
	return buf_append(out, &value, sizeof(value));
}

static int encode_text(const struct field *field, const void *object, struct buf *out)
{
	const char *text = *(char *const *)member(field, object);
	size_t length = strlen(text);

	if (length > field->max)
		return -EMSGSIZE;
	if (field->type == FIELD_NAME && !name_valid(text, length, SIZE_MAX))
		return -EINVAL;
	return buf_append(out, text, length);
}

static int encode_list(const struct field *field, const void *object, struct buf *out)
{
	char *const *list = *(char **const *)member(field, object);

	if (strv_length(list) > field->max)
		return -EMSGSIZE;
	for (size_t i = 0; list[i]; i++) {
		size_t length = strlen(list[i]);
		int r;

		if (length > CONFIG_MAX_STRING_BYTES)
			return -EMSGSIZE;
		r = put_u32(out, (uint32_t)length);
		if (r == 0)
			r = buf_append(out, list[i], length);
		if (r < 0)
			return r;
	}
	return 0;
}

static int encode_records(const struct field *field, uint32_t context, const void *object, struct buf *out)
{
	const char *items = *(char *const *)member(field, object);
	size_t count = *(const size_t *)(const void *)((const char *)object + field->companion);

	if (count > field->max)
		return -EMSGSIZE;
	for (size_t i = 0; i < count; i++) {
		size_t at = out->length;
		int r = put_u32(out, 0);

		if (r == 0)
			r = codec_encode(field->record, context, items + i * field->record->size, out);
		if (r < 0)
			return r;
		patch_length(out, at);
	}
	return 0;
}

static int encode_value(const struct field *field, uint32_t context, const void *object, struct buf *out)
{
	switch (field->type) {
	case FIELD_BOOL: return 0;
	case FIELD_TEXT:
	case FIELD_NAME: return encode_text(field, object, out);
	case FIELD_LIST: return encode_list(field, object, out);
	case FIELD_RECORD: return codec_encode(field->record, context, member(field, object), out);
	case FIELD_RECORDS: return encode_records(field, context, object, out);
	default: return encode_number(field, object, out);
	}
}

static int encode_field(const struct field *field, uint32_t context, const void *object, struct buf *out)
{
	size_t at;
	int r;

	if (is_default(field, object))
		return field->required & context ? -EINVAL : 0;
	if (!(field->carried & context))
		return -EINVAL;
	r = put_u16(out, field->tag);
	at = out->length;
	if (r == 0)
		r = put_u32(out, 0);
	if (r == 0)
		r = encode_value(field, context, object, out);
	if (r == 0)
		patch_length(out, at);
	return r;
}

int codec_encode(const struct record *record, uint32_t context, const void *object, struct buf *out)
{
	size_t start = out->length;

	for (size_t i = 0; i < record->n_fields; i++) {
		int r = encode_field(&record->fields[i], context, object, out);

		if (r < 0) {
			out->length = start;
			return r;
		}
	}
	return 0;
}

/* ---- decoder ---- */

static int bad(struct baton_error *err, const struct field *field, const char *reason)
{
	return error_set(err, EINVAL, "%s: %s", field->name, reason);
}

static bool take(struct reader *reader, size_t length, const void **ret_bytes)
{
	if (length > reader->left)
		return false;
	*ret_bytes = reader->next;
	reader->next += length;
	reader->left -= length;
	return true;
}

static bool take_u16(struct reader *reader, uint16_t *ret_value)
{
	const void *bytes;

	if (!take(reader, sizeof(*ret_value), &bytes))
		return false;
	memcpy(ret_value, bytes, sizeof(*ret_value));
	*ret_value = le16toh(*ret_value);
	return true;
}

static bool take_u32(struct reader *reader, uint32_t *ret_value)
{
	const void *bytes;

	if (!take(reader, sizeof(*ret_value), &bytes))
		return false;
	memcpy(ret_value, bytes, sizeof(*ret_value));
	*ret_value = le32toh(*ret_value);
	return true;
}

/* A length and as many bytes. */
static bool take_block(struct reader *reader, const void **ret_bytes, size_t *ret_length)
{
	uint32_t length;

	if (!take_u32(reader, &length) || !take(reader, length, ret_bytes))
		return false;
	*ret_length = length;
	return true;
}

static int decode_bool(const struct field *field, struct reader *value, void *object, struct baton_error *err)
{
	if (value->left != 0)
		return bad(err, field, "a flag has no value");
	*(bool *)member_of(field, object) = true;
	return 0;
}

static int decode_number(
        const struct field *field, struct reader *value, void *object, struct baton_error *err)
{
	bool narrow = field->type == FIELD_U32 || field->type == FIELD_I32;
	uint64_t wide = 0;
	uint32_t half = 0;

	if (value->left != (narrow ? sizeof(half) : sizeof(wide)))
		return bad(err, field, "wrong size of a number");
	if (narrow) {
		(void)take_u32(value, &half); /* the size was checked */
		wide = field->type == FIELD_I32 ? (uint64_t)(int64_t)(int32_t)half : half;
	} else {
		memcpy(&wide, value->next, sizeof(wide));
		wide = le64toh(wide);
	}
	if (wide == 0)
		return bad(err, field, "a default value must be left out");
	if (!in_range(field, wide))
		return bad(err, field, "out of range");
	if (narrow)
		*(uint32_t *)member_of(field, object) = (uint32_t)wide;
	else
		*(uint64_t *)member_of(field, object) = wide;
	return 0;
}

static int copy_text(
        const struct field *field, const void *bytes, size_t length, char **ret_text, struct baton_error *err)
{
	char *text;

	if (length > 0 && memchr(bytes, '\0', length))
		return bad(err, field, "NUL character");
	text = strndup(length > 0 ? bytes : "", length);
	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	*ret_text = text;
	return 0;
}

static int decode_text(const struct field *field, struct reader *value, void *object, struct baton_error *err)
{
	if (value->left > field->max)
		return bad(err, field, "too long");
	if (field->type == FIELD_NAME && !name_valid((const char *)value->next, value->left, SIZE_MAX))
		return bad(err, field, "not a name");
	return copy_text(field, value->next, value->left, member_of(field, object), err);
}

/* Number of {length, bytes} blocks; -EINVAL when they do not fill the value exactly. */
static int count_blocks(struct reader value, uint64_t max, size_t *ret_count)
{
	size_t count = 0;
	const void *bytes;
	size_t length;

	while (value.left > 0) {
		if (!take_block(&value, &bytes, &length) || ++count > max)
			return -EINVAL;
	}
	*ret_count = count;
	return count > 0 ? 0 : -EINVAL;
}

static int decode_list(const struct field *field, struct reader *value, void *object, struct baton_error *err)
{
	char **list;
	size_t count;
	size_t length;
	const void *bytes;

	if (count_blocks(*value, field->max, &count) < 0)
		return bad(err, field, "broken, empty or too long list");
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return error_set(err, ENOMEM, "out of memory");
	*(char ***)member_of(field, object) = list;
	for (size_t i = 0; take_block(value, &bytes, &length); i++) {
		int r = length > CONFIG_MAX_STRING_BYTES ? bad(err, field, "too long item")
		                                         : copy_text(field, bytes, length, &list[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_records(const struct field *field, uint32_t context, struct reader *value, void *object,
        struct baton_error *err)
{
	size_t *n_items = (size_t *)(void *)((char *)object + field->companion);
	char *items;
	size_t count;
	size_t length;
	const void *bytes;

	if (count_blocks(*value, field->max, &count) < 0)
		return bad(err, field, "broken, empty or too long list");
	items = calloc(count, field->record->size);
	if (!items)
		return error_set(err, ENOMEM, "out of memory");
	*(char **)member_of(field, object) = items;
	*n_items = count;
	for (size_t i = 0; take_block(value, &bytes, &length); i++) {
		int r = codec_decode(
		        field->record, context, bytes, length, items + i * field->record->size, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_value(const struct field *field, uint32_t context, struct reader *value, void *object,
        struct baton_error *err)
{
	switch (field->type) {
	case FIELD_BOOL: return decode_bool(field, value, object, err);
	case FIELD_TEXT:
	case FIELD_NAME: return decode_text(field, value, object, err);
	case FIELD_LIST: return decode_list(field, value, object, err);
	case FIELD_RECORD:
		*(bool *)((char *)object + field->companion) = true;
		return codec_decode(
		        field->record, context, value->next, value->left, member_of(field, object), err);
	case FIELD_RECORDS: return decode_records(field, context, value, object, err);
	default: return decode_number(field, value, object, err);
	}
}

static const struct field *find_field(const struct record *record, uint16_t tag)
{
	for (size_t i = 0; i < record->n_fields; i++) {
		if (record->fields[i].tag == tag)
			return &record->fields[i];
	}
	return NULL;
}

static int check_required(
        const struct record *record, uint32_t context, const void *object, struct baton_error *err)
{
	for (size_t i = 0; i < record->n_fields; i++) {
		const struct field *field = &record->fields[i];

		if ((field->required & context) && is_default(field, object))
			return error_set(err, EINVAL, "%s: %s is missing", record->name, field->name);
	}
	return 0;
}

int codec_decode(const struct record *record, uint32_t context, const void *data, size_t length, void *object,
        struct baton_error *err)
{
	struct reader reader = { .next = data, .left = length };
	unsigned previous = 0;

	while (reader.left > 0) {
		const struct field *field;
		struct reader value;
		const void *bytes;
		uint16_t tag;
		int r;

		if (!take_u16(&reader, &tag) || !take_block(&reader, &bytes, &value.left))
			return error_set(err, EINVAL, "%s: truncated after field %u", record->name, previous);
		field = find_field(record, tag);
		if (!field)
			return error_set(err, EINVAL, "%s: unknown field %u", record->name, tag);
		if (tag <= previous)
			return bad(err, field, "out of order or repeated");
		if (!(field->carried & context))
			return bad(err, field, "does not belong to this message");
		value.next = bytes;
		r = decode_value(field, context, &value, object, err);
		if (r < 0)
			return r;
		previous = tag;
	}
	return check_required(record, context, object, err);
}
