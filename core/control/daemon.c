/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/timeval.h"

static const int stop_signals[] = { SIGTERM, SIGINT };

/* ---- the end ---- */

static void end_loop(void *arg)
{
	struct daemon *daemon = arg;

	(void)event_base_loopbreak(daemon->base); /* fails only without a base */
}

static void on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	end_loop(arg);
}

void daemon_stop(struct daemon *daemon, int status)
{
	const struct timeval limit = timeval_of_ms(CONFIG_STOP_FLUSH_MS);

	if (daemon->stopping)
		return;
	daemon->stopping = true;
	daemon->status = status;
	for (size_t i = 0; i < daemon->n_roles; i++) {
		if (daemon->roles[i].role->stop)
			daemon->roles[i].role->stop(daemon->roles[i].state);
	}
	/* A broker that does not answer now will send our will. */
	if (!daemon->session || session_flush(daemon->session, end_loop, daemon) < 0 ||
	        event_add(daemon->stop_timer, &limit) < 0)
		end_loop(daemon);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	log_info("signal %d: stopping, containers run on", (int)number);
	daemon_stop(arg, EXIT_SUCCESS);
}

/* ---- the supervisor ---- */

static void on_message(void *arg, struct ipc_message *message)
{
	struct daemon *daemon = arg;

	for (size_t i = 0; i < daemon->n_roles; i++) {
		if (daemon->roles[i].role->supervisor)
			daemon->roles[i].role->supervisor(daemon->roles[i].state, message);
	}
}

static void on_closed(void *arg, const char *reason)
{
	log_error("batond is gone (%s): nothing can be started or stopped without it, so this ends too",
	        reason);
	daemon_stop(arg, EXIT_FAILURE);
}

static const struct channel_handler channel_handler = { .message = on_message, .closed = on_closed };

/* ---- the start ---- */

static int watch_signals(struct daemon *daemon)
{
	for (size_t i = 0; i < array_size(stop_signals); i++) {
		daemon->signals[i] = evsignal_new(daemon->base, stop_signals[i], on_signal, daemon);
		if (!daemon->signals[i] || event_add(daemon->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	daemon->stop_timer = evtimer_new(daemon->base, on_stop_timer, daemon);
	if (!daemon->stop_timer)
		return -ENOMEM;
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

static int start_roles(struct daemon *daemon, struct baton_error *err)
{
	const struct role *const known[ROLES] = { role_agent(), role_controller() };

	for (size_t i = 0; i < ROLES; i++) {
		struct running_role *running = &daemon->roles[daemon->n_roles];
		int r;

		if (!known[i] || !known[i]->wanted(&daemon->config))
			continue;
		r = known[i]->start(daemon, &running->state, err);
		if (r < 0)
			return error_prefix(err, "%s", known[i]->name);
		running->role = known[i];
		daemon->n_roles++;
	}
	return daemon->n_roles > 0 ? 0 : error_set(err, EINVAL, "no role is turned on");
}

int daemon_start(struct daemon *daemon, int channel_fd, struct baton_error *err)
{
	int r;

	daemon->base = event_base_new();
	if (!daemon->base || watch_signals(daemon) < 0) {
		(void)close(channel_fd); /* the peer sees the end of it */
		return error_set(err, ENOMEM, "event loop");
	}
	r = channel_new(daemon->base, channel_fd, &channel_handler, daemon, &daemon->channel);
	if (r < 0) {
		(void)close(channel_fd);
		return error_errno(err, -r, "channel to batond");
	}
	r = connection_new(daemon, err);
	if (r == 0)
		r = start_roles(daemon, err);
	if (r == 0)
		r = connection_open(daemon, err);
	return r;
}

void daemon_release(struct daemon *daemon)
{
	while (daemon->n_roles > 0) {
		const struct running_role *last = &daemon->roles[--daemon->n_roles];

		last->role->free(last->state);
	}
	connection_free(daemon);
	channel_free(daemon->channel);
	for (size_t i = 0; i < array_size(daemon->signals); i++) {
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	}
	if (daemon->stop_timer)
		event_free(daemon->stop_timer);
	if (daemon->base)
		event_base_free(daemon->base);
	config_release(&daemon->config);
}
