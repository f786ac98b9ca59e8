/* SPDX-License-Identifier: Apache-2.0 */
/* The `mounts` member of config.json. */
#ifndef BATON_SUPERVISOR_BUNDLE_MOUNTS_H
#define BATON_SUPERVISOR_BUNDLE_MOUNTS_H

#include <jansson.h>
#include <stdbool.h>

#include "core/supervisor/bundle.h"

struct bundle_mounts_options {
	const char *init_path; /* NULL: none */
	const char *init_target;
	bool cgroup2;
};

/*
 * Appends, and takes over `item`. When there is none (out of memory, a string that is not UTF-8) the list is
 * given up: *list becomes NULL, which json_pack refuses. Otherwise an item would be missing, be it a masked
 * path or "ro".
 */
void bundle_append(json_t **list, json_t *item);

/* The default file systems of the OCI runtime specification (config-linux.md), then those of the manifest.
 * NULL as in bundle_append. */
json_t *bundle_mounts_json(
        const struct bundle_mounts_options *options, const struct bundle_mount *mounts, size_t n_mounts);

#endif
