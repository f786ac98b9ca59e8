/* SPDX-License-Identifier: Apache-2.0 */
/* The image configuration (image-spec config.md) to the record of the store. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/unpack/documents.h"
#include "core/unpack/platform.h"

#define DIGEST_PREFIX "sha256:"

static int take_diff_ids(const json_t *document, struct manifest *manifest, struct baton_error *err)
{
	const json_t *ids = json_object_get(json_object_get(document, "rootfs"), "diff_ids");

	if (json_array_size(ids) != manifest->n_layers)
		return error_set(err, EINVAL, "the configuration names %zu layers, the manifest %zu",
		        json_array_size(ids), manifest->n_layers);
	for (size_t i = 0; i < manifest->n_layers; i++) {
		const char *id = json_string_value(json_array_get(ids, i));

		if (!id || strncmp(id, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0 ||
		        !digest_is_valid(id + strlen(DIGEST_PREFIX)))
			return error_set(err, EINVAL,
			        "\"rootfs.diff_ids[%zu]\" of the configuration is not a sha256 digest", i);
		memcpy(manifest->layers[i].diff_id, id + strlen(DIGEST_PREFIX), DIGEST_HEX_SIZE);
	}
	return 0;
}

static int check_platform(const json_t *document, const char *machine, struct baton_error *err)
{
	const char *os = json_get_string(document, "os", "linux");
	const char *architecture = json_get_string(document, "architecture", "");

	if (platform_rank(machine, os, architecture, json_get_string(document, "variant", NULL)) !=
	        PLATFORM_UNFIT)
		return 0;
	return error_set(err, ENOTSUP, "the image is for %.20s/%.20s, this machine is linux/%s", os,
	        architecture, platform_architecture(machine));
}

/* A list of strings, absent or null as the empty one. Anything else is kept for the record's own check to
 * refuse. */
static json_t *list_of(const json_t *config, const char *name)
{
	json_t *value = json_object_get(config, name);

	return !value || json_is_null(value) ? json_array() : json_incref(value);
}

static json_t *text_of(const json_t *config, const char *name)
{
	json_t *value = json_object_get(config, name);

	return !value || json_is_null(value) ? json_string("") : json_incref(value);
}

/* Old builders wrote "app" for "/app". */
static json_t *directory_of(const json_t *config)
{
	const char *text = json_get_string(config, "WorkingDir", "");

	return *text && *text != '/' ? json_sprintf("/%s", text) : text_of(config, "WorkingDir");
}

/* A set written as an object with empty members. */
static json_t *volumes_of(const json_t *config)
{
	json_t *volumes = json_object_get(config, "Volumes");
	json_t *list = json_array();
	const char *path;
	json_t *ignored;

	json_object_foreach(volumes, path, ignored) {
		if (json_array_append_new(list, json_string(path)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *layers_of(const struct manifest *manifest)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < manifest->n_layers; i++) {
		if (json_array_append_new(list, json_string(manifest->layers[i].diff_id)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static int make_record(const json_t *document, const struct manifest *manifest, json_t **ret_record)
{
	const json_t *config = json_object_get(document, "config");
	cleanup_json json_t *record = json_object();
	cleanup_json json_t *own = json_object();
	json_t *architecture = json_object_get(document, "architecture");

	if (!record || !own || json_object_set_new(own, "entrypoint", list_of(config, "Entrypoint")) < 0 ||
	        json_object_set_new(own, "cmd", list_of(config, "Cmd")) < 0 ||
	        json_object_set_new(own, "env", list_of(config, "Env")) < 0 ||
	        json_object_set_new(own, "working_dir", directory_of(config)) < 0 ||
	        json_object_set_new(own, "user", text_of(config, "User")) < 0 ||
	        json_object_set_new(own, "stop_signal", text_of(config, "StopSignal")) < 0 ||
	        json_object_set_new(own, "volumes", volumes_of(config)) < 0 ||
	        json_object_set(record, "config", own) < 0 ||
	        json_object_set(record, "architecture", architecture) < 0 ||
	        json_object_set_new(record, "layers", layers_of(manifest)) < 0 ||
	        json_object_set_new(record, "size", json_integer(0)) < 0)
		return -ENOMEM;
	*ret_record = steal_ptr(record);
	return 0;
}

int config_read(const json_t *document, const char *machine, struct manifest *manifest, json_t **ret_record,
        struct baton_error *err)
{
	int r = check_platform(document, machine, err);

	if (r == 0)
		r = take_diff_ids(document, manifest, err);
	if (r < 0)
		return r;
	r = make_record(document, manifest, ret_record);
	return r < 0 ? error_set(err, -r, "out of memory") : 0;
}
