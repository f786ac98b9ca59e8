/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's control groups without a supervisor:
 *   cgroup-limits PARENT NAME [memory=BYTES] [cpu=THOUSANDTHS] [pids=N] [device=TYPE:MAJOR:MINOR]...
 * makes the group with these limits, and no device but the given ones, and prints {"unenforced": ...};
 *   cgroup-limits PARENT NAME oom
 * prints {"oom": ...}: whether the kernel killed for lack of memory in the group, which is there already.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/error.h"
#include "core/supervisor/cgroup.h"

#define DEVICES_MAX 16

struct wish {
	struct cgroup_limits limits;
	struct cgroup_device devices[DEVICES_MAX];
};

static bool parse(const char *word, struct wish *wish)
{
	struct cgroup_limits *limits = &wish->limits;
	struct cgroup_device *device = &wish->devices[limits->n_devices];
	const char *equals = strchr(word, '=');
	int64_t value = equals ? strtoll(equals + 1, NULL, 10) : 0;

	if (strncmp(word, "memory=", 7) == 0)
		limits->memory = value;
	else if (strncmp(word, "cpu=", 4) == 0)
		limits->cpu = value;
	else if (strncmp(word, "pids=", 5) == 0)
		limits->pids = value;
	else if (limits->n_devices < DEVICES_MAX &&
	         sscanf(word, "device=%c:%d:%d", &device->type, &device->major, &device->minor) == 3)
		limits->n_devices++;
	else
		return false;
	memcpy(device->access, "rwm", 4);
	return true;
}

static int print_oom(struct cgroup_root *root, const char *name, struct baton_error *err)
{
	struct cgroup_group *group;
	int r = cgroup_open_existing(root, name, &group, err);

	if (r < 0)
		return r;
	(void)printf("{\"oom\": %s}\n", cgroup_oom_killed(group) ? "true" : "false");
	cgroup_group_free(group);
	return 0;
}

static int make(struct cgroup_root *root, const char *name, const struct wish *wish, struct baton_error *err)
{
	struct cgroup_group *group;
	bool unenforced;
	int r = cgroup_create(root, name, &wish->limits, &group, &unenforced, err);

	if (r < 0)
		return r;
	(void)printf("{\"unenforced\": %s}\n", unenforced ? "true" : "false");
	cgroup_group_free(group);
	return 0;
}

int main(int argc, char **argv)
{
	struct wish wish = { .limits = { 0 } };
	bool oom = argc == 4 && strcmp(argv[3], "oom") == 0;
	struct cgroup_root *root;
	struct baton_error err;
	int r;

	wish.limits.devices = wish.devices;
	for (int i = 3; i < argc && !oom; i++) {
		if (!parse(argv[i], &wish))
			argc = 0;
	}
	if (argc < 3) {
		(void)fprintf(stderr, "usage: cgroup-limits PARENT NAME [oom | LIMIT=VALUE...]\n");
		return 2;
	}
	r = cgroup_root_new(argv[1], &root, &err);
	if (r == 0) {
		r = oom ? print_oom(root, argv[2], &err) : make(root, argv[2], &wish, &err);
		cgroup_root_free(root);
	}
	if (r < 0)
		(void)fprintf(stderr, "%s\n", err.message);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
