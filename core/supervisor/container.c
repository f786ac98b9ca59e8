/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/timeval.h"

static const char *const phase_names[] = {
	[RECORD_CREATING] = "starting",
	[RECORD_RUNNING] = "running",
	[RECORD_STOPPING] = "stopping",
	[RECORD_ENDED] = "ended",
};

/* Row: from, column: to. */
static const bool transitions[RECORD_ENDED + 1][RECORD_ENDED + 1] = {
	[RECORD_CREATING] = { [RECORD_RUNNING] = true, [RECORD_ENDED] = true },
	[RECORD_RUNNING] = { [RECORD_STOPPING] = true, [RECORD_ENDED] = true },
	[RECORD_STOPPING] = { [RECORD_ENDED] = true },
	[RECORD_ENDED] = { [RECORD_CREATING] = true },
};

const char *container_id(const struct container *container)
{
	return container->record.spec.id;
}

struct container *container_find(struct supervisor *supervisor, const char *id)
{
	struct container *container = supervisor->containers;

	while (container && strcmp(container_id(container), id) != 0)
		container = container->next;
	return container;
}

static size_t count(const struct supervisor *supervisor)
{
	size_t found = 0;

	for (const struct container *container = supervisor->containers; container;
	        container = container->next)
		found++;
	return found;
}

int container_new(struct supervisor *supervisor, const char *id, struct container **ret_container,
        struct baton_error *err)
{
	struct container *container;

	if (count(supervisor) >= CONTAINERS_MAX)
		return error_set(err, ENOSPC,
		        "%s: this node has %d containers already, ended ones included; remove some", id,
		        CONTAINERS_MAX);
	container = calloc(1, sizeof(*container));
	if (container)
		container->record.spec.id = strdup(id);
	if (!container || !container->record.spec.id) {
		free(container);
		return error_set(err, ENOMEM, "out of memory");
	}
	container->supervisor = supervisor;
	container->pidfd = -1;
	container->record.phase = RECORD_ENDED;
	container->instance_fd = dir_open_make_at(supervisor->containers_fd, id, 0711);
	if (container->instance_fd < 0) {
		int r = error_errno(err, -container->instance_fd, "directory of %s", id);

		container->instance_fd = -1;
		record_release(&container->record);
		free(container);
		return r;
	}
	container->next = supervisor->containers;
	supervisor->containers = container;
	*ret_container = container;
	return 0;
}

void container_free(struct container *container)
{
	struct container **link = &container->supervisor->containers;

	while (*link && *link != container)
		link = &(*link)->next;
	if (*link)
		*link = container->next;
	container_made(container);
	if (container->exited)
		event_free(container->exited);
	if (container->timer)
		event_free(container->timer);
	logs_abandon(container->logs);
	cgroup_group_free(container->cgroup);
	close_fd(&container->pidfd);
	close_fd(&container->instance_fd);
	record_release(&container->record);
	free(container);
}

void container_set_timer(struct container *container, unsigned ms, event_callback_fn fn)
{
	struct timeval wait = timeval_of_ms(ms);

	if (container->timer)
		event_free(container->timer);
	container->timer = evtimer_new(container->supervisor->base, fn, container);
	if (!container->timer || event_add(container->timer, &wait) < 0)
		log_error("%s: out of memory: a step of its life is late", container_id(container));
}

int container_open_logs(struct container *container, struct baton_error *err)
{
	const struct supervisor *supervisor = container->supervisor;
	const struct container_spec *spec = &container->record.spec;
	const struct logs_config config = {
		.instance_fd = container->instance_fd,
		.logs_fd = supervisor->logs_fd,
		.id = spec->id,
		.file_max = spec->log_max_size ? spec->log_max_size
		                               : (uint64_t)supervisor->config->defaults.log_max_size,
		.files_max = spec->log_max_files ? spec->log_max_files
		                                 : (uint32_t)supervisor->config->defaults.log_max_files,
		.gid = supervisor->gid,
	};

	return logs_open(supervisor->base, &config, &container->logs, err);
}

static enum ipc_instance_state ipc_state(enum record_phase phase)
{
	static const enum ipc_instance_state states[] = {
		[RECORD_CREATING] = IPC_INSTANCE_STARTING,
		[RECORD_RUNNING] = IPC_INSTANCE_RUNNING,
		[RECORD_STOPPING] = IPC_INSTANCE_STOPPING,
		[RECORD_ENDED] = IPC_INSTANCE_ENDED,
	};

	return states[phase];
}

/* Everything here is borrowed from the record: nothing to release. */
static void send_state(struct container *container, bool with_spec)
{
	struct record *record = &container->record;
	struct ipc_message message = {
		.type = IPC_INSTANCE,
		.id = record->spec.id,
		.generation = record->generation,
		.attempts = record->attempts,
		.state = ipc_state(record->phase),
		.pid = record->phase == RECORD_ENDED ? 0 : record->pid,
		.started_ns = record->started_ns,
		.ended_ns = record->ended_ns,
		.limit_unenforced = record->limit_unenforced,
		.has_exit_code = record->has_exit_code,
		.exit_code = record->exit_code,
		.signal = record->signal,
		.oom_killed = record->oom_killed,
		.never_ran = record->never_ran,
		.message = record->reason,
		.image_digest = record->image_digest,
		.runtime = record->spec.runtime,
		.has_spec = with_spec,
	};
	int r;

	if (!container->supervisor->channel)
		return;
	if (with_spec)
		message.spec = record->spec;
	/* A full queue or a dead peer closes the channel; the next HELLO sends everything again. */
	r = channel_send(container->supervisor->channel, &message);
	if (r < 0)
		log_warning(
		        "%s: baton-control cannot be told: %s", container_id(container), strerrordesc_np(-r));
}

void container_tell(struct container *container)
{
	send_state(container, false);
}

void container_introduce(struct container *container)
{
	send_state(container, true);
}

void container_set_phase(struct container *container, enum record_phase phase, const char *reason)
{
	struct record *record = &container->record;
	int r;

	if (!transitions[record->phase][phase]) {
		log_error("%s: %s -> %s is not a step of a container's life; ignored",
		        container_id(container), phase_names[record->phase], phase_names[phase]);
		return;
	}
	log_info("%s: %s -> %s: %s", container_id(container), phase_names[record->phase], phase_names[phase],
	        reason);
	record->phase = phase;
	if (phase == RECORD_ENDED)
		record->ended_ns = (uint64_t)clock_boot_ns();
	(void)snprintf(record->reason, sizeof(record->reason), "%s", reason);
	r = record_write(container->instance_fd, record);
	if (r < 0)
		log_error("%s: its record cannot be written (%s); a restart of batond would not know it",
		        container_id(container), strerrordesc_np(-r));
	container_tell(container);
}
