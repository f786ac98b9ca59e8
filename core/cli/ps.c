/* SPDX-License-Identifier: Apache-2.0 */
/* baton ps: the instances of the fleet. */
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/cli/fleet.h"
#include "core/cli/table.h"

static void write_table(const json_t *instances)
{
	static const char *const titles[] = { "INSTANCE", "SERVICE", "NODE", "STATE", "RESTARTS", "SINCE",
		"REASON", NULL };
	struct table *table = table_new(titles);
	int64_t now = clock_wall_ms();
	const json_t *instance;
	size_t i;

	json_array_foreach(instances, i, instance) {
		char service[2 * TOPIC_NAME_MAX + 2];
		char restarts[24];
		char age[AGE_TEXT_SIZE];

		(void)snprintf(service, sizeof(service), "%s/%s", json_get_string(instance, "app", "-"),
		        json_get_string(instance, "service", "-"));
		(void)snprintf(
		        restarts, sizeof(restarts), "%lld", (long long)json_get_int(instance, "restarts", 0));
		age_format(json_get_string(instance, "since", NULL), now, age);
		const char *const cells[] = { json_get_string(instance, "id", NULL), service,
			json_get_string(instance, "node", NULL), json_get_string(instance, "state", NULL),
			restarts, age, json_get_string(instance, "reason", NULL) };

		table_add(table, cells);
	}
	table_write(table, stdout);
}

static int show(const struct cli *cli, struct bus *bus, const char *app)
{
	cleanup_json json_t *instances = fleet_instances(bus, app);
	cleanup_json json_t *document = NULL;

	if (!instances)
		return cli_error(CLI_FAILED, "out of memory");
	if (app && json_array_size(instances) == 0 && !fleet_has_app(bus, app))
		return cli_error(
		        CLI_NOT_FOUND, "there is no application \"%s\"; \"baton ps\" lists all", app);
	if (!cli->options.json) {
		write_table(instances);
		return CLI_OK;
	}
	document = json_pack("{s:O}", "instances", instances);
	return json_write(document, stdout) < 0 ? CLI_FAILED : CLI_OK;
}

int verb_ps(const struct cli *cli)
{
	const char *app = cli->n_operands > 0 ? cli->operands[0] : NULL;
	struct bus *bus;
	int code;

	if (app && !topic_name_valid(app))
		return cli_error(CLI_USAGE, "\"%s\" cannot be the name of an application", app);
	code = bus_open(cli, NULL, NULL, &bus);
	if (code != CLI_OK)
		return code;
	code = fleet_subscribe(bus, app);
	if (code == CLI_OK)
		code = bus_sync(bus);
	if (code == CLI_OK)
		code = show(cli, bus, app);
	bus_close(bus);
	return code;
}
