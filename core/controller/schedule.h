/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses nodes for the slots of one service: C filters, a policy scores. A score depends on the state of one
 * node only, so the scores stand in a heap and only the node that was just given an instance is scored again:
 * R replicas on N nodes cost N + R policy calls and R log N comparisons.
 */
#ifndef BATON_CONTROLLER_SCHEDULE_H
#define BATON_CONTROLLER_SCHEDULE_H

#include "core/controller/controller-priv.h"
#include "lua/host/policy.h"

struct scorer {
	/* As policy_filter and policy_score. filter may be NULL. */
	int (*filter)(void *arg, const struct policy_node *node, const struct policy_service *service,
	        uint64_t seed, bool *ret_fits, struct baton_error *err);
	int (*score)(void *arg, const struct policy_node *node, const struct policy_service *service,
	        uint64_t seed, double *ret_score, struct baton_error *err);
	void *arg;
	int64_t budget_ms; /* CPU time of all calls of one schedule; 0: no limit */
};

struct schedule;

/*
 * Scores every node that fits. All arguments are borrowed until schedule_free. 0 and *ret_schedule, -ENOMEM,
 * -ETIME when the budget is used up, or the failure of the scorer with its text in err.
 */
int schedule_new(const struct table *nodes, const struct app_entry *app, const struct service *service,
        const struct scorer *scorer, struct schedule **ret_schedule, struct baton_error *err);
void schedule_free(struct schedule *schedule); /* takes NULL */

/*
 * 1 and the best node, which the caller gives an instance before it asks again; 0 when none fits; the failure
 * of the scorer.
 */
int schedule_next(struct schedule *schedule, struct fleet_node **ret_node, struct baton_error *err);

/*
 * Whether an instance of `service` fits on the node, when `instead_of` (NULL: none) goes from there. Why not
 * is written to reason.
 */
bool schedule_fits(const struct fleet_node *node, const struct service *service,
        const struct placement *instead_of, char reason[static REASON_SIZE]);

/* Why no node fits now: "n1: needs 64 MiB, 10 MiB unreserved; n2: runtime crun not available". */
void schedule_explain(
        const struct table *nodes, const struct service *service, char text[static REASON_SIZE]);

#endif
