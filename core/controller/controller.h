/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller role: turns manifests into assignments, and reports into the status of applications. It owns
 * no connection: main programs hand it what arrives and send what it publishes. One thread, never blocks but
 * for the journal's fsync.
 */
#ifndef BATON_CONTROLLER_H
#define BATON_CONTROLLER_H

#include <event2/event.h>
#include <stddef.h>

#include "broker/session/session.h"
#include "core/base/error.h"
#include "core/model/topics.h"

struct controller;

/*
 * Sends one message; the members are borrowed during the call. Everything the controller says goes through
 * here: retained documents and events with QoS 1, answers of commands on the asker's response topic with its
 * correlation data. Semantics and errors of session_publish; -ENOTCONN is expected while offline, and what
 * was lost is published again after the next `synced`. Must not call back into the controller.
 */
typedef int (*controller_publish_fn)(void *arg, const struct session_publish *publish);

struct controller_config {
	const char *prefix; /* of topics, "baton/v1"; copied */
	const char *node;   /* this node's name, for events; copied */
	int state_dir_fd;   /* directory of the journal, mode 0700, ours alone; borrowed until controller_free
	                     */
	struct event_base *base; /* borrowed; timers for coalesced status documents and silent nodes */
	controller_publish_fn publish;
	void *arg;
};

/* Reads the journal. 0 and *ret_controller, or -ENOMEM, -EIO and the like with the reason in err. A damaged
 * journal file is set aside and named in the log; it is no error. */
int controller_new(
        const struct controller_config *config, struct controller **ret_controller, struct baton_error *err);

/* Writes what the journal still lacks, then frees. Takes NULL. */
void controller_free(struct controller *controller);

/* Topic filters to hand to session_subscribe; NULL-terminated, owned by the controller. */
char *const *controller_filters(const struct controller *controller);

/* The session's `connected`: retained state will arrive now; nothing is planned until controller_synced. */
void controller_connected(struct controller *controller);

/* Before controller_synced: some of the retained state was left out, so nothing is removed for want of it. */
void controller_incomplete(struct controller *controller);

/* The session's `synced`: all retained state is here. Takes the next term, then plans and publishes. */
void controller_synced(struct controller *controller);

/* The session's `disconnected`. */
void controller_disconnected(struct controller *controller);

/*
 * One message below the prefix, with its topic already taken apart. Kinds that are none of the controller's
 * are ignored, so everything that arrives may be handed in. Duplicates (overlapping subscriptions) are
 * harmless. Hostile payloads end in a verdict or an event.
 */
void controller_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message);
/* The same for one on a topic that topic_parse refuses: an event says so. */
void controller_stray(struct controller *controller, const struct session_message *message);

#endif
