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

/* The default file systems of the OCI runtime specification (config-linux.md), then those of the manifest. */
json_t *bundle_mounts_json(
        const struct bundle_mounts_options *options, const struct bundle_mount *mounts, size_t n_mounts);

#endif
