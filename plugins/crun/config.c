/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "plugins/crun/crun-priv.h"

#define CONFIG_MAX   ((size_t)4 * 1024 * 1024)
#define CONFIG_DEPTH 64

int config_without_network(const char *bundle, int state_fd, const char *name, struct baton_error *err)
{
	const struct json_limits limits = { .bytes = CONFIG_MAX, .depth = CONFIG_DEPTH };
	cleanup_close int bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_json json_t *config = NULL;
	cleanup_free char *text = NULL;
	cleanup_free char *changed = NULL;
	json_t *namespaces;
	size_t length = 0;
	int r;

	if (bundle_fd < 0)
		return error_errno(err, errno, "bundle %s", bundle);
	r = file_read_at(bundle_fd, "config.json", CONFIG_MAX, &text, &length);
	if (r < 0)
		return error_errno(err, -r, "%s/config.json", bundle);
	r = json_parse(text, length, limits, &config, err);
	if (r < 0)
		return error_prefix(err, "%s/config.json", bundle);
	namespaces = json_object_get(json_object_get(config, "linux"), "namespaces");
	for (size_t i = json_array_size(namespaces); i-- > 0;) {
		if (strcmp(json_get_string(json_array_get(namespaces, i), "type", ""), "network") == 0)
			(void)json_array_remove(namespaces, i);
	}
	changed = json_text(config);
	if (!changed)
		return error_set(err, ENOMEM, "out of memory");
	r = file_replace_at(state_fd, name, changed, strlen(changed), 0600, FILE_VOLATILE);
	return r < 0 ? error_errno(err, -r, "changed config.json") : 0;
}
