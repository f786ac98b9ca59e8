/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of core/agent share. */
#ifndef BATON_AGENT_PRIV_H
#define BATON_AGENT_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <baton/kconfig.h>

#include "core/agent/agent.h"
#include "core/base/clock.h"
#include "core/model/assignment.h"

#define SESSION_ID_SIZE 33

struct instance;
struct revision;
struct follow;

/* A request that the supervisor has not answered yet. It answers in order. */
struct request {
	STAILQ_ENTRY(request) next;
	uint32_t sequence;
	uint32_t type;
	char id[INSTANCE_ID_MAX + 1]; /* "" for HELLO */
};

struct agent {
	const struct agent_config *config;
	char boot[BOOT_ID_SIZE];
	char session[SESSION_ID_SIZE]; /* new for every MQTT session */
	char **filters;
	bool connected;

	/* desired: what the controller wants. Never mixed with what is seen here. */
	struct assignment desired;
	bool has_desired; /* from disk or from the broker; without one every instance is left alone */
	LIST_HEAD(, revision) revisions;

	/* observed: instances, sorted by id */
	struct instance **instances;
	size_t n_instances;
	size_t instances_capacity;
	bool plan_wanted;

	/* supervisor */
	STAILQ_HEAD(, request) requests;
	uint32_t sequence;
	bool synced; /* all instances that it knows have been told */
	bool has_node;
	char **runtimes;
	char **missing;
	char cgroup_mode[16];

	/* disk */
	int dir_fd;
	int revisions_fd;
	bool desired_unsaved;
	bool save_wanted;
	bool save_due;    /* in this turn: nothing is on its way any more */
	bool save_failed; /* logged and told once a streak */
	bool held;        /* the assignment waits for room */
	bool all_ran;     /* that is logged once */
	struct event *save_timer;

	/* nodes/{node}/reported */
	bool report_wanted;
	int64_t reported_ms; /* boot clock */
	struct event *report_timer;

	/* nodes/{node}/beat */
	struct event *beat_timer;
	int64_t beat_seq;
	uint64_t cpu_idle; /* of /proc/stat at the last beat */
	uint64_t cpu_total;

	/* followed logs */
	LIST_HEAD(, follow) follows;
	size_t n_follows;
};

/* ---- agent.c ---- */

/*
 * Ends every call from outside (messages, timers): plans while something asks for a plan, then writes what
 * changed to disk, then reports. In this order because the broker still holds the document while the
 * supervisor already works on it, and because a report says what would survive a power cut.
 */
void agent_settle(struct agent *agent);

/* Publishes `document` (NULL: out of memory, logged) on a topic of this node. */
void agent_publish(struct agent *agent, enum topic_kind kind, const char *second, const json_t *document,
        bool retain, int qos);

/* Publishes one object on `events`; app and instance may be NULL. Lost while offline: events are news, not
 * state. */
void agent_event(
        struct agent *agent, const char *type, const char *app, const char *instance, const char *reason);

/* The event "payload.rejected". limit may be "". */
void agent_reject(
        struct agent *agent, const char *topic, const char *path, const char *reason, const char *limit);

/* evtimer_new / evtimer_add in milliseconds of the boot clock's speed. */
struct event *agent_timer(struct agent *agent, event_callback_fn fn, void *arg);
void agent_timer_set(struct event *timer, int64_t ms);

/* ---- desired.c ---- */

void agent_take_desired(struct agent *agent, const struct session_message *message);

/* ---- reconcile.c ---- */

/* Acts on the assignment, or holds it when it is not on the disk yet and the disk is full. */
void agent_plan(struct agent *agent);

/* ---- report.c ---- */

int report_init(struct agent *agent);
void report_changed(struct agent *agent);
void report_flush(struct agent *agent);

/* ---- node.c: presence, info, beat ---- */

int node_init(struct agent *agent);
void node_publish_presence(struct agent *agent, bool online);
void node_publish_info(struct agent *agent); /* nothing before the supervisor told its part */
void node_beat_start(struct agent *agent);
void node_beat_stop(struct agent *agent);

#endif
