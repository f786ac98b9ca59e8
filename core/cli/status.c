/* SPDX-License-Identifier: Apache-2.0 */
/* baton status: verdict, services and instances of one application. */
#include <stdio.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/cli/fleet.h"
#include "core/cli/table.h"
#include "core/cli/terminal.h"

#define COUNT_TEXT_SIZE 24

static void write_verdict(const json_t *document)
{
	static const struct {
		const char *member;
		const char *kind;
	} lists[] = { { "errors", "error" }, { "warnings", "warning" } };

	const char *more = fleet_more_findings(document);

	terminal_printf(stdout, "Document:  %s, %.12s\n", json_get_string(document, "verdict", "unknown"),
	        json_get_string(document, "digest", "-"));
	for (size_t i = 0; i < array_size(lists); i++) {
		const json_t *findings = json_object_get(document, lists[i].member);
		const json_t *finding;
		size_t n;

		json_array_foreach(findings, n, finding)
			terminal_printf(stdout, "  %s: %s: %s\n", lists[i].kind,
			        json_get_string(finding, "path", "$"),
			        json_get_string(finding, "reason", "-"));
	}
	if (more)
		(void)printf("  %s\n", more);
}

static void write_services(const json_t *services)
{
	static const char *const titles[] = { "SERVICE", "REPLICAS", "RUNNING", "UPDATED", "POLICY", "REASON",
		NULL };
	struct table *table = table_new(titles);
	const char *name;
	json_t *service;

	json_object_foreach((json_t *)(uintptr_t)services, name, service) {
		char counts[3][COUNT_TEXT_SIZE];
		static const char *const members[] = { "replicas", "running", "updated" };

		for (size_t i = 0; i < array_size(members); i++)
			(void)snprintf(counts[i], sizeof(counts[i]), "%lld",
			        (long long)json_get_int(service, members[i], 0));
		const char *const cells[] = { name, counts[0], counts[1], counts[2],
			json_get_string(service, "policy", NULL), json_get_string(service, "reason", NULL) };

		table_add(table, cells);
	}
	table_write(table, stdout);
}

static void write_instances(const json_t *instances)
{
	static const char *const titles[] = { "INSTANCE", "NODE", "STATE", "SINCE", "REASON", NULL };
	struct table *table = table_new(titles);
	int64_t now = clock_wall_ms();
	const json_t *instance;
	size_t i;

	json_array_foreach(instances, i, instance) {
		char age[AGE_TEXT_SIZE];

		age_format(json_get_string(instance, "since", NULL), now, age);
		const char *const cells[] = { json_get_string(instance, "id", NULL),
			json_get_string(instance, "node", NULL), json_get_string(instance, "state", NULL),
			age, json_get_string(instance, "reason", NULL) };

		table_add(table, cells);
	}
	table_write(table, stdout);
}

static void write_text(const char *app, const json_t *status)
{
	const json_t *document = json_object_get(status, "document");
	char age[AGE_TEXT_SIZE];

	age_format(json_get_string(status, "since", NULL), clock_wall_ms(), age);
	terminal_printf(stdout, "App:       %s\nState:     %s for %s: %s\nRevision:  %.12s\n", app,
	        json_get_string(status, "state", "unknown"), age, json_get_string(status, "reason", "-"),
	        json_get_string(status, "revision", "-"));
	if (json_is_object(document))
		write_verdict(document);
	(void)putchar('\n');
	write_services(json_object_get(status, "services"));
	(void)putchar('\n');
	write_instances(json_object_get(status, "instances"));
}

static int show(const struct cli *cli, struct bus *bus, const char *app)
{
	const json_t *status = bus_document(bus, TOPIC_APP_STATUS, app, NULL);

	if (!status && bus_document(bus, TOPIC_APP_DESIRED, app, NULL))
		return cli_error(
		        CLI_NOT_FOUND, "\"%s\" has a manifest but no status: is a controller running?", app);
	if (!status)
		return cli_error(
		        CLI_NOT_FOUND, "there is no application \"%s\"; \"baton ps\" lists all", app);
	if (cli->options.json)
		return json_write(status, stdout) < 0 ? CLI_FAILED : CLI_OK;
	write_text(app, status);
	return CLI_OK;
}

int verb_status(const struct cli *cli)
{
	const char *app = cli->operands[0];
	struct bus *bus;
	int code;

	if (!topic_name_valid(app))
		return cli_error(CLI_USAGE, "\"%s\" cannot be the name of an application", app);
	code = bus_open(cli, NULL, NULL, &bus);
	if (code != CLI_OK)
		return code;
	code = bus_subscribe(bus, TOPIC_APP_STATUS, app, NULL);
	if (code == CLI_OK)
		code = bus_subscribe(bus, TOPIC_APP_DESIRED, app, NULL);
	if (code == CLI_OK)
		code = bus_sync(bus);
	if (code == CLI_OK)
		code = show(cli, bus, app);
	bus_close(bus);
	return code;
}
