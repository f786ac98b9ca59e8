/* SPDX-License-Identifier: Apache-2.0 */
/* The executor: asks plan_make() what has to be done, and tells each instance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/agent-priv.h"
#include "core/agent/instance.h"
#include "core/agent/storage.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/model/plan.h"

/* An instance that waits for its slot is known to the report only: for the plan it is still to be added. */
static size_t list_observed(const struct agent *agent, struct assignment_ref *observed)
{
	size_t count = 0;

	for (size_t i = 0; i < agent->n_instances; i++) {
		if (!agent->instances[i]->waiting)
			observed[count++] = agent->instances[i]->seen.ref;
	}
	return count;
}

/* The instance of an ADD or WAIT; NULL when out of memory. */
static struct instance *take_up(struct agent *agent, const struct assignment_ref *ref)
{
	struct instance *instance = instance_find(agent, ref->id);

	if (!instance && instance_add(agent, ref, INSTANCE_PENDING, &instance) < 0) {
		log_error("%s: out of memory", ref->id);
		return NULL;
	}
	instance->seen.ref = *ref;
	instance->marked = true;
	return instance;
}

static void act(struct agent *agent, const struct plan_action *action)
{
	struct instance *instance;
	char reason[INSTANCE_ID_MAX + 32];

	switch (action->type) {
	case PLAN_ADD:
		instance = take_up(agent, action->ref);
		if (!instance)
			return;
		instance->waiting = false;
		instance_start(instance);
		break;
	case PLAN_WAIT:
		instance = take_up(agent, action->ref);
		if (!instance)
			return;
		instance->waiting = true;
		(void)snprintf(reason, sizeof(reason), "waits for %s to stop", action->blocking->id);
		instance_set(instance, INSTANCE_PENDING, reason);
		break;
	case PLAN_KEEP: instance_keep(instance_find(agent, action->ref->id), action->ref); break;
	case PLAN_REMOVE: instance_remove(instance_find(agent, action->ref->id)); break;
	}
}

/* Those that waited for a slot and are not wanted any more were never known to the supervisor. */
static void drop_waiting(struct agent *agent)
{
	for (size_t i = agent->n_instances; i-- > 0;) {
		struct instance *instance = agent->instances[i];

		if (instance->waiting && !instance->marked)
			instance_drop(instance);
		else
			instance->marked = false;
	}
}

/* What is new waits, and what it would replace stays: *ret_refs gets the assignment that can be acted on. */
static size_t hold_new(struct agent *agent, const char *reason, const struct assignment_ref *observed,
        size_t n_observed, struct assignment_ref *ret_refs)
{
	size_t count = 0;

	for (size_t i = 0; i < agent->desired.n_refs; i++) {
		const struct assignment_ref *ref = &agent->desired.refs[i];
		const struct assignment_ref *old = plan_find_slot(ref, observed, n_observed);
		struct instance *instance = instance_find(agent, ref->id);

		if (instance && !instance->waiting) {
			ret_refs[count++] = *ref;
			continue;
		}
		if (old)
			ret_refs[count++] = *old;
		instance = take_up(agent, ref);
		if (!instance)
			continue;
		instance->waiting = true;
		instance_set(instance, INSTANCE_PENDING, reason);
	}
	/* What stays sorts by another hash than what it stands for; two slots may share all before it. */
	qsort(ret_refs, count, sizeof(*ret_refs), assignment_ref_compare);
	return count;
}

void agent_plan(struct agent *agent)
{
	cleanup_free struct assignment_ref *held = calloc(agent->desired.n_refs + 1, sizeof(*held));
	const struct assignment_ref *refs = agent->desired.refs;
	size_t n_refs = agent->desired.n_refs;
	char reason[STORAGE_REASON_SIZE];
	/* One more than needed, because calloc(0) may return NULL. */
	cleanup_free struct assignment_ref *observed = calloc(agent->n_instances + 1, sizeof(*observed));
	cleanup_free struct plan_action *actions = NULL;
	size_t n_actions = 0;
	size_t n_observed;

	if (!observed || !held) {
		log_error("out of memory: the assignment waits for the next change");
		return;
	}
	n_observed = list_observed(agent, observed);
	agent->held = !storage_has_room(agent, reason);
	if (agent->held) {
		n_refs = hold_new(agent, reason, observed, n_observed, held);
		refs = held;
	}
	if (plan_make(refs, n_refs, observed, n_observed, &actions, &n_actions) < 0) {
		log_error("out of memory: the assignment waits for the next change");
		return;
	}
	for (size_t i = 0; i < n_actions; i++)
		act(agent, &actions[i]);
	drop_waiting(agent);
}
