/* SPDX-License-Identifier: Apache-2.0 */
/* apps/{app}/status: one document that says what is in force, what runs, and why something does not. */
#include <baton/kconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/strv.h"
#include "core/controller/controller-priv.h"
#include "core/ipc/identity.h"
#include "core/model/text.h"

/* Entries that stay of a list when the document is too large. */
#define SHORT_LIST 4

/* What a service or instance means for the application; the worst one is shown. */
enum health { HEALTH_GOOD, HEALTH_PROGRESS, HEALTH_DEGRADED };

struct summary {
	enum health health;
	char reason[REASON_SIZE];
	uint32_t wanted;
	uint32_t running;
	uint32_t ended;
	json_t *instances;
	size_t omitted;
};

struct tally { /* of one service */
	uint32_t running;
	uint32_t updated;
};

static void note(struct summary *summary, enum health health, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void note(struct summary *summary, enum health health, const char *format, ...)
{
	va_list args;

	if (health <= summary->health)
		return;
	summary->health = health;
	va_start(args, format);
	(void)vsnprintf(summary->reason, sizeof(summary->reason), format, args);
	va_end(args);
}

static void list(struct summary *summary, json_t *instance)
{
	if (!instance || json_array_size(summary->instances) >= CONFIG_STATUS_INSTANCES_MAX) {
		json_decref(instance);
		summary->omitted++;
		return;
	}
	if (json_array_append_new(summary->instances, instance) < 0)
		summary->omitted++;
}

static json_t *instance_json(const struct assignment_ref *ref, const char *node, const char *state,
        const char *reason, const char *since)
{
	return json_pack("{s:s, s:s, s:I, s:s?, s:s, s:o, s:s, s:i, s:n}", "id", ref->id, "service",
	        ref->service, "slot", (json_int_t)ref->slot, "node", node, "state", state, "reason",
	        document_any_text(reason), "since", since, "restarts", 0, "exit_code");
}

static json_t *reported_json(
        const struct report_instance *instance, const struct fleet_node *node, const char *reason)
{
	char since[CLOCK_TEXT_SIZE];
	json_t *document;

	clock_format(instance->since_ms, since);
	document = instance_json(
	        &instance->ref, node->name, instance_state_name(instance->state), reason, since);
	if (!document)
		return NULL;
	/* Out of memory leaves 0 and null there. */
	(void)json_object_set_new(document, "restarts", json_integer(instance->restarts));
	if (instance->has_exit && instance->exit_code != EXIT_CODE_UNKNOWN)
		(void)json_object_set_new(document, "exit_code", json_integer(instance->exit_code));
	return document;
}

static void judge_instance(struct summary *summary, const struct report_instance *instance)
{
	const char *id = instance->ref.id;
	const char *state = instance_state_name(instance->state);

	switch (instance->state) {
	case INSTANCE_RUNNING: break;
	case INSTANCE_BACKOFF:
	case INSTANCE_FAILED:
		note(summary, HEALTH_DEGRADED, "%s is %s: %s", id, state, instance->reason);
		break;
	case INSTANCE_EXITED:
		if (instance->exit_code != 0)
			note(summary, HEALTH_DEGRADED, "%s is %s: %s", id, state, instance->reason);
		break;
	default: note(summary, HEALTH_PROGRESS, "%s is %s: %s", id, state, instance->reason); break;
	}
}

static void add_placement(
        struct summary *summary, struct tally *tally, const struct placement *placement, bool current)
{
	const struct fleet_node *node = placement->node;
	const struct report_instance *instance = fleet_reported(node, placement->ref.id);
	char trouble[REASON_SIZE];
	char reason[REASON_SIZE];
	char since[CLOCK_TEXT_SIZE];

	if (fleet_node_trouble(node, trouble)) {
		note(summary, HEALTH_DEGRADED, "%s", trouble);
		(void)snprintf(reason, sizeof(reason), "%.100s; last report: %.250s", trouble,
		        instance ? instance->reason : "none");
	} else {
		(void)snprintf(reason, sizeof(reason), "%s",
		        instance ? instance->reason : "the node has not reported it yet");
	}
	if (current)
		tally->updated++;
	else
		note(summary, HEALTH_PROGRESS, "%s is still of an older revision", placement->ref.id);
	if (instance) {
		list(summary, reported_json(instance, node, reason));
		judge_instance(summary, instance);
		tally->running += instance->state == INSTANCE_RUNNING && fleet_node_ready(node);
		summary->ended += instance->state == INSTANCE_EXITED && instance->exit_code == 0;
		return;
	}
	clock_format(placement->since_ms, since);
	list(summary, instance_json(&placement->ref, node->name, "pending", reason, since));
	note(summary, HEALTH_PROGRESS, "%s: %s", placement->ref.id, reason);
}

static void add_unplaced(struct summary *summary, const struct app_entry *app, const struct service *service,
        const struct service_state *state, uint32_t slot)
{
	struct assignment_ref ref = { .slot = slot };

	(void)snprintf(ref.service, sizeof(ref.service), "%s", service->name);
	if (identity_format(app->name, service->name, slot, state->hash, ref.id) < 0)
		return;
	list(summary, instance_json(&ref, NULL, "pending", state->unplaced, app->since));
	note(summary, HEALTH_DEGRADED, "no node fits %s: %.300s", ref.id, state->unplaced);
}

static const char *service_reason(const struct service_state *state, const struct tally *tally,
        uint32_t replicas, char text[static REASON_SIZE])
{
	const char *const reasons[] = { state->rollout, state->unplaced, state->note };

	for (size_t i = 0; i < array_size(reasons); i++) {
		if (reasons[i][0])
			return reasons[i];
	}
	(void)snprintf(text, REASON_SIZE, "%u of %u replicas run", tally->running, replicas);
	return text;
}

static json_t *add_service(struct summary *summary, const struct app_entry *app, size_t index)
{
	const struct service *service = &app->revision->app.services[index];
	const struct service_state *state = &app->revision->services[index];
	const char *policy = state->policy;
	uint32_t replicas = app_replicas(app, service);
	struct tally tally = { .running = 0 };
	char reason[REASON_SIZE];

	if (state->paused)
		note(summary, HEALTH_DEGRADED, "%s: rollout %.400s", service->name, state->rollout);
	for (uint32_t slot = 1; slot <= replicas; slot++) {
		const struct placement *placement = placement_find(app, service->name, slot);

		if (placement)
			add_placement(
			        summary, &tally, placement, strstr(placement->ref.id, state->hash) != NULL);
		else
			add_unplaced(summary, app, service, state, slot);
	}
	summary->wanted += replicas;
	summary->running += tally.running;
	if (!policy[0])
		policy = service->placement_policy ? service->placement_policy : "spread";
	return json_pack("{s:I, s:I, s:I, s:s, s:o}", "replicas", (json_int_t)replicas, "running",
	        (json_int_t)tally.running, "updated", (json_int_t)tally.updated, "policy", policy, "reason",
	        document_any_text(service_reason(state, &tally, replicas, reason)));
}

/* Instances that are on their way out: reported, but no longer assigned. */
static void add_leaving(struct summary *summary, struct controller *controller, const struct app_entry *app)
{
	struct fleet_node *node;

	TABLE_FOREACH(node, &controller->nodes) {
		size_t count;
		const struct report_instance *instances = fleet_reported_of(node, app->name, &count);

		for (size_t i = 0; i < count; i++) {
			const struct report_instance *instance = &instances[i];
			const struct placement *placement;

			if (strcmp(instance->ref.app, app->name) != 0)
				continue;
			placement = placement_find(app, instance->ref.service, instance->ref.slot);
			if (placement && placement->node == node &&
			        strcmp(placement->ref.id, instance->ref.id) == 0)
				continue;
			list(summary, reported_json(instance, node, instance->reason));
			note(summary, HEALTH_PROGRESS, "%s leaves %s", instance->ref.id, node->name);
		}
	}
}

static const char *state_word(const struct app_entry *app, enum health health)
{
	static const char *const words[] = { "running", "progressing", "degraded" };

	if (!app->has_document)
		return "removing";
	if (!app->revision)
		return app->in_force[0] ? "degraded" : "rejected";
	return words[health];
}

/* Word, reason and since of the application: since changes with the word only. */
static void set_state(struct app_entry *app, const struct summary *summary)
{
	const char *word = state_word(app, summary->health);

	if (!app->state || strcmp(app->state, word) != 0) {
		/* The status of a predecessor gave `since` when it has the same word: status_message. */
		if (app->state)
			clock_format(clock_wall_ms(), app->since);
		app->state = word;
	}
	if (!app->has_document)
		return; /* app_is_gone has set what it waits for */
	if (!app->revision && app->in_force[0])
		(void)snprintf(app->reason, sizeof(app->reason),
		        "revision %.12s can not be read any more: its instances are left as they are until "
		        "another manifest comes",
		        app->in_force);
	else if (!app->revision)
		(void)snprintf(app->reason, sizeof(app->reason),
		        "the manifest was rejected and no revision is in force");
	else if (summary->health != HEALTH_GOOD)
		(void)snprintf(app->reason, sizeof(app->reason), "%s", summary->reason);
	else if (summary->ended > 0)
		(void)snprintf(app->reason, sizeof(app->reason), "%u of %u instances run, %u ended well",
		        summary->running, summary->wanted, summary->ended);
	else
		(void)snprintf(app->reason, sizeof(app->reason), "%u of %u instances run", summary->running,
		        summary->wanted);
}

static json_t *document_json(const struct app_entry *app)
{
	cleanup_json json_t *none = json_array();

	if (!app->has_document)
		return json_null();
	return json_pack("{s:s?, s:s, s:O, s:O, s:o*}", "digest", app->document[0] ? app->document : NULL,
	        "verdict", app->rejected ? "rejected" : "accepted", "errors",
	        app->errors ? app->errors : none, "warnings", app->warnings ? app->warnings : none,
	        "truncated", app->truncated ? json_true() : NULL);
}

/* The first half of a list, in place of it. How many went; 0 when it is short already. */
static size_t halve(json_t *object, const char *name)
{
	const json_t *list = json_object_get(object, name);
	size_t count = json_array_size(list);
	json_t *half;

	if (count <= SHORT_LIST)
		return 0;
	half = json_array();
	for (size_t i = 0; half && i < count / 2; i++)
		(void)json_array_append(half, json_array_get(list, i));
	return json_object_set_new(object, name, half) == 0 ? count - count / 2 : 0;
}

/* False when there is nothing left to leave out. */
static bool shorten(json_t *status)
{
	json_t *document = json_object_get(status, "document");
	size_t gone = halve(document, "errors") + halve(document, "warnings");
	json_int_t omitted = json_get_int(status, "instances_omitted", 0);

	if (gone > 0)
		return json_object_set_new(document, "truncated", json_true()) == 0;
	gone = halve(status, "instances");
	return gone > 0 && json_object_set_new(status, "instances_omitted",
	                           json_integer(omitted + (json_int_t)gone)) == 0;
}

/* Not larger than any other document may be. */
static char *status_text(json_t *status)
{
	char *text = json_text(status);

	while (text && strlen(text) > CONFIG_MAX_DOCUMENT_BYTES && shorten(status)) {
		free(text);
		text = json_text(status);
	}
	return text;
}

static json_t *make_status(struct controller *controller, struct app_entry *app)
{
	cleanup_json json_t *services = json_object();
	cleanup_json json_t *instances = json_array();
	struct summary summary = { .instances = instances };
	struct tally unknown = { .running = 0 };
	json_t *status;

	/* Replicas without a node wait since then. */
	if (!app->since[0])
		clock_format(clock_wall_ms(), app->since);
	for (size_t i = 0; app->revision && i < app->revision->app.n_services; i++) {
		if (json_object_set_new(
		            services, app->revision->app.services[i].name, add_service(&summary, app, i)) < 0)
			return NULL;
	}
	for (size_t i = 0; !app->revision && i < app->n_placements; i++)
		add_placement(&summary, &unknown, app->placements[i], true);
	add_leaving(&summary, controller, app);
	set_state(app, &summary);
	status = json_pack("{s:s, s:o, s:s?, s:s, s:o, s:s, s:O, s:O}", "app", app->name, "document",
	        document_json(app), "revision", app->in_force[0] ? app->in_force : NULL, "state", app->state,
	        "reason", document_any_text(app->reason), "since", app->since, "services", services,
	        "instances", instances);
	if (status && summary.omitted > 0)
		(void)json_object_set_new(
		        status, "instances_omitted", json_integer((json_int_t)summary.omitted));
	return status;
}

void status_show(struct controller *controller, struct app_entry *app)
{
	cleanup_json json_t *status = make_status(controller, app);
	cleanup_free char *text = status ? status_text(status) : NULL;

	if (!text || (app->status && strcmp(app->status, text) == 0)) {
		app->show = !text;
		return;
	}
	app->show = controller_retain(controller, TOPIC_APP_STATUS, app->name, NULL, text, strlen(text)) < 0;
	if (app->show)
		return;
	app->shown_ms = clock_boot_ms();
	app->status_retained = true;
	free(app->status);
	app->status = steal_ptr(text);
}

/* Word and `since` of a predecessor. */
static void take_state(struct app_entry *app, const struct session_message *message)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	static const char *const words[] = { "running", "progressing", "degraded", "rejected", "removing" };
	cleanup_json json_t *status = NULL;
	struct baton_error err = { 0 };
	const char *since;

	if (message->too_large || json_parse(message->payload, message->length, limits, &status, &err) < 0)
		return;
	since = json_get_string(status, "since", "");
	if (strlen(since) >= sizeof(app->since))
		return;
	for (size_t i = 0; i < array_size(words); i++) {
		if (strcmp(words[i], json_get_string(status, "state", "")) == 0) {
			app->state = words[i];
			(void)snprintf(app->since, sizeof(app->since), "%s", since);
		}
	}
	app->status = bytes_copy(message->payload, message->length);
}

