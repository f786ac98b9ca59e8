/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/supervisor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/instance.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/strv.h"
#include "core/base/utf8.h"

/* ---- requests ---- */

int supervisor_ask(struct agent *agent, struct ipc_message *message, const char *id)
{
	struct request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return -ENOMEM;
	agent->sequence = agent->sequence + 1 < AGENT_SEQUENCE_END ? agent->sequence + 1 : 1;
	request->sequence = message->sequence = agent->sequence;
	request->type = message->type;
	(void)snprintf(request->id, sizeof(request->id), "%s", id);
	r = agent->config->handler->send(agent->config->arg, message);
	if (r < 0) {
		free(request);
		return r;
	}
	STAILQ_INSERT_TAIL(&agent->requests, request, next);
	return 0;
}

int agent_start(struct agent *agent)
{
	char version[] = BATON_VERSION;
	struct ipc_message hello = { .type = IPC_HELLO, .version = version };

	return supervisor_ask(agent, &hello, "");
}

void supervisor_release(struct agent *agent)
{
	struct request *request;

	while ((request = STAILQ_FIRST(&agent->requests))) {
		STAILQ_REMOVE_HEAD(&agent->requests, next);
		free(request);
	}
}

/* ---- instances that run already ---- */

/*
 * Without a spec only the id says what it is: "app.service.slot.hash". Names may contain dots, so the first
 * level is taken for the app; a mistake can only be one of names, because everything else goes by id.
 */
static int ref_from_id(const char *id, struct assignment_ref *ref)
{
	const char *hash = strrchr(id, '.');
	const char *slot = hash ? memrchr(id, '.', (size_t)(hash - id)) : NULL;
	const char *service = strchr(id, '.');
	unsigned long number;
	char *end;

	if (!slot || service >= slot)
		return -EINVAL;
	number = strtoul(slot + 1, &end, 10);
	if (end != hash || number > UINT32_MAX || (size_t)(service - id) >= sizeof(ref->app) ||
	        (size_t)(slot - service - 1) >= sizeof(ref->service))
		return -EINVAL;
	ref->slot = (uint32_t)number;
	memcpy(ref->app, id, (size_t)(service - id));
	memcpy(ref->service, service + 1, (size_t)(slot - service - 1));
	return 0;
}

static int make_ref(const struct agent *agent, const struct ipc_message *message, struct assignment_ref *ref)
{
	for (size_t i = 0; i < agent->desired.n_refs; i++) {
		if (strcmp(agent->desired.refs[i].id, message->id) == 0) {
			*ref = agent->desired.refs[i];
			return 0;
		}
	}
	if ((size_t)snprintf(ref->id, sizeof(ref->id), "%s", message->id) >= sizeof(ref->id))
		return -EINVAL;
	memset(ref->digest, '0', DIGEST_HEX_LENGTH); /* of no revision: it is on its way out */
	if (!message->has_spec)
		return ref_from_id(message->id, ref);
	utf8_copy(ref->app, sizeof(ref->app), message->spec.app);
	utf8_copy(ref->service, sizeof(ref->service), message->spec.service);
	ref->slot = message->spec.slot;
	return 0;
}

/* NULL for an id that no agent has given. */
static struct instance *take_over(struct agent *agent, const struct ipc_message *message)
{
	static const enum instance_state states[] = {
		[IPC_INSTANCE_STARTING] = INSTANCE_STARTING,
		[IPC_INSTANCE_RUNNING] = INSTANCE_RUNNING,
		[IPC_INSTANCE_STOPPING] = INSTANCE_STOPPING,
		[IPC_INSTANCE_ENDED] = INSTANCE_EXITED,
	};
	struct assignment_ref ref = { 0 };
	struct instance *instance;
	enum instance_state state = states[message->state];

	if (state == INSTANCE_EXITED && message->never_ran)
		state = INSTANCE_FAILED;
	if (make_ref(agent, message, &ref) < 0 || instance_add(agent, &ref, state, &instance) < 0) {
		log_error("%s: batond has it, and it cannot be taken over", message->id);
		return NULL;
	}
	instance_set(instance, state, message->message ? message->message : "taken over");
	instance->seen.restarts = message->generation > 0 && message->generation <= UINT32_MAX
	                                  ? (uint32_t)message->generation - 1
	                                  : 0;
	/* To begin at 0 would start anew what has used them up, each time that baton-control is restarted. */
	instance->attempts = message->attempts;
	agent->plan_wanted = true;
	return instance;
}

/* ---- what it says ---- */

static void on_reply(struct agent *agent, const struct ipc_message *message)
{
	struct request *request = STAILQ_FIRST(&agent->requests);
	struct instance *instance;

	if (!request || request->sequence != message->sequence)
		return; /* to a request of somebody else */
	STAILQ_REMOVE_HEAD(&agent->requests, next);
	if (request->type == IPC_HELLO && message->code != 0)
		agent->config->handler->refused(agent->config->arg,
		        message->message ? message->message : strerrordesc_np(message->code));
	instance = *request->id ? instance_find(agent, request->id) : NULL;
	if (instance)
		instance_answered(instance, request->type, message);
	free(request);
}

static void on_node(struct agent *agent, const struct ipc_message *message)
{
	cleanup_strv char **runtimes = NULL;
	cleanup_strv char **missing = NULL;

	if (strv_copy(message->runtimes, &runtimes) < 0 || strv_copy(message->missing, &missing) < 0) {
		log_error("out of memory: what this node can do is not published");
		return;
	}
	strv_free(agent->runtimes);
	strv_free(agent->missing);
	agent->runtimes = steal_ptr(runtimes);
	agent->missing = steal_ptr(missing);
	utf8_copy(agent->cgroup_mode, sizeof(agent->cgroup_mode), message->cgroup_mode);
	agent->has_node = true;
	node_publish_info(agent);
}

static void on_instance(struct agent *agent, const struct ipc_message *message)
{
	struct instance *instance = instance_find(agent, message->id);

	if (!instance)
		instance = take_over(agent, message);
	if (!instance)
		return;
	/* Started by an earlier baton-control while this one thinks that its slot is taken. */
	instance->waiting = false;
	instance_told(instance, message);
	report_changed(agent);
}

static void on_images_changed(struct agent *agent, const struct ipc_message *message)
{
	(void)message;
	for (size_t i = 0; i < agent->n_instances; i++)
		instance_images_changed(agent->instances[i]);
}

static void on_synced(struct agent *agent, const struct ipc_message *message)
{
	(void)message;
	agent->synced = true;
	agent->plan_wanted = true;
	report_changed(agent);
}

void agent_supervisor_message(struct agent *agent, const struct ipc_message *message)
{
	static const struct {
		enum ipc_type type;
		void (*handle)(struct agent *agent, const struct ipc_message *message);
	} messages[] = {
		{ IPC_REPLY, on_reply },
		{ IPC_NODE, on_node },
		{ IPC_INSTANCE, on_instance },
		{ IPC_IMAGES_CHANGED, on_images_changed },
		{ IPC_SYNCED, on_synced },
	};

	for (size_t i = 0; i < array_size(messages); i++) {
		if (messages[i].type == message->type)
			messages[i].handle(agent, message);
	}
	agent_settle(agent);
}
