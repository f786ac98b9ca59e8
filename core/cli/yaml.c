/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/yaml.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <yaml.h>

#include "core/base/cleanup.h"
#include "core/cli/scalar.h"

#define CORE_TAG "tag:yaml.org,2002:"
#define MERGE    "<<"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool has_event;
	const char *name;
	json_t *anchors; /* name to value */
	size_t nodes;
	size_t copied; /* bytes of text in what aliases stand for */
	size_t depth;
	struct baton_error *err;
};

static void event_drop(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = false;
}

static void fail_at(
        struct reader *reader, const yaml_mark_t *mark, int code, const char *reason, const char *what)
{
	(void)error_set(reader->err, code, "%s:%zu:%zu: %s%s", reader->name, mark->line + 1, mark->column + 1,
	        reason, what);
}

/* Always NULL, for a caller that returns it. */
static json_t *fail(struct reader *reader, const char *reason, const char *what)
{
	fail_at(reader, &reader->event.start_mark, EINVAL, reason, what);
	return NULL;
}

static json_t *fail_memory(struct reader *reader)
{
	(void)error_set(reader->err, ENOMEM, "out of memory");
	return NULL;
}

static bool next(struct reader *reader)
{
	event_drop(reader);
	if (yaml_parser_parse(&reader->parser, &reader->event)) {
		reader->has_event = true;
		return true;
	}
	if (reader->parser.error == YAML_MEMORY_ERROR)
		(void)fail_memory(reader);
	else if (reader->parser.error == YAML_READER_ERROR)
		(void)error_set(reader->err, EINVAL, "%s: byte %zu: %s", reader->name,
		        reader->parser.problem_offset, reader->parser.problem);
	else
		fail_at(reader, &reader->parser.problem_mark, EINVAL, reader->parser.problem, "");
	return false;
}

static bool take_node(struct reader *reader)
{
	return reader->nodes++ < CONFIG_CLI_YAML_NODES;
}

static bool take_text(struct reader *reader, size_t length)
{
	if (length > CONFIG_CLI_DOCUMENT_BYTES - reader->copied)
		return false;
	reader->copied += length;
	return true;
}

/*
 * Counts before anything is copied: a few lines of aliases can stand for billions of nodes, or for gigabytes
 * of text. `depth` is that of the alias.
 */
static bool take_copy(struct reader *reader, const json_t *value, size_t depth)
{
	bool is_collection = json_is_array(value) || json_is_object(value);
	const char *name;
	json_t *item;
	size_t i;

	if (!take_node(reader) || !take_text(reader, json_string_length(value)))
		return false;
	if (is_collection && depth == CONFIG_MAX_DOCUMENT_DEPTH)
		return false;
	json_array_foreach(value, i, item) {
		if (!take_copy(reader, item, depth + 1))
			return false;
	}
	json_object_foreach((json_t *)(uintptr_t)value, name, item) {
		if (!take_text(reader, strlen(name)) || !take_copy(reader, item, depth + 1))
			return false;
	}
	return true;
}

/* ---- scalars and aliases ---- */

/* "str", "int", ... of a tag of the core schema; "" without a tag; NULL for any other. */
static const char *core_tag(const yaml_char_t *tag)
{
	const char *text = (const char *)tag;
	size_t length = strlen(CORE_TAG);

	if (!text)
		return "";
	if (strcmp(text, "!") == 0)
		return "str";
	return strncmp(text, CORE_TAG, length) == 0 ? text + length : NULL;
}

static bool has_type(const json_t *value, const char *tag)
{
	const struct {
		const char *tag;
		bool has;
	} types[] = {
		{ "null", json_is_null(value) },
		{ "bool", json_is_boolean(value) },
		{ "int", json_is_integer(value) },
		{ "float", json_is_number(value) },
	};

	for (size_t i = 0; i < array_size(types); i++) {
		if (strcmp(tag, types[i].tag) == 0)
			return types[i].has;
	}
	return false;
}

