/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from YAML is a JSON value that can be written; its variables are replaced without a fault. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/cli/interpolate.h"
#include "core/cli/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *value(void *arg, const char *name)
{
	(void)arg;
	return strlen(name) % 2 ? "value" : NULL;
}

static void unset(void *arg, const char *name)
{
	(void)arg;
	(void)name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct variables variables = { value, unset, NULL };
	cleanup_json json_t *document = NULL;
	cleanup_free char *text = NULL;

	if (yaml_read("fuzz", (const char *)data, size, &document, NULL) < 0)
		return 0;
	(void)interpolate_tree(document, &variables, NULL); /* a fault of the text is no fault of ours */
	text = json_dumps(document, JSON_ENCODE_ANY);
	if (!text)
		abort();
	return 0;
}
