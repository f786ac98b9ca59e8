/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent role: makes this node's assignment true through the supervisor, and says what it sees. It owns no
 * connection: the main program hands it what arrives from the broker and from the supervisor and sends what
 * it says. One thread; blocks only for the fsync of a changed document.
 */
#ifndef BATON_AGENT_H
#define BATON_AGENT_H

#include <event2/event.h>
#include <stddef.h>

#include "broker/session/session.h"
#include "core/base/error.h"
#include "core/ipc/message.h"
#include "core/model/topics.h"

struct agent;

/* What the agent needs from outside. None of these may call back into the agent, except that `refused` may
 * call agent_stop. */
struct agent_handler {
	/* Semantics and errors of session_publish; -ENOTCONN is expected while offline, and retained state is
	 * published again after the next `connected`. */
	int (*publish)(void *arg, const struct session_publish *publish);
	/* session_is_congested: followed logs wait then, and are dropped when they wait too long. */
	bool (*congested)(void *arg);
	/* session_subscribe, session_unsubscribe: revisions, one exact topic each, only while one is missing.
	 */
	int (*subscribe)(void *arg, const char *filter);
	int (*unsubscribe)(void *arg, const char *filter);
	/* session_set_will: called by agent_new and by agent_disconnected. */
	int (*set_will)(void *arg, const void *payload, size_t length);
	/* channel_send. */
	int (*send)(void *arg, const struct ipc_message *message);
	/* The supervisor does not want us (another version): this process is of no use any more. */
	void (*refused)(void *arg, const char *reason);
};

struct agent_config {
	struct event_base *base;
	const char *prefix;    /* of topics, "baton/v1" */
	const char *node;      /* name of this node */
	char *const *labels;   /* "name=value"; may be NULL */
	const char *logs_path; /* RUN/logs, where the supervisor writes what containers print */
	int state_dir_fd;      /* ROOT/control; the agent makes and owns "agent" in it */
	const struct agent_handler *handler;
	void *arg; /* of the handler */
};

/*
 * Reads the last assignment and its revisions from disk; what is damaged is logged, ignored and asked for
 * anew. `config` and what it points to are borrowed until agent_free. Nothing is started before the
 * supervisor answered agent_start. 0 and *ret_agent, or negative errno.
 */
int agent_new(const struct agent_config *config, struct agent **ret_agent, struct baton_error *err);
void agent_free(struct agent *agent); /* takes NULL; leaves containers running */

/* Says HELLO to the supervisor. 0 or what handler.send failed with. */
int agent_start(struct agent *agent);

/* One message of the supervisor; answers to requests of others (by sequence number) are ignored. */
void agent_supervisor_message(struct agent *agent, const struct ipc_message *message);

/* Sequence numbers of the agent's requests are below this; other users of the channel stay above. */
#define AGENT_SEQUENCE_END 0x80000000U

/* Topic filters to hand to session_subscribe; NULL-terminated, owned by the agent. */
char *const *agent_filters(const struct agent *agent);

/* The session's `connected`: presence, info and report go out. */
void agent_connected(struct agent *agent);

/* The session's `synced`. */
void agent_synced(struct agent *agent);

/* The session's `disconnected`: sets a new will, for the next session. */
void agent_disconnected(struct agent *agent);

/*
 * One message below the prefix, with its topic taken apart. Everything that arrives may be handed in; what is
 * not for this node is ignored. Hostile payloads end in an answer or an event.
 */
void agent_message(struct agent *agent, const struct topic *topic, const struct session_message *message);

/* Orderly end: presence "offline" goes out, nothing else is published afterwards. */
void agent_stop(struct agent *agent);

#endif
