/* SPDX-License-Identifier: Apache-2.0 */
/* The agent role, wired to the session and to the supervisor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/agent/agent.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/control/daemon.h"

struct role_state {
	struct agent *agent;
	struct agent_config config;
	char *logs_path;
	int state_dir_fd;
};

static bool do_congested(void *arg)
{
	const struct daemon *daemon = arg;

	return session_is_congested(daemon->session);
}

static int do_subscribe(void *arg, const char *filter)
{
	struct daemon *daemon = arg;

	return session_subscribe(daemon->session, filter);
}

static int do_unsubscribe(void *arg, const char *filter)
{
	struct daemon *daemon = arg;

	return session_unsubscribe(daemon->session, filter);
}

static int do_set_will(void *arg, const void *payload, size_t length)
{
	struct daemon *daemon = arg;

	return session_set_will(daemon->session, payload, length);
}

static int do_send(void *arg, const struct ipc_message *message)
{
	struct daemon *daemon = arg;

	return channel_send(daemon->channel, message);
}

static void on_refused(void *arg, const char *reason)
{
	log_error("batond refuses this baton-control: %s", reason);
	daemon_stop(arg, EXIT_FAILURE);
}

static const struct agent_handler handler = {
	.publish = connection_publish,
	.congested = do_congested,
	.subscribe = do_subscribe,
	.unsubscribe = do_unsubscribe,
	.set_will = do_set_will,
	.send = do_send,
	.refused = on_refused,
};

static bool wanted(const struct config *config)
{
	return config->role_agent;
}

static void role_free(void *state)
{
	struct role_state *role = state;

	agent_free(role->agent);
	close_fd(&role->state_dir_fd);
	free(role->logs_path);
	free(role);
}

static int open_places(const struct config *config, struct role_state *role, struct baton_error *err)
{
	cleanup_free char *path = NULL;

	if (asprintf(&role->logs_path, "%s/logs", config->run) < 0) {
		role->logs_path = NULL; /* undefined after a failure, see asprintf(3) */
		return error_set(err, ENOMEM, "out of memory");
	}
	if (asprintf(&path, "%s/control", config->root) < 0) {
		path = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	role->state_dir_fd = dir_open_make(path, 0700, err);
	return role->state_dir_fd < 0 ? role->state_dir_fd : 0;
}

static int start(struct daemon *daemon, void **ret_state, struct baton_error *err)
{
	struct role_state *role = calloc(1, sizeof(*role));
	int r;

	if (!role)
		return error_set(err, ENOMEM, "out of memory");
	role->state_dir_fd = -1;
	r = open_places(&daemon->config, role, err);
	if (r == 0) {
		role->config = (struct agent_config){
			.base = daemon->base,
			.prefix = daemon->config.prefix,
			.node = daemon->config.node.name,
			.labels = daemon->config.node.labels,
			.logs_path = role->logs_path,
			.state_dir_fd = role->state_dir_fd,
			.handler = &handler,
			.arg = daemon,
		};
		r = agent_new(&role->config, &role->agent, err);
	}
	if (r == 0) {
		r = agent_start(role->agent);
		if (r < 0)
			(void)error_errno(err, -r, "batond cannot be asked");
	}
	if (r < 0) {
		role_free(role);
		return r;
	}
	*ret_state = role;
	return 0;
}

static char *const *filters(const void *state)
{
	return agent_filters(((const struct role_state *)state)->agent);
}

static void connected(void *state)
{
	agent_connected(((struct role_state *)state)->agent);
}

static void synced(void *state)
{
	agent_synced(((struct role_state *)state)->agent);
}

static void disconnected(void *state)
{
	agent_disconnected(((struct role_state *)state)->agent);
}

static void message(void *state, const struct topic *topic, const struct session_message *received)
{
	agent_message(((struct role_state *)state)->agent, topic, received);
}

static void supervisor(void *state, const struct ipc_message *received)
{
	agent_supervisor_message(((struct role_state *)state)->agent, received);
}

static void stop(void *state)
{
	agent_stop(((struct role_state *)state)->agent);
}

const struct role *role_agent(void)
{
	static const struct role role = {
		.name = "agent",
		.wanted = wanted,
		.start = start,
		.free = role_free,
		.filters = filters,
		.connected = connected,
		.synced = synced,
		.disconnected = disconnected,
		.message = message,
		.supervisor = supervisor,
		.stop = stop,
	};

	return &role;
}
