/* SPDX-License-Identifier: Apache-2.0 */
/* The one MQTT session, shared by the roles. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/agent/agent.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/timeval.h"
#include "core/control/daemon.h"

#define PASSWORD_FILE_MAX 4096

/* ---- embedded broker: retained state to disk ---- */

static void on_save_timer(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;
	struct ipc_message request = { .type = IPC_BROKER_SAVE };

	(void)fd;
	(void)what;
	/* Above the agent's numbers, so that it does not take the answer for one of its own. */
	daemon->save_sequence = AGENT_SEQUENCE_END | (daemon->save_sequence + 1);
	request.sequence = daemon->save_sequence;
	(void)channel_send(daemon->channel, &request); /* a channel that fails is told of by `closed` */
}

/*
 * mosquitto writes its database every 30 minutes by itself, or after every change: too seldom, or the whole
 * file too often for an SD card. So it is asked to, once for all changes of a time, and never without one.
 */
static void save_later(struct daemon *daemon)
{
	const struct timeval delay = timeval_of_ms(CONFIG_BROKER_SAVE_DELAY_MS);

	if (!daemon->save_timer || event_pending(daemon->save_timer, EV_TIMEOUT, NULL))
		return;
	if (event_add(daemon->save_timer, &delay) < 0)
		log_error("out of memory: retained messages are written later");
}

int connection_publish(void *arg, const struct session_publish *publish)
{
	struct daemon *daemon = arg;
	int r = session_publish(daemon->session, publish);

	if (r == 0 && publish->retain)
		save_later(daemon);
	return r;
}

/* ---- what the session says ---- */

static void on_connected(void *arg)
{
	struct daemon *daemon = arg;

	log_info("broker: connected");
	for (size_t i = 0; i < daemon->n_roles; i++)
		daemon->roles[i].role->connected(daemon->roles[i].state);
}

static void on_synced(void *arg)
{
	struct daemon *daemon = arg;

	for (size_t i = 0; i < daemon->n_roles; i++)
		daemon->roles[i].role->synced(daemon->roles[i].state);
}

static void on_disconnected(void *arg, const char *reason, bool permanent)
{
	struct daemon *daemon = arg;

	if (permanent)
		log_error("broker: %s", reason);
	else
		log_warning("broker: %s", reason);
	for (size_t i = 0; i < daemon->n_roles; i++)
		daemon->roles[i].role->disconnected(daemon->roles[i].state);
}

/* An empty level, or one longer than any name. */
static void on_stray(struct daemon *daemon, const struct session_message *message)
{
	for (size_t i = 0; i < daemon->n_roles; i++) {
		if (daemon->roles[i].role->stray)
			daemon->roles[i].role->stray(daemon->roles[i].state, message);
	}
}

static void on_message(void *arg, const struct session_message *message)
{
	struct daemon *daemon = arg;
	struct topic topic;

	if (topic_parse(message->topic, daemon->config.prefix, &topic) < 0) {
		on_stray(daemon, message);
		return;
	}
	if (!message->retained && topic_table()[topic.kind].retained)
		save_later(daemon);
	for (size_t i = 0; i < daemon->n_roles; i++)
		daemon->roles[i].role->message(daemon->roles[i].state, &topic, message);
}

static const struct session_handler session_handler = {
	.connected = on_connected,
	.synced = on_synced,
	.disconnected = on_disconnected,
	.message = on_message,
};

/* ---- life ---- */

int connection_read_password(struct daemon *daemon, struct baton_error *err)
{
	const char *path = daemon->config.broker.password_file;
	size_t length;
	int r;

	if (*path == '\0')
		return 0;
	r = file_read_at(AT_FDCWD, path, PASSWORD_FILE_MAX, &daemon->password, &length);
	if (r < 0)
		return error_errno(err, -r, "broker.password_file: \"%s\"", path);
	daemon->password[strcspn(daemon->password, "\r\n")] = '\0';
	return 0;
}

/* "" is "not set" in the configuration, NULL in the session. */
static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static int make_names(struct daemon *daemon)
{
	const struct config *config = &daemon->config;
	int r;

	(void)snprintf(daemon->client_id, sizeof(daemon->client_id), "baton-node-%s", config->node.name);
	r = topic_format(daemon->barrier_topic, config->prefix, TOPIC_SYNC, daemon->client_id, NULL);
	if (r == 0)
		r = topic_format(
		        daemon->will_topic, config->prefix, TOPIC_NODE_PRESENCE, config->node.name, NULL);
	return r;
}

int connection_new(struct daemon *daemon, struct baton_error *err)
{
	const struct config *config = &daemon->config;
	bool embedded = config->broker.mode == BROKER_EMBEDDED;

	if (make_names(daemon) < 0)
		return error_set(err, ENAMETOOLONG, "prefix and node.name are too long for a topic");
	daemon->session_config = (struct session_config){
		.host = config->broker.host,
		.port = (uint16_t)config->broker.port,
		.socket = or_null(config->broker.socket),
		.client_id = daemon->client_id,
		.username = or_null(config->broker.username),
		.password = daemon->password,
		/* The embedded broker listens on a Unix socket that file permissions protect. */
		.ca_file = embedded ? NULL : or_null(config->broker.ca_file),
		.cert_file = embedded ? NULL : or_null(config->broker.cert_file),
		.key_file = embedded ? NULL : or_null(config->broker.key_file),
		.keepalive_s = (unsigned)config->broker.keepalive_s,
		.backoff_min_ms = CONFIG_SESSION_BACKOFF_MIN_MS,
		.backoff_max_ms = CONFIG_SESSION_BACKOFF_MAX_MS,
		.payload_max = CONFIG_MAX_DOCUMENT_BYTES,
		.will_topic = config->role_agent ? daemon->will_topic : NULL,
	};
	if (embedded)
		daemon->save_timer = evtimer_new(daemon->base, on_save_timer, daemon);
	if (embedded && !daemon->save_timer)
		return error_set(err, ENOMEM, "out of memory");
	return session_new(
	        daemon->base, &daemon->session_config, &session_handler, daemon, &daemon->session, err);
}

static int subscribe_all(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->n_roles; i++) {
		const struct running_role *running = &daemon->roles[i];

		for (char *const *filter = running->role->filters(running->state); *filter; filter++) {
			int r = session_subscribe(daemon->session, *filter);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int connection_open(struct daemon *daemon, struct baton_error *err)
{
	int r = subscribe_all(daemon);

	if (r == 0)
		r = session_open(daemon->session, daemon->barrier_topic);
	return r < 0 ? error_errno(err, -r, "broker connection") : 0;
}

void connection_free(struct daemon *daemon)
{
	session_free(daemon->session);
	daemon->session = NULL;
	if (daemon->save_timer)
		event_free(daemon->save_timer);
	free(daemon->password);
}
