/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker that lost its newest documents (power cut, kill -9) looks like one where an operator put an older
 * document back, or removed one, while we were away. What tells them apart is the watermark on
 * controller/leader: it is published after every change that the journal holds, so a broker that holds a
 * lower one than the journal's was rolled back. An application that was removed leaves its last journal file
 * behind for a while: without it, a broker that was rolled back would bring it back.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"
#include "core/controller/journal.h"

/* mosquitto saves every 30 minutes when nobody asks it to. */
#define TOMBSTONE_MS 3600000LL

void rollback_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	cleanup_json json_t *document = NULL;
	bool is_empty = message->length == 0 && !message->too_large;
	int64_t watermark;

	(void)topic;
	document = is_empty ? NULL : payload_json(controller, message);
	watermark = json_get_int(document, "watermark", 0);
	if (!controller->synced) {
		controller->broker_watermark = watermark;
		return;
	}
	/* An echo may be older than what was published since; the newest one comes last. */
	controller->leader_differs = watermark != controller->broker_watermark ||
	                             strcmp(json_get_string(document, "node", ""), controller->node) != 0;
	if (document && (strcmp(json_get_string(document, "node", ""), controller->node) != 0 ||
	                        watermark < 0 || watermark > controller->broker_watermark))
		event_bad_payload(
		        controller, message->topic, "$", "only the active controller writes here", NULL);
}

void rollback_tick(struct controller *controller)
{
	if (!controller->leader_differs)
		return;
	controller->broker_watermark = -1;
	rollback_publish(controller);
}

void rollback_publish(struct controller *controller)
{
	cleanup_json json_t *document = NULL;
	cleanup_free char *text = NULL;
	const struct app_entry *app;

	if (!controller->synced || controller->broker_watermark == controller->watermark)
		return;
	/* A broker that looked up to date would be believed at the next sync. */
	TABLE_FOREACH(app, &controller->apps) {
		if (app->unsettled)
			return;
	}
	document = json_pack(
	        "{s:s, s:I}", "node", controller->node, "watermark", (json_int_t)controller->watermark);
	text = document ? json_text(document) : NULL;
	/* What fails is tried again after the next change; until then the broker only looks older than it is.
	 */
	if (!text || controller_retain(controller, TOPIC_CONTROLLER, NULL, NULL, text, strlen(text)) < 0)
		return;
	controller->broker_watermark = controller->watermark;
	controller->leader_differs = false;
}

bool rollback_happened(const struct controller *controller, const struct app_entry *app)
{
	return app->mark > controller->broker_watermark;
}

/* ---- removed applications ---- */

static void drop(struct controller *controller, size_t index)
{
	controller->n_tombstones--;
	memmove(controller->tombstones + index, controller->tombstones + index + 1,
	        (controller->n_tombstones - index) * sizeof(*controller->tombstones));
}

void tombstone_add(struct controller *controller, const struct app_entry *app)
{
	struct tombstone *tombstone;

	if (controller->n_tombstones == TOMBSTONES_MAX) {
		journal_remove_app(controller, controller->tombstones[0].name);
		drop(controller, 0);
	}
	tombstone = &controller->tombstones[controller->n_tombstones++];
	(void)snprintf(tombstone->name, sizeof(tombstone->name), "%s", app->name);
	memcpy(tombstone->digest, app->before, sizeof(tombstone->digest));
	tombstone->since_ms = clock_boot_ms();
}

bool tombstone_is_there(const struct controller *controller, const char *name)
{
	for (size_t i = 0; i < controller->n_tombstones; i++) {
		if (strcmp(controller->tombstones[i].name, name) == 0)
			return true;
	}
	return false;
}

void tombstone_take(struct controller *controller, struct app_entry *app)
{
	for (size_t i = 0; i < controller->n_tombstones; i++) {
		if (strcmp(controller->tombstones[i].name, app->name) != 0)
			continue;
		memcpy(app->before, controller->tombstones[i].digest, sizeof(app->before));
		drop(controller, i);
		return;
	}
}

void tombstones_tick(struct controller *controller)
{
	while (controller->n_tombstones > 0 &&
	        clock_boot_ms() - controller->tombstones[0].since_ms >= TOMBSTONE_MS) {
		journal_remove_app(controller, controller->tombstones[0].name);
		drop(controller, 0);
	}
}
