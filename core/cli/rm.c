/* SPDX-License-Identifier: Apache-2.0 */
/* baton rm: an empty manifest, then wait until the controller has taken everything away. */
#include <string.h>

#include "core/base/json.h"
#include "core/cli/fleet.h"
#include "core/cli/progress.h"
#include "core/cli/table.h"

struct removal {
	const char *app;
	struct bus *bus;
	struct progress progress;
	bool asked; /* the empty manifest was published */
};

static void on_message(void *arg, const struct topic *topic, json_t *document)
{
	struct removal *removal = arg;

	if (!removal->asked || topic->kind != TOPIC_APP_STATUS || strcmp(topic->first, removal->app) != 0)
		return;
	if (!document)
		bus_stop(removal->bus, CLI_OK);
	else
		progress_show(&removal->progress, "%s is %s: %s", removal->app,
		        json_get_string(document, "state", "unknown"),
		        json_get_string(document, "reason", "no reason given"));
}

/* With --detach, whether it is removed is not known. */
static int finish(const struct cli *cli, const char *app, bool removed)
{
	json_t *document;
	int r;

	if (!cli->options.json) {
		(void)printf(removed ? "%s is removed\n" : "%s is being removed\n", app);
		return CLI_OK;
	}
	document = json_pack("{s:s, s:b}", "app", app, "removed", removed);
	r = json_write(document, stdout);
	json_decref(document);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

static int run(const struct cli *cli, struct removal *removal)
{
	const char *app = removal->app;
	int code = fleet_subscribe(removal->bus, app);
	bool has_status;

	if (code == CLI_OK)
		code = bus_sync(removal->bus);
	if (code != CLI_OK)
		return code;
	if (!fleet_has_app(removal->bus, app))
		return cli_error(
		        CLI_NOT_FOUND, "there is no application \"%s\"; \"baton ps\" lists all", app);
	has_status = bus_document(removal->bus, TOPIC_APP_STATUS, app, NULL) != NULL;
	removal->asked = true;
	code = bus_publish(removal->bus, TOPIC_APP_DESIRED, app, NULL, 0);
	if (code != CLI_OK || cli->options.detach)
		return code == CLI_OK ? finish(cli, app, false) : code;
	/* bus_publish waits too: the answer may have come in between. */
	if (has_status && bus_document(removal->bus, TOPIC_APP_STATUS, app, NULL))
		code = bus_wait(removal->bus, (int64_t)cli->options.timeout_s * 1000);
	progress_end(&removal->progress);
	if (code == CLI_TIMEOUT)
		return cli_error(CLI_TIMEOUT,
		        "\"%s\" is not gone after %llu s; is a controller running? (baton status %s)", app,
		        (unsigned long long)cli->options.timeout_s, app);
	return code == CLI_OK ? finish(cli, app, true) : code;
}

int verb_rm(const struct cli *cli)
{
	struct removal removal = { .app = cli->operands[0] };
	int code;

	if (!topic_name_valid(removal.app))
		return cli_error(CLI_USAGE, "\"%s\" cannot be the name of an application", removal.app);
	progress_init(&removal.progress, cli->options.json);
	code = bus_open(cli, on_message, &removal, &removal.bus);
	if (code == CLI_OK) {
		code = run(cli, &removal);
		bus_close(removal.bus);
	}
	return code;
}
