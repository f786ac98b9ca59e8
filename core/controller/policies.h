/* SPDX-License-Identifier: Apache-2.0 */
/* Placement policies: built in, or published on policies/placement/{name}. */
#ifndef BATON_CONTROLLER_POLICIES_H
#define BATON_CONTROLLER_POLICIES_H

#include "core/controller/controller-priv.h"
#include "core/controller/schedule.h"

/*
 * What is asked in turn when a policy fails: the published one, the built-in of the same name, the built-in
 * `spread`, and at last C, which can not fail.
 */
enum policy_level { POLICY_PUBLISHED, POLICY_BUILTIN, POLICY_SPREAD, POLICY_C, POLICY_LEVELS };

int policies_new(struct policies **ret_policies); /* 0 or -ENOMEM */
void policies_free(struct policies *policies);

void policies_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message);
void policies_connected(struct controller *controller);
void policies_synced(struct controller *controller);
void policies_tick(struct controller *controller); /* repairs the statuses */

/* False when there is no usable policy of that level for `name`. */
bool policies_scorer(
        struct controller *controller, const char *name, enum policy_level level, struct scorer *ret_scorer);

/* The scorer of that level failed: says so in the status of the policy, and unloads it. */
void policies_failed(struct controller *controller, const char *name, enum policy_level level,
        const struct baton_error *err);

/* It decided: failures count in a row only. */
void policies_succeeded(struct controller *controller, const char *name, enum policy_level level);

/* Why the published policy `name` is not used, or that there is none at all; "" when neither. */
void policies_note(struct controller *controller, const char *name, char text[static REASON_SIZE]);

#endif
