/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer's custom mutator for decoders of JSON. Turned bytes nearly always end in the JSON parser, which
 * is not ours to test: most mutations here exchange values of a document that stays well-formed.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define BYTES_OF_8 2 /* so many of eight mutations are of bytes */
#define REPEATS    300

/* A member or an item: where it is, so that it can be replaced. */
struct place {
	json_t *parent; /* NULL: the document */
	const char *name;
	size_t index;
	json_t *value;
};

static const char *const values[] = { "null", "true", "false", "0", "-1", "1", "256", "65536", "2147483647",
	"2147483648", "4294967295", "4294967296", "9223372036854775807", "-9223372036854775808", "1.5",
	"1e300", "\"\"", "\"/\"", "\"..\"", "\"/..\"", "\"/proc\"", "\"//proc/.\"", "\"a\\nb\"", "\"%s%n\"",
	"\"\xc3\xa4\"", "[]", "{}", "[null]", "[[]]", "{\"\": 0}", "[\"x\"]" };

static uint64_t state; /* of the generator; xorshift, Marsaglia 2003 */

static size_t below(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return limit == 0 ? 0 : (size_t)(state % limit);
}

static struct place child(json_t *parent)
{
	struct place place = { .parent = parent };

	if (json_is_array(parent)) {
		place.index = below(json_array_size(parent));
		place.value = json_array_get(parent, place.index);
	} else {
		void *member = json_object_iter(parent);

		for (size_t skip = below(json_object_size(parent)); skip > 0; skip--)
			member = json_object_iter_next(parent, member);
		place.name = json_object_iter_key(member);
		place.value = json_object_iter_value(member);
	}
	return place;
}

/* Deep places are the interesting ones: three of four steps go on downwards. */
static struct place pick(json_t *document)
{
	struct place place = { .value = document };

	while ((json_array_size(place.value) > 0 || json_object_size(place.value) > 0) &&
	        (!place.parent || below(4) > 0))
		place = child(place.value);
	return place;
}

/* Takes the reference of `value`. */
static void put(const struct place *place, json_t *value)
{
	if (place->name)
		(void)json_object_set_new(place->parent, place->name, value);
	else if (place->parent)
		(void)json_array_set_new(place->parent, place->index, value);
	else
		json_decref(value);
}

static void remove_place(const struct place *place)
{
	if (place->name)
		(void)json_object_del(place->parent, place->name);
	else if (place->parent)
		(void)json_array_remove(place->parent, place->index);
}

static void repeat(const struct place *place)
{
	cleanup_json json_t *copy = json_deep_copy(place->value);

	if (!json_is_array(place->parent))
		return;
	for (size_t times = below(below(8) == 0 ? REPEATS : 4); times > 0; times--)
		(void)json_array_append(place->parent, copy);
}

static void turn_bytes(const struct place *place)
{
	char text[256];
	size_t length = json_string_length(place->value);

	if (!json_is_string(place->value) || length >= sizeof(text))
		return;
	memcpy(text, json_string_value(place->value), length);
	length = LLVMFuzzerMutate((uint8_t *)text, length, sizeof(text));
	put(place, json_stringn(text, length)); /* NULL and so nothing when it is no UTF-8 */
}

static void mutate(json_t *document)
{
	struct place to = pick(document);
	struct place from = pick(document);

	switch (below(6)) {
	case 0: put(&to, json_loads(values[below(array_size(values))], JSON_DECODE_ANY, NULL)); break;
	case 1: put(&to, json_deep_copy(from.value)); break;
	case 2: remove_place(&to); break;
	case 3: repeat(&to); break;
	case 4:
		if (json_is_object(to.value) && from.name)
			(void)json_object_set_new(to.value, from.name, json_deep_copy(from.value));
		break;
	default: turn_bytes(&to); break;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	cleanup_json json_t *document = NULL;
	cleanup_free char *text = NULL;
	size_t length;

	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	if (below(8) >= BYTES_OF_8)
		document = json_loadb((const char *)data, size, 0, NULL);
	if (!document)
		return LLVMFuzzerMutate(data, size, max_size);
	for (size_t times = 1 + below(4); times > 0; times--)
		mutate(document);
	text = json_dumps(document, JSON_COMPACT);
	length = text ? strlen(text) : max_size + 1;
	if (length > max_size)
		return LLVMFuzzerMutate(data, size, max_size);
	memcpy(data, text, length);
	return length;
}
