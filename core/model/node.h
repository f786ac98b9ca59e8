/* SPDX-License-Identifier: Apache-2.0 */
/* What a node says of itself: presence (with its will), info, beat. */
#ifndef BATON_MODEL_NODE_H
#define BATON_MODEL_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

#define NODE_RUNTIMES_MAX 8

/* nodes/{node}/presence: {"state": "online"|"offline", "boot", "session"} */
struct node_presence {
	bool online;
	char boot[40];
	char session[40]; /* new for every MQTT session, so that a late will of an older one is ignored */
};

json_t *node_presence_encode(const struct node_presence *presence);
int node_presence_decode(const json_t *document, struct node_presence *ret_presence, struct baton_error *err);

/* nodes/{node}/info */
struct node_info {
	char name[64];
	char architecture[32]; /* uname -m */
	char kernel[65];
	char board[64];   /* /proc/device-tree/model or DMI product name, "" when unknown */
	char version[32]; /* of Baton */
	int64_t cpu;      /* thousandths of a CPU, online processors */
	int64_t memory;   /* bytes */
	char cgroup[16];  /* "v1", "hybrid", "v2" */
	char **labels;    /* "name=value" */
	char **runtimes;  /* names of loaded plugins, the default first */
	char **missing;   /* one sentence each: what the kernel lacks and what that means ("memory controller
	                     …") */
};

void node_info_release(struct node_info *info);
json_t *node_info_encode(const struct node_info *info);
int node_info_decode(const json_t *document, struct node_info *ret_info, struct baton_error *err);

/* nodes/{node}/beat, every CONFIG_BEAT_MS: {"boot", "seq", "term", "revision", "free": {"memory", "cpu"}} */
struct node_beat {
	char boot[40];
	int64_t seq;
	int64_t term;
	int64_t revision;
	int64_t free_memory; /* bytes, MemAvailable */
	int64_t free_cpu;    /* thousandths of a CPU that were idle since the last beat */
};

json_t *node_beat_encode(const struct node_beat *beat);
int node_beat_decode(const json_t *document, struct node_beat *ret_beat, struct baton_error *err);

#endif