static json_t *read_scalar(struct reader *reader)
{
	const char *text = (const char *)reader->event.data.scalar.value;
	const char *tag = core_tag(reader->event.data.scalar.tag);
	bool plain = reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct baton_error why = { 0 };
	json_t *value;

	if (!tag)
		return fail(
		        reader, "the tag is not supported: ", (const char *)reader->event.data.scalar.tag);
	if (strlen(text) != reader->event.data.scalar.length)
		return fail(reader, "a NUL character cannot be part of a text", "");
	if (strcmp(tag, "str") == 0 || (!*tag && !plain))
		return json_string(text);
	value = scalar_resolve(text, &why);
	if (!value)
		return why.code ? fail(reader, why.message, "") : fail_memory(reader);
	if (*tag && !has_type(value, tag)) {
		json_decref(value);
		return fail(reader, "this is not of the type of its tag, !!", tag);
	}
	return value;
}

static json_t *read_alias(struct reader *reader)
{
	const char *anchor = (const char *)reader->event.data.alias.anchor;
	const json_t *value = json_object_get(reader->anchors, anchor);
	json_t *copy;

	if (!value)
		return fail(reader, "no anchor before this is called ", anchor);
	if (!take_copy(reader, value, reader->depth))
		return fail(
		        reader, "the aliases stand for too many nodes, too much text or too many levels", "");
	copy = json_deep_copy(value);
	return copy ? copy : fail_memory(reader);
}

/* ---- collections ---- */

static json_t *read_value(struct reader *reader);

/* Both refer to the value afterwards. */
static bool keep_anchor(struct reader *reader, const char *anchor, json_t *value)
{
	return !anchor || !value || json_object_set(reader->anchors, anchor, value) == 0;
}

static json_t *read_sequence(struct reader *reader)
{
	cleanup_json json_t *array = json_array();

	if (!array)
		return fail_memory(reader);
	while (next(reader)) {
		json_t *item;

		if (reader->event.type == YAML_SEQUENCE_END_EVENT)
			return steal_ptr(array);
		item = read_value(reader);
		if (!item)
			return NULL;
		if (json_array_append_new(array, item) < 0)
			return fail_memory(reader);
	}
	return NULL;
}

