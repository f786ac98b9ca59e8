/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/json.h"

#include <errno.h>
#include <string.h>

/*
 * Depth before parsing: jansson recurses, and its own limit (2048) is a compile-time constant. Brackets
 * inside strings do not count; a text that is not JSON at all is left for the parser to refuse.
 */
static size_t bracket_depth(const char *text, size_t length)
{
	size_t depth = 0;
	size_t deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '[' || c == '{') {
			depth++;
			if (depth > deepest)
				deepest = depth;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
	}
	return deepest;
}

int json_parse(const char *text, size_t length, struct json_limits limits, json_t **ret_value,
        struct baton_error *err)
{
	json_error_t where;
	json_t *value;
	size_t depth;

	if (length > limits.bytes)
		return error_set(err, EMSGSIZE, "document of %zu bytes is larger than the limit of %zu",
		        length, limits.bytes);
	depth = bracket_depth(text, length);
	if (depth > limits.depth)
		return error_set(err, EMSGSIZE, "document is nested %zu levels deep, the limit is %zu", depth,
		        limits.depth);
	value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	if (!value) {
		if (json_error_code(&where) == json_error_out_of_memory)
			return error_set(err, ENOMEM, "out of memory while parsing JSON");
		return error_set(err, EINVAL, "not valid JSON at line %d, column %d: %s", where.line,
		        where.column, where.text);
	}
	*ret_value = value;
	return 0;
}

char *json_text(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

size_t json_text_length(const json_t *value)
{
	return json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

const char *json_get_string(const json_t *object, const char *name, const char *fallback)
{
	const json_t *member = json_object_get(object, name);

	return json_is_string(member) ? json_string_value(member) : fallback;
}

int64_t json_get_int(const json_t *object, const char *name, int64_t fallback)
{
	const json_t *member = json_object_get(object, name);

	return json_is_integer(member) ? json_integer_value(member) : fallback;
}

bool json_get_bool(const json_t *object, const char *name, bool fallback)
{
	const json_t *member = json_object_get(object, name);

	return json_is_boolean(member) ? json_is_true(member) : fallback;
}

int json_need_string(
        const json_t *object, const char *name, size_t max, const char **ret_text, struct baton_error *err)
{
	const json_t *member = json_object_get(object, name);

	if (!json_is_string(member) || json_string_length(member) > max)
		return error_set(
		        err, EINVAL, "member \"%s\" must be a string of at most %zu bytes", name, max);
	*ret_text = json_string_value(member);
	return 0;
}

int json_need_int(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *ret_value,
        struct baton_error *err)
{
	const json_t *member = json_object_get(object, name);

	if (!json_is_integer(member) || json_integer_value(member) < min || json_integer_value(member) > max)
		return error_set(err, EINVAL, "member \"%s\" must be an integer from %lld to %lld", name,
		        (long long)min, (long long)max);
	*ret_value = json_integer_value(member);
	return 0;
}

int json_need_array(
        const json_t *object, const char *name, size_t max, json_t **ret_array, struct baton_error *err)
{
	json_t *member = json_object_get(object, name);

	if (!json_is_array(member) || json_array_size(member) > max)
		return error_set(
		        err, EINVAL, "member \"%s\" must be an array of at most %zu items", name, max);
	*ret_array = member;
	return 0;
}
