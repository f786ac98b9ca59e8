/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/name.h"
#include "plugins/crun/crun-priv.h"

#define ARGUMENTS_MAX 16

struct operation *operation_new(struct crun *crun, const char *verb, const char *id, uint32_t deadline_ms,
        void *arg, struct baton_error *err)
{
	struct operation *operation;

	if (!name_valid(id, strlen(id), CRUN_ID_MAX)) {
		(void)error_set(err, EINVAL, "\"%.*s\" is not a container id", CRUN_ID_MAX, id);
		return NULL;
	}
	operation = calloc(1, sizeof(*operation));
	if (!operation) {
		(void)error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	operation->crun = crun;
	operation->verb = verb;
	operation->arg = arg;
	operation->log_fd = -1;
	operation->deadline = clock_boot_ms() + deadline_ms;
	memcpy(operation->id, id, strlen(id) + 1);
	operation->next = crun->operations;
	crun->operations = operation;
	return operation;
}

void operation_free(struct operation *operation)
{
	const struct baton_host *host;
	struct operation **link;

	if (!operation)
		return;
	host = operation->crun->host;
	for (link = &operation->crun->operations; *link; link = &(*link)->next) {
		if (*link == operation) {
			*link = operation->next;
			break;
		}
	}
	command_free(operation->command);
	host->watch_free(host->host, operation->watch);
	host->timer_free(host->host, operation->timer);
	close_fd(&operation->log_fd);
	free(operation);
}

uint32_t operation_left(const struct operation *operation)
{
	int64_t left = operation->deadline - clock_boot_ms();

	return left < 1 ? 1 : (uint32_t)left;
}

int operation_run_spec(struct operation *operation, const char *verb, const char *const *arguments,
        struct command_spec *spec)
{
	const struct crun *crun = operation->crun;
	/* The control group is the host's: crun neither makes nor changes one. */
	const char *argv[ARGUMENTS_MAX] = { crun->path, "--root", crun->state_dir,
		"--cgroup-manager=disabled", "--log=" COMMAND_LOG_PATH, verb };
	size_t count = 6;

	for (; *arguments && count + 1 < ARGUMENTS_MAX; arguments++)
		argv[count++] = *arguments;
	spec->path = crun->path;
	spec->argv = argv;
	spec->arg = operation;
	spec->deadline_ms = operation_left(operation);
	return command_start(crun->host, spec, &operation->command, &operation->err);
}

int operation_run(
        struct operation *operation, const char *verb, const char *const *arguments, command_done_fn done)
{
	const char *const only_id[] = { operation->id, NULL };
	struct command_spec spec = {
		.stdio = { -1, -1, -1 },
		.capture_output = strcmp(verb, "state") == 0,
		.netns_fd = -1,
		.done = done,
	};

	return operation_run_spec(operation, verb, arguments ? arguments : only_id, &spec);
}

int operation_result(struct operation *operation, const char *verb, const struct command_result *result)
{
	struct baton_error *err = &operation->err;
	struct command *command = steal_ptr(operation->command);
	int r = 0;

	if (result->timed_out)
		r = error_set(err, ETIMEDOUT, "crun %s did not end in time and was killed", verb);
	else if (result->signal != 0)
		r = error_set(err, EIO, "crun %s was killed by signal %d", verb, result->signal);
	else if (result->code != 0 && *result->log)
		r = error_set(err, EIO, "crun %s: %s", verb, result->log);
	else if (result->code != 0)
		r = error_set(err, EIO, "crun %s ended with status %d", verb, result->code);
	command_free(command);
	return r;
}

struct baton_runtime_error runtime_error(const struct baton_error *err)
{
	struct baton_runtime_error error = { .code = err->code };

	(void)snprintf(error.message, sizeof(error.message), "%s", err->message);
	return error;
}

void operation_finish(struct operation *operation)
{
	struct baton_runtime_error error = runtime_error(&operation->err);
	const struct baton_runtime_error *failure = error.code != 0 ? &error : NULL;
	baton_created_fn created = operation->created;
	baton_state_fn state = operation->state;
	baton_done_fn done = operation->done;
	void *arg = operation->arg;

	/* Freed first: the callback may ask for the next verb, or for the end of the plugin. */
	operation_free(operation);
	if (created)
		created(arg, failure, 0, -1);
	else if (state)
		state(arg, failure, BATON_STATE_STOPPED, 0);
	else
		done(arg, failure);
}

void operation_cancel(struct operation *operation)
{
	command_free(steal_ptr(operation->command));
	if (operation->created)
		create_undo(operation->crun, operation->id);
	(void)error_set(&operation->err, ECANCELED, "the runtime was closed before container %s was done",
	        operation->id);
	operation_finish(operation);
}

bool container_half_made(const struct crun *crun, const char *id)
{
	char path[CRUN_ID_MAX + sizeof("/status")];

	(void)snprintf(path, sizeof(path), "%s/status", id);
	return faccessat(crun->state_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

int container_exists(const struct crun *crun, const char *id, struct baton_error *err)
{
	if (faccessat(crun->state_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT ? error_set(err, ENOENT, "there is no container %s", id)
	                       : error_errno(err, errno, "container %s", id);
}

bool operation_pending(
        const struct crun *crun, const char *verb, const char *id, const struct operation *self)
{
	for (const struct operation *other = crun->operations; other; other = other->next) {
		if (other != self && strcmp(other->verb, verb) == 0 && strcmp(other->id, id) == 0)
			return true;
	}
	return false;
}

int container_ready(const struct crun *crun, const char *id, struct baton_error *err)
{
	if (operation_pending(crun, "create", id, NULL))
		return error_set(err, ENOENT, "container %s is still being created", id);
	return container_exists(crun, id, err);
}

struct operation *operation_begin(struct crun *crun, const char *verb, const char *id, uint32_t deadline_ms,
        void *arg, struct baton_runtime_error *error)
{
	struct baton_error err;
	struct operation *operation = operation_new(crun, verb, id, deadline_ms, arg, &err);

	if (operation && container_ready(crun, id, &err) == 0)
		return operation;
	*error = runtime_error(&err);
	operation_free(operation);
	return NULL;
}

int operation_begun(struct operation *operation, int r, struct baton_runtime_error *error)
{
	if (r == 0)
		return 0;
	*error = runtime_error(&operation->err);
	operation_free(operation);
	return r;
}

int created_keep(struct crun *crun, const char *id, int log_fd, struct baton_error *err)
{
	struct created *created = calloc(1, sizeof(*created));

	if (!created)
		return error_set(err, ENOMEM, "out of memory");
	(void)snprintf(created->id, sizeof(created->id), "%s", id);
	created->log_fd = log_fd;
	created->next = crun->created;
	crun->created = created;
	return 0;
}

int created_take(struct crun *crun, const char *id)
{
	for (struct created **link = &crun->created; *link; link = &(*link)->next) {
		struct created *created = *link;

		if (strcmp(created->id, id) == 0) {
			int fd = created->log_fd;

			*link = created->next;
			free(created);
			return fd;
		}
	}
	return -1;
}
