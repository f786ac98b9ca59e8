/* SPDX-License-Identifier: Apache-2.0 */
/* apps/{app}/command/{verb}: requests with an answer on the MQTT 5 response topic. */
#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"

static void answer(
        struct controller *controller, const struct session_message *message, const struct verdict *verdict)
{
	cleanup_json json_t *document = NULL;
	cleanup_free char *text = NULL;
	struct topic own;

	document = verdict->n_errors == 0
	                   ? json_pack("{s:b}", "ok", 1)
	                   : json_pack("{s:b, s:o}", "ok", 0, "errors", verdict_errors_json(verdict));
	text = document ? json_text(document) : NULL;
	if (!text || !message->response_topic)
		return;
	/* Whoever may only send commands must not write documents through our hands. */
	if (topic_parse(message->response_topic, controller->prefix, &own) == 0 && own.kind != TOPIC_SYNC) {
		event_bad_payload(controller, message->topic, "$",
		        "the response topic is a document or command topic of the fleet", NULL);
		return;
	}
	const struct session_publish publish = {
		.topic = message->response_topic,
		.payload = text,
		.length = strlen(text),
		.qos = 1,
		.correlation = message->correlation,
		.correlation_length = message->correlation_length,
	};

	/* An asker that is gone has no use for the answer. */
	(void)controller->publish(controller->arg, &publish);
}

static void scale(
        struct controller *controller, struct app_entry *app, const json_t *request, struct verdict *verdict)
{
	struct baton_error err = { 0 };
	const char *service;
	char limit[32];
	int64_t replicas;

	(void)snprintf(limit, sizeof(limit), "%d replicas", CONFIG_MAX_REPLICAS);
	if (json_need_string(request, "service", TOPIC_NAME_MAX, &service, &err) < 0) {
		verdict_error(verdict, "$.service", NULL, "%s", err.message);
		return;
	}
	if (json_need_int(request, "replicas", 0, CONFIG_MAX_REPLICAS, &replicas, &err) < 0) {
		verdict_error(verdict, "$.replicas", limit, "%s", err.message);
		return;
	}
	if (!app->revision || !app_find_service(&app->revision->app, service)) {
		verdict_error(verdict, "$.service", NULL, "the revision in force has no service \"%.63s\"",
		        service);
		return;
	}
	if (app_replicas(app, app_find_service(&app->revision->app, service)) == replicas)
		return;
	if (app_set_override(app, service, (uint32_t)replicas) < 0) {
		verdict_error(verdict, "$", NULL, "the controller is out of memory");
		return;
	}
	app->plan = true;
	app->show = true;
	app->journal = true;
	event_emit(controller, "app.scaled", app->name, "%s has %lld replicas from now on", service,
	        (long long)replicas);
}

static const struct {
	const char *verb;
	void (*run)(struct controller *controller, struct app_entry *app, const json_t *request,
	        struct verdict *verdict);
} verbs[] = {
	{ "scale", scale },
};

static void run_verb(struct controller *controller, const struct topic *topic, const json_t *request,
        struct verdict *verdict)
{
	struct app_entry *app = apps_find(controller, topic->first);

	for (size_t i = 0; i < array_size(verbs); i++) {
		if (strcmp(verbs[i].verb, topic->second) != 0)
			continue;
		if (!controller->synced)
			verdict_error(verdict, "$", NULL,
			        "the controller is still reading the fleet's state: try again");
		else if (!app || !app->has_document)
			verdict_error(verdict, "$", NULL, "there is no application \"%.63s\"", topic->first);
		else
			verbs[i].run(controller, app, request, verdict);
		return;
	}
	verdict_error(verdict, "$", NULL, "command \"%.63s\" is not known; known: scale", topic->second);
}

void commands_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	cleanup_with(verdict_release) struct verdict verdict = { .n_errors = 0 };
	cleanup_json json_t *request = NULL;
	struct baton_error err = { 0 };
	char limit[32];

	verdict_init(&verdict);
	(void)snprintf(limit, sizeof(limit), "%d bytes", CONFIG_MAX_DOCUMENT_BYTES);
	if (message->length == 0 && !message->too_large && message->retained)
		return;
	if (message->retained)
		verdict_error(
		        &verdict, "$", NULL, "commands must not be retained: it would be obeyed again later");
	else if (message->too_large)
		verdict_error(&verdict, "$", limit, "request is too large");
	else if (json_parse(message->payload, message->length, limits, &request, &err) < 0)
		verdict_error(&verdict, "$", NULL, "%s", err.message);
	else
		run_verb(controller, topic, request, &verdict);
	if (verdict.n_errors > 0 && !message->response_topic)
		event_bad_payload(controller, message->topic, verdict.errors[0].path,
		        verdict.errors[0].reason,
		        verdict.errors[0].limit[0] ? verdict.errors[0].limit : NULL);
	answer(controller, message, &verdict);
}
