/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime configuration (opencontainers/runtime-spec, config.md and config-linux.md) in the form the
 * child needs between clone and exec: flat arrays and strings, nothing left to parse or allocate.
 */
#ifndef BATON_NATIVE_SPEC_H
#define BATON_NATIVE_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "core/base/error.h"

#define SPEC_MOUNTS_MAX  192
#define SPEC_PATHS_MAX   512
#define SPEC_LIST_MAX    4096
#define SPEC_GROUPS_MAX  256
#define SPEC_BYTES_MAX   (1U << 20)
#define SPEC_DEPTH_MAX   32
#define SPEC_DEVICES_MAX 64

enum spec_namespace { NS_MOUNT, NS_PID, NS_IPC, NS_UTS, NS_NETWORK, NS_CGROUP, NS_KINDS };

struct spec_mount {
	const char *destination; /* absolute, without ".." */
	const char *type;        /* file system for fsopen(2); "bind" for a bind */
	const char *source;
	uint64_t attr_set;    /* MOUNT_ATTR_* */
	uint64_t propagation; /* MS_PRIVATE and so on, 0: as it is */
	bool bind;
	bool recursive;    /* rbind, or a recursive attribute */
	bool cgroup;       /* cgroup2 of our own namespace */
	char *const *data; /* file-system options, "key=value" or "flag"; NULL-terminated */
};

struct spec_device {
	const char *path; /* below /dev */
	mode_t mode;      /* with S_IFCHR, S_IFBLK or S_IFIFO */
	dev_t device;
	uint32_t uid;
	uint32_t gid;
};

struct spec_rlimit {
	int resource;
	const char *name;
	struct rlimit limit;
};

struct spec {
	json_t *document; /* owns every string below */
	const char *bundle;

	char **args;
	char **env;
	const char *cwd;
	uint32_t uid;
	uint32_t gid;
	mode_t umask;
	gid_t groups[SPEC_GROUPS_MAX];
	size_t n_groups;
	uint64_t bounding; /* bit n: capability number n */
	uint64_t permitted;
	uint64_t effective;
	uint64_t inheritable;
	uint64_t ambient;
	bool no_new_privileges;
	bool has_oom_score_adj;
	int oom_score_adj;
	struct spec_rlimit *rlimits;
	size_t n_rlimits;

	char rootfs[4096]; /* absolute */
	bool rootfs_read_only;
	const char *hostname;
	const char *domainname;
	struct spec_mount *mounts;
	size_t n_mounts;

	bool new_namespace[NS_KINDS];
	const char *namespace_path[NS_KINDS]; /* of another one to join; only for the network */
	char **masked_paths;
	char **readonly_paths;
	char **sysctls; /* "net/ipv4/ip_forward=1": a path below /proc/sys */
	struct spec_device *devices;
	size_t n_devices;
	const json_t *seccomp; /* linux.seccomp, NULL: none */
};

/*
 * Reads BUNDLE/config.json. What would weaken the container if it were ignored is refused by name: terminal,
 * hooks, user namespaces and mappings, joining pid or mount namespaces, unknown mount options. 0 and
 * *ret_spec, or -EINVAL, -EOPNOTSUPP, -EFBIG, -ENOENT with the JSON path in err.
 */
int spec_load(const char *bundle, struct spec *ret_spec, struct baton_error *err);

/* As spec_load, of a text: the fuzz target's way in. `bundle` is only used for a relative root.path. */
int spec_parse(
        const char *text, size_t length, const char *bundle, struct spec *ret_spec, struct baton_error *err);
void spec_release(struct spec *spec);

#endif
