/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an instance goes from state to state:
 *   start: revision -> restart policy, when a run has just ended -> START -> what the supervisor tells
 *   end of a run: restart policy -> back-off -> start; or done
 *   start without a run: is it the image? -> wait for it; else back-off -> start
 *   removal: STOP -> its end -> FORGET -> dropped
 */
#include "core/agent/instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/agent-priv.h"
#include "core/agent/restart.h"
#include "core/agent/revision.h"
#include "core/agent/supervisor.h"
#include "core/base/log.h"
#include "core/base/utf8.h"
#include "core/ipc/identity.h"

#define ASK_AGAIN_MS 1000
#define REASON_MAX   256

static void remove_next(struct instance *instance);
static void ask_stop(struct instance *instance, const char *reason);

/* ---- the timer ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct instance *instance = arg;
	struct agent *agent = instance->agent;

	(void)fd;
	(void)what;
	if (instance->leaving)
		remove_next(instance);
	else if (instance->again)
		ask_stop(instance, instance->seen.reason);
	else
		instance_start(instance);
	agent_settle(agent);
}

static void set_timer(struct instance *instance, int64_t ms)
{
	if (!instance->timer)
		instance->timer = agent_timer(instance->agent, on_timer, instance);
	agent_timer_set(instance->timer, ms);
}

static void clear_timer(struct instance *instance)
{
	if (instance->timer)
		(void)event_del(instance->timer); /* cannot fail for an event of this base */
}

/* ---- start ---- */

static void fail(struct instance *instance, const char *reason)
{
	/* Things change: limits of the node, a plugin, memory. Never a hot loop. */
	instance_set(instance, INSTANCE_FAILED, reason);
	set_timer(instance, restart_delay_ms(instance->failures++, arc4random()));
}

/* Both sides derive the id from the manifest. An id that stands for something else would let a changed
 * container pass as unchanged. */
static bool id_matches(const struct assignment_ref *ref, const struct service *service)
{
	char hash[INSTANCE_HASH_LENGTH + 1];
	char id[INSTANCE_ID_MAX + 1];

	return identity_hash(&service->container, hash) == 0 &&
	       identity_format(ref->app, ref->service, ref->slot, hash, id) == 0 && strcmp(id, ref->id) == 0;
}

/* The service that it is an instance of; else NULL, and its state says why. */
static const struct service *find_service(struct instance *instance)
{
	const struct assignment_ref *ref = &instance->seen.ref;
	const struct revision *revision = revision_find(instance->agent, ref->app, ref->digest);
	const struct service *service;
	char reason[REASON_MAX];

	if (!revision || revision->state == REVISION_MISSING) {
		(void)snprintf(
		        reason, sizeof(reason), "waits for revision %.12s of app %s", ref->digest, ref->app);
		instance_set(instance, INSTANCE_PENDING, reason);
		return NULL;
	}
	if (revision->state == REVISION_BROKEN) {
		instance_set(instance, INSTANCE_FAILED, revision->reason);
		return NULL;
	}
	service = app_find_service(&revision->decoded, ref->service);
	if (service && id_matches(ref, service))
		return service;
	(void)snprintf(reason, sizeof(reason), "revision %.12s of app %s %s", ref->digest, ref->app,
	        service ? "describes another container than its id stands for" : "has no such service");
	instance_set(instance, INSTANCE_FAILED, reason);
	return NULL;
}

static void back_off(struct instance *instance)
{
	int64_t delay = restart_delay_ms(instance->attempts++, arc4random());
	char reason[REASON_MAX];

	(void)snprintf(reason, sizeof(reason), "%s; starts again in %lld.%lld s", instance->end_reason,
	        (long long)delay / 1000, (long long)delay % 1000 / 100);
	instance_set(instance, INSTANCE_BACKOFF, reason);
	set_timer(instance, delay);
}

