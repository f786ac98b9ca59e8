/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes: presence, description, heartbeat, report. Keyed by name, bounded by CONFIG_MAX_NODES. */
#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/controller/controller-priv.h"
#include "core/controller/journal.h"

/* A beat goes by QoS 0 and may be lost; three in a row are not. */
#define SILENT_MS (3LL * CONFIG_BEAT_MS + CONFIG_BEAT_MS / 2)

bool fleet_node_ready(const struct fleet_node *node)
{
	return node->has_presence && node->presence.online && !node->silent;
}

const char *fleet_node_trouble(const struct fleet_node *node, char text[static REASON_SIZE])
{
	if (fleet_node_ready(node))
		return NULL;
	(void)snprintf(text, REASON_SIZE, "node %s is %s", node->name,
	        !node->has_presence     ? "unknown"
	        : node->presence.online ? "silent"
	                                : "offline");
	return text;
}

void fleet_node_free(struct fleet_node *node)
{
	if (!node)
		return;
	node_info_release(&node->info);
	report_release(&node->report);
	free(node->placements);
	free(node->text);
	free(node->instances);
	free(node);
}

struct fleet_node *fleet_take_node(struct controller *controller, const char *name)
{
	struct fleet_node *node = table_find(&controller->nodes, name);

	if (node)
		return node;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	(void)snprintf(node->name, sizeof(node->name), "%s", name);
	if (table_add(&controller->nodes, node) < 0) {
		free(node);
		return NULL;
	}
	return node;
}

const struct report_instance *fleet_reported_of(
        const struct fleet_node *node, const char *app, size_t *ret_count)
{
	const struct report *report = &node->report;
	size_t length = strlen(app);
	size_t low = 0;
	size_t high = report->n_instances;

	/* Ids begin with the name and a dot; "shop.x" of the application "shop" sorts among those of
	 * "shop.x". */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *id = report->instances[middle].ref.id;
		int order = strncmp(id, app, length);

		if (order < 0 || (order == 0 && id[length] < '.'))
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < report->n_instances; high++) {
		const char *id = report->instances[high].ref.id;

		if (strncmp(id, app, length) != 0 || id[length] != '.')
			break;
	}
	*ret_count = high - low;
	return high > low ? &report->instances[low] : NULL;
}

