/* SPDX-License-Identifier: Apache-2.0 */
/* One instance of this node: its state machine, driven by the plan, the supervisor and its own timer. */
#ifndef BATON_AGENT_INSTANCE_H
#define BATON_AGENT_INSTANCE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/ipc/message.h"
#include "core/model/report.h"

struct agent;

struct instance {
	struct agent *agent;
	struct report_instance seen; /* id, state, reason and what the supervisor told: what is reported */

	uint64_t generation;   /* of its last start; the supervisor repeats it in its events */
	uint32_t attempts;     /* restarts since the last long run: back-off and max_attempts */
	uint32_t failures;     /* starts in a row that did not get as far as a running program */
	int64_t running_since; /* boot clock, ms; 0: not running */
	int64_t ran_ms;        /* how long its last run took */
	char end_reason[192];  /* what the supervisor said of its end */
	bool alive;            /* START was sent, or the supervisor told so, and it has not ended */
	bool known;            /* the supervisor has a record of it, which has to be forgotten */
	bool waiting;          /* the plan says: its slot is still taken. Not yet observed. */
	bool leaving;          /* not desired any more: stop, forget, drop */
	bool forgetting;       /* FORGET was sent; the id is gone when it is answered */
	bool unjudged;         /* a run has ended, and its restart policy has not decided yet */
	bool ran;              /* since its last start: the next start is a restart */
	bool again;            /* asked to stop by an operator: start at once when it has ended */
	bool wants_image;      /* PENDING until the image store changes */
	bool marked;           /* by the plan, of those that wait: still desired */
	struct event *timer;   /* end of the back-off, or the repetition of a request */
};

/* Finds by id; NULL without. */
struct instance *instance_find(const struct agent *agent, const char *id);

/* Adds an instance: PENDING, or what the supervisor says of one that is taken over. 0 and *ret_instance, or
 * -ENOMEM. */
int instance_add(struct agent *agent, const struct assignment_ref *ref, enum instance_state state,
        struct instance **ret_instance);

/* Takes it off the list and frees it. */
void instance_drop(struct instance *instance);

/* The one setter of the state: checks the transition, logs, stamps reason and since, tells events and report.
 */
void instance_set(struct instance *instance, enum instance_state state, const char *reason);

/* What the table allows. Public for its test. */
bool instance_transition_allowed(enum instance_state from, enum instance_state to);

/*
 * Starts it if everything that it needs is here; else its state says what it waits for. For an instance that
 * ended without a verdict (`unjudged`) the restart policy decides first.
 */
void instance_start(struct instance *instance);

/* Not desired any more: stop, forget, drop, each as soon as the supervisor allows it. Idempotent. */
void instance_remove(struct instance *instance);

/* Desired and known. Takes over a changed digest, goes on with one that waited for its revision, and turns
 * one around that was leaving. */
void instance_keep(struct instance *instance, const struct assignment_ref *ref);

/* The image store changed. */
void instance_images_changed(struct instance *instance);

/* An operator's stop: ends a run, or a wait, and starts anew. */
void instance_restart(struct instance *instance);

/* An INSTANCE event, or the answer to a request for this instance. */
void instance_told(struct instance *instance, const struct ipc_message *message);
void instance_answered(struct instance *instance, uint32_t request, const struct ipc_message *reply);

#endif
