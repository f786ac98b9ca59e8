/* SPDX-License-Identifier: Apache-2.0 */
/* baton scale: a request to the controller, then wait until the replicas run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/cli/fleet.h"
#include "core/cli/progress.h"
#include "core/cli/table.h"

struct scaling {
	char app[TOPIC_NAME_MAX + 1];
	char service[TOPIC_NAME_MAX + 1];
	int64_t replicas;
	struct bus *bus;
	struct progress progress;
	bool accepted;
	bool detach;
};

/* ---- APP/SERVICE=N, or APP and SERVICE=N ---- */

static int copy_name(const char *text, size_t length, char name[static TOPIC_NAME_MAX + 1])
{
	if (length > TOPIC_NAME_MAX)
		return -EINVAL;
	memcpy(name, text, length);
	name[length] = '\0';
	return topic_name_valid(name) ? 0 : -EINVAL;
}

static int parse(const struct cli *cli, struct scaling *scaling)
{
	const char *text = cli->operands[cli->n_operands - 1];
	const char *slash = cli->n_operands == 1 ? strchr(text, '/') : NULL;
	const char *service = slash ? slash + 1 : text;
	const char *app = cli->operands[0];
	const char *equals = strchr(service, '=');
	size_t app_length = slash ? (size_t)(slash - text) : strlen(app);
	char *end;

	if (!equals || (cli->n_operands == 1 && !slash) || copy_name(app, app_length, scaling->app) < 0)
		return -EINVAL;
	/* Services may have capital letters; only the way of the name through a topic is bounded here. */
	if (equals == service || (size_t)(equals - service) > TOPIC_NAME_MAX)
		return -EINVAL;
	memcpy(scaling->service, service, (size_t)(equals - service));
	errno = 0;
	scaling->replicas = strtol(equals + 1, &end, 10);
	return errno != 0 || equals[1] < '0' || equals[1] > '9' || *end != '\0' ? -EINVAL : 0;
}

/* ---- waiting ---- */

static void look(struct scaling *scaling)
{
	const json_t *status = bus_document(scaling->bus, TOPIC_APP_STATUS, scaling->app, NULL);
	const json_t *service = json_object_get(json_object_get(status, "services"), scaling->service);
	int64_t running = json_get_int(service, "running", -1);

	if (!scaling->accepted || json_get_int(service, "replicas", -1) != scaling->replicas)
		return;
	progress_show(&scaling->progress, "%s/%s: %lld of %lld run", scaling->app, scaling->service,
	        (long long)running, (long long)scaling->replicas);
	if (running == scaling->replicas)
		bus_stop(scaling->bus, CLI_OK);
}

static void on_message(void *arg, const struct topic *topic, json_t *document)
{
	(void)document;
	if (topic->kind == TOPIC_APP_STATUS)
		look(arg);
}

static void on_answer(void *arg, json_t *answer)
{
	struct scaling *scaling = arg;

	if (!json_get_bool(answer, "ok", false)) {
		progress_end(&scaling->progress);
		fleet_write_findings("rejected", json_object_get(answer, "errors"));
		bus_stop(scaling->bus, CLI_REJECTED);
		return;
	}
	scaling->accepted = true;
	if (scaling->detach)
		bus_stop(scaling->bus, CLI_OK);
	look(scaling);
}

static int finish(const struct cli *cli, struct scaling *scaling)
{
	cleanup_json json_t *document = NULL;

	if (!cli->options.json) {
		(void)printf("%s/%s has %lld replicas\n", scaling->app, scaling->service,
		        (long long)scaling->replicas);
		return CLI_OK;
	}
	document = json_pack("{s:s, s:s, s:I}", "app", scaling->app, "service", scaling->service, "replicas",
	        (json_int_t)scaling->replicas);
	return json_write(document, stdout) < 0 ? CLI_FAILED : CLI_OK;
}

static int run(const struct cli *cli, struct scaling *scaling)
{
	cleanup_json json_t *request = json_pack(
	        "{s:s, s:I}", "service", scaling->service, "replicas", (json_int_t)scaling->replicas);
	int code = fleet_subscribe(scaling->bus, scaling->app);

	if (code == CLI_OK)
		code = bus_sync(scaling->bus);
	if (code != CLI_OK)
		return code;
	if (!request)
		return cli_error(CLI_USAGE, "\"%s\" cannot be the name of a service", scaling->service);
	if (!fleet_has_app(scaling->bus, scaling->app))
		return cli_error(CLI_NOT_FOUND, "there is no application \"%s\"; \"baton ps\" lists all",
		        scaling->app);
	code = bus_request(scaling->bus, &(struct bus_request){ .kind = TOPIC_APP_COMMAND,
	                                         .name = scaling->app,
	                                         .verb = "scale",
	                                         .document = request,
	                                         .answer = on_answer,
	                                         .arg = scaling });
	if (code == CLI_OK)
		code = bus_wait(scaling->bus, (int64_t)cli->options.timeout_s * 1000);
	progress_end(&scaling->progress);
	if (code == CLI_TIMEOUT && !scaling->accepted)
		return cli_error(CLI_TIMEOUT, "no answer from a controller within %llu s; is one running?",
		        (unsigned long long)cli->options.timeout_s);
	if (code == CLI_TIMEOUT)
		return cli_error(CLI_TIMEOUT, "%s; \"baton status %s\" says why", scaling->progress.last,
		        scaling->app);
	return code == CLI_OK ? finish(cli, scaling) : code;
}

int verb_scale(const struct cli *cli)
{
	struct scaling scaling = { .detach = cli->options.detach };
	int code;

	if (parse(cli, &scaling) < 0)
		return cli_error(CLI_USAGE, "scale: \"%s\" is not of the form APP/SERVICE=REPLICAS",
		        cli->operands[cli->n_operands - 1]);
	progress_init(&scaling.progress, cli->options.json);
	code = bus_open(cli, on_message, &scaling, &scaling.bus);
	if (code == CLI_OK) {
		code = run(cli, &scaling);
		bus_close(scaling.bus);
	}
	return code;
}