const struct report_instance *fleet_reported(const struct fleet_node *node, const char *id)
{
	size_t low = 0;
	size_t high = node->has_report ? node->report.n_instances : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(node->report.instances[middle].ref.id, id);

		if (order == 0)
			return &node->report.instances[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Nodes that nobody speaks of any more, because the operator cleared their topics, and that run nothing. */
void fleet_forget_empty(struct controller *controller)
{
	for (size_t i = controller->nodes.count; i-- > 0;) {
		struct fleet_node *node = controller->nodes.items[i];

		if (node->has_presence || node->has_info || node->has_report || node->n_placements > 0)
			continue;
		if (node->text) {
			if (controller_retain(controller, TOPIC_NODE_DESIRED, node->name, NULL, "", 0) < 0)
				continue;
			journal_remove_node(controller, node->name);
		}
		table_remove(&controller->nodes, node->name);
		fleet_node_free(node);
	}
}

static void mark_app(struct controller *controller, const char *name)
{
	struct app_entry *app = apps_find(controller, name);

	if (app) {
		app->plan = true;
		app->show = true;
	}
}

static void mark_apps_of_node(struct controller *controller, const struct fleet_node *node)
{
	for (size_t i = 0; i < node->n_placements; i++)
		mark_app(controller, node->placements[i]->ref.app);
	apps_mark_unplaced(controller);
}

static void set_silent(struct controller *controller, struct fleet_node *node, bool silent)
{
	if (node->silent == silent)
		return;
	node->silent = silent;
	event_emit(controller, silent ? "node.silent" : "node.heard", NULL, "node %s %s", node->name,
	        silent ? "has sent no heartbeat for a while" : "sends heartbeats again");
	mark_apps_of_node(controller, node);
}

static void heard(struct controller *controller, struct fleet_node *node)
{
	node->heard_ms = clock_boot_ms();
	set_silent(controller, node, false);
}

static int take_presence(struct controller *controller, struct fleet_node *node, const json_t *document,
        struct baton_error *err)
{
	struct node_presence presence;
	bool was_online = node->has_presence && node->presence.online;
	int r;

	if (!document) {
		node->has_presence = false;
		mark_apps_of_node(controller, node);
		return 0;
	}
	r = node_presence_decode(document, &presence, err);
	if (r < 0)
		return r;
	/* The broker may send the will of a session that a newer one has replaced. */
	if (node->has_presence && node->presence.online && !presence.online &&
	        strcmp(presence.session, node->presence.session) != 0)
		return 0;
	node->presence = presence;
	node->has_presence = true;
	if (presence.online)
		heard(controller, node);
	if (controller->synced && presence.online != was_online)
		event_emit(controller, presence.online ? "node.online" : "node.offline", NULL,
		        "node %s is %s", node->name, presence.online ? "online" : "offline");
	mark_apps_of_node(controller, node);
	return 0;
}

static int take_info(struct controller *controller, struct fleet_node *node, const json_t *document,
        struct baton_error *err)
{
	struct node_info info = { .cpu = 0 };
	int r = document ? node_info_decode(document, &info, err) : 0;

	if (r < 0)
		return r;
	if (document && strcmp(info.name, node->name) != 0) {
		node_info_release(&info);
		return error_set(err, EINVAL, "$.name: must be the node of the topic");
	}
	node_info_release(&node->info);
	node->info = info;
	node->has_info = document != NULL;
	mark_apps_of_node(controller, node);
	return 0;
}

static bool same_report(const struct report_instance *a, const struct report_instance *b)
{
	return a->state == b->state && a->since_ms == b->since_ms && a->restarts == b->restarts &&
	       a->has_exit == b->has_exit && a->exit_code == b->exit_code &&
	       strcmp(a->reason, b->reason) == 0 && strcmp(a->ref.digest, b->ref.digest) == 0;
}

/* Both lists are sorted by id: one walk finds the applications that something happened to. */
static void mark_differences(
        struct controller *controller, const struct report *old, const struct report *new)
{
	size_t i = 0;
	size_t j = 0;

	while (i < old->n_instances || j < new->n_instances) {
		const struct report_instance *a = i < old->n_instances ? &old->instances[i] : NULL;
		const struct report_instance *b = j < new->n_instances ? &new->instances[j] : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->ref.id, b->ref.id);

		if (order != 0 || !same_report(a, b))
			mark_app(controller, order <= 0 ? a->ref.app : b->ref.app);
		i += order <= 0;
		j += order >= 0;
	}
}

void fleet_note_running(struct fleet_node *node)
{
	for (size_t i = 0; i < node->n_placements; i++) {
		struct placement *placement = node->placements[i];
		const struct report_instance *instance = fleet_reported(node, placement->ref.id);

		if (!instance || instance->state != INSTANCE_RUNNING)
			placement->running_ms = 0;
		else if (placement->running_ms == 0 || placement->restarts != instance->restarts)
			placement->running_ms = clock_boot_ms();
		placement->restarts = instance ? instance->restarts : 0;
	}
}

static int take_report(struct controller *controller, struct fleet_node *node, const json_t *document,
        struct baton_error *err)
{
	struct report report = { .term = 0 };
	int r = document ? report_decode(document, &report, err) : 0;

	if (r < 0)
		return r;
	if (document && strcmp(report.node, node->name) != 0) {
		report_release(&report);
		return error_set(err, EINVAL, "$.node: must be the node of the topic");
	}
	r = controller_note_term(controller, report.term, err);
	if (r < 0) {
		report_release(&report);
		return r;
	}
	mark_differences(controller, &node->report, &report);
	report_release(&node->report);
	node->report = report;
	node->has_report = document != NULL;
	fleet_note_running(node);
	return 0;
}

static int take_beat(struct controller *controller, struct fleet_node *node, const json_t *document,
        struct baton_error *err)
{
	struct node_beat beat;
	int r;

	if (!document)
		return error_set(err, EINVAL, "$: must be an object");
	r = node_beat_decode(document, &beat, err);
	if (r == 0)
		r = controller_note_term(controller, beat.term, err);
	if (r < 0)
		return r;
	heard(controller, node);
	return 0;
}

static const struct {
	enum topic_kind kind;
	int (*take)(struct controller *controller, struct fleet_node *node, const json_t *document,
	        struct baton_error *err); /* document NULL: the topic was cleared */
} takers[] = {
	{ TOPIC_NODE_PRESENCE, take_presence },
	{ TOPIC_NODE_INFO, take_info },
	{ TOPIC_NODE_REPORTED, take_report },
	{ TOPIC_NODE_BEAT, take_beat },
};

static struct fleet_node *node_of_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	struct fleet_node *node;
	char limit[32];

	if (!topic_name_valid(topic->first)) {
		event_bad_payload(
		        controller, message->topic, "$", "the topic has no valid name of a node", NULL);
		return NULL;
	}
	node = table_find(&controller->nodes, topic->first);
	if (node || (message->length == 0 && !message->too_large))
		return node;
	node = fleet_take_node(controller, topic->first);
	(void)snprintf(limit, sizeof(limit), "%d nodes", CONFIG_MAX_NODES);
	if (!node)
		event_bad_payload(
		        controller, message->topic, "$", "the fleet has no room for another node", limit);
	return node;
}

void fleet_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	struct fleet_node *node = node_of_message(controller, topic, message);
	cleanup_json json_t *document = NULL;
	struct baton_error err = { 0 };

	if (!node)
		return;
	if (topic->kind == TOPIC_NODE_DESIRED) {
		assign_replayed(controller, node, message);
		return;
	}
	if (message->length > 0 || message->too_large) {
		document = payload_json(controller, message);
		if (!document)
			return;
	}
	for (size_t i = 0; i < array_size(takers); i++) {
		if (takers[i].kind == topic->kind && takers[i].take(controller, node, document, &err) < 0)
			event_bad_document(controller, message->topic, &err);
	}
}

void fleet_tick(struct controller *controller)
{
	int64_t now = clock_boot_ms();
	struct fleet_node *node;

	TABLE_FOREACH(node, &controller->nodes) {
		if (node->has_presence && node->presence.online && now - node->heard_ms > SILENT_MS)
			set_silent(controller, node, true);
	}
}
