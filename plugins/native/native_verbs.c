/* SPDX-License-Identifier: Apache-2.0 */
/* state, kill, delete: answers that the record and the process table know. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/pidfd.h"
#include "core/base/process.h"
#include "plugins/native/native-priv.h"

static void answer_free(struct answer *answer)
{
	struct answer **link = &answer->native->answers;
	const struct baton_host *host = answer->native->host;

	while (*link && *link != answer)
		link = &(*link)->next;
	if (*link)
		*link = answer->next;
	host->timer_free(host->host, answer->timer);
	free(answer);
}

void answer_give(struct answer *answer)
{
	struct answer given = *answer;
	const struct baton_runtime_error *error = given.error.code ? &given.error : NULL;

	answer_free(answer);
	if (given.on_state)
		given.on_state(given.arg, error, given.state, given.pid);
	else
		given.done(given.arg, error);
}

static void on_answer(void *arg)
{
	answer_give(arg);
}

/* Takes a copy. 0 or -ENOMEM with *error set. */
static int answer_later(struct native *native, const struct answer *answer, struct baton_runtime_error *error)
{
	struct answer *copy = malloc(sizeof(*copy));
	struct baton_error err;

	if (copy) {
		*copy = *answer;
		copy->native = native;
		copy->timer = native->host->timer_add(native->host->host, 0, on_answer, copy);
		if (copy->timer) {
			copy->next = native->answers;
			native->answers = copy;
			return 0;
		}
		free(copy);
	}
	(void)error_set(&err, ENOMEM, "out of memory");
	return native_error(error, &err);
}

/* A pidfd of the container's process if it runs, -1 if it has ended. The number alone is never trusted. */
static int open_live(const struct state *state)
{
	unsigned long long start_time;
	cleanup_close int fd = (int)syscall(SYS_pidfd_open, state->pid, 0);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	if (fd < 0 || process_start_time(state->pid, &start_time) < 0 || start_time != state->start_time)
		return -1;
	/* Readable: it is a zombie that its parent has not waited for yet. */
	return poll(&poll_fd, 1, 0) > 0 ? -1 : steal_fd(&fd);
}

static int find(struct native *native, const char *id, struct state *ret_state, struct baton_error *err)
{
	struct making *making = making_find(native, id);
	int r;

	if (making) {
		*ret_state = making->state;
		return 0;
	}
	r = native_id_valid(id) ? state_read(native->state_fd, id, ret_state) : -ENOENT;
	if (r == -ENOENT)
		return error_set(err, ENOENT, "no container %.150s", id);
	return r < 0 ? error_errno(err, -r, "record of container %s", id) : 0;
}

int native_state(void *plugin, const char *id, uint32_t deadline_ms, baton_state_fn done, void *arg,
        struct baton_runtime_error *error)
{
	struct native *native = plugin;
	struct answer answer = { .on_state = done, .arg = arg };
	const struct making *making = making_find(native, id);
	struct baton_error err;
	struct state state = { 0 };

	(void)deadline_ms; /* nothing here waits */
	if (find(native, id, &state, &err) < 0)
		return native_error(error, &err);
	cleanup_close int fd = open_live(&state);

	answer.pid = fd < 0 ? 0 : state.pid;
	if (making && making->pidfd < 0)
		answer.state = BATON_STATE_CREATING; /* it has no process yet */
	else if (fd < 0)
		answer.state = BATON_STATE_STOPPED;
	else if (making && !making->created)
		answer.state = BATON_STATE_CREATING;
	else
		answer.state = state.started ? BATON_STATE_RUNNING : BATON_STATE_CREATED;
	return answer_later(native, &answer, error);
}

int native_kill(void *plugin, const struct baton_kill *request, uint32_t deadline_ms, baton_done_fn done,
        void *arg, struct baton_runtime_error *error)
{
	struct native *native = plugin;
	const struct answer answer = { .done = done, .arg = arg };
	struct baton_error err;
	struct state state = { 0 };

	(void)deadline_ms; /* nothing here waits */
	if (find(native, request->id, &state, &err) < 0)
		return native_error(error, &err);
	cleanup_close int fd = open_live(&state);

	if (fd < 0) {
		(void)error_set(&err, ESRCH, "container %s is stopped", request->id);
		return native_error(error, &err);
	}
	if (request->signal <= 0 || pidfd_signal(fd, request->signal) < 0) {
		(void)error_errno(&err, request->signal <= 0 ? EINVAL : errno, "signal %d to container %s",
		        (int)request->signal, request->id);
		return native_error(error, &err);
	}
	return answer_later(native, &answer, error);
}

/*
 * 0 when nothing of the container is left to wait for. A record that cannot be read names no process: the id
 * must become free again, and what may still run in its control group is the host's to kill.
 */
static int check_stopped(
        struct native *native, const char *id, const struct making *making, struct baton_error *err)
{
	cleanup_close int fd = -1;
	struct state state = { 0 };
	int r;

	/* Dead or not: whoever asked for the create or the start has not been answered yet. */
	if (making && (making->on_created || making->on_started))
		return error_set(err, EBUSY, "container %s is being %s", id,
		        making->on_created ? "created" : "started");
	r = find(native, id, &state, err);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	fd = open_live(&state);
	return fd >= 0 ? error_set(err, EBUSY, "container %s runs", id) : 0;
}

int native_delete(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error)
{
	struct native *native = plugin;
	const struct answer answer = { .done = done, .arg = arg };
	struct making *making = making_find(native, id);
	struct baton_error err;
	int r;

	(void)deadline_ms; /* nothing here waits */
	if (check_stopped(native, id, making, &err) < 0)
		return native_error(error, &err);
	r = state_remove(native->state_fd, id);
	if (r < 0 && r != -ENOENT) {
		(void)error_errno(&err, -r, "record of %s", id);
		return native_error(error, &err);
	}
	if (making)
		making_free(making); /* it died between create and start; nobody waits for it */
	return answer_later(native, &answer, error);
}