static bool is_ours(const struct app_entry *app, const struct session_message *message)
{
	return app->status && !message->too_large && strlen(app->status) == message->length &&
	       memcmp(app->status, message->payload, message->length) == 0;
}

void status_tick(struct controller *controller)
{
	struct app_entry *app;

	board_settle(controller, &controller->strangers);
	TABLE_FOREACH(app, &controller->apps) {
		if (!app->status_differs)
			continue;
		app->status_differs = false;
		app->show = true;
		free(steal_ptr(app->status));
	}
}

/* What a predecessor, or we before the connection was lost, had said. */
void status_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	struct app_entry *app = apps_find(controller, topic->first);
	bool is_empty = message->length == 0 && !message->too_large;

	if (!app) {
		board_message(&controller->strangers, topic, message);
		return;
	}
	/* An echo may be older than what was published since; the newest one comes last. */
	app->status_differs = controller->synced && !is_ours(app, message);
	if (controller->synced || is_empty)
		return;
	app->status_retained = true;
	if (!app->state)
		take_state(app, message);
	else if (!is_ours(app, message))
		free(steal_ptr(app->status)); /* not ours: publish again */
}

void status_show_refusal(struct controller *controller, const char *name, const char *digest,
        const char *reason, const char *limit)
{
	board_show(controller, &controller->strangers, name, "",
	        json_pack("{s:s, s:{s:s?, s:s, s:[{s:s, s:s, s:s}], s:[]}, s:n, s:s, s:s, s:{}, s:[]}", "app",
	                name, "document", "digest", digest[0] ? digest : NULL, "verdict", "rejected",
	                "errors", "path", "$", "reason", reason, "limit", limit, "warnings", "revision",
	                "state", "rejected", "reason", reason, "services", "instances"));
}
