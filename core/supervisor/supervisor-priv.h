/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of core/supervisor share. */
#ifndef BATON_SUPERVISOR_PRIV_H
#define BATON_SUPERVISOR_PRIV_H

#include <baton/runtime.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "core/base/clock.h"
#include "core/image/store.h"
#include "core/ipc/message.h"
#include "core/supervisor/cgroup.h"
#include "core/supervisor/logs.h"
#include "core/supervisor/plugin.h"
#include "core/supervisor/supervisor.h"

struct container;
struct trash;

struct supervisor {
	struct event_base *base;
	const struct config *config;
	struct channel *channel; /* NULL while baton-control is down */
	struct plugin **plugins; /* NULL-terminated, the default first */
	struct cgroup_root *cgroups;
	struct trash *trash;
	struct container *containers; /* list */
	size_t n_making;              /* containers between the request and the running program */
	struct event *images_changed;
	struct event *strays; /* timer: control groups of no container whose processes are dying */
	unsigned stray_tries;
	int images_inotify;
	bool closing; /* plugins call back what they cancel; nobody acts on it any more */
	int (*broker_save)(void *arg);
	void *broker_save_arg;
	json_t *seccomp; /* the default profile, shared by every bundle */
	char boot_id[BOOT_ID_SIZE];
	uint32_t gid;         /* of baton-control: may read logs */
	int oom_score_adj;    /* of this process */
	struct rlimit nofile; /* that this process was started with: containers get it */
	/* held directories */
	int containers_fd; /* RUN/containers: records, bundles, root mounts; per container */
	int layers_fd;     /* ROOT/containers: writable layers */
	int volumes_fd;    /* ROOT/volumes */
	int logs_fd;       /* RUN/logs */
	int images_fd;     /* ROOT/images */
};

#endif
