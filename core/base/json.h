/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from outside, with limits, and short ways to read members of an object. Built on jansson. */
#ifndef BATON_BASE_JSON_H
#define BATON_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct json_limits {
	size_t bytes; /* of the text */
	size_t depth; /* of nested arrays and objects */
};

/*
 * Parses one JSON document (RFC 8259). Refuses, with line and column in err: more bytes or depth than the
 * limits (checked before anything is allocated), bytes that are not UTF-8, NUL characters, duplicate names,
 * trailing text. 0 and *ret_value (json_decref it), or -EMSGSIZE, -EINVAL, -ENOMEM.
 */
int json_parse(const char *text, size_t length, struct json_limits limits, json_t **ret_value,
        struct baton_error *err);

/* Compact text with sorted names, free() it; NULL when out of memory. */
char *json_text(const json_t *value);

/* How many bytes that text has; 0 when out of memory. */
size_t json_text_length(const json_t *value);

/* Members of an object; the fallback when the member is absent or of another type. Strings are borrowed. */
const char *json_get_string(const json_t *object, const char *name, const char *fallback);
int64_t json_get_int(const json_t *object, const char *name, int64_t fallback);
bool json_get_bool(const json_t *object, const char *name, bool fallback);

/*
 * Required member of a document of ours that came over the network: -EINVAL and "member "x": must be ..." in
 * err when it is absent, of another type, longer than max bytes or outside [min, max].
 */
int json_need_string(
        const json_t *object, const char *name, size_t max, const char **ret_text, struct baton_error *err);
int json_need_int(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *ret_value,
        struct baton_error *err);
int json_need_array(
        const json_t *object, const char *name, size_t max, json_t **ret_array, struct baton_error *err);

#endif
