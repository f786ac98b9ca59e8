/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/instance.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/agent-priv.h"
#include "core/base/log.h"
#include "core/base/utf8.h"

/* Row: from, column: to. */
static const bool transitions[INSTANCE_STATES][INSTANCE_STATES] = {
	[INSTANCE_PENDING] = {
		[INSTANCE_STARTING] = true, [INSTANCE_BACKOFF] = true, [INSTANCE_STOPPING] = true,
		[INSTANCE_EXITED] = true, [INSTANCE_FAILED] = true,
	},
	[INSTANCE_STARTING] = {
		/* PENDING: its image turned out to be missing */
		[INSTANCE_PENDING] = true, [INSTANCE_RUNNING] = true, [INSTANCE_BACKOFF] = true,
		[INSTANCE_STOPPING] = true, [INSTANCE_EXITED] = true, [INSTANCE_FAILED] = true,
	},
	[INSTANCE_RUNNING] = {
		/* PENDING: ended, and the revision with its restart policy is not here */
		[INSTANCE_PENDING] = true, [INSTANCE_BACKOFF] = true, [INSTANCE_STOPPING] = true,
		[INSTANCE_EXITED] = true, [INSTANCE_FAILED] = true,
	},
	[INSTANCE_BACKOFF] = {
		[INSTANCE_PENDING] = true, [INSTANCE_STARTING] = true, [INSTANCE_STOPPING] = true,
		[INSTANCE_FAILED] = true,
	},
	[INSTANCE_STOPPING] = {
		/* desired again, or stopped by an operator */
		[INSTANCE_PENDING] = true, [INSTANCE_STARTING] = true, [INSTANCE_BACKOFF] = true,
		[INSTANCE_EXITED] = true, [INSTANCE_FAILED] = true,
	},
	[INSTANCE_EXITED] = {
		/* BACKOFF: taken over from an earlier baton-control, judged only now */
		[INSTANCE_PENDING] = true, [INSTANCE_STARTING] = true, [INSTANCE_BACKOFF] = true,
		[INSTANCE_STOPPING] = true, [INSTANCE_FAILED] = true,
	},
	[INSTANCE_FAILED] = {
		[INSTANCE_PENDING] = true, [INSTANCE_STARTING] = true, [INSTANCE_BACKOFF] = true,
		[INSTANCE_STOPPING] = true, [INSTANCE_EXITED] = true,
	},
};

bool instance_transition_allowed(enum instance_state from, enum instance_state to)
{
	return transitions[from][to];
}

void instance_set(struct instance *instance, enum instance_state state, const char *reason)
{
	struct report_instance *seen = &instance->seen;
	char type[32];

	if (state == seen->state) {
		/* Another reason for the same state is worth a report, but it is no step of its life. */
		if (strcmp(seen->reason, reason) != 0) {
			utf8_copy(seen->reason, sizeof(seen->reason), reason);
			report_changed(instance->agent);
		}
		return;
	}
	if (!instance_transition_allowed(seen->state, state)) {
		log_error("%s: %s -> %s is not a step of an instance's life; ignored", seen->ref.id,
		        instance_state_name(seen->state), instance_state_name(state));
		return;
	}
	utf8_copy(seen->reason, sizeof(seen->reason), reason);
	log_info("%s: %s -> %s: %s", seen->ref.id, instance_state_name(seen->state),
	        instance_state_name(state), seen->reason);
	seen->state = state;
	seen->since_ms = clock_wall_ms();
	report_changed(instance->agent);
	(void)snprintf(type, sizeof(type), "instance.%s", instance_state_name(state));
	agent_event(instance->agent, type, seen->ref.app, seen->ref.id, seen->reason);
}

/* ---- the list ---- */

/* Index of the first instance whose id is not lower. */
static size_t lower_bound(const struct agent *agent, const char *id)
{
	size_t low = 0;
	size_t high = agent->n_instances;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(agent->instances[middle]->seen.ref.id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct instance *instance_find(const struct agent *agent, const char *id)
{
	size_t at = lower_bound(agent, id);

	if (at == agent->n_instances || strcmp(agent->instances[at]->seen.ref.id, id) != 0)
		return NULL;
	return agent->instances[at];
}

static int grow(struct agent *agent)
{
	size_t capacity = agent->instances_capacity ? agent->instances_capacity * 2 : 8;
	struct instance **instances;

	if (agent->n_instances < agent->instances_capacity)
		return 0;
	instances = reallocarray(agent->instances, capacity, sizeof(struct instance *));
	if (!instances)
		return -ENOMEM;
	agent->instances = instances;
	agent->instances_capacity = capacity;
	return 0;
}

int instance_add(struct agent *agent, const struct assignment_ref *ref, enum instance_state state,
        struct instance **ret_instance)
{
	struct instance *instance;
	size_t at = lower_bound(agent, ref->id);

	if (grow(agent) < 0)
		return -ENOMEM;
	instance = calloc(1, sizeof(*instance));
	if (!instance)
		return -ENOMEM;
	instance->agent = agent;
	instance->seen.ref = *ref;
	instance->seen.state = state;
	instance->seen.since_ms = clock_wall_ms();
	memmove(&agent->instances[at + 1], &agent->instances[at],
	        (agent->n_instances - at) * sizeof(struct instance *));
	agent->instances[at] = instance;
	agent->n_instances++;
	report_changed(agent);
	*ret_instance = instance;
	return 0;
}

void instance_drop(struct instance *instance)
{
	struct agent *agent = instance->agent;
	size_t at = lower_bound(agent, instance->seen.ref.id);

	assert(at < agent->n_instances && agent->instances[at] == instance);
	agent->n_instances--;
	memmove(&agent->instances[at], &agent->instances[at + 1],
	        (agent->n_instances - at) * sizeof(struct instance *));
	if (instance->timer)
		event_free(instance->timer);
	free(instance);
	report_changed(agent);
	agent->plan_wanted = true; /* whoever waited for its slot may go on */
}
