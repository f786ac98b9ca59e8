/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller says on the topic `events`, and about payloads that nobody else gives a verdict on. */
#include <baton/kconfig.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/controller/controller-priv.h"
#include "core/model/text.h"

static void publish_event(struct controller *controller, json_t *event)
{
	char topic[TOPIC_MAX];
	char time[CLOCK_TEXT_SIZE];
	cleanup_free char *text = NULL;

	clock_format(clock_wall_ms(), time);
	if (!event || json_object_set_new(event, "time", json_string(time)) < 0 ||
	        json_object_set_new(event, "node", json_string(controller->node)) < 0)
		return;
	text = json_text(event);
	if (!text || topic_format(topic, controller->prefix, TOPIC_EVENTS, NULL, NULL) < 0)
		return;
	const struct session_publish publish = {
		.topic = topic, .payload = text, .length = strlen(text), .qos = 1
	};

	/* Events are news, not state: what happens while offline is in the status documents. */
	(void)controller->publish(controller->arg, &publish);
}

void event_emit(struct controller *controller, const char *type, const char *app, const char *format, ...)
{
	char reason[REASON_SIZE];
	cleanup_json json_t *event = NULL;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	log_info("%s%s%s: %s", type, app ? " " : "", app ? app : "", reason);
	event = json_pack("{s:s, s:s*, s:o}", "type", type, "app", app, "reason", document_any_text(reason));
	publish_event(controller, event);
}

void event_bad_payload(struct controller *controller, const char *topic, const char *path, const char *reason,
        const char *limit)
{
	cleanup_json json_t *event = NULL;
	char shown[TOPIC_MAX]; /* it may be as long as a message */

	(void)snprintf(shown, sizeof(shown), "%s", topic);
	log_warning("payload on %s refused: %s: %s", shown, path, reason);
	event = json_pack("{s:s, s:o, s:s, s:o, s:s*}", "type", "payload.rejected", "topic",
	        document_any_text(shown), "path", path, "reason", document_any_text(reason), "limit", limit);
	publish_event(controller, event);
}

void event_bad_document(struct controller *controller, const char *topic, const struct baton_error *err)
{
	char limit[32] = "";

	if (err->code == ERANGE)
		(void)snprintf(limit, sizeof(limit), "term %lld", (long long)TERM_OUTSIDE_MAX);
	else if (err->code == EFBIG)
		(void)snprintf(limit, sizeof(limit), "%d bytes", CONFIG_MAX_DOCUMENT_BYTES);
	event_bad_payload(controller, topic, "$", err->message, limit[0] ? limit : NULL);
}

json_t *payload_json(struct controller *controller, const struct session_message *message)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	struct baton_error err = { 0 };
	char limit[32];
	json_t *document = NULL;
	int r;

	(void)snprintf(limit, sizeof(limit), "%d bytes", CONFIG_MAX_DOCUMENT_BYTES);
	if (message->too_large || message->length > CONFIG_MAX_DOCUMENT_BYTES) {
		event_bad_payload(controller, message->topic, "$", "document is too large", limit);
		return NULL;
	}
	r = json_parse(message->payload, message->length, limits, &document, &err);
	if (r < 0) {
		event_bad_payload(controller, message->topic, "$", err.message, NULL);
		return NULL;
	}
	return document;
}
