/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: "crun start" succeeds as soon as the container's process was told to go on, before its execve(2).
 * The log pipe that the process inherited from "crun create" tells the rest: it is closed by a successful
 * execve, and a failed one writes the reason to it first.
 */
#include <errno.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "plugins/crun/crun-priv.h"

static void on_state(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;
	struct baton_error first = operation->err;
	enum baton_state state = BATON_STATE_CREATED;
	int32_t pid;

	if (result->code == 0 && state_parse(result->output, &state, &pid, &operation->err) == 0 &&
	        state != BATON_STATE_CREATED)
		(void)error_set(&first, EINVAL, "container %s is not waiting for its start", operation->id);
	command_free(steal_ptr(operation->command));
	operation->err = first;
	operation_finish(operation);
}

/* crun does not say whether the container was in the wrong state; that is found out only now. */
static void fail(struct operation *operation)
{
	struct baton_error first = operation->err;
	int r = first.code == ETIMEDOUT ? -ETIMEDOUT : operation_run(operation, "state", NULL, on_state);

	operation->err = first;
	if (r < 0)
		operation_finish(operation);
}

static void on_log(void *arg, uint32_t events)
{
	struct operation *operation = arg;
	int r = command_read_tail(operation->log_fd, operation->log, sizeof(operation->log));
	const char *line;

	(void)events;
	if (r == 0)
		return;
	line = command_last_line(operation->log);
	if (*line)
		(void)error_set(&operation->err, EIO, "crun start: %s", line);
	operation_finish(operation);
}

static void on_late(void *arg)
{
	struct operation *operation = arg;

	(void)error_set(
	        &operation->err, ETIMEDOUT, "container %s did not reach execve in time", operation->id);
	operation_finish(operation);
}

static void on_started(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;
	const struct baton_host *host = operation->crun->host;

	if (operation_result(operation, "start", result) < 0) {
		fail(operation);
		return;
	}
	/* None for a container that was created before this process started: crun's word is all there is. */
	operation->log_fd = created_take(operation->crun, operation->id);
	if (operation->log_fd < 0) {
		operation_finish(operation);
		return;
	}
	operation->watch =
	        host->watch_add(host->host, operation->log_fd, BATON_WATCH_READ, on_log, operation);
	operation->timer = host->timer_add(host->host, operation_left(operation), on_late, operation);
	if (!operation->watch || !operation->timer) {
		(void)error_set(&operation->err, ENOMEM, "out of memory");
		operation_finish(operation);
	}
}

int verb_start(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error)
{
	struct operation *operation;
	struct baton_error err;

	/* Two "crun start" at once: the second one can open the container's FIFO when nobody reads it any
	 * more, and waits for ever. */
	if (operation_pending(plugin, "start", id, NULL)) {
		(void)error_set(&err, EINVAL, "container %s is being started already", id);
		*error = runtime_error(&err);
		return -EINVAL;
	}
	operation = operation_begin(plugin, "start", id, deadline_ms, arg, error);
	if (!operation)
		return -error->code;
	operation->done = done;
	return operation_begun(operation, operation_run(operation, "start", NULL, on_started), error);
}
