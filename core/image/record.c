/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/record.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/strv.h"
#include "core/image/store-priv.h"

#define USER_MAX         255
#define SIGNAL_MAX       32
#define ARCHITECTURE_MAX 32

typedef bool (*check_fn)(const char *text);

struct text_row {
	const char *name;
	size_t offset;
	size_t max;
	check_fn check;
	const char *rule;
};

struct list_row {
	const char *name;
	size_t offset;
	size_t max;
	check_fn check;
	const char *rule;
};

static bool any_text(const char *text)
{
	(void)text;
	return true;
}

static bool is_clean_absolute(const char *path)
{
	if (path[0] != '/')
		return false;
	while (*path) {
		size_t length;

		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (length == 2 && strncmp(path, "..", 2) == 0)
			return false;
		path += length;
	}
	return true;
}

static bool is_working_dir(const char *path)
{
	return path[0] == '\0' || is_clean_absolute(path);
}

static bool is_assignment(const char *text)
{
	return text[0] != '=' && strchr(text, '=');
}

static bool is_signal(const char *text)
{
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-") == strlen(text);
}

static bool is_architecture(const char *text)
{
	return text[0] != '\0' && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
}

static bool has_no_control(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7F)
			return false;
	}
	return true;
}

static const struct text_row texts[] = {
	{ "working_dir", offsetof(struct image, working_dir), CONFIG_IMAGE_PATH_MAX, is_working_dir,
	        "an absolute path without \"..\"" },
	{ "user", offsetof(struct image, user), USER_MAX, has_no_control, "a user" },
	{ "stop_signal", offsetof(struct image, stop_signal), SIGNAL_MAX, is_signal, "the name of a signal" },
};

static const struct list_row lists[] = {
	{ "entrypoint", offsetof(struct image, entrypoint), IMAGE_STRING_MAX, any_text, "a string" },
	{ "cmd", offsetof(struct image, command), IMAGE_STRING_MAX, any_text, "a string" },
	{ "env", offsetof(struct image, environment), IMAGE_STRING_MAX, is_assignment, "NAME=value" },
	{ "volumes", offsetof(struct image, volumes), CONFIG_IMAGE_PATH_MAX, is_clean_absolute,
	        "an absolute path without \"..\"" },
};

static const struct list_row layer_list = { "layers", offsetof(struct image, layers), STORE_HEX_LENGTH,
	store_hex_valid, "64 hexadecimal digits" };

static void *field(const struct image *image, size_t offset)
{
	return (char *)(uintptr_t)image + offset;
}

/* A string of JSON that C can hold: of limited length and without NUL. NULL otherwise. */
static const char *plain_text(const json_t *value, size_t max)
{
	const char *text = json_string_value(value);

	if (!text || json_string_length(value) > max || strlen(text) != json_string_length(value))
		return NULL;
	return text;
}

static int read_text(
        const json_t *object, const struct text_row *row, struct image *image, struct baton_error *err)
{
	const char *text = plain_text(json_object_get(object, row->name), row->max);
	char *copy;

	if (!text || !row->check(text))
		return error_set(err, EINVAL, "member \"%s\" must be %s of at most %zu bytes", row->name,
		        row->rule, row->max);
	copy = strdup(text);
	if (!copy)
		return error_set(err, ENOMEM, "out of memory");
	*(char **)field(image, row->offset) = copy;
	return 0;
}

static int read_list(const json_t *object, const struct list_row *row, size_t max, struct image *image,
        struct baton_error *err)
{
	const json_t *array = json_object_get(object, row->name);
	char ***vector = field(image, row->offset);
	const json_t *item;
	size_t i;