/* A run has ended: what does the policy say? */
static void judge(struct instance *instance, const struct service *service)
{
	const struct report_instance *seen = &instance->seen;
	const struct restart_history history = {
		.attempts = instance->attempts,
		.ran_ms = instance->ran_ms,
		.has_exit_code = seen->has_exit && seen->exit_code != EXIT_CODE_UNKNOWN,
		.exit_code = seen->exit_code,
	};
	enum restart_decision decision;
	char reason[REASON_MAX];

	instance->unjudged = false;
	decision = restart_decide(&service->restart, &history, &instance->attempts);
	if (decision == RESTART_AGAIN) {
		back_off(instance);
	} else if (decision == RESTART_DONE) {
		instance_set(instance, INSTANCE_EXITED, instance->end_reason);
	} else {
		(void)snprintf(reason, sizeof(reason),
		        "%s; not started again after %u attempts (max_attempts)", instance->end_reason,
		        instance->attempts);
		instance_set(instance, INSTANCE_EXITED, reason);
	}
}

static void ask_start(struct instance *instance, const struct service *service)
{
	struct ipc_message message = {
		.type = IPC_START,
		.generation = instance->generation + 1,
		.attempts = instance->attempts,
		.spec = service->container, /* borrowed: sending only reads it */
		.has_spec = true,
	};
	char reason[REASON_MAX];
	int r;

	message.spec.id = instance->seen.ref.id;
	message.spec.slot = instance->seen.ref.slot;
	r = supervisor_ask(instance->agent, &message, instance->seen.ref.id);
	if (r < 0) {
		(void)snprintf(reason, sizeof(reason), "batond cannot be asked to start it: %s",
		        strerrordesc_np(-r));
		fail(instance, reason);
		return;
	}
	instance->generation++;
	instance->alive = true;
	if (instance->ran)
		instance->seen.restarts++;
	instance->ran = false;
	instance_set(instance, INSTANCE_STARTING, "starting");
}

void instance_start(struct instance *instance)
{
	const struct service *service;

	clear_timer(instance);
	if (instance->leaving || instance->alive || !instance->agent->synced)
		return;
	/* Beside the one that holds its slot, two would write to one volume: the plan says when it is free.
	 */
	if (instance->waiting)
		return;
	instance->wants_image = false; /* whatever it waits for now, an import is not enough */
	service = find_service(instance);
	if (!service)
		return;
	if (instance->unjudged)
		judge(instance, service);
	else
		ask_start(instance, service);
}

/* ---- image ---- */

static void ask_image(struct instance *instance)
{
	const struct service *service = find_service(instance);
	struct ipc_message message = { .type = IPC_IMAGE };

	if (!service)
		return;
	message.image = service->container.image;
	if (supervisor_ask(instance->agent, &message, instance->seen.ref.id) < 0)
		fail(instance, instance->end_reason);
}

static void image_answered(struct instance *instance, const struct ipc_message *reply)
{
	const struct service *service;
	char reason[REASON_MAX];

	if (instance->alive || instance->leaving)
		return;
	service = find_service(instance);
	if (!service)
		return;
	if (reply->code == ENOENT) {
		(void)snprintf(reason, sizeof(reason), "image %.128s is not on this node: baton image import",
		        service->container.image);
		instance->wants_image = true;
		instance_set(instance, INSTANCE_PENDING, reason);
	} else if (instance->wants_image && reply->code == 0) {
		instance_start(instance);
	} else {
		fail(instance, instance->end_reason);
	}
}

void instance_images_changed(struct instance *instance)
{
	if (instance->wants_image)
		ask_image(instance);
}

/* ---- end ---- */

/* The supervisor saw it when we did not. */
static int64_t ran_ms(const struct instance *instance, const struct ipc_message *message)
{
	if (instance->running_since)
		return clock_boot_ms() - instance->running_since;
	if (message->started_ns == 0 || message->ended_ns < message->started_ns)
		return 0;
	return (int64_t)((message->ended_ns - message->started_ns) / 1000000);
}

