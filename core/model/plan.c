/* SPDX-License-Identifier: Apache-2.0 */
/* Reconcile of one node: a merge of two sorted lists. */
#include "core/model/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool same_slot(const struct assignment_ref *a, const struct assignment_ref *b)
{
	return a->slot == b->slot && strcmp(a->service, b->service) == 0 && strcmp(a->app, b->app) == 0;
}

/*
 * Ids of one slot differ only behind their last dot, so in a sorted list they stand side by side; names may
 * contain dots, so two slots can share what is before it.
 */
const struct assignment_ref *plan_find_slot(
        const struct assignment_ref *ref, const struct assignment_ref *observed, size_t n_observed)
{
	const char *dot = strrchr(ref->id, '.');
	size_t prefix = dot ? (size_t)(dot - ref->id) + 1 : 0;
	size_t low = 0;
	size_t high = n_observed;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strncmp(observed[middle].id, ref->id, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < n_observed && strncmp(observed[low].id, ref->id, prefix) == 0; low++) {
		if (same_slot(&observed[low], ref))
			return &observed[low];
	}
	return NULL;
}

struct lists {
	const struct assignment_ref *desired;
	size_t n_desired;
	const struct assignment_ref *observed;
	size_t n_observed;
};

static bool is_desired(const struct lists *lists, size_t *next, const char *id)
{
	while (*next < lists->n_desired && strcmp(lists->desired[*next].id, id) < 0)
		(*next)++;
	return *next < lists->n_desired && strcmp(lists->desired[*next].id, id) == 0;
}

static bool is_observed(const struct lists *lists, size_t *next, const char *id)
{
	while (*next < lists->n_observed && strcmp(lists->observed[*next].id, id) < 0)
		(*next)++;
	return *next < lists->n_observed && strcmp(lists->observed[*next].id, id) == 0;
}

static size_t put_removals(const struct lists *lists, struct plan_action *actions)
{
	size_t count = 0;
	size_t next = 0;

	for (size_t i = 0; i < lists->n_observed; i++) {
		const struct assignment_ref *ref = &lists->observed[i];

		if (!is_desired(lists, &next, ref->id))
			actions[count++] = (struct plan_action){ PLAN_REMOVE, ref, NULL };
	}
	return count;
}

static size_t put_desired(const struct lists *lists, struct plan_action *actions)
{
	size_t next = 0;

	for (size_t i = 0; i < lists->n_desired; i++) {
		const struct assignment_ref *ref = &lists->desired[i];
		const struct assignment_ref *blocking = NULL;
		enum plan_action_type type = PLAN_KEEP;

		if (!is_observed(lists, &next, ref->id)) {
			blocking = plan_find_slot(ref, lists->observed, lists->n_observed);
			type = blocking ? PLAN_WAIT : PLAN_ADD;
		}
		actions[i] = (struct plan_action){ type, ref, blocking };
	}
	return lists->n_desired;
}

int plan_make(const struct assignment_ref *desired, size_t n_desired, const struct assignment_ref *observed,
        size_t n_observed, struct plan_action **ret_actions, size_t *ret_count)
{
	/* One more than needed, because calloc(0) may return NULL. */
	struct plan_action *actions = calloc(n_desired + n_observed + 1, sizeof(*actions));
	const struct lists lists = { desired, n_desired, observed, n_observed };
	size_t count;

	if (!actions)
		return -ENOMEM;
	count = put_removals(&lists, actions);
	count += put_desired(&lists, actions + count);
	*ret_actions = actions;
	*ret_count = count;
	return 0;
}
