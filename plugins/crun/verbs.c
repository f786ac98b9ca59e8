/* SPDX-License-Identifier: Apache-2.0 */
/* state, kill and delete. crun's exit status is 1 for every failure, so "crun state" tells the cases apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "plugins/crun/crun-priv.h"

/* ---- state ---- */

static void on_state(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;
	baton_state_fn done = operation->state;
	void *done_arg = operation->arg;
	enum baton_state state = BATON_STATE_STOPPED;
	int32_t pid = 0;
	int r = 0;

	if (result->code == 0 && !result->timed_out)
		r = state_parse(result->output, &state, &pid, &operation->err);
	if (operation_result(operation, "state", result) < 0 || r < 0) {
		operation_finish(operation);
		return;
	}
	operation_free(operation);
	done(done_arg, NULL, state, state == BATON_STATE_STOPPED ? 0 : pid);
}

/* ---- kill ---- */

static void on_kill_state(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;
	struct baton_error first = operation->err;
	enum baton_state state = BATON_STATE_RUNNING;
	int32_t pid;

	if (result->code == 0 && state_parse(result->output, &state, &pid, &operation->err) == 0 &&
	        state == BATON_STATE_STOPPED)
		(void)error_set(&first, ESRCH, "container %s is stopped", operation->id);
	command_free(steal_ptr(operation->command));
	operation->err = first;
	operation_finish(operation);
}

static void on_killed(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;
	int r = operation_result(operation, "kill", result);

	if (r < 0 && r != -ETIMEDOUT) {
		struct baton_error first = operation->err;

		r = operation_run(operation, "state", NULL, on_kill_state);
		operation->err = first;
		if (r == 0)
			return;
	}
	operation_finish(operation);
}

/* ---- delete ---- */

static void on_deleted(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;

	if (operation_result(operation, "delete", result) == 0) {
		int log = created_take(operation->crun, operation->id);

		close_fd(&log);
	}
	operation_finish(operation);
}

/* crun deletes a container that was created and never started, and kills it for that: hence the question. */
static void on_delete_state(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;
	enum baton_state state = BATON_STATE_STOPPED;
	int32_t pid;
	int r = 0;

	/*
	 * "crun create" was cut off with the process that ran it, before it wrote what it knows: crun can
	 * neither tell nor delete it, and the id would be in use for ever. What there is of it runs in the
	 * host's control group.
	 */
	if (!result->timed_out && container_half_made(operation->crun, operation->id)) {
		command_free(steal_ptr(operation->command));
		(void)tree_remove_at(operation->crun->state_fd, operation->id); /* or the next delete does */
		operation_finish(operation);
		return;
	}
	if (result->code == 0 && !result->timed_out)
		r = state_parse(result->output, &state, &pid, &operation->err);
	if (operation_result(operation, "state", result) == 0 && r == 0 && state != BATON_STATE_STOPPED)
		(void)error_set(&operation->err, EBUSY, "container %s is not stopped", operation->id);
	if (operation->err.code != 0 || operation_run(operation, "delete", NULL, on_deleted) < 0)
		operation_finish(operation);
}

/* ---- entry points ---- */

int verb_state(void *plugin, const char *id, uint32_t deadline_ms, baton_state_fn done, void *arg,
        struct baton_runtime_error *error)
{
	struct operation *operation = operation_begin(plugin, "state", id, deadline_ms, arg, error);

	if (!operation)
		return -error->code;
	operation->state = done;
	return operation_begun(operation, operation_run(operation, "state", NULL, on_state), error);
}

int verb_kill(void *plugin, const struct baton_kill *request, uint32_t deadline_ms, baton_done_fn done,
        void *arg, struct baton_runtime_error *error)
{
	struct operation *operation = operation_begin(plugin, "kill", request->id, deadline_ms, arg, error);
	const char *arguments[] = { NULL, NULL, NULL };

	if (!operation)
		return -error->code;
	operation->done = done;
	(void)snprintf(operation->signal, sizeof(operation->signal), "%d", request->signal);
	arguments[0] = operation->id;
	arguments[1] = operation->signal;
	return operation_begun(operation, operation_run(operation, "kill", arguments, on_killed), error);
}

int verb_delete(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error)
{
	struct operation *operation;
	struct baton_error err;

	if (operation_pending(plugin, "create", id, NULL)) {
		(void)error_set(&err, EBUSY, "container %s is still being created", id);
		*error = runtime_error(&err);
		return -EBUSY;
	}
	operation = operation_begin(plugin, "delete", id, deadline_ms, arg, error);
	if (!operation && error->code != ENOENT)
		return -error->code;
	/* ENOENT is the answer for a valid id only: a create may have been cut off before crun made
	 * anything. */
	create_remove_files(plugin, id);
	if (!operation)
		return -error->code;
	operation->done = done;
	return operation_begun(operation, operation_run(operation, "state", NULL, on_delete_state), error);
}
