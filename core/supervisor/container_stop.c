/* SPDX-License-Identifier: Apache-2.0 */
/* From a stop request or an exit to the ENDED phase: signals, status, last log lines, cgroup, plugin's
 * delete. */
#include "core/supervisor/container.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/pidfd.h"
#include "core/base/process.h"
#include "core/supervisor/pidfd_status.h"

#define STATUS_TRIES   40 /* a foreign parent may take its time to reap */
#define STATUS_WAIT_MS 25
#define REMOVE_TRIES   200
#define REMOVE_WAIT_MS 10
#define KILL_AGAIN_MS  5000

/* ---- signals ---- */

int signal_parse(const char *name)
{
	char *end;
	long number;

	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < NSIG; i++) {
		const char *known = sigabbrev_np(i);

		if (known && strcmp(known, name) == 0)
			return i;
	}
	if (strncmp(name, "RTMIN", 5) == 0) {
		number = name[5] ? strtol(name + 5, &end, 10) : 0;
		return (!name[5] || *end == '\0') && number >= 0 && SIGRTMIN + number <= SIGRTMAX
		               ? SIGRTMIN + (int)number
		               : -EINVAL;
	}
	number = strtol(name, &end, 10);
	return end != name && *end == '\0' && number > 0 && number <= SIGRTMAX ? (int)number : -EINVAL;
}

static void kill_all(struct container *container)
{
	/* The pid 1 of the namespace takes everything in it along; the cgroup also finds what left the
	 * namespace. */
	if (container->pidfd >= 0)
		(void)pidfd_signal(container->pidfd, SIGKILL); /* ESRCH: it has ended */
	if (container->cgroup)
		(void)cgroup_kill(container->cgroup);
}

static void on_grace_over(evutil_socket_t fd, short what, void *arg)
{
	struct container *container = arg;

	(void)fd;
	(void)what;
	if (container->ending)
		return;
	log_info("%s: still there after its grace period: SIGKILL", container_id(container));
	kill_all(container);
	/* A process in uninterruptible sleep dies when the kernel lets it; ask again, never give up. */
	container_set_timer(container, KILL_AGAIN_MS, on_grace_over);
}

static void on_signalled(void *arg, const struct baton_runtime_error *error)
{
	struct container *container = arg;

	if (container->supervisor->closing)
		return;
	container->busy = false;
	if (error && error->code != ESRCH)
		log_warning("%s: %.*s", container_id(container), (int)sizeof(error->message), error->message);
	if (container->exit_seen)
		event_active(container->exited, EV_READ, 0);
}

static void send_signal(struct container *container, int signal)
{
	const struct baton_kill request = {
		.struct_size = sizeof(request),
		.id = container_id(container),
		.signal = signal,
	};
	struct baton_runtime_error failure = { 0 };

	container->busy = true;
	if (container->plugin->runtime->kill(container->plugin->instance, &request, CONFIG_CREATE_DEADLINE_MS,
	            on_signalled, container, &failure) < 0)
		on_signalled(container, &failure);
}

void container_stop(struct container *container, int signal, uint32_t grace_ms)
{
	struct record *record = &container->record;
	const char *name = record->spec.stop_signal;

	if (signal <= 0)
		signal = name && signal_parse(name) > 0 ? signal_parse(name) : SIGTERM;
	if (record->phase == RECORD_CREATING || (record->phase == RECORD_RUNNING && container->busy)) {
		container->stop_wanted = true;
		container->stop_signal = signal;
		container->stop_grace_ms = grace_ms;
		return;
	}
	if (record->phase == RECORD_ENDED) {
		container_tell(container);
		return;
	}
	if (container->ending)
		return;
	if (record->phase == RECORD_RUNNING)
		container_set_phase(container, RECORD_STOPPING, "stopping");
	container_set_timer(container, grace_ms, on_grace_over);
	if (!container->busy)
		send_signal(container, signal);
}

/* ---- the end ---- */

/* The count of the group is for its whole life: a child that was killed long ago does not explain an exit
 * with 0. */
static bool killed_by_oom(const struct container *container, const struct pidfd_status *status)
{
	if (!container->cgroup || (status && status->signal != SIGKILL && status->code != 128 + SIGKILL))
		return false;
	return cgroup_oom_killed(container->cgroup);
}

static void describe(struct container *container, const struct pidfd_status *status, char reason[static 128])
{
	struct record *record = &container->record;
	const char *name;

	record->has_exit_code = status != NULL;
	record->exit_code = status ? status->code : 0;
	record->signal = status ? status->signal : 0;
	record->oom_killed = killed_by_oom(container, status);
	name = record->signal ? sigabbrev_np(record->signal) : NULL;
	if (!status)
		(void)snprintf(reason, 128, "ended while nobody could wait for it; exit code unknown");
	else if (record->oom_killed)
		(void)snprintf(reason, 128, "out of memory: the kernel killed it at its memory limit");
	else if (record->signal)
		(void)snprintf(reason, 128, "ended by signal %d (SIG%s)", record->signal, name ? name : "RT");
	else
		(void)snprintf(reason, 128, "exited with code %d", record->exit_code);
}

