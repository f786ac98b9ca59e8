/* SPDX-License-Identifier: Apache-2.0 */
/* create and start: one child, one socket, two messages. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/pidfd.h"
#include "plugins/native/child.h"
#include "plugins/native/native-priv.h"

struct making *making_find(struct native *native, const char *id)
{
	struct making *making = native->making;

	while (making && strcmp(making->id, id) != 0)
		making = making->next;
	return making;
}

static void stop_watching(struct making *making)
{
	const struct baton_host *host = making->native->host;

	host->watch_free(host->host, making->watch);
	host->timer_free(host->host, making->timer);
	making->watch = NULL;
	making->timer = NULL;
}

void making_free(struct making *making)
{
	struct making **link = &making->native->making;

	while (*link && *link != making)
		link = &(*link)->next;
	if (*link)
		*link = making->next;
	stop_watching(making);
	compile_leave(making);
	spec_release(&making->spec);
	close_fd(&making->pidfd);
	close_fd(&making->sync_fd);
	free(making);
}

/* Calls back with what went wrong; `making` is gone afterwards. */
static void answer_failure(struct making *making)
{
	struct baton_runtime_error error;
	baton_created_fn on_created = making->on_created;
	baton_done_fn on_started = making->on_started;
	void *arg = making->arg;

	(void)native_error(&error, &making->err);
	if (on_created)
		(void)state_remove(
		        making->native->state_fd, making->id); /* ENOENT: failed before the record */
	making_free(making);
	if (on_created)
		on_created(arg, &error, 0, -1);
	else if (on_started)
		on_started(arg, &error);
}

static void on_end(void *arg, uint32_t events)
{
	struct making *making = arg;
	siginfo_t info;

	(void)events;
	if (pidfd_reap(making->pidfd, &info) != 0)
		answer_failure(making);
}

/*
 * The last word on a create or a start. Nothing of a failed create may be left when the host hears of it, so
 * its process has to end first; that takes as long as it takes, and the loop goes on.
 */
void making_fail(struct making *making, const struct baton_error *err)
{
	const struct baton_host *host = making->native->host;

	making->err = *err;
	stop_watching(making);
	if (making->on_created && making->pidfd >= 0) {
		(void)pidfd_signal(making->pidfd, SIGKILL);
		making->watch = host->watch_add(host->host, making->pidfd, BATON_WATCH_READ, on_end, making);
		if (making->watch)
			return;
		pidfd_end(making->pidfd);
	}
	answer_failure(making);
}

static void on_deadline(void *arg)
{
	struct making *making = arg;
	struct baton_error err;

	(void)error_set(
	        &err, ETIMEDOUT, "%s did not finish in time", making->on_started ? "start" : "create");
	if (making->on_started)
		(void)pidfd_signal(making->pidfd, SIGKILL); /* the host reaps it */
	making_fail(making, &err);
}

void making_cancel(struct making *making)
{
	if (!making->on_created && !making->on_started) {
		making_free(making);
		return;
	}
	if (making->err.code == 0)
		(void)error_set(&making->err, ECANCELED, "the runtime was closed before %s was finished",
		        making->on_started ? "start" : "create");
	if (making->on_created)
		pidfd_end(making->pidfd);
	else /* or it would run under a record that says that it waits for its start; the host reaps it */
		(void)pidfd_signal(making->pidfd, SIGKILL);
	answer_failure(making);
}

static void created(struct making *making)
{
	baton_created_fn on_created = making->on_created;
	struct baton_error err;
	int pidfd = fcntl(making->pidfd, F_DUPFD_CLOEXEC, 0);
	int r = pidfd < 0 ? -errno : state_write(making->native->state_fd, making->id, &making->state);

	if (r < 0) {
		(void)error_errno(&err, -r, "record of %s", making->id);
		close_fd(&pidfd);
		making_fail(making, &err);
		return;
	}
	stop_watching(making);
	making->created = true;
	making->on_created = NULL;
	on_created(making->arg, NULL, making->state.pid, pidfd);
}

static void started(struct making *making)
{
	struct state state = making->state;
	baton_done_fn on_started = making->on_started;
	void *arg = making->arg;
	int r;

	state.started = true;
	r = state_write(making->native->state_fd, making->id, &state);
	if (r < 0) /* then a later process takes it for created; it can still kill and delete it */
		making->native->host->log(
		        making->native->host->host, BATON_LOG_WARNING, "a record could not be written");
	making_free(making);
	on_started(arg, NULL);
}

/*
 * READY after create; nothing but the end of the file after start, because execve closes the child's end; an
 * error record at any time. An end of file where it means nothing good is a child that died without a word.
 */
static void on_report(void *arg, uint32_t events)
{
	struct making *making = arg;
	struct child_report report;
	struct baton_error err;
	ssize_t length = recv(making->sync_fd, &report, sizeof(report), MSG_DONTWAIT);

	(void)events;
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length == (ssize_t)sizeof(report) && report.code == 0 && making->on_created) {
		created(making);
		return;
	}
	if (length == 0 && making->on_started) {
		started(making);
		return;
	}
	if (length == (ssize_t)sizeof(report) && report.code > 0)
		(void)error_set(&err, report.code, "%.*s", (int)sizeof(report.message) - 1, report.message);
	else
		(void)error_set(&err, EIO,
		        "the container's process ended before it was ready (killed, or out of memory?)");
	making_fail(making, &err);
}

