/* SPDX-License-Identifier: Apache-2.0 */
/* What the cgroup*.c files share. */
#ifndef BATON_SUPERVISOR_CGROUP_PRIV_H
#define BATON_SUPERVISOR_CGROUP_PRIV_H

#include <baton/kconfig.h>
#include <dirent.h>
#include <limits.h>

#include "core/supervisor/cgroup.h"

enum controller {
	CONTROLLER_MEMORY,
	CONTROLLER_CPU,
	CONTROLLER_PIDS,
	CONTROLLER_DEVICES, /* on v2 no controller but an eBPF program */
	CONTROLLERS,
};

#define CONTROLLER_BIT(controller) (1U << (controller))
#define CONTROLLERS_ALL            (CONTROLLER_BIT(CONTROLLERS) - 1)

/* One v1 hierarchy for each controller, and the v2 one. */
#define HIERARCHIES_MAX ((size_t)CONTROLLERS + 1)

extern const char *const cgroup_controller_names[CONTROLLERS];

/* ---- cgroup_discover.c: where the kernel's hierarchies are mounted ---- */

struct cgroup_place {
	char path[PATH_MAX];
	bool v2;
	unsigned controllers; /* of ours, in a v1 hierarchy; 0 for v2, whose cgroup.controllers says it */
};

/* The v1 hierarchies of our controllers, then the v2 hierarchy if there is one. 0 or negative errno. */
int cgroup_discover(
        struct cgroup_place places[static HIERARCHIES_MAX], size_t *ret_count, struct baton_error *err);

/* ---- cgroup_root.c: Baton's own group in each hierarchy ---- */

struct cgroup_hierarchy {
	int parent_fd; /* directory of Baton's group */
	bool v2;
	unsigned controllers; /* that a group below parent_fd can use */
};

struct cgroup_root {
	struct cgroup_hierarchy hierarchies[HIERARCHIES_MAX]; /* v2 comes last */
	size_t n_hierarchies;
	const char *mode;
	char **missing;
	int device_program; /* v2: loaded for the devices below, -1 before the first group */
	struct cgroup_device program_devices[CONFIG_CGROUP_DEVICES_MAX];
	size_t n_program_devices;
};

/* cgroup_root_new with hierarchies of the caller's choice, for tests. */
int cgroup_root_build(const struct cgroup_place *places, size_t n_places, const char *parent,
        struct cgroup_root **ret_root, struct baton_error *err);

/* ---- cgroup_limits.c: the value files of both versions ---- */

/* The controllers that the limits need, as bits. */
unsigned cgroup_limits_wanted(const struct cgroup_limits *limits);

/*
 * Writes the values of the `wanted` controllers into the new group `dir_fd` and adds to *held those that the
 * kernel took. A value file that this kernel lacks is not an error. 0 or negative errno.
 */
int cgroup_limits_apply(int dir_fd, bool v2, unsigned wanted, const struct cgroup_limits *limits,
        unsigned *held, struct baton_error *err);

/* Processes of the group that the kernel's OOM killer ended; 0 where the kernel does not count them. */
unsigned long long cgroup_limits_oom_kills(int dir_fd, bool v2);

/* ---- cgroup_device_bpf.c: the device filter of v2 ---- */

/* Loads a BPF_PROG_TYPE_CGROUP_DEVICE program that allows `devices` only. Descriptor or negative errno. */
int cgroup_device_bpf_load(const struct cgroup_device *devices, size_t n_devices);
int cgroup_device_bpf_attach(int dir_fd, int program_fd);

/* ---- cgroup_walk.c: groups and the processes in them ---- */

typedef int (*cgroup_walk_fn)(int dir_fd, void *arg);

/* Opens the next directory below a group, or returns -ENOENT after the last. *ret_name is the stream's. */
int cgroup_next_child(DIR *directory, const char **ret_name);

/* Calls fn for the group and every group below it, until one call fails. */
int cgroup_walk(int dir_fd, cgroup_walk_fn fn, void *arg);

/* SIGKILL to every member of a v1 group, or of a v2 group of a kernel without cgroup.kill (before 5.14). */
int cgroup_walk_kill(int dir_fd);
int cgroup_walk_count(int dir_fd);

/* Removes parent_fd/name and the groups below it. 0 (also when there is none), -EBUSY, or negative errno. */
int cgroup_walk_remove(int parent_fd, const char *name);

#endif