/* Keys that are written in the mapping itself, and those of earlier mappings of a list, win. */
static int merge_one(json_t *object, const json_t *from)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)from, name, value) {
		if (!json_object_get(object, name) && json_object_set(object, name, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static json_t *merge(struct reader *reader, json_t *object, const json_t *merges)
{
	const json_t *from;
	size_t i;

	json_array_foreach(merges, i, from) {
		if (merge_one(object, from) < 0)
			return fail_memory(reader);
	}
	return json_incref(object);
}

/* The value of "<<": a mapping, or a list of them. */
static bool note_merge(struct reader *reader, json_t *merges)
{
	cleanup_json json_t *value = read_value(reader);
	const json_t *item;
	size_t i;

	if (!value)
		return false;
	if (json_is_object(value)) {
		if (json_array_append(merges, value) == 0)
			return true;
		return fail_memory(reader) != NULL;
	}
	json_array_foreach(value, i, item) {
		if (!json_is_object(item))
			return fail(reader, "\"<<\" merges mappings only", "") != NULL;
	}
	if (!json_is_array(value))
		return fail(reader, "\"<<\" merges mappings only", "") != NULL;
	return json_array_extend(merges, value) == 0 || fail_memory(reader) != NULL;
}

static bool read_pair(struct reader *reader, json_t *object, json_t *merges)
{
	cleanup_free char *key = NULL;
	json_t *value;

	if (reader->event.type != YAML_SCALAR_EVENT)
		return fail(reader, "a key must be a plain word, not a list, a mapping or an alias", "") !=
		       NULL;
	key = strndup((const char *)reader->event.data.scalar.value, reader->event.data.scalar.length);
	if (!key)
		return fail_memory(reader) != NULL;
	if (strlen(key) != reader->event.data.scalar.length)
		return fail(reader, "a NUL character cannot be part of a key", "") != NULL;
	if (json_object_get(object, key))
		return fail(reader, "this key is there twice: ", key) != NULL;
	if (!core_tag(reader->event.data.scalar.tag))
		return fail(reader, "the tag of this key is not supported: ", key) != NULL;
	if (strcmp(key, MERGE) == 0 && reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		if (json_array_size(merges) > 0)
			return fail(reader, "this key is there twice: ", MERGE) != NULL;
		return next(reader) && note_merge(reader, merges);
	}
	if (!next(reader))
		return false;
	value = read_value(reader);
	if (!value)
		return false;
	return json_object_set_new(object, key, value) == 0 || fail_memory(reader) != NULL;
}

static json_t *read_mapping(struct reader *reader)
{
	cleanup_json json_t *object = json_object();
	cleanup_json json_t *merges = json_array();

	if (!object || !merges)
		return fail_memory(reader);
	while (next(reader)) {
		if (reader->event.type == YAML_MAPPING_END_EVENT)
			return merge(reader, object, merges);
		if (!read_pair(reader, object, merges))
			return NULL;
	}
	return NULL;
}

struct collection {
	const char *tag;
	json_t *(*read)(struct reader *reader);
};

static json_t *read_collection(struct reader *reader, const struct collection *collection, const char *anchor,
        const yaml_char_t *tag)
{
	cleanup_free char *name = anchor ? strdup(anchor) : NULL; /* the event goes with the first item */
	const char *core = core_tag(tag);
	json_t *value;

	if (!core || (*core && strcmp(core, collection->tag) != 0))
		return fail(reader, "the tag is not supported: ", (const char *)tag);
	if (anchor && !name)
		return fail_memory(reader);
	if (reader->depth == CONFIG_MAX_DOCUMENT_DEPTH)
		return fail(reader, "nested too deep", "");
	reader->depth++;
	value = collection->read(reader);
	reader->depth--;
	if (!keep_anchor(reader, name, value)) {
		json_decref(value);
		return fail_memory(reader);
	}
	return value;
}

static json_t *read_value(struct reader *reader)
{
	static const struct collection sequence = { "seq", read_sequence };
	static const struct collection mapping = { "map", read_mapping };
	const yaml_event_t *event = &reader->event;
	json_t *value;

	if (!take_node(reader))
		return fail(reader, "more nodes than a manifest may have", "");
	switch (event->type) {
	case YAML_ALIAS_EVENT: return read_alias(reader);
	case YAML_SEQUENCE_START_EVENT:
		return read_collection(reader, &sequence, (const char *)event->data.sequence_start.anchor,
		        event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return read_collection(reader, &mapping, (const char *)event->data.mapping_start.anchor,
		        event->data.mapping_start.tag);
	case YAML_SCALAR_EVENT:
		value = read_scalar(reader);
		if (keep_anchor(reader, (const char *)event->data.scalar.anchor, value))
			return value;
		json_decref(value);
		return fail_memory(reader);
	default: return fail(reader, "a value is missing", "");
	}
}

/* ---- the document ---- */

/* Leaves the last of `count` events in the reader. */
static bool skip(struct reader *reader, size_t count)
{
	while (count > 0 && next(reader))
		count--;
	return count == 0;
}

static json_t *read_stream(struct reader *reader)
{
	cleanup_json json_t *value = NULL;

	if (!skip(reader, 2)) /* begin of the stream, begin of the document */
		return NULL;
	if (reader->event.type == YAML_STREAM_END_EVENT)
		return json_null();
	if (!next(reader))
		return NULL;
	value = read_value(reader);
	if (!value || !skip(reader, 2)) /* end of the document, end of the stream */
		return NULL;
	if (reader->event.type != YAML_STREAM_END_EVENT)
		return fail(reader, "a second document begins here; a file holds one", "");
	return steal_ptr(value);
}

int yaml_read(const char *name, const char *text, size_t length, json_t **ret_value, struct baton_error *err)
{
	struct baton_error own = { .code = ENOMEM, .message = "out of memory" };
	struct reader reader = { .name = name, .err = &own };
	json_t *value = NULL;

	reader.anchors = json_object();
	if (reader.anchors && yaml_parser_initialize(&reader.parser)) {
		yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
		value = read_stream(&reader);
		event_drop(&reader);
		yaml_parser_delete(&reader.parser);
	}
	json_decref(reader.anchors);
	if (!value)
		return error_set(err, own.code, "%s", own.message);
	*ret_value = value;
	return 0;
}
