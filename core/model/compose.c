/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the Compose decoder: text, top level, services. */
#include "core/model/compose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/strv.h"
#include "core/model/compose-priv.h"
#include "core/model/compose_values.h"

/* ---- top-level attributes ---- */

void decode_name(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	const char *text = json_string_value(value);
	const char *fault = value_check_name(text);

	(void)attribute;
	(void)target; /* the name is part of the decoder: services need it */
	if (fault)
		compose_error(decoder, place, NULL, "%s", fault);
	else if (decoder->topic_app && strcmp(text, decoder->topic_app) != 0)
		compose_error(decoder, place, NULL,
		        "does not match the topic, which is of the application \"%s\"", decoder->topic_app);
	else
		compose_assign(decoder, &decoder->app.name, text);
}

void decode_services(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	(void)place;
	(void)attribute;
	(void)target;
	decoder->services = value;
}

static void check_volume(
        struct decoder *decoder, const struct place *place, const char *name, json_t *definition)
{
	const char *fault = value_check_name(name);

	if (fault)
		compose_error(decoder, place, NULL, "the name of a volume %s", fault);
	if (compose_check_type(decoder, place, definition, TYPE_OBJECT | TYPE_NULL))
		compose_walk(decoder, place, &section_volume, definition, NULL);
	/* Declared all the same, so that a fault in it does not come back as an undeclared volume. */
	compose_append(decoder, &decoder->app.volumes, name);
}

void decode_volumes(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	const char *name;
	json_t *definition;

	(void)attribute;
	(void)target;
	if (json_object_size(value) > CONFIG_MAX_LIST_ITEMS) {
		compose_error_limit(decoder, place, CONFIG_MAX_LIST_ITEMS, " items", "has too many volumes");
		return;
	}
	json_object_foreach(value, name, definition) {
		const struct place here = { place, name, 0 };

		check_volume(decoder, &here, name, definition);
	}
}

/* ---- services ---- */

static int compare_services(const void *a, const void *b)
{
	return strcmp(((const struct service *)a)->name, ((const struct service *)b)->name);
}

static void walk_services(struct decoder *decoder, const struct place *place)
{
	struct app *app = &decoder->app;
	size_t count = json_object_size(decoder->services);
	const char *name;
	json_t *object;

	if (count == 0) {
		compose_error(
		        decoder, place, NULL, "needs a service (an empty payload removes an application)");
		return;
	}
	if (count > CONFIG_MAX_SERVICES) {
		compose_error_limit(
		        decoder, place, CONFIG_MAX_SERVICES, " services", "has too many services");
		return;
	}
	app->services = calloc(count, sizeof(*app->services));
	if (!app->services) {
		decoder->out_of_memory = true;
		return;
	}
	json_object_foreach(decoder->services, name, object) {
		const struct place here = { place, name, 0 };

		if (compose_check_type(decoder, &here, object, TYPE_OBJECT))
			compose_service(decoder, &here, object, name, &app->services[app->n_services++]);
	}
	if (!decoder->out_of_memory)
		qsort(app->services, app->n_services, sizeof(*app->services), compare_services);
}

static void walk_document(struct decoder *decoder, json_t *document)
{
	const struct place services = { NULL, "services", 0 };

	if (!compose_check_type(decoder, NULL, document, TYPE_OBJECT))
		return;
	compose_walk(decoder, NULL, &section_document, document, decoder);
	if (!decoder->app.name && !json_object_get(document, "name")) {
		if (decoder->topic_app)
			compose_assign(decoder, &decoder->app.name, decoder->topic_app);
		else
			compose_error(decoder, NULL, NULL, "needs a \"name\"");
	}
	if (decoder->services)
		walk_services(decoder, &services);
	else if (!json_object_get(document, "services"))
		compose_error(decoder, NULL, NULL, "needs \"services\"");
}

/* ---- the document ---- */

static int parse(const char *text, size_t length, struct verdict *verdict, json_t **ret_document)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	struct baton_error err = { .code = 0 };
	char limit[64] = "";
	int r = json_parse(text, length, limits, ret_document, &err);

	if (r == -EMSGSIZE && length > limits.bytes)
		(void)snprintf(limit, sizeof(limit), "%zu bytes", limits.bytes);
	else if (r == -EMSGSIZE)
		(void)snprintf(limit, sizeof(limit), "%zu levels", limits.depth);
	if (r < 0 && r != -ENOMEM)
		verdict_error(verdict, "$", limit, "%s", err.message);
	return r == -EMSGSIZE ? -EINVAL : r;
}

int compose_decode(
        const char *text, size_t length, const char *topic_app, struct app *ret_app, struct verdict *verdict)
{
	struct decoder decoder = { .verdict = verdict, .topic_app = topic_app };
	cleanup_json json_t *document = NULL;
	int r = parse(text, length, verdict, &document);

	if (r < 0)
		return r;
	walk_document(&decoder, document);
	if (decoder.out_of_memory || decoder.failed) {
		app_release(&decoder.app);
		return decoder.out_of_memory ? -ENOMEM : -EINVAL;
	}
	*ret_app = decoder.app;
	return 0;
}
