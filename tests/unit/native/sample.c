/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/native/sample.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"

static const char document[] =
        "{'ociVersion': '1.0.2', 'root': {'path': 'rootfs'}, 'mounts': [],"
        " 'process': {'args': ['/bin/true'], 'cwd': '/', 'user': {'uid': 1, 'gid': 2}},"
        " 'linux': {'namespaces': [{'type': 'mount'}, {'type': 'pid'}, {'type': 'network'},"
        "                          {'type': 'ipc'}, {'type': 'uts'}, {'type': 'cgroup'}]}}";

static json_t *load(const char *quoted)
{
	cleanup_free char *text = strdup(quoted);
	json_t *value;

	assert_non_null(text);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_non_null(value);
	return value;
}

static void replace(json_t *object, const char *path, const char *value)
{
	const char *dot = strchr(path, '.');
	char name[64];

	if (dot) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		replace(json_object_get(object, name), dot + 1, value);
	} else if (value) {
		assert_int_equal(json_object_set_new(object, path, load(value)), 0);
	} else {
		assert_int_equal(json_object_del(object, path), 0);
	}
}

int sample_parse(const char *path, const char *value, struct spec *ret_spec, struct baton_error *err)
{
	cleanup_json json_t *config = load(document);
	cleanup_free char *text = NULL;

	if (path)
		replace(config, path, value);
	text = json_dumps(config, JSON_COMPACT);
	assert_non_null(text);
	return spec_parse(text, strlen(text), "/bundle", ret_spec, err);
}

struct spec sample_accepted(const char *path, const char *value)
{
	struct baton_error err = { 0 };
	struct spec spec;

	if (sample_parse(path, value, &spec, &err) < 0)
		fail_msg("%s = %s: %s", path, value, err.message);
	return spec;
}

void sample_refused(const char *path, const char *value, int code, const char *word)
{
	struct baton_error err = { 0 };
	struct spec spec = { .n_groups = 77 };
	int r = sample_parse(path, value, &spec, &err);

	if (r != -code || err.code != code || !strstr(err.message, word) ||
	        strncmp(err.message, "config.json: ", 13) != 0)
		fail_msg("%s = %s: %d, \"%s\"", path, value, r, r < 0 ? err.message : "");
	assert_int_equal(spec.n_groups, 77); /* an output is written only on success */
}

void sample_all_refused(const struct sample_fault *faults, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sample_refused(faults[i].path, faults[i].value, faults[i].code, faults[i].word);
}
