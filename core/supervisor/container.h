/* SPDX-License-Identifier: Apache-2.0 */
/* One container of this node: its state, what it holds, and the steps of its life. Private to
 * core/supervisor. */
#ifndef BATON_SUPERVISOR_CONTAINER_H
#define BATON_SUPERVISOR_CONTAINER_H

#include <event2/event.h>
#include <stdbool.h>

#include <baton/kconfig.h>

#include "core/supervisor/record.h"
#include "core/supervisor/supervisor-priv.h"

#define ROOTFS_NAME "rootfs"

/* Old and new ones while a service is replaced; a hostile baton-control gets no more. */
#define CONTAINERS_MAX (2 * CONFIG_MAX_ASSIGNED_INSTANCES)

struct container {
	struct container *next;
	struct supervisor *supervisor;
	struct record record; /* what is written to disk; record.spec holds the whole spec until it runs */
	struct plugin *plugin;
	struct making *making; /* what is needed between the request and the running program; see
	                          container_start.c */
	struct cgroup_group *cgroup;
	struct logs *logs;
	struct event *exited; /* on pidfd */
	struct event
	        *timer; /* grace period, removal of a busy cgroup, wait for an exit status: one at a time */
	int pidfd;
	int instance_fd;  /* RUN/containers/ID */
	bool busy;        /* a verb of the plugin is under way */
	bool exit_seen;   /* the pidfd became ready while busy */
	bool stop_wanted; /* asked for while it was being made */
	bool ending; /* its program has ended: the rest of the way to ENDED needs no signal, but the timer */
	int stop_signal;
	uint32_t stop_grace_ms;
	bool adopted;   /* not our child: the status comes from PIDFD_GET_INFO or not at all */
	unsigned tries; /* of what the timer repeats */
};

/* ---- container.c: the list, the state, what control is told ---- */

struct container *container_find(struct supervisor *supervisor, const char *id);

/* Makes RUN/containers/ID and an entry of the list. 0 and *ret_container, -ENOSPC above CONTAINERS_MAX, or
 * negative errno. */
int container_new(struct supervisor *supervisor, const char *id, struct container **ret_container,
        struct baton_error *err);
void container_free(struct container *container); /* takes it off the list; leaves everything else */

/* The one setter of the phase: checks the transition, logs, writes the record, tells control, in this order.
 */
void container_set_phase(struct container *container, enum record_phase phase, const char *reason);

/* Sends an INSTANCE event. */
void container_tell(struct container *container);

/* As container_tell, with what is left of the spec, so that a new control knows app, service and slot. */
void container_introduce(struct container *container);

const char *container_id(const struct container *container);

/* Opens the log of the container, and the pipes that its program writes to. */
int container_open_logs(struct container *container, struct baton_error *err);

/* One-shot timer of the container; replaces the one that waits. */
void container_set_timer(struct container *container, unsigned ms, event_callback_fn fn);

/* ---- container_start.c ---- */

/* Refuses what this node does not allow, before anything is made. 0, -EPERM, -ENOENT with what to do in err.
 */
int container_check(
        struct supervisor *supervisor, const struct container_spec *spec, struct baton_error *err);

/* Everything from the spec to a running program; the outcome is a phase. `spec` is moved in. */
void container_start(
        struct container *container, struct container_spec *spec, uint64_t generation, uint32_t attempts);

/* Frees what only the start needs and detaches its transient mounts. */
void container_made(struct container *container);

/* ---- container_stop.c: from a signal or an exit to the ENDED phase ---- */

void container_stop(struct container *container, int signal, uint32_t grace_ms);

/* Watches the pidfd. 0 or -ENOMEM, with nothing changed. */
int container_watch(struct container *container);

/* The start failed: ends what there is of a process, then container_end. */
void container_abort(struct container *container, const char *reason);

/* The program has ended, or never ran: takes everything apart, then sets ENDED. */
void container_end(struct container *container, const char *reason);

/* Signal number of "SIGTERM", "TERM", "15", "RTMIN+3"; -EINVAL. */
int signal_parse(const char *name);

/* ---- adopt.c ---- */

/* Removes record, logs and writable layer of an ended container and frees it. 0 or -EBUSY. */
int container_forget(struct container *container);

/* True for one that containers_adopt() has left alone: its directory is there, and no entry of the list. */
bool container_left_alone(const struct supervisor *supervisor, const char *id);

/* Takes back what RUN/containers holds, and kills control groups that nobody remembers. What cannot be read
 * now, or whose runtime is not there, is left alone until the next start. */
int containers_adopt(struct supervisor *supervisor, struct baton_error *err);

#endif
