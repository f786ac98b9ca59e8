/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which references change next. Slots are added and removed at once; a changed container is swapped one slot
 * of a service at a time: the next one only when the new ones that are there have settled. Everything is
 * derived from placements and reports, so a restart of the controller goes on where it was.
 */
#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/controller/controller-priv.h"
#include "core/controller/policies.h"
#include "core/controller/schedule.h"
#include "core/ipc/identity.h"

enum progress { SETTLED, WAITING, FAILED };

struct service_plan { /* of one service during rollout_plan */
	struct controller *controller;
	struct app_entry *app;
	const struct service *service;
	struct service_state *state;
	uint32_t replicas;
};

static bool is_current(const struct placement *placement, const struct service_state *state)
{
	size_t length = strlen(placement->ref.id);

	return length > INSTANCE_HASH_LENGTH &&
	       strcmp(placement->ref.id + length - INSTANCE_HASH_LENGTH, state->hash) == 0;
}

static int make_ref(const struct service_plan *plan, uint32_t slot, struct assignment_ref *ret_ref)
{
	struct assignment_ref ref = { .slot = slot };

	(void)snprintf(ref.app, sizeof(ref.app), "%s", plan->app->name);
	(void)snprintf(ref.service, sizeof(ref.service), "%s", plan->service->name);
	memcpy(ref.digest, plan->app->in_force, sizeof(ref.digest));
	if (identity_format(ref.app, ref.service, slot, plan->state->hash, ref.id) < 0)
		return -EMSGSIZE;
	*ret_ref = ref;
	return 0;
}

/* Slots beyond the number of replicas and services that are gone. */
static void drop_surplus(struct app_entry *app)
{
	for (size_t i = app->n_placements; i-- > 0;) {
		const struct assignment_ref *ref = &app->placements[i]->ref;
		const struct service *service =
		        app->revision ? app_find_service(&app->revision->app, ref->service) : NULL;

		if (!service || ref->slot > app_replicas(app, service))
			placement_remove(app, i);
	}
}

/* The same container under another digest: the reference changes, the instance does not. */
static void refresh_digests(const struct service_plan *plan)
{
	for (uint32_t slot = 1; slot <= plan->replicas; slot++) {
		struct placement *placement = placement_find(plan->app, plan->service->name, slot);

		if (!placement || !is_current(placement, plan->state))
			continue;
		placement_set_service(placement, plan->service);
		if (strcmp(placement->ref.digest, plan->app->in_force) == 0)
			continue;
		memcpy(placement->ref.digest, plan->app->in_force, sizeof(placement->ref.digest));
		placement->node->changed = true;
	}
}

/* Fills the empty slots with one scorer. 1: all are filled; 0: no node fits; negative: the scorer failed. */
static int fill_slots(const struct service_plan *plan, const struct scorer *scorer, struct baton_error *err)
{
	struct schedule *schedule;
	int r = schedule_new(&plan->controller->nodes, plan->app, plan->service, scorer, &schedule, err);

	if (r < 0)
		return r;
	r = 1;
	for (uint32_t slot = 1; r > 0 && slot <= plan->replicas; slot++) {
		struct assignment_ref ref;
		struct fleet_node *node;

		if (placement_find(plan->app, plan->service->name, slot))
			continue;
		r = schedule_next(schedule, &node, err);
		if (r <= 0)
			break;
		r = make_ref(plan, slot, &ref);
		if (r == 0)
			r = placement_add(plan->app, &ref, node, plan->service);
		r = r < 0 ? error_set(err, -r, "slot %u of %s can not be placed", slot, plan->service->name)
		          : 1;
	}
	schedule_free(schedule);
	return r;
}

static bool has_empty_slot(const struct service_plan *plan)
{
	for (uint32_t slot = 1; slot <= plan->replicas; slot++) {
		if (!placement_find(plan->app, plan->service->name, slot))
			return true;
	}
	return false;
}

