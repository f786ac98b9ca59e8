/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups of containers on v1, hybrid and v2 hosts. libcgroup discovers the hierarchies, once, at
 * start. Everything after that goes to the files directly, relative to held directories: for a group with
 * three values libcgroup 2.0.2 takes 1.4 ms on v1 and ten times the time of direct files on v2, its removal
 * of a busy v2 group moves the processes to the root group, and it has no spawn into a group, no cgroup.kill
 * and no events. Devices: v1 controller, eBPF program on v2.
 *
 * Every hierarchy gets a group below its root. Nothing here blocks but cgroup_root_new, for a few
 * milliseconds.
 */
#ifndef BATON_SUPERVISOR_CGROUP_H
#define BATON_SUPERVISOR_CGROUP_H

#include <baton/runtime.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

struct cgroup_root;  /* the node's hierarchies and Baton's parent group */
struct cgroup_group; /* one container's group in all hierarchies */

/* One allowed device; everything else is denied. major or minor -1: all. */
struct cgroup_device {
	char type; /* 'c' or 'b' */
	int32_t major;
	int32_t minor;
	char access[4]; /* subset of "rwm" */
};

struct cgroup_limits {
	int64_t memory; /* bytes, 0: none. Swap is limited to the same, so no more than this in all */
	int64_t cpu;    /* thousandths of a CPU, 0: none */
	int64_t pids;   /* 0: none */
	const struct cgroup_device *devices;
	size_t n_devices;
};

/*
 * Discovers hierarchies and makes the group `parent` ("baton") in each, enabling controllers on v2. 0 and
 * *ret_root or negative errno. Controllers that the kernel lacks are not an error: see cgroup_missing.
 */
int cgroup_root_new(const char *parent, struct cgroup_root **ret_root, struct baton_error *err);
void cgroup_root_free(struct cgroup_root *root); /* leaves the groups */

/* Keeps the group `parent` for this process, until the root is freed. 0, or -EBUSY when another process has
 * it. */
int cgroup_root_lock(const struct cgroup_root *root);

const char *cgroup_mode(const struct cgroup_root *root); /* "v1", "hybrid", "v2" */

/* One sentence per controller of memory, cpu, pids, devices that cannot be used here; NULL-terminated,
 * borrowed. */
char *const *cgroup_missing(const struct cgroup_root *root);

/*
 * Limits hold as far as the kernel can: without swap accounting (memory.memsw.*, memory.swap.max) only memory
 * is limited; a cpu limit below 0.01 is raised to that, the smallest quota of the kernel.
 *
 * Makes PARENT/name in every hierarchy with the limits set, and opens its cgroup.procs files. -EEXIST when it
 * is there already (cgroup_open_existing). *ret_unenforced: a limit was asked for that this kernel cannot
 * hold.
 */
int cgroup_create(struct cgroup_root *root, const char *name, const struct cgroup_limits *limits,
        struct cgroup_group **ret_group, bool *ret_unenforced, struct baton_error *err);
int cgroup_open_existing(struct cgroup_root *root, const char *name, struct cgroup_group **ret_group,
        struct baton_error *err);                   /* -ENOENT when it is in no hierarchy */
void cgroup_group_free(struct cgroup_group *group); /* closes; leaves the group */

/*
 * The view for a runtime plugin; borrowed from the group. The procs descriptor of the v2 hierarchy is the
 * last one. Empty (dir_fd -1, no procs_fds) after cgroup_open_existing and cgroup_close_view.
 */
const struct baton_cgroup *cgroup_view(const struct cgroup_group *group);

/* The container has started: closes the descriptors of the view, up to 6 for each container. */
void cgroup_close_view(struct cgroup_group *group);

/* True when the kernel's OOM killer ended a process of the group since it was made. */
bool cgroup_oom_killed(const struct cgroup_group *group);

/*
 * SIGKILL to every process of the group and of groups below it: cgroup.kill on v2 (and hybrid), else pidfds
 * in a loop, with forks forbidden by the pids controller first, so the group is for nothing but removal
 * afterwards. Does not wait. There is no group in the v1 freezer hierarchy, so nothing needs to be thawed. 0
 * or negative errno.
 */
int cgroup_kill(const struct cgroup_group *group);

/* Removes the empty group, and those below it, from every hierarchy. -EBUSY while a process is left (call
 * again later). */
int cgroup_remove(struct cgroup_group *group);

/* True when a process is in PARENT/name or below it, in any hierarchy, or when nobody can say. */
bool cgroup_in_use(const struct cgroup_root *root, const char *name);

/* Names of the groups below the parent, for finding leftovers: NULL-terminated, strv_free it. */
int cgroup_list(struct cgroup_root *root, char ***ret_names);

#endif
