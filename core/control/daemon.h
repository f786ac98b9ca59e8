/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of baton-control: what its main program, its connection and its roles share. */
#ifndef BATON_CONTROL_DAEMON_H
#define BATON_CONTROL_DAEMON_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/session/session.h"
#include "core/base/error.h"
#include "core/config/config.h"
#include "core/ipc/channel.h"
#include "core/model/topics.h"

struct daemon;

/* What a role offers. One state per process; NULL members are not needed by that role. */
struct role {
	const char *name;
	bool (*wanted)(const struct config *config);
	int (*start)(struct daemon *daemon, void **ret_state, struct baton_error *err);
	void (*free)(void *state);
	char *const *(*filters)(const void *state);
	void (*connected)(void *state);
	void (*synced)(void *state);
	void (*disconnected)(void *state);
	void (*message)(void *state, const struct topic *topic, const struct session_message *message);
	/* On a topic below the prefix that is none of ours, though a filter of ours matches it. */
	void (*stray)(void *state, const struct session_message *message);
	void (*supervisor)(void *state, const struct ipc_message *message);
	void (*stop)(void *state); /* last words to the broker */
};

/* NULL when Kconfig left it out. */
const struct role *role_agent(void);
const struct role *role_controller(void);

#define ROLES 2

struct running_role {
	const struct role *role;
	void *state;
};

struct daemon {
	struct event_base *base;
	struct config config;
	struct channel *channel;
	struct running_role roles[ROLES];
	size_t n_roles;
	struct event *signals[2];
	struct event *stop_timer;
	bool stopping;
	int status; /* to exit with */

	/* connection.c */
	struct session *session;
	struct session_config session_config;
	char *password;
	char client_id[TOPIC_NAME_MAX + 16];
	char barrier_topic[TOPIC_MAX];
	char will_topic[TOPIC_MAX];
	struct event *save_timer; /* NULL without an embedded broker */
	uint32_t save_sequence;
};

/* ---- daemon.c ---- */

/* Channel, connection, roles; then waits for events. `channel_fd` is taken over. 0 or negative errno. */
int daemon_start(struct daemon *daemon, int channel_fd, struct baton_error *err);

/* Says goodbye to the broker, then ends the loop. */
void daemon_stop(struct daemon *daemon, int status);

void daemon_release(struct daemon *daemon);

/* ---- connection.c ---- */

/* Before the sandbox, which hides the file. 0 or negative errno. */
int connection_read_password(struct daemon *daemon, struct baton_error *err);

int connection_new(struct daemon *daemon, struct baton_error *err);
int connection_open(struct daemon *daemon, struct baton_error *err);
void connection_free(struct daemon *daemon);

/* For roles, with the daemon as arg: session_publish, and the embedded broker is asked to save what is
 * retained. */
int connection_publish(void *arg, const struct session_publish *publish);

#endif