/* Asks policies until one does not fail: a bad one never stops scheduling. */
static void place(const struct service_plan *plan)
{
	static const char *const level_names[POLICY_LEVELS] = { NULL, NULL, "spread", "spread" };
	const char *name = plan->service->placement_policy ? plan->service->placement_policy : "spread";
	struct service_state *state = plan->state;

	state->unplaced[0] = '\0';
	policies_note(plan->controller, name, state->note);
	if (!has_empty_slot(plan))
		return;
	for (enum policy_level level = POLICY_PUBLISHED; level < POLICY_LEVELS; level++) {
		struct baton_error err = { 0 };
		struct scorer scorer;
		int r;

		if (!policies_scorer(plan->controller, name, level, &scorer))
			continue;
		r = fill_slots(plan, &scorer, &err);
		if (r < 0) {
			log_warning("policy %s: %s", name, err.message);
			policies_failed(plan->controller, name, level, &err);
			policies_note(plan->controller, name, state->note);
			continue;
		}
		/* One that was not asked, because no node fits, has not shown anything. */
		if (r > 0)
			policies_succeeded(plan->controller, name, level);
		policies_note(plan->controller, name, state->note);
		(void)snprintf(state->policy, sizeof(state->policy), "%s",
		        level_names[level] ? level_names[level] : name);
		if (r == 0)
			schedule_explain(&plan->controller->nodes, plan->service, state->unplaced);
		return;
	}
	(void)snprintf(state->unplaced, sizeof(state->unplaced), "the controller is out of memory");
}

/* To run is not to work: what ends soon after its start must not replace the others. 0: it has settled. */
static int64_t settles_in(const struct placement *placement)
{
	int64_t up = placement->running_ms > 0 ? clock_boot_ms() - placement->running_ms : 0;

	return up < CONFIG_ROLLOUT_SETTLE_MS ? CONFIG_ROLLOUT_SETTLE_MS - up : 0;
}

/* *ret_wait_ms grows to what this one needs of time alone. */
static enum progress progress_of(
        const struct placement *placement, char reason[static REASON_SIZE], int64_t *ret_wait_ms)
{
	const struct report_instance *instance = fleet_reported(placement->node, placement->ref.id);
	const char *state = instance ? instance_state_name(instance->state) : "not reported yet";
	enum progress progress = WAITING;

	if (!fleet_node_ready(placement->node)) {
		char trouble[REASON_SIZE];

		(void)snprintf(reason, REASON_SIZE, "waits for %.128s: %.200s", placement->ref.id,
		        fleet_node_trouble(placement->node, trouble));
		return WAITING;
	}
	if (instance && instance->state == INSTANCE_RUNNING) {
		int64_t wait_ms = settles_in(placement);

		*ret_wait_ms = wait_ms > *ret_wait_ms ? wait_ms : *ret_wait_ms;
		(void)snprintf(reason, REASON_SIZE, "waits until %.128s on %s has been up for %d s",
		        placement->ref.id, placement->node->name, CONFIG_ROLLOUT_SETTLE_MS / 1000);
		return wait_ms > 0 ? WAITING : SETTLED;
	}
	if (instance && instance->state == INSTANCE_EXITED)
		progress = instance->exit_code == 0 ? SETTLED : FAILED;
	else if (instance && (instance->state == INSTANCE_BACKOFF || instance->state == INSTANCE_FAILED))
		progress = FAILED;
	(void)snprintf(reason, REASON_SIZE, "%s %.128s on %s is %s%s%.200s",
	        progress == FAILED ? "paused:" : "waits for", placement->ref.id, placement->node->name, state,
	        instance ? ": " : "", instance ? instance->reason : "");
	return progress;
}

/* What is down loses least, what is on a node that cannot answer would only block the others. */
static int swap_rank(const struct placement *placement)
{
	const struct report_instance *instance = fleet_reported(placement->node, placement->ref.id);

	if (!fleet_node_ready(placement->node))
		return 2;
	return instance && instance->state == INSTANCE_RUNNING ? 1 : 0;
}

static size_t index_of(const struct app_entry *app, const struct placement *placement)
{
	size_t i = 0;

	while (app->placements[i] != placement)
		i++;
	return i;
}