static void note_end(struct instance *instance, const struct ipc_message *message)
{
	struct report_instance *seen = &instance->seen;

	utf8_copy(instance->end_reason, sizeof(instance->end_reason),
	        message->message ? message->message : "ended");
	instance->alive = false;
	instance->ran_ms = ran_ms(instance, message);
	instance->running_since = 0;
	seen->pid = 0;
	if (message->never_ran)
		return;
	seen->has_exit = true;
	seen->exit_code = message->has_exit_code ? message->exit_code : EXIT_CODE_UNKNOWN;
	seen->oom_killed = message->oom_killed;
	instance->ran = true;
}

static void told_ended(struct instance *instance, const struct ipc_message *message)
{
	note_end(instance, message);
	report_changed(instance->agent);
	if (instance->leaving) {
		remove_next(instance);
		return;
	}
	instance->unjudged = !message->never_ran && !instance->again;
	if (!instance->agent->synced)
		return; /* taken over: the plan decides when all is known */
	if (message->never_ran && !instance->again) {
		ask_image(instance);
		return;
	}
	if (instance->again)
		instance->attempts = 0;
	instance->again = false;
	instance_start(instance);
}

/* ---- what the supervisor says ---- */

static void told_starting(struct instance *instance, const struct ipc_message *message)
{
	(void)message; /* ours: the state is STARTING since the request */
	instance->alive = true;
}

static void told_running(struct instance *instance, const struct ipc_message *message)
{
	int64_t started = (int64_t)(message->started_ns / 1000000);
	int64_t now = clock_boot_ms();

	instance->alive = true;
	instance->failures = 0;
	instance->running_since = started > 0 && started <= now ? started : now;
	if (!instance->agent->synced) /* taken over: it runs for longer than we do */
		instance->seen.since_ms = clock_wall_ms() - (now - instance->running_since);
	if (instance->leaving || instance->seen.state == INSTANCE_STOPPING)
		return; /* it ran before it was told to stop */
	instance_set(instance, INSTANCE_RUNNING, message->message ? message->message : "running");
}

static void told_stopping(struct instance *instance, const struct ipc_message *message)
{
	instance->alive = true;
	if (instance->seen.state != INSTANCE_STOPPING)
		instance_set(instance, INSTANCE_STOPPING, message->message ? message->message : "stopping");
}

static void (*const told[])(struct instance *instance, const struct ipc_message *message) = {
	[IPC_INSTANCE_STARTING] = told_starting,
	[IPC_INSTANCE_RUNNING] = told_running,
	[IPC_INSTANCE_STOPPING] = told_stopping,
	[IPC_INSTANCE_ENDED] = told_ended,
};

void instance_told(struct instance *instance, const struct ipc_message *message)
{
	struct report_instance *seen = &instance->seen;

	/* Of an earlier start: the answer to the newer one is on its way. */
	if (message->generation < instance->generation)
		return;
	instance->generation = message->generation;
	instance->known = true;
	seen->pid = message->pid;
	seen->limit_unenforced = message->limit_unenforced;
	utf8_copy(seen->image_digest, sizeof(seen->image_digest), message->image_digest);
	utf8_copy(seen->runtime, sizeof(seen->runtime), message->runtime);
	told[message->state](instance, message); /* the decoder checks the range */
}

static void start_answered(struct instance *instance, const struct ipc_message *reply)
{
	if (reply->code == 0)
		return; /* events follow */
	instance->alive = false;
	instance->again = false;
	if (instance->leaving)
		remove_next(instance);
	else
		fail(instance, reply->message ? reply->message : "batond refused to start it");
}

static void stop_answered(struct instance *instance, const struct ipc_message *reply)
{
	if (reply->code == 0)
		return;
	if (reply->code != ENOENT) {
		log_warning("%s: batond cannot stop it: %s", instance->seen.ref.id,
		        reply->message ? reply->message : strerrordesc_np(reply->code));
		return;
	}
	instance->alive = false;
	instance->known = false;
	instance->again = false;
	if (instance->leaving)
		remove_next(instance);
	else
		instance_start(instance);
}

