/* SPDX-License-Identifier: Apache-2.0 */
/* plan(desired, observed) -> actions: the agent's reconcile as a pure function. No I/O, no clock. */
#ifndef BATON_MODEL_PLAN_H
#define BATON_MODEL_PLAN_H

#include <stddef.h>

#include "core/model/assignment.h"

enum plan_action_type {
	PLAN_ADD,    /* desired, not known here: take it up */
	PLAN_WAIT,   /* desired, not known here, but another instance of its slot still is: stop-first */
	PLAN_KEEP,   /* desired and known; its digest may have changed without changing the container */
	PLAN_REMOVE, /* known, not desired: stop it, then forget it */
};

struct plan_action {
	enum plan_action_type type;
	const struct assignment_ref *ref; /* desired for ADD, WAIT, KEEP; observed for REMOVE; borrowed */
	const struct assignment_ref
	        *blocking; /* WAIT: the instance that has to go first; else NULL; borrowed */
};

/*
 * Both lists sorted by id. Removals come first. 0 with *ret_actions (free() it; borrows from both lists) and
 * *ret_count, or -ENOMEM. At most n_desired + n_observed actions.
 */
int plan_make(const struct assignment_ref *desired, size_t n_desired, const struct assignment_ref *observed,
        size_t n_observed, struct plan_action **ret_actions, size_t *ret_count);

/* The first of the instances, sorted by id, that has the slot of `ref`, or NULL. */
const struct assignment_ref *plan_find_slot(
        const struct assignment_ref *ref, const struct assignment_ref *observed, size_t n_observed);

#endif