static void pause_rollout(const struct service_plan *plan, const char *id)
{
	char reason[REASON_SIZE];

	schedule_explain(&plan->controller->nodes, plan->service, reason);
	(void)snprintf(plan->state->rollout, sizeof(plan->state->rollout),
	        "paused: no node fits %.128s: %.300s", id, reason);
	plan->state->paused = true;
	plan->app->unplaced = true;
}

/* To another node, if one takes it; else the old one goes on where it is. */
static void move(const struct service_plan *plan, struct placement *placement, const char *id)
{
	const struct assignment_ref old = placement->ref;
	struct fleet_node *old_node = placement->node;
	char reason[REASON_SIZE];
	struct fleet_node *node;

	TABLE_FOREACH(node, &plan->controller->nodes) {
		if (!schedule_fits(node, plan->service, NULL, reason))
			continue;
		placement_remove(plan->app, index_of(plan->app, placement));
		place(plan);
		(void)snprintf(plan->state->rollout, REASON_SIZE, "moves %.128s", id);
		if (placement_find(plan->app, old.service, old.slot))
			return;
		/* The policy refused: its memory was there a moment ago. */
		plan->state->unplaced[0] = '\0';
		(void)placement_add(plan->app, &old, old_node, plan->service);
		break;
	}
	pause_rollout(plan, id);
}

/* In place where the new container still fits: its volumes are there. */
static void swap(const struct service_plan *plan, struct placement *placement)
{
	struct assignment_ref ref;
	char reason[REASON_SIZE];
	int64_t wait_ms = 0;

	if (make_ref(plan, placement->ref.slot, &ref) < 0)
		return; /* revision_new has tried the longest one */
	if (fleet_node_ready(placement->node) &&
	        !schedule_fits(placement->node, plan->service, placement, reason)) {
		move(plan, placement, ref.id);
		return;
	}
	placement->ref = ref;
	placement->since_ms = clock_wall_ms();
	placement->running_ms = 0;
	placement_set_service(placement, plan->service);
	placement->node->changed = true;
	(void)progress_of(placement, plan->state->rollout, &wait_ms);
}

static void roll(const struct service_plan *plan)
{
	struct service_state *state = plan->state;
	struct placement *next = NULL;
	enum progress worst = SETTLED;
	char reason[REASON_SIZE];
	int64_t wait_ms = 0;

	state->rollout[0] = '\0';
	state->paused = false;
	for (uint32_t slot = 1; slot <= plan->replicas; slot++) {
		struct placement *placement = placement_find(plan->app, plan->service->name, slot);
		enum progress progress;

		if (!placement)
			continue;
		if (!is_current(placement, state)) {
			if (!next || swap_rank(placement) < swap_rank(next))
				next = placement;
			continue;
		}
		progress = progress_of(placement, reason, &wait_ms);
		if (progress > worst) {
			worst = progress;
			memcpy(state->rollout, reason, sizeof(state->rollout));
		}
	}
	if (!next) {
		state->rollout[0] = '\0';
		return;
	}
	state->paused = worst == FAILED;
	if (wait_ms > 0) {
		plan->app->waits = true;
		controller_settle_in(plan->controller, wait_ms);
	}
	if (worst == SETTLED)
		swap(plan, next);
}

void rollout_plan(struct controller *controller, struct app_entry *app)
{
	struct revision *revision = app->revision;

	app->plan = false;
	app->waits = false;
	app->unplaced = false;
	app->show = true;
	/* What is in force can not be read: nobody knows what is surplus. */
	if (app->has_document && !revision)
		return;
	drop_surplus(app);
	for (size_t i = 0; revision && i < revision->app.n_services; i++) {
		const struct service_plan plan = {
			.controller = controller,
			.app = app,
			.service = &revision->app.services[i],
			.state = &revision->services[i],
			.replicas = app_replicas(app, &revision->app.services[i]),
		};

		refresh_digests(&plan);
		place(&plan);
		roll(&plan);
		app->unplaced = app->unplaced || plan.state->unplaced[0] != '\0';
	}
}
