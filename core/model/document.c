/* SPDX-License-Identifier: Apache-2.0 */
/* Reading members of our own documents into fixed-size structs. */
#include "core/model/document-priv.h"

#include <errno.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/strv.h"
#include "core/base/utf8.h"
#include "core/model/topics.h"

int document_text(
        const json_t *object, const char *name, char *ret_text, size_t size, struct baton_error *err)
{
	const char *text;
	int r = json_need_string(object, name, size - 1, &text, err);

	if (r < 0)
		return r;
	memcpy(ret_text, text, strlen(text) + 1);
	return 0;
}

int document_name(
        const json_t *object, const char *name, char *ret_text, size_t size, struct baton_error *err)
{
	int r = document_text(object, name, ret_text, size, err);

	if (r < 0)
		return r;
	if (!topic_name_valid(ret_text))
		return error_set(err, EINVAL,
		        "member \"%s\" must be a name of 1 to %d characters: a-z, 0-9, and behind the first "
		        "one also \"_\", \".\", \"-\"",
		        name, TOPIC_NAME_MAX);
	return 0;
}

int document_optional_text(
        const json_t *object, const char *name, char *ret_text, size_t size, struct baton_error *err)
{
	if (!json_object_get(object, name)) {
		ret_text[0] = '\0';
		return 0;
	}
	return document_text(object, name, ret_text, size, err);
}

int document_flag(const json_t *object, const char *name, bool *ret_flag, struct baton_error *err)
{
	const json_t *member = json_object_get(object, name);

	if (member && !json_is_boolean(member))
		return error_set(err, EINVAL, "member \"%s\" must be true or false", name);
	*ret_flag = json_is_true(member);
	return 0;
}

int document_count(const json_t *object, const char *name, int64_t *ret_count, struct baton_error *err)
{
	return json_need_int(object, name, 0, INT64_MAX, ret_count, err);
}

int document_strings(
        const json_t *object, const char *name, size_t max, char ***ret_vector, struct baton_error *err)
{
	cleanup_strv char **vector = NULL;
	const json_t *item;
	json_t *array;
	size_t index;
	int r = json_need_array(object, name, max, &array, err);

	if (r < 0)
		return r;
	json_array_foreach(array, index, item) {
		if (!json_is_string(item) || json_string_length(item) > CONFIG_MAX_STRING_BYTES)
			return error_set(err, EINVAL, "%s[%zu] must be a string of at most %d bytes", name,
			        index, CONFIG_MAX_STRING_BYTES);
		if (strv_append(&vector, json_string_value(item)) < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	*ret_vector = steal_ptr(vector);
	return 0;
}

json_t *document_any_text(const char *text)
{
	cleanup_free char *copy = strdup(text);
	const char *end;

	if (!copy)
		return NULL;
	end = copy + strlen(copy);
	for (char *next = copy; next < end;) {
		size_t length = utf8_sequence(next, (size_t)(end - next));

		if (length == 0)
			*next = '?';
		next += length > 0 ? length : 1;
	}
	return json_string(copy);
}

json_t *document_strings_json(char *const *vector)
{
	cleanup_json json_t *array = json_array();

	for (size_t i = 0; array && vector && vector[i]; i++) {
		if (json_array_append_new(array, document_any_text(vector[i])) < 0)
			return NULL;
	}
	return steal_ptr(array);
}
