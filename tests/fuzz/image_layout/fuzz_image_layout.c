/* SPDX-License-Identifier: Apache-2.0 */
/* One document, taken for an index, a manifest, a docker manifest and a record; its "config" for a
 * configuration. */
#include <stdint.h>
#include <stdlib.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/image/record.h"
#include "core/unpack/documents.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_config(const json_t *document, struct manifest *manifest)
{
	cleanup_json json_t *record = NULL;
	struct image image;

	if (config_read(document, "x86_64", manifest, &record, NULL) < 0)
		return;
	(void)json_object_set_new(record, "digest", json_sprintf("sha256:%064d", 0));
	if (image_record_from_json(record, &image, NULL) == 0) {
		free(image_record_text(&image));
		image_release(&image);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct json_limits limits = { .bytes = 65536, .depth = 32 };
	cleanup_json json_t *document = NULL;
	struct baton_error err;
	struct manifest_choice choice;
	struct manifest manifest;
	struct image image;

	if (json_parse((const char *)data, size, limits, &document, &err) < 0)
		return 0;
	(void)index_choose(document, "aarch64", "wanted:1", &choice, &err);
	(void)index_choose(document, "x86_64", "", &choice, &err);
	if (manifest_read(document, &manifest, &err) == 0) {
		try_config(json_object_get(document, "config"), &manifest);
		manifest_release(&manifest);
	}
	if (docker_manifest_read(document, "wanted:1", &manifest, &err) == 0) {
		try_config(json_object_get(json_array_get(document, 0), "config"), &manifest);
		manifest_release(&manifest);
	}
	if (image_record_from_json(document, &image, &err) == 0)
		image_release(&image);
	return 0;
}
