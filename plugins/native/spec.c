/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/native/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "plugins/native/spec-priv.h"

int spec_member(const json_t *object, const char *name, json_type type, const json_t **ret_member,
        struct baton_error *err)
{
	static const char *const names[] = { [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array" };
	const json_t *member = json_object_get(object, name);

	if (json_is_null(member))
		member = NULL;
	if (member && json_typeof(member) != type)
		return error_set(err, EINVAL, "\"%s\" must be %s", name, names[type]);
	*ret_member = member;
	return 0;
}

int spec_flag(const json_t *object, const char *name, bool *ret_flag, struct baton_error *err)
{
	const json_t *member = json_object_get(object, name);

	if (member && !json_is_boolean(member) && !json_is_null(member))
		return error_set(err, EINVAL, "\"%s\" must be true or false", name);
	*ret_flag = json_is_true(member);
	return 0;
}

bool spec_is_empty(const json_t *value)
{
	return !value || json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0) ||
	       (json_is_array(value) && json_array_size(value) == 0) ||
	       (json_is_object(value) && json_object_size(value) == 0);
}

int spec_strings(
        const json_t *array, const char *path, size_t max, char ***ret_vector, struct baton_error *err)
{
	size_t count = json_array_size(array);
	char **vector;

	if (array && !json_is_array(array))
		return error_set(err, EINVAL, "%s must be an array of strings", path);
	if (count > max)
		return error_set(err, EINVAL, "%s has %zu items, the limit is %zu", path, count, max);
	vector = calloc(count + 1, sizeof(*vector));
	if (!vector)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		json_t *item = json_array_get(array, i);

		if (!json_is_string(item)) {
			free(vector);
			return error_set(err, EINVAL, "%s[%zu] must be a string", path, i);
		}
		/* execve(2) takes char *const[] for historic reasons; nobody writes to these. */
		memcpy(&vector[i], &(const char *){ json_string_value(item) }, sizeof(vector[i]));
	}
	*ret_vector = vector;
	return 0;
}

int spec_check_path(const char *path, const char *where, struct baton_error *err)
{
	const char *next = path;

	if (path[0] != '/')
		return error_set(err, EINVAL, "%s: \"%s\" is not an absolute path", where, path);
	while ((next = strstr(next, ".."))) {
		bool starts = next[-1] == '/';
		bool ends = next[2] == '/' || next[2] == '\0';

		if (starts && ends)
			return error_set(err, EINVAL, "%s: \"%s\" must not have \"..\"", where, path);
		next += 2;
	}
	return 0;
}

int spec_number(const json_t *object, const char *name, uint64_t max, uint64_t fallback, uint64_t *ret_number,
        struct baton_error *err)
{
	const json_t *value = json_object_get(object, name);

	if (!value) {
		*ret_number = fallback;
		return 0;
	}
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	        (uint64_t)json_integer_value(value) > max)
		return error_set(
		        err, EINVAL, "\"%s\" must be a number from 0 to %llu", name, (unsigned long long)max);
	*ret_number = (uint64_t)json_integer_value(value);
	return 0;
}

static int decode_root(const json_t *document, struct spec *spec, struct baton_error *err)
{
	const json_t *root = json_object_get(document, "root");
	const char *path = json_get_string(root, "path", NULL);
	int length;

	if (!path || *path == '\0')
		return error_set(err, EINVAL, "root.path is missing");
	if (path[0] == '/')
		length = snprintf(spec->rootfs, sizeof(spec->rootfs), "%s", path);
	else
		length = snprintf(spec->rootfs, sizeof(spec->rootfs), "%s/%s", spec->bundle, path);
	if (length < 0 || (size_t)length >= sizeof(spec->rootfs))
		return error_set(err, ENAMETOOLONG, "root.path is too long");
	return spec_flag(root, "readonly", &spec->rootfs_read_only, err);
}

static int refuse_hooks(const json_t *document, struct baton_error *err)
{
	const json_t *hooks = NULL;
	const char *name;
	json_t *list;
	int r = spec_member(document, "hooks", JSON_OBJECT, &hooks, err);

	if (r < 0)
		return r;
	json_object_foreach((json_t *)(uintptr_t)hooks, name, list) {
		if (!spec_is_empty(list))
			return error_set(err, EOPNOTSUPP, "hooks.%s: this runtime runs no hooks", name);
	}
	return 0;
}

static int decode(const json_t *document, struct spec *spec, struct baton_error *err)
{
	const json_t *mounts = NULL;
	int r;

	if (!json_is_object(document))
		return error_set(err, EINVAL, "config.json is not an object");
	if (strncmp(json_get_string(document, "ociVersion", ""), "1.", 2) != 0)
		return error_set(err, EINVAL, "ociVersion must be 1.x");
	spec->hostname = json_get_string(document, "hostname", NULL);
	spec->domainname = json_get_string(document, "domainname", NULL);
	r = refuse_hooks(document, err);
	if (r == 0)
		r = decode_root(document, spec, err);
	if (r == 0)
		r = spec_decode_process(json_object_get(document, "process"), spec, err);
	if (r == 0)
		r = spec_member(document, "mounts", JSON_ARRAY, &mounts, err);
	if (r == 0)
		r = spec_decode_mounts(mounts, spec, err);
	if (r == 0)
		r = spec_decode_linux(json_object_get(document, "linux"), spec, err);
	return r;
}

int spec_parse(
        const char *text, size_t length, const char *bundle, struct spec *ret_spec, struct baton_error *err)
{
	const struct json_limits limits = { .bytes = SPEC_BYTES_MAX, .depth = SPEC_DEPTH_MAX };
	struct spec spec = { .bundle = bundle };
	int r = json_parse(text, length, limits, &spec.document, err);

	if (r == 0)
		r = decode(spec.document, &spec, err);
	if (r < 0) {
		spec_release(&spec);
		return error_prefix(err, "config.json");
	}
	*ret_spec = spec;
	return 0;
}

int spec_load(const char *bundle, struct spec *ret_spec, struct baton_error *err)
{
	cleanup_close int directory = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	size_t length = 0;
	int r;

	if (directory < 0)
		return error_errno(err, errno, "bundle %s", bundle);
	r = file_read_at(directory, "config.json", SPEC_BYTES_MAX, &text, &length);
	if (r < 0)
		return error_errno(err, -r, "%s/config.json", bundle);
	return spec_parse(text ? text : "", length, bundle, ret_spec, err);
}

void spec_release(struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		free((void *)(uintptr_t)spec->mounts[i].data);
	free(spec->mounts);
	free(spec->args);
	free(spec->env);
	free(spec->rlimits);
	free(spec->masked_paths);
	free(spec->readonly_paths);
	for (char **item = spec->sysctls; item && *item; item++)
		free(*item);
	free(spec->sysctls);
	free(spec->devices);
	json_decref(spec->document);
	*spec = (struct spec){ 0 };
}
