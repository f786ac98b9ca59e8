/* SPDX-License-Identifier: Apache-2.0 */
/* baton apply: a file to a manifest, the manifest to the broker, then wait for the verdict and for the
 * instances. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/json.h"
#include "core/cli/fleet.h"
#include "core/cli/manifest.h"
#include "core/cli/progress.h"
#include "core/cli/table.h"
#include "core/cli/terminal.h"
#include "core/model/compose.h"

#define TICK_MS 100
/* A container that ends at once is "running" for a moment; one that stays degraded for long needs a person.
 */
#define STABLE_MS   1000
#define DEGRADED_MS 15000

struct application {
	const char *app;
	const char *text; /* what is published */
	char digest[DIGEST_HEX_SIZE];
	struct bus *bus;
	struct progress progress;
	bool sent;
	bool published;   /* the broker has it */
	bool refused;     /* a verdict without a digest has come since */
	bool judged;      /* the verdict on this document is here */
	int64_t running;  /* since when, boot clock; 0: it does not */
	int64_t degraded; /* since when, boot clock; 0: it is not */
};

/* ---- waiting ---- */

static const json_t *status_of(const struct application *application)
{
	return bus_document(application->bus, TOPIC_APP_STATUS, application->app, NULL);
}

/*
 * A status speaks of our document when it carries its digest: the one before may still be there. What was
 * refused unread (no room for another application, larger than that controller's limit) has a verdict without
 * a digest: ours when it came after the document.
 */
static const json_t *verdict_of(const struct application *application)
{
	const json_t *document = json_object_get(status_of(application), "document");
	const char *digest = json_get_string(document, "digest", NULL);

	if (!digest)
		return application->refused ? document : NULL;
	return strcmp(digest, application->digest) == 0 ? document : NULL;
}

static bool is_refusal(const json_t *status)
{
	const json_t *document = json_object_get(status, "document");

	return json_is_null(json_object_get(document, "digest")) &&
	       strcmp(json_get_string(document, "verdict", ""), "rejected") == 0;
}

static void judge(struct application *application, const json_t *document)
{
	application->judged = true;
	progress_end(&application->progress);
	fleet_write_verdict(document);
	if (strcmp(json_get_string(document, "verdict", ""), "accepted") != 0)
		bus_stop(application->bus, CLI_REJECTED);
}

static void look(struct application *application)
{
	const json_t *status = status_of(application);
	const json_t *document = verdict_of(application);
	const char *state = json_get_string(status, "state", "unknown");
	int64_t now = clock_boot_ms();

	if (!application->published || !document)
		return;
	if (!application->judged) {
		judge(application, document);
		return;
	}
	progress_show(&application->progress, "%s is %s: %s", application->app, state,
	        json_get_string(status, "reason", "no reason given"));
	if (strcmp(state, "running") != 0)
		application->running = 0;
	else if (application->running == 0)
		application->running = now;
	if (strcmp(state, "degraded") != 0)
		application->degraded = 0;
	else if (application->degraded == 0)
		application->degraded = now;
	if (application->running && now - application->running >= STABLE_MS)
		bus_stop(application->bus, CLI_OK);
	if (application->degraded && now - application->degraded >= DEGRADED_MS)
		bus_stop(application->bus, CLI_FAILED);
}

static void on_message(void *arg, const struct topic *topic, json_t *document)
{
	struct application *application = arg;

	if (topic->kind != TOPIC_APP_STATUS)
		return;
	application->refused = application->sent && is_refusal(document);
	look(application);
}

static void on_tick(void *arg)
{
	look(arg);
}

/* ---- results ---- */

static int tell(const struct cli *cli, const struct application *application, int code)
{
	const json_t *status = status_of(application);
	const char *reason = json_get_string(status, "reason", "no reason given");
	unsigned long long seconds = cli->options.timeout_s;

	if (cli->options.json && application->judged && json_write(status, stdout) < 0)
		return CLI_FAILED;
	if (code == CLI_OK && !cli->options.json)
		terminal_printf(stdout, "%s is running: %s\n", application->app, reason);
	if (code == CLI_FAILED)
		(void)cli_error(CLI_FAILED, "%s stays degraded: %s", application->app, reason);
	if (code == CLI_TIMEOUT && !application->judged)
		(void)cli_error(CLI_TIMEOUT,
		        "no verdict on \"%s\" after %llu s; the manifest is published: is a controller "
		        "running? "
		        "(baton nodes)",
		        application->app, seconds);
	else if (code == CLI_TIMEOUT)
		(void)cli_error(CLI_TIMEOUT, "%s is %s after %llu s: %s", application->app,
		        json_get_string(status, "state", "unknown"), seconds, reason);
	return code;
}

