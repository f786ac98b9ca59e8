/* SPDX-License-Identifier: Apache-2.0 */
/* The controller role, wired to the session. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/control/daemon.h"
#include "core/controller/controller.h"

struct role_state {
	const struct daemon *daemon;
	struct controller *controller;
	int state_dir_fd;
};

static bool wanted(const struct config *config)
{
	return config->role_controller;
}

static void role_free(void *state)
{
	struct role_state *role = state;

	controller_free(role->controller);
	close_fd(&role->state_dir_fd);
	free(role);
}

static int start(struct daemon *daemon, void **ret_state, struct baton_error *err)
{
	struct role_state *role = calloc(1, sizeof(*role));
	cleanup_free char *path = NULL;
	struct controller_config config = {
		.prefix = daemon->config.prefix,
		.node = daemon->config.node.name,
		.base = daemon->base,
		.publish = connection_publish,
		.arg = daemon,
	};
	int r;

	if (asprintf(&path, "%s/control/controller", daemon->config.root) < 0)
		path = NULL; /* undefined after a failure, see asprintf(3) */
	if (!role || !path) {
		free(role);
		return error_set(err, ENOMEM, "out of memory");
	}
	role->daemon = daemon;
	role->state_dir_fd = dir_open_make(path, 0700, err);
	config.state_dir_fd = role->state_dir_fd;
	r = role->state_dir_fd < 0 ? role->state_dir_fd : controller_new(&config, &role->controller, err);
	if (r < 0) {
		role_free(role);
		return r;
	}
	*ret_state = role;
	return 0;
}

static char *const *filters(const void *state)
{
	return controller_filters(((const struct role_state *)state)->controller);
}

static void connected(void *state)
{
	controller_connected(((struct role_state *)state)->controller);
}

static void synced(void *state)
{
	struct role_state *role = state;

	if (session_has_gap(role->daemon->session))
		controller_incomplete(role->controller);
	controller_synced(role->controller);
}

static void disconnected(void *state)
{
	controller_disconnected(((struct role_state *)state)->controller);
}

static void message(void *state, const struct topic *topic, const struct session_message *received)
{
	controller_message(((struct role_state *)state)->controller, topic, received);
}

static void stray(void *state, const struct session_message *message)
{
	controller_stray(((struct role_state *)state)->controller, message);
}

const struct role *role_controller(void)
{
	static const struct role role = {
		.name = "controller",
		.wanted = wanted,
		.start = start,
		.free = role_free,
		.filters = filters,
		.connected = connected,
		.synced = synced,
		.disconnected = disconnected,
		.message = message,
		.stray = stray,
	};

	return &role;
}