static void finish(struct container *container)
{
	char reason[ERROR_MESSAGE_MAX];

	cgroup_group_free(container->cgroup);
	container->cgroup = NULL;
	if (container->timer) {
		event_free(container->timer);
		container->timer = NULL;
	}
	container->ending = false;
	memcpy(reason, container->record.reason, sizeof(reason));
	container_set_phase(container, RECORD_ENDED, reason);
}

static void on_remove_again(evutil_socket_t fd, short what, void *arg);

static void remove_cgroup(struct container *container)
{
	int r = container->cgroup ? cgroup_remove(container->cgroup) : 0;

	if (r == -EBUSY && container->tries++ < REMOVE_TRIES) {
		/* Killed processes stay in the group until they are dead; forks may have raced with the kill.
		 */
		(void)cgroup_kill(container->cgroup);
		container_set_timer(container, REMOVE_WAIT_MS, on_remove_again);
		return;
	}
	if (r < 0)
		log_warning("%s: its control group stays: %s", container_id(container), strerrordesc_np(-r));
	finish(container);
}

static void on_remove_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	remove_cgroup(arg);
}

static void on_deleted(void *arg, const struct baton_runtime_error *error)
{
	struct container *container = arg;

	if (container->supervisor->closing)
		return;
	container->busy = false;
	if (error && error->code != ENOENT)
		log_warning("%s: delete: %.*s", container_id(container), (int)sizeof(error->message),
		        error->message);
	container->tries = 0;
	remove_cgroup(container);
}

/*
 * Order: what the program wrote last, then the record with the status (before anyone is told), then the rest
 * of its processes, the plugin's state, the cgroup; ENDED comes last, so that a new start finds nothing of
 * the old one.
 */
void container_end(struct container *container, const char *reason)
{
	struct baton_runtime_error failure = { 0 };

	container->ending = true;
	if (container->exited) {
		event_free(container->exited);
		container->exited = NULL;
	}
	kill_all(container);
	close_fd(&container->pidfd);
	logs_close(container->logs);
	container->logs = NULL;
	(void)snprintf(container->record.reason, sizeof(container->record.reason), "%s", reason);
	(void)record_write(
	        container->instance_fd, &container->record); /* again in container_set_phase, which reports */
	container->busy = true;
	if (container->plugin->runtime->delete_(container->plugin->instance, container_id(container),
	            CONFIG_CREATE_DEADLINE_MS, on_deleted, container, &failure) < 0)
		on_deleted(container, &failure);
}

static void on_status_again(evutil_socket_t fd, short what, void *arg)
{
	struct container *container = arg;

	(void)fd;
	(void)what;
	event_active(container->exited, EV_READ, 0);
}

static void on_pidfd_ready(evutil_socket_t fd, short what, void *arg)
{
	struct container *container = arg;
	struct pidfd_status status;
	char failure[ERROR_MESSAGE_MAX];
	char reason[128];
	int r;

	(void)fd;
	(void)what;
	(void)event_del(container->exited); /* a pidfd of an ended process stays ready */
	if (container->busy) {
		container->exit_seen = true; /* the verb that is under way decides first */
		return;
	}
	container->exit_seen = false;
	container->ending = true;
	r = pidfd_status_wait(container->pidfd, &status);
	if (r == -ECHILD)
		r = pidfd_status_foreign(container->pidfd, &status);
	if (r == -EAGAIN && container->tries++ < STATUS_TRIES) {
		container_set_timer(container, STATUS_WAIT_MS, on_status_again);
		return;
	}
	if (container->record.never_ran) {
		memcpy(failure, container->record.reason, sizeof(failure));
		container_end(container, failure);
		return;
	}
	describe(container, r == 0 ? &status : NULL, reason);
	container_end(container, reason);
}

void container_abort(struct container *container, const char *reason)
{
	container->record.never_ran = true;
	(void)snprintf(container->record.reason, sizeof(container->record.reason), "%s", reason);
	if (!container->exited) {
		container_end(container, reason);
		return;
	}
	/* Its process waits to be started, or is on its way out: it must be reaped before anything else. */
	kill_all(container);
	if (container->exit_seen)
		event_active(container->exited, EV_READ, 0);
}

int container_watch(struct container *container)
{
	container->tries = 0;
	container->exited = event_new(container->supervisor->base, container->pidfd, EV_READ | EV_PERSIST,
	        on_pidfd_ready, container);
	if (container->exited && event_add(container->exited, NULL) == 0)
		return 0;
	if (container->exited)
		event_free(container->exited);
	container->exited = NULL;
	return -ENOMEM;
}
