/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/image/store.h"

#define OCI_INDEX       "index.json"
#define DOCKER_MANIFEST "manifest.json"
#define INDEX_DEPTH_MAX 4

/* `hex` of the text is checked unless it is ""; *ret_hex, which may be NULL, receives it. */
static int read_document(const struct source *source, const char *path, const struct descriptor *expected,
        json_t **ret_document, struct baton_error *err)
{
	const struct json_limits limits = { .bytes = DOCUMENT_MAX, .depth = DOCUMENT_DEPTH };
	cleanup_free char *text = NULL;
	char hex[DIGEST_HEX_SIZE];
	size_t length = 0;
	int r = source_document(source, path, &text, &length, err);

	if (r < 0)
		return r;
	if (expected && expected->size >= 0 && (size_t)expected->size != length)
		return error_set(err, EINVAL, "\"%s\" has %zu bytes and should have %lld", path, length,
		        (long long)expected->size);
	if (expected && expected->hex[0] != '\0') {
		r = digest_sha256(text ? text : "", length, hex);
		if (r < 0)
			return error_errno(err, -r, "digest");
		if (strcmp(hex, expected->hex) != 0)
			return error_set(
			        err, EINVAL, "\"%s\" does not have its digest but sha256:%s", path, hex);
	}
	r = json_parse(text ? text : "", length, limits, ret_document, err);
	return r < 0 ? error_prefix(err, "\"%s\"", path) : 0;
}

static int read_blob(const struct source *source, const struct descriptor *descriptor, json_t **ret_document,
        struct baton_error *err)
{
	char path[sizeof("blobs/sha256/") + DIGEST_HEX_LENGTH];

	(void)snprintf(path, sizeof(path), "blobs/sha256/%s", descriptor->hex);
	return read_document(source, path, descriptor, ret_document, err);
}

static int set_digest(struct plan *plan, const char *hex, struct baton_error *err)
{
	if (json_object_set_new(plan->record, "digest", json_sprintf("sha256:%s", hex)) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

static int take_config(
        const struct source *source, const char *machine, struct plan *plan, struct baton_error *err)
{
	cleanup_json json_t *document = NULL;
	int r = read_document(source, plan->manifest.config_path, &plan->manifest.config, &document, err);

	return r < 0 ? r : config_read(document, machine, &plan->manifest, &plan->record, err);
}

/* Follows indexes within indexes down to a manifest. Only the outermost one names images. */
static int take_manifest(const struct source *source, const char *machine, const char *wanted,
        struct plan *plan, struct descriptor *ret_descriptor, struct baton_error *err)
{
	cleanup_json json_t *document = NULL;
	struct manifest_choice choice = { .name = NULL };
	int r = read_document(source, OCI_INDEX, NULL, &document, err);

	for (int depth = 0; r == 0 && json_object_get(document, "manifests"); depth++) {
		json_t *next = NULL;

		if (depth == INDEX_DEPTH_MAX)
			return error_set(
			        err, ELOOP, "more than %d indexes within each other", INDEX_DEPTH_MAX);
		r = index_choose(document, machine, depth == 0 ? wanted : "", &choice, err);
		if (r == 0 && depth == 0) {
			plan->name = strdup(choice.name ? choice.name : "");
			r = plan->name ? 0 : error_set(err, ENOMEM, "out of memory");
		}
		if (r == 0)
			r = read_blob(source, &choice.descriptor, &next, err);
		if (r < 0)
			return r;
		json_decref(document);
		document = next;
	}
	if (r == 0 && !plan->name)
		return error_set(err, EINVAL, "\"" OCI_INDEX "\" is not an image index");
	if (r == 0)
		r = manifest_read(document, &plan->manifest, err);
	if (r == 0)
		*ret_descriptor = choice.descriptor;
	return r;
}

static int read_oci(const struct source *source, const char *machine, const char *wanted, struct plan *plan,
        struct baton_error *err)
{
	struct descriptor descriptor = { .size = -1 };
	int r = take_manifest(source, machine, wanted, plan, &descriptor, err);

	if (r == 0)
		r = take_config(source, machine, plan, err);
	return r == 0 ? set_digest(plan, descriptor.hex, err) : r;
}

/* A docker-archive has no manifest that could be named: its image id is the digest of the configuration. */
static int read_docker(const struct source *source, const char *machine, const char *wanted,
        struct plan *plan, struct baton_error *err)
{
	cleanup_json json_t *document = NULL;
	cleanup_free char *text = NULL;
	char hex[DIGEST_HEX_SIZE];
	size_t length = 0;
	int r = read_document(source, DOCKER_MANIFEST, NULL, &document, err);

	if (r == 0)
		r = docker_manifest_read(document, wanted, &plan->manifest, err);
	if (r == 0)
		r = take_config(source, machine, plan, err);
	if (r == 0)
		r = source_document(source, plan->manifest.config_path, &text, &length, err);
	if (r < 0)
		return r;
	plan->name = strdup(plan->manifest.name ? plan->manifest.name : "");
	if (!plan->name || digest_sha256(text, length, hex) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return set_digest(plan, hex, err);
}

int plan_read(const struct source *source, const char *machine, const char *wanted, struct plan *ret_plan,
        struct baton_error *err)
{
	struct plan plan = { .record = NULL };
	int r;

	/* Docker writes both since version 25; the OCI one has digests for the layers as they lie there. */
	if (source_has(source, OCI_INDEX))
		r = read_oci(source, machine, wanted, &plan, err);
	else if (source_has(source, DOCKER_MANIFEST))
		r = read_docker(source, machine, wanted, &plan, err);
	else
		r = error_set(err, EINVAL,
		        "neither an OCI image layout (" OCI_INDEX ") nor a docker-archive (" DOCKER_MANIFEST
		        ")");
	if (r < 0) {
		plan_release(&plan);
		return r;
	}
	*ret_plan = plan;
	return 0;
}

void plan_release(struct plan *plan)
{
	manifest_release(&plan->manifest);
	json_decref(plan->record);
	free(plan->name);
	*plan = (struct plan){ .record = NULL };
}
