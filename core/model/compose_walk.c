/* SPDX-License-Identifier: Apache-2.0 */
/* Walks objects by their section of the table, and turns places into JSON paths. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/distance.h"
#include "core/base/strv.h"
#include "core/model/compose-priv.h"
#include "core/model/compose_values.h"

#define PLACE_DEPTH_MAX 16 /* of the deepest section, with room */
#define EXTENSION       "x-"
#define OWN_EXTENSION   "x-baton"
#define WORD_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

/* ---- findings ---- */

/* "$.services.cart.ports[0]"; a name that is no plain word is quoted: $.services["a.b"] */
static void format_place(const struct place *place, char text[static VERDICT_TEXT_MAX])
{
	const struct place *chain[PLACE_DEPTH_MAX];
	size_t depth = 0;
	size_t length = 1;

	for (; place && depth < PLACE_DEPTH_MAX; place = place->parent)
		chain[depth++] = place;
	memcpy(text, "$", 2);
	while (depth > 0 && length < VERDICT_TEXT_MAX) {
		const struct place *level = chain[--depth];
		char *end = text + length;
		size_t room = VERDICT_TEXT_MAX - length;
		int written;

		if (!level->name)
			written = snprintf(end, room, "[%zu]", level->index);
		else if (level->name[0] && strspn(level->name, WORD_CHARACTERS) == strlen(level->name))
			written = snprintf(end, room, ".%s", level->name);
		else
			written = snprintf(end, room, "[\"%s\"]", level->name);
		length += written > 0 ? (size_t)written : 0;
	}
}

/* A place in a full verdict would only cost time. */
static bool is_full(struct verdict *verdict)
{
	if (verdict->n_errors < CONFIG_MAX_FINDINGS)
		return false;
	verdict->truncated = true;
	return true;
}

void compose_error(
        struct decoder *decoder, const struct place *place, const char *limit, const char *format, ...)
{
	char path[VERDICT_TEXT_MAX];
	char reason[VERDICT_TEXT_MAX];
	va_list args;

	decoder->failed = true;
	if (is_full(decoder->verdict))
		return;
	va_start(args, format);
	(void)vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	format_place(place, path);
	verdict_error(decoder->verdict, path, limit, "%s", reason);
}

void compose_warning(struct decoder *decoder, const struct place *place, const char *format, ...)
{
	char path[VERDICT_TEXT_MAX];
	char reason[VERDICT_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	format_place(place, path);
	verdict_warning(decoder->verdict, path, "%s", reason);
}

void compose_error_limit(struct decoder *decoder, const struct place *place, int64_t limit, const char *unit,
        const char *reason)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%" PRId64 "%s", limit, unit);
	compose_error(decoder, place, text, "%s", reason);
}

/* ---- values ---- */

static const char *const type_names[] = {
	[JSON_OBJECT] = "an object",
	[JSON_ARRAY] = "an array",
	[JSON_STRING] = "a string",
	[JSON_INTEGER] = "an integer",
	[JSON_REAL] = "a number",
	[JSON_TRUE] = "true",
	[JSON_FALSE] = "false",
	[JSON_NULL] = "null",
};

bool compose_check_type(
        struct decoder *decoder, const struct place *place, const json_t *value, unsigned types)
{
	char accepted[128] = "";
	size_t length = 0;
	unsigned left = types;

	if (types & TYPE(json_typeof(value)))
		return true;
	if (types & TYPE(JSON_REAL))
		left &= ~TYPE_INTEGER; /* "an integer or a number" says nothing more */
	for (unsigned type = 0; type < array_size(type_names); type++) {
		int written = 0;

		if (!(left & TYPE(type)))
			continue;
		left &= ~TYPE(type);
		written = snprintf(accepted + length, sizeof(accepted) - length, "%s%s",
		        length == 0 ? ""
		        : left      ? ", "
		                    : " or ",
		        type_names[type]);
		if (written > 0 && (size_t)written < sizeof(accepted) - length)
			length += (size_t)written;
	}
	compose_error(decoder, place, NULL, "must be %s, not %s", accepted, type_names[json_typeof(value)]);
	return false;
}

const char *compose_text(
        struct decoder *decoder, const struct place *place, const json_t *value, int64_t min, int64_t max)
{
	size_t length = json_string_length(value);

	if (!compose_check_type(decoder, place, value, TYPE_STRING))
		return NULL;
	if (length > (size_t)max) {
		compose_error_limit(decoder, place, max, " bytes", "is too long");
		return NULL;
	}
	if (length < (size_t)min) {
		compose_error(decoder, place, NULL, "must not be empty");
		return NULL;
	}
	return json_string_value(value);
}

void compose_append(struct decoder *decoder, char ***vector, const char *text)
{
	if (strv_append(vector, text) < 0)
		decoder->out_of_memory = true;
}

void compose_assign(struct decoder *decoder, char **slot, const char *text)
{
	char *copy = strdup(text);

	if (!copy) {
		decoder->out_of_memory = true;
		return;
	}
	free(*slot);
	*slot = copy;
}

/* ---- objects ---- */

struct key {
	const char *name;
	size_t prefix;
};

static int compare_key(const void *key, const void *attribute)
{
	const struct key *wanted = key;

	return strcmp(wanted->name, ((const struct attribute *)attribute)->row.path + wanted->prefix);
}

static const struct attribute *find_attribute(const struct section *section, const char *name)
{
	const struct key key = { name, strlen(section->prefix) };

	if (section->n_attributes == 0)
		return NULL;
	return bsearch(
	        &key, section->attributes, section->n_attributes, sizeof(*section->attributes), compare_key);
}

static const char *nearest_name(const struct section *section, const char *name)
{
	size_t best = strnlen(name, VERDICT_TEXT_MAX) / 3 + 2; /* farther than that, a hint is a riddle */
	const char *nearest = NULL;

	for (size_t i = 0; i < section->n_attributes; i++) {
		const char *known = section->attributes[i].row.path + strlen(section->prefix);
		size_t distance = edit_distance(name, known, best);

		if (distance < best) {
			best = distance;
			nearest = known;
		}
	}
	return nearest;
}

static void unknown_attribute(
        struct decoder *decoder, const struct place *place, const struct section *section, const char *name)
{
	const char *nearest;

	if (!section->strict && strncmp(name, EXTENSION, strlen(EXTENSION)) == 0 &&
	        strcmp(name, OWN_EXTENSION) != 0)
		return; /* the Specification: an extension that is not known is ignored */
	decoder->failed = true;
	if (is_full(decoder->verdict))
		return; /* nobody would see the hint, and thousands of them take time */
	nearest = nearest_name(section, name);
	if (nearest)
		compose_error(decoder, place, NULL, "unknown attribute, did you mean \"%s\"?", nearest);
	else
		compose_error(decoder, place, NULL, "unknown attribute");
}

void compose_walk(struct decoder *decoder, const struct place *place, const struct section *section,
        json_t *object, void *target)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) {
		const struct attribute *attribute = find_attribute(section, name);
		const struct place here = { place, name, 0 };

		if (!attribute)
			unknown_attribute(decoder, &here, section, name);
		else if (attribute->row.support == ATTRIBUTE_UNSUPPORTED)
			compose_error(decoder, &here, NULL, "not supported yet");
		else if (attribute->row.support == ATTRIBUTE_IGNORED)
			compose_warning(decoder, &here, "ignored: %s", attribute->row.help);
		else if (compose_check_type(decoder, &here, value, attribute->types))
			attribute->handler(decoder, &here, attribute, value, target);
	}
}
