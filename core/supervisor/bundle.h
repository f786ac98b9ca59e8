/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the OCI runtime configuration (config.json) of an instance: image + typed spec + hardening defaults.
 */
#ifndef BATON_SUPERVISOR_BUNDLE_H
#define BATON_SUPERVISOR_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "core/base/error.h"
#include "core/image/store.h"
#include "core/model/container.h"

#define BUNDLE_GROUPS_MAX 64

struct bundle_mount {
	const char *source; /* host path, checked; NULL for a tmpfs */
	const struct container_mount *mount;
};

struct bundle {
	const struct container_spec *spec;
	const struct image *image;
	const char *rootfs; /* absolute path */
	const char *hostname;
	const char *init_path; /* host path of our pid 1 when spec->init, else NULL */
	uint32_t uid;
	uint32_t gid;
	uint32_t groups[BUNDLE_GROUPS_MAX];
	size_t n_groups;
	const struct bundle_mount *mounts;
	size_t n_mounts;
	json_t *seccomp;      /* OCI linux.seccomp object, shared; borrowed */
	bool cgroup2;         /* pure v2 host: show the container its own group */
	struct rlimit nofile; /* of a container whose spec says nothing; 0: that of this process */
	int oom_score_adj;    /* of this process: the container must not inherit a protected one */
};

/* New reference, or NULL with the reason in err (out of memory, no command at all). */
json_t *bundle_config(const struct bundle *bundle, struct baton_error *err);

/* The environment: PATH, HOSTNAME and HOME defaults, the image's, the spec's; later ones win. 0 or -ENOMEM.
 */
int bundle_environment(const struct bundle *bundle, char ***ret_environment);

/* Capability names ("CAP_CHOWN") of the default set with cap_add and cap_drop applied, NULL-terminated. 0 or
 * -ENOMEM. */
int bundle_capabilities(const struct container_spec *spec, char ***ret_names);

/* True when `name` (without CAP_) is in the default set of 11. */
bool bundle_capability_is_default(const char *name);

#endif
