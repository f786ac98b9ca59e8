/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/control.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/backoff.h"
#include "core/base/become.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/base/strv.h"
#include "core/base/timeval.h"
#include "core/ipc/channel.h"

#define LIFE_RESET_MS    10000
#define STOP_DEADLINE_MS 5000
#define CLOSED_GRACE_MS  500

struct control {
	struct event_base *base;
	const struct control_spec *spec;
	struct become user;
	char **environment;
	struct process *process;
	struct channel *channel;
	struct event *timer; /* without a process: the next start; with one: when it is killed */
	struct backoff backoff;
	void (*stopped)(void *arg);
	void *stopped_arg;
};

static void arm(struct control *control, unsigned milliseconds)
{
	struct timeval delay = timeval_of_ms(milliseconds);

	/* The timer exists, so adding it fails only when the heap of timers cannot grow. */
	if (event_add(control->timer, &delay) < 0)
		log_error("baton-control: out of memory, it is not started again");
}

/* ---- the channel ---- */

static void drop_channel(struct control *control)
{
	supervisor_set_channel(control->spec->supervisor, NULL);
	channel_free(control->channel);
	control->channel = NULL;
}

static void on_message(void *arg, struct ipc_message *message)
{
	struct control *control = arg;

	supervisor_message(control->spec->supervisor, message);
}

/*
 * At its own end the exit follows, with a status that should be seen. After a broken message, or when it does
 * not read, it has to be made to.
 */
static void on_closed(void *arg, const char *reason)
{
	struct control *control = arg;

	log_debug("baton-control: channel closed: %s", reason);
	drop_channel(control);
	if (control->process && !control->stopped)
		arm(control, CLOSED_GRACE_MS);
}

static const struct channel_handler channel_handler = { .message = on_message, .closed = on_closed };

/* ---- the process ---- */

static void finish_stop(struct control *control)
{
	(void)event_del(control->timer);
	control->stopped(control->stopped_arg); /* may free control */
}

static void on_exit_of_control(struct process *process, const struct process_exit *exit, void *arg)
{
	struct control *control = arg;
	unsigned wait;

	process_free(process);
	control->process = NULL;
	drop_channel(control);
	if (control->stopped) {
		finish_stop(control);
		return;
	}
	wait = backoff_ended(&control->backoff);
	if (exit->signal)
		log_error("baton-control: killed by signal %d, next start in %u ms", exit->signal, wait);
	else
		log_error("baton-control: ended with status %d, next start in %u ms", exit->code, wait);
	arm(control, wait);
}

static int spawn(struct control *control, int peer_fd, struct baton_error *err)
{
	char name[] = "baton-control";
	char config_option[] = "--config";
	char channel_option[] = "--channel";
	char channel_fd[] = "3";
	cleanup_free char *config_path = strdup(control->spec->config_path);
	char *const argv[] = { name, config_option, config_path, channel_option, channel_fd, NULL };
	struct process_spec spec = {
		.path = control->spec->program,
		.argv = argv,
		.envp = control->environment,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.keep_fds = &peer_fd,
		.n_keep_fds = 1,
		.prepare = become_prepare,
		.prepare_arg = &control->user,
		.on_exit = on_exit_of_control,
		.arg = control,
	};

	if (!config_path)
		return error_set(err, ENOMEM, "out of memory");
	return process_spawn(control->base, &spec, &control->process, err);
}

static int start(struct control *control, struct baton_error *err)
{
	cleanup_close int own_fd = -1;
	cleanup_close int peer_fd = -1;
	int fds[2];
	int r = channel_pair(fds);

	if (r < 0)
		return error_errno(err, -r, "socketpair");
	own_fd = fds[0];
	peer_fd = fds[1];
	r = channel_new(control->base, own_fd, &channel_handler, control, &control->channel);
	if (r < 0)
		return error_errno(err, -r, "channel");
	(void)steal_fd(&own_fd); /* now owned by the channel */
	r = spawn(control, peer_fd, err);
	if (r < 0) {
		drop_channel(control);
		return r;
	}
	supervisor_set_channel(control->spec->supervisor, control->channel);
	backoff_started(&control->backoff);
	log_info("baton-control: pid %d", (int)process_pid(control->process));
	return 0;
}

static void try_start(struct control *control)
{
	struct baton_error err;
	unsigned wait;

	if (start(control, &err) >= 0)
		return;
	wait = backoff_ended(&control->backoff);
	log_error("baton-control: %s; next start in %u ms", err.message, wait);
	arm(control, wait);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	if (control->process)
		(void)process_signal(control->process, SIGKILL); /* ESRCH: its exit is on the way */
	else if (control->stopped)
		finish_stop(control);
	else
		try_start(control);
}

/* Only what says where messages go: nothing else of root's environment is baton-control's business. */
static int make_environment(char ***ret_environment)
{
	const char *journal = getenv("JOURNAL_STREAM");

	return journal ? strv_appendf(ret_environment, "JOURNAL_STREAM=%s", journal) : 0;
}

int control_new(struct event_base *base, const struct control_spec *spec, struct control **ret_control,
        struct baton_error *err)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return error_set(err, ENOMEM, "out of memory");
	control->base = base;
	control->spec = spec;
	control->user.parent = getpid();
	control->user.parent_death_signal = SIGKILL; /* without batond there is nothing it could do */
	backoff_init(&control->backoff, CONFIG_CONTROL_RESTART_MIN_MS, CONFIG_CONTROL_RESTART_MAX_MS,
	        LIFE_RESET_MS);
	control->timer = evtimer_new(base, on_timer, control);
	if (control->timer && make_environment(&control->environment) == 0)
		r = config_user(spec->config, &control->user.uid, &control->user.gid, err);
	else
		r = error_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		control_free(control);
		return r;
	}
	try_start(control);
	*ret_control = control;
	return 0;
}

void control_stop(struct control *control, void (*stopped)(void *arg), void *arg)
{
	control->stopped = stopped;
	control->stopped_arg = arg;
	if (control->process)
		(void)process_signal(control->process, SIGTERM); /* ESRCH: its exit is on the way */
	arm(control, control->process ? STOP_DEADLINE_MS : 0);
}

void control_free(struct control *control)
{
	if (!control)
		return;
	if (control->channel)
		drop_channel(control);
	process_free(control->process);
	if (control->timer)
		event_free(control->timer);
	strv_free(control->environment);
	free(control);
}