static int published(const struct cli *cli, const struct application *application)
{
	cleanup_json json_t *document = NULL;

	if (!cli->options.json) {
		(void)printf("%s is published\n", application->app);
		return CLI_OK;
	}
	document = json_pack("{s:s, s:s}", "app", application->app, "digest", application->digest);
	return json_write(document, stdout) < 0 ? CLI_FAILED : CLI_OK;
}

static int publish(const struct cli *cli, struct application *application)
{
	int code = fleet_subscribe(application->bus, application->app);

	if (code == CLI_OK)
		code = bus_sync(application->bus);
	if (code != CLI_OK)
		return code;
	application->sent = true; /* bus_publish waits too: the verdict may come meanwhile */
	code = bus_publish(application->bus, TOPIC_APP_DESIRED, application->app, application->text,
	        strlen(application->text));
	if (code != CLI_OK)
		return code;
	application->published = true;
	if (cli->options.detach)
		return published(cli, application);
	code = bus_every(application->bus, TICK_MS, on_tick, application);
	if (code == CLI_OK)
		code = bus_wait(application->bus, (int64_t)cli->options.timeout_s * 1000);
	progress_end(&application->progress);
	return tell(cli, application, code);
}

/* ---- --dry-run ---- */

/*
 * The decoder of the controller, so what is said here is what the controller would say. Also for what no
 * controller would read, as a broker or bridge on the way may drop what is so large without a word.
 */
static int dry_run(const struct cli *cli, const struct application *application, json_t *document)
{
	cleanup_json json_t *result = NULL;
	struct verdict verdict;
	struct app app;
	int r;

	verdict_init(&verdict);
	r = compose_decode(application->text, strlen(application->text), application->app, &app, &verdict);
	if (r == 0)
		app_release(&app);
	result = json_pack("{s:s, s:s, s:o, s:o, s:O}", "app", application->app, "verdict",
	        r == 0 ? "accepted" : "rejected", "errors", verdict_errors_json(&verdict), "warnings",
	        verdict_warnings_json(&verdict), "manifest", document);
	if (result && verdict.truncated)
		(void)json_object_set_new(result, "truncated", json_true()); /* else it is not told */
	verdict_release(&verdict);
	if (!result)
		return cli_error(CLI_FAILED, "out of memory");
	if (cli->options.json) {
		if (json_write(result, stdout) < 0)
			return CLI_FAILED;
	} else {
		fleet_write_verdict(result);
		if (r == 0)
			(void)printf("%s would be accepted; nothing is published\n", application->app);
	}
	return r == 0 ? CLI_OK : CLI_REJECTED;
}

static int load(const struct cli *cli, struct manifest *ret_manifest)
{
	const struct manifest_source source = {
		.path = cli->operands[0],
		.env_files = cli->options.env_files,
		.name = cli->options.name,
	};
	struct baton_error err;

	if (manifest_load(&source, ret_manifest, &err) < 0)
		return cli_error(CLI_USAGE, "%s", err.message);
	return CLI_OK;
}

static int run(const struct cli *cli, struct application *application, json_t *document)
{
	int code;

	if (digest_sha256(application->text, strlen(application->text), application->digest) < 0)
		return cli_error(CLI_FAILED, "out of memory");
	if (cli->options.dry_run || strlen(application->text) > CONFIG_MAX_DOCUMENT_BYTES)
		return dry_run(cli, application, document);
	if (!topic_name_valid(application->app))
		return cli_error(CLI_USAGE,
		        "$.name: \"%s\" cannot be the name of an application; use a-z, 0-9, \"_\", \"-\" and "
		        "\".\", at "
		        "most %d characters",
		        application->app, TOPIC_NAME_MAX);
	progress_init(&application->progress, cli->options.json);
	code = bus_open(cli, on_message, application, &application->bus);
	if (code == CLI_OK)
		code = publish(cli, application);
	bus_close(application->bus);
	return code;
}

int verb_apply(const struct cli *cli)
{
	struct manifest manifest;
	int code = load(cli, &manifest);

	if (code == CLI_OK) {
		struct application application = { .app = manifest.name, .text = manifest.text };

		code = run(cli, &application, manifest.document);
		manifest_release(&manifest);
	}
	return code;
}