static int watch_report(struct making *making)
{
	const struct baton_host *host = making->native->host;

	making->watch = host->watch_add(host->host, making->sync_fd, BATON_WATCH_READ, on_report, making);
	return making->watch ? 0 : -ENOMEM;
}

static int set_deadline(struct making *making, uint32_t deadline_ms)
{
	const struct baton_host *host = making->native->host;

	making->timer = host->timer_add(host->host, deadline_ms, on_deadline, making);
	return making->timer ? 0 : -ENOMEM;
}

int making_launch(struct making *making, const struct baton_create *request, const struct sock_fprog *seccomp,
        struct baton_error *err)
{
	int r = native_clone(making, request, seccomp, err);

	if (r == 0 && watch_report(making) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	return r;
}

static int begin(struct making *making, const struct baton_create *request, uint32_t deadline_ms,
        struct baton_error *err)
{
	const struct sock_fprog *seccomp = NULL;
	struct state old;
	int r;

	if (making_find(making->native, making->id) != making ||
	        state_read(making->native->state_fd, making->id, &old) != -ENOENT)
		return error_set(err, EEXIST, "container %s exists", making->id);
	r = spec_load(request->bundle, &making->spec, err);
	if (r < 0)
		return r;
	if (set_deadline(making, deadline_ms) < 0)
		return error_set(err, ENOMEM, "out of memory");
	if (making->spec.seccomp) {
		r = seccomp_find(making->native->seccomp, making->spec.seccomp, &seccomp);
		if (r == -ENOENT)
			return compile_wait(making, request, err);
		if (r < 0)
			return error_errno(err, -r, "linux.seccomp");
	}
	return making_launch(making, request, seccomp, err);
}

/* What the host's version of the structure does not have keeps the value that stands for "nothing". */
static struct baton_create whole_request(const struct baton_create *request)
{
	struct baton_create whole = { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .netns_fd = -1 };

	memcpy(&whole, request, request->struct_size < sizeof(whole) ? request->struct_size : sizeof(whole));
	return whole;
}

static int check_request(const struct baton_create *request, struct baton_error *err)
{
	if (!request->id || !native_id_valid(request->id))
		return error_set(
		        err, EINVAL, "\"%.150s\" is not a container id", request->id ? request->id : "");
	if (!request->bundle || request->bundle[0] != '/')
		return error_set(err, EINVAL, "bundle \"%.150s\" is not an absolute path",
		        request->bundle ? request->bundle : "");
	return 0;
}

int native_create(void *plugin, const struct baton_create *request, uint32_t deadline_ms,
        baton_created_fn done, void *arg, struct baton_runtime_error *error)
{
	const struct baton_create whole = whole_request(request);
	struct native *native = plugin;
	struct making *making;
	struct baton_error err;

	if (check_request(&whole, &err) < 0)
		return native_error(error, &err);
	making = calloc(1, sizeof(*making));
	if (!making) {
		(void)error_set(&err, ENOMEM, "out of memory");
		return native_error(error, &err);
	}
	making->native = native;
	making->pidfd = making->sync_fd = -1;
	making->on_created = done;
	making->arg = arg;
	(void)snprintf(making->id, sizeof(making->id), "%s", whole.id);
	/* At the end, so that making_find meets an older one of the same id first. */
	struct making **last = &native->making;

	while (*last)
		last = &(*last)->next;
	*last = making;
	if (begin(making, &whole, deadline_ms, &err) == 0)
		return 0;
	pidfd_end(making->pidfd);
	making_free(making);
	return native_error(error, &err);
}

int native_start(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error)
{
	struct native *native = plugin;
	struct making *making = making_find(native, id);
	struct baton_error err;
	struct state state;

	if (!making || !making->created || making->on_started) {
		bool known = making || (native_id_valid(id) && state_read(native->state_fd, id, &state) == 0);

		(void)error_set(&err, known ? EINVAL : ENOENT,
		        known ? "container %s is not in the state \"created\"" : "no container %s", id);
		return native_error(error, &err);
	}
	if (set_deadline(making, deadline_ms) < 0 || watch_report(making) < 0) {
		stop_watching(making);
		(void)error_set(&err, ENOMEM, "out of memory");
		return native_error(error, &err);
	}
	making->on_started = done;
	making->arg = arg;
	/* EPIPE when it has died: the end of the file must not pass for a successful execve, see on_report.
	 */
	if (send(making->sync_fd, "", 1, MSG_NOSIGNAL) != 1) {
		(void)error_set(&err, EINVAL,
		        "container %s is stopped: its process has ended before it was started", id);
		making->on_started = NULL;
		making_free(making);
		return native_error(error, &err);
	}
	return 0;
}