	if (!json_is_array(array) || json_array_size(array) > max)
		return error_set(
		        err, EINVAL, "member \"%s\" must be an array of at most %zu items", row->name, max);
	json_array_foreach(array, i, item) {
		const char *text = plain_text(item, row->max);

		if (!text || !row->check(text))
			return error_set(err, EINVAL, "member \"%s[%zu]\" must be %s of at most %zu bytes",
			        row->name, i, row->rule, row->max);
		if (strv_append(vector, text) < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int read_config(const json_t *record, struct image *image, struct baton_error *err)
{
	const json_t *config = json_object_get(record, "config");
	int r = 0;

	for (size_t i = 0; r == 0 && i < array_size(texts); i++)
		r = read_text(config, &texts[i], image, err);
	for (size_t i = 0; r == 0 && i < array_size(lists); i++)
		r = read_list(config, &lists[i], CONFIG_IMAGE_STRINGS_MAX, image, err);
	return r;
}

static int read_record(const json_t *record, struct image *image, struct baton_error *err)
{
	static const struct text_row architecture = { "architecture", offsetof(struct image, architecture),
		ARCHITECTURE_MAX, is_architecture, "a GOARCH name" };
	const char *digest = plain_text(json_object_get(record, "digest"), IMAGE_DIGEST_SIZE - 1);
	int64_t size = 0;
	int r;

	if (!digest || !store_digest_valid(digest))
		return error_set(err, EINVAL, "member \"digest\" must be sha256: and 64 hexadecimal digits");
	memcpy(image->digest, digest, IMAGE_DIGEST_SIZE);
	r = json_need_int(record, "size", 0, INT64_MAX, &size, err);
	if (r < 0)
		return r;
	image->size = (uint64_t)size;
	r = read_text(record, &architecture, image, err);
	if (r == 0)
		r = read_list(record, &layer_list, CONFIG_IMAGE_LAYERS_MAX, image, err);
	if (r == 0 && strv_length(image->layers) == 0)
		r = error_set(err, EINVAL, "member \"layers\" must hold at least one layer");
	return r == 0 ? read_config(record, image, err) : r;
}

int image_record_from_json(const json_t *record, struct image *ret_image, struct baton_error *err)
{
	struct image image = { 0 };
	int r = read_record(record, &image, err);

	if (r < 0) {
		image_release(&image);
		return r;
	}
	*ret_image = image;
	return 0;
}

int image_record_parse(const char *text, size_t length, struct image *ret_image, struct baton_error *err)
{
	const struct json_limits limits = { .bytes = IMAGE_RECORD_MAX, .depth = IMAGE_RECORD_DEPTH };
	cleanup_json json_t *record = NULL;
	int r = json_parse(text, length, limits, &record, err);

	return r < 0 ? r : image_record_from_json(record, ret_image, err);
}

static json_t *list_json(char *const *vector)
{
	json_t *array = json_array();

	for (char *const *item = vector; array && item && *item; item++) {
		if (json_array_append_new(array, json_string(*item)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *config_json(const struct image *image)
{
	json_t *config = json_object();
	int r = config ? 0 : -1;

	for (size_t i = 0; r == 0 && i < array_size(texts); i++) {
		char **text = field(image, texts[i].offset);

		r = json_object_set_new(config, texts[i].name, json_string(*text));
	}
	for (size_t i = 0; r == 0 && i < array_size(lists); i++) {
		char ***vector = field(image, lists[i].offset);

		r = json_object_set_new(config, lists[i].name, list_json(*vector));
	}
	if (r < 0) {
		json_decref(config);
		return NULL;
	}
	return config;
}

char *image_record_text(const struct image *image)
{
	cleanup_json json_t *record = json_object();

	if (!record || json_object_set_new(record, "digest", json_string(image->digest)) < 0 ||
	        json_object_set_new(record, "architecture", json_string(image->architecture)) < 0 ||
	        json_object_set_new(record, "layers", list_json(image->layers)) < 0 ||
	        json_object_set_new(record, "size", json_integer((json_int_t)image->size)) < 0 ||
	        json_object_set_new(record, "config", config_json(image)) < 0)
		return NULL;
	return json_text(record);
}

void image_release(struct image *image)
{
	for (size_t i = 0; i < array_size(texts); i++)
		free(*(char **)field(image, texts[i].offset));
	for (size_t i = 0; i < array_size(lists); i++)
		strv_free(*(char ***)field(image, lists[i].offset));
	strv_free(image->layers);
	free(image->architecture);
	*image = (struct image){ 0 };
}
