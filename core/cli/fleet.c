/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"

struct collection {
	struct bus *bus;
	const char *app;   /* NULL: all */
	json_t *instances; /* id to object */
};

int fleet_subscribe(struct bus *bus, const char *app)
{
	int code = bus_subscribe(bus, TOPIC_APP_STATUS, app, NULL);

	if (code == CLI_OK)
		code = bus_subscribe(bus, TOPIC_APP_DESIRED, app, NULL);
	if (code == CLI_OK)
		code = bus_subscribe(bus, TOPIC_NODE_PRESENCE, NULL, NULL);
	if (code == CLI_OK)
		code = bus_subscribe(bus, TOPIC_NODE_REPORTED, NULL, NULL);
	return code;
}

bool fleet_node_online(struct bus *bus, const char *node)
{
	const json_t *presence = bus_document(bus, TOPIC_NODE_PRESENCE, node, NULL);

	return strcmp(json_get_string(presence, "state", ""), "online") == 0;
}

/* A copy with `name` set, filed under its id; replaces what is there. */
static void file_instance(
        struct collection *collection, const json_t *instance, const char *name, const char *value)
{
	cleanup_json json_t *copy =
	        json_copy((json_t *)(uintptr_t)instance); /* takes no const, changes nothing */
	const char *id = json_get_string(instance, "id", NULL);
	const json_t *known = id ? json_object_get(collection->instances, id) : NULL;
	const json_t *exit_code = json_object_get(known, "exit_code");

	if (!copy || !id || json_object_set_new(copy, name, json_string(value)) < 0)
		return;
	/* Left out by nodes when it has never ended; people who write scripts expect it. */
	if (!json_object_get(copy, "exit_code"))
		(void)json_object_set_new(copy, "exit_code",
		        exit_code ? json_copy((json_t *)(uintptr_t)exit_code) : json_null());
	(void)json_object_set(collection->instances, id, copy);
}

static void visit_status(void *arg, const struct topic *topic, json_t *document)
{
	struct collection *collection = arg;
	const json_t *instances = json_object_get(document, "instances");
	const json_t *instance;
	size_t i;

	if (collection->app && strcmp(collection->app, topic->first) != 0)
		return;
	json_array_foreach(instances, i, instance)
		file_instance(collection, instance, "app", topic->first);
}

static void visit_report(void *arg, const struct topic *topic, json_t *document)
{
	struct collection *collection = arg;
	const json_t *instances = json_object_get(document, "instances");
	bool online = fleet_node_online(collection->bus, topic->first);
	const json_t *instance;
	size_t i;

	json_array_foreach(instances, i, instance) {
		const char *id = json_get_string(instance, "id", "");

		if (collection->app && strcmp(collection->app, json_get_string(instance, "app", "")) != 0)
			continue;
		if (online || !json_object_get(collection->instances, id))
			file_instance(collection, instance, "node", topic->first);
	}
}

static int compare_ids(const void *a, const void *b)
{
	json_t *const *left = a;
	json_t *const *right = b;

	return strcmp(json_get_string(*left, "id", ""), json_get_string(*right, "id", ""));
}

json_t *fleet_instances(struct bus *bus, const char *app)
{
	cleanup_json json_t *found = json_object();
	struct collection collection = { .bus = bus, .app = app, .instances = found };
	cleanup_free json_t **sorted = NULL;
	json_t *array = json_array();
	const char *id;
	json_t *instance;
	size_t used = 0;

	bus_each(bus, TOPIC_APP_STATUS, visit_status, &collection);
	bus_each(bus, TOPIC_NODE_REPORTED, visit_report, &collection);
	sorted = calloc(json_object_size(found) + 1, sizeof(json_t *));
	if (!sorted || !array) {
		json_decref(array);
		return NULL;
	}
	json_object_foreach(found, id, instance)
		sorted[used++] = instance;
	qsort(sorted, used, sizeof(json_t *), compare_ids);
	for (size_t i = 0; i < used; i++)
		(void)json_array_append(array, sorted[i]); /* out of memory leaves it out of a listing */
	return array;
}

bool fleet_has_app(struct bus *bus, const char *app)
{
	cleanup_json json_t *instances = NULL;

	if (bus_document(bus, TOPIC_APP_DESIRED, app, NULL) || bus_document(bus, TOPIC_APP_STATUS, app, NULL))
		return true;
	instances = fleet_instances(bus, app);
	return json_array_size(instances) > 0;
}

void fleet_write_findings(const char *kind, const json_t *findings)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding) {
		const char *limit = json_get_string(finding, "limit", NULL);

		(void)cli_error(CLI_OK, "%s: %s: %s%s%s%s", kind, json_get_string(finding, "path", "$"),
		        json_get_string(finding, "reason", "no reason given"), limit ? " (limit: " : "",
		        limit ? limit : "", limit ? ")" : "");
	}
}

const char *fleet_more_findings(const json_t *document)
{
	bool rejected = strcmp(json_get_string(document, "verdict", ""), "rejected") == 0;

	if (!json_get_bool(document, "truncated", false))
		return NULL;
	return rejected ? "... and more errors" : "... and more warnings";
}

void fleet_write_verdict(const json_t *document)
{
	const char *more = fleet_more_findings(document);

	fleet_write_findings("warning", json_object_get(document, "warnings"));
	fleet_write_findings("rejected", json_object_get(document, "errors"));
	if (more)
		(void)cli_error(CLI_OK, "%s", more);
}