static void forget_answered(struct instance *instance, const struct ipc_message *reply)
{
	if (reply->code == 0) {
		instance_drop(instance);
		return;
	}
	instance->forgetting = false;
	if (reply->code != EBUSY)
		log_warning("%s: batond cannot forget it: %s", instance->seen.ref.id,
		        reply->message ? reply->message : strerrordesc_np(reply->code));
	set_timer(instance, ASK_AGAIN_MS);
}

void instance_answered(struct instance *instance, uint32_t request, const struct ipc_message *reply)
{
	static const struct {
		uint32_t request;
		void (*handle)(struct instance *instance, const struct ipc_message *reply);
	} answers[] = {
		{ IPC_START, start_answered },
		{ IPC_STOP, stop_answered },
		{ IPC_FORGET, forget_answered },
		{ IPC_IMAGE, image_answered },
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (answers[i].request == request)
			answers[i].handle(instance, reply);
	}
}

/* ---- stop and removal ---- */

static void ask_stop(struct instance *instance, const char *reason)
{
	struct ipc_message message = { .type = IPC_STOP, .id = instance->seen.ref.id };

	if (supervisor_ask(instance->agent, &message, instance->seen.ref.id) < 0)
		set_timer(instance, ASK_AGAIN_MS);
	instance_set(instance, INSTANCE_STOPPING, reason);
}

static void ask_forget(struct instance *instance)
{
	struct ipc_message message = { .type = IPC_FORGET, .id = instance->seen.ref.id };

	instance->forgetting = supervisor_ask(instance->agent, &message, instance->seen.ref.id) == 0;
	if (!instance->forgetting)
		set_timer(instance, ASK_AGAIN_MS);
	instance_set(instance, INSTANCE_STOPPING, "stopped; being removed");
}

/* May free the instance. */
static void remove_next(struct instance *instance)
{
	/*
	 * Its end is told twice when it crosses our STOP. A second FORGET would be answered after the first
	 * has dropped the instance, and taken for an answer to the one that was added anew.
	 */
	if (instance->forgetting)
		return;
	if (instance->alive)
		ask_stop(instance, "not assigned to this node any more");
	else if (instance->known)
		ask_forget(instance);
	else
		instance_drop(instance);
}

void instance_remove(struct instance *instance)
{
	if (instance->leaving)
		return;
	instance->leaving = true;
	instance->again = false;
	clear_timer(instance);
	remove_next(instance);
}

/* Nothing but the plan gets it going again: it waits for a revision, failed for the lack of one that can be
 * read, or was taken over like that. */
static bool stands_still(const struct instance *instance)
{
	return instance->seen.state == INSTANCE_FAILED || instance->seen.state == INSTANCE_STOPPING ||
	       (instance->seen.state == INSTANCE_PENDING && !instance->wants_image);
}

void instance_keep(struct instance *instance, const struct assignment_ref *ref)
{
	bool changed = strcmp(instance->seen.ref.digest, ref->digest) != 0;

	if (instance->forgetting)
		return; /* gone in a moment; then the plan adds it anew */
	if (changed) {
		instance->seen.ref = *ref;
		report_changed(instance->agent);
	}
	if (instance->leaving) {
		instance->leaving = false;
		clear_timer(instance);
		instance->again = instance->alive; /* STOP cannot be taken back */
		if (instance->alive)
			instance_set(instance, INSTANCE_STOPPING, "assigned again; starts when it has ended");
	}
	if (instance->alive || (instance->timer && event_pending(instance->timer, EV_TIMEOUT, NULL)))
		return;
	if (changed && instance->seen.state == INSTANCE_EXITED)
		instance->unjudged =
		        true; /* the restart policy is no part of the container: it may be another */
	if (changed || instance->unjudged || stands_still(instance))
		instance_start(instance);
}

void instance_restart(struct instance *instance)
{
	if (instance->leaving)
		return; /* it stops already, for good */
	instance->attempts = 0;
	instance->failures = 0;
	instance->unjudged = false;
	if (!instance->alive) {
		instance_start(instance);
		return;
	}
	instance->again = true;
	ask_stop(instance, "stopped by an operator; starts again");
}
