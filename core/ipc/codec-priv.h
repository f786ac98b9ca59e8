/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of tagged fields, driven by const tables. On the wire a record is a row of fields in ascending
 * order of tag; a field is {u16 tag, u32 length, value}, all numbers little-endian, so that the same spec has
 * the same bytes (and the same identity) on every architecture. Exactly one encoding exists for a value: what
 * encoder and decoder accept is a bijection, and the fuzzer holds them to it.
 */
#ifndef BATON_IPC_CODEC_PRIV_H
#define BATON_IPC_CODEC_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"

enum field_type {
	FIELD_BOOL, /* no value: its presence means true */
	FIELD_U32,
	FIELD_I32,
	FIELD_U64,
	FIELD_I64,
	FIELD_TEXT,    /* char *: bytes without NUL, max bytes; NULL is left out, "" is not */
	FIELD_NAME,    /* as FIELD_TEXT, but only what name_valid() takes */
	FIELD_LIST,    /* char **: {u32 length, bytes} each, at most max items */
	FIELD_RECORD,  /* a struct in place; `companion` is the bool that says whether it is there */
	FIELD_RECORDS, /* struct *: {u32 length, record} each, at most max; `companion` is the size_t count */
};

struct record;

struct field {
	uint16_t tag;
	enum field_type type;
	const char *name;
	size_t offset;
	size_t companion;
	int64_t min; /* numbers */
	uint64_t max;
	uint32_t carried;  /* bit set of contexts (message types) that may have the field */
	uint32_t required; /* and of those that must */
	const struct record *record;
};

struct record {
	const char *name;
	const struct field *fields; /* ascending by tag */
	size_t n_fields;
	size_t size; /* of the struct */
};

/*
 * Appends `object`. 0, -ENOMEM, -EMSGSIZE (a value or the buffer passes its maximum), -EINVAL (a value that
 * the decoder would refuse, a field that `context` does not carry or misses). `out` is unchanged on failure.
 */
int codec_encode(const struct record *record, uint32_t context, const void *object, struct buf *out);

/*
 * Fills a zeroed `object`. 0, -EINVAL with the field in err, or -ENOMEM; after a failure the object holds
 * what was decoded so far and can be released. The depth of calls is that of the tables, whatever the input
 * says.
 */
int codec_decode(const struct record *record, uint32_t context, const void *data, size_t length, void *object,
        struct baton_error *err);

#endif
