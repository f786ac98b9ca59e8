/* SPDX-License-Identifier: Apache-2.0 */
/* baton logs: asks the nodes for log lines over the broker, merges them by time, and follows them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/cli/fleet.h"
#include "core/cli/table.h"
#include "core/cli/terminal.h"
#include "core/model/assignment.h"

#define ANSWER_TIMEOUT_MS 10000
#define TICK_MS           1000
#define RENEW_TICKS       10 /* a node follows for 30 s unless it is asked again */
#define SOURCES_MAX       200
#define LINES_DEFAULT     100

struct source {
	SLIST_ENTRY(source) next;
	struct logs *logs;
	char id[INSTANCE_ID_MAX + 1];
	char node[TOPIC_NAME_MAX + 1];
	size_t lines;  /* that came */
	bool answered; /* all lines of the request are here */
	bool unknown;  /* its node does not know it yet: asked again while following */
	bool gone;     /* its node has ended the stream */
};

struct logs {
	const struct cli *cli;
	struct bus *bus;
	const char *wanted; /* INSTANCE, APP/SERVICE or APP */
	int64_t since_ms;   /* wall clock; 0: no limit */
	SLIST_HEAD(sources, source) sources;
	size_t n_sources;
	size_t n_waiting;               /* sources that have not answered */
	json_t *lines;                  /* [instance, line] of the requests, printed when all have answered */
	bool merged;                    /* they are printed: lines go out as they come */
	bool named;                     /* lines begin with the instance */
	char open[INSTANCE_ID_MAX + 1]; /* whose line has no end yet */
	FILE *open_stream;              /* where it has none */
	unsigned ticks;
	int code;
};

/* ---- which instances ---- */

static bool matches(const struct logs *logs, const json_t *instance)
{
	const char *app = json_get_string(instance, "app", "");
	const char *service = json_get_string(instance, "service", "");
	size_t length = strlen(app);

	if (strcmp(logs->wanted, json_get_string(instance, "id", "")) == 0 || strcmp(logs->wanted, app) == 0)
		return true;
	return strncmp(logs->wanted, app, length) == 0 && logs->wanted[length] == '/' &&
	       strcmp(logs->wanted + length + 1, service) == 0;
}

static struct source *find(const struct logs *logs, const char *id)
{
	struct source *source;

	SLIST_FOREACH(source, &logs->sources, next)
	{
		if (strcmp(source->id, id) == 0)
			return source;
	}
	return NULL;
}

static struct source *add(struct logs *logs, const char *id, const char *node)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->logs = logs;
	(void)snprintf(source->id, sizeof(source->id), "%s", id);
	(void)snprintf(source->node, sizeof(source->node), "%s", node);
	SLIST_INSERT_HEAD(&logs->sources, source, next);
	logs->n_sources++;
	return source;
}

/* ---- printing ---- */

/* Into a file goes what the container wrote; a terminal must not obey it. */
static void write_text(const char *text, FILE *out)
{
	if (isatty(fileno(out)) == 1)
		terminal_write(text, "\t", out);
	else
		(void)fputs(text, out);
}

static void write_json(const char *id, const json_t *line)
{
	cleanup_json json_t *document =
	        json_copy((json_t *)(uintptr_t)line); /* takes no const, changes nothing */

	if (document && json_object_set_new(document, "instance", json_string(id)) == 0)
		(void)json_write(document, stdout); /* a closed pipe ends us by SIGPIPE or at the end */
}

/* A long line comes in parts: only its last one ends the line, unless somebody else speaks in between. */
static void write_line(struct logs *logs, const char *id, const json_t *line)
{
	FILE *out = strcmp(json_get_string(line, "stream", ""), "stderr") == 0 ? stderr : stdout;
	bool partial = json_get_bool(line, "partial", false);

	if (logs->cli->options.json) {
		write_json(id, line);
		return;
	}
	if (logs->open[0] && (strcmp(logs->open, id) != 0 || logs->open_stream != out)) {
		(void)fputc('\n', logs->open_stream);
		(void)fflush(logs->open_stream); /* before the other stream, which may be the same terminal */
		logs->open[0] = '\0';
	}
	if (!logs->open[0] && logs->named)
		terminal_printf(out, "%s | ", id);
	if (!logs->open[0] && logs->cli->options.timestamps)
		terminal_printf(out, "%s ", json_get_string(line, "time", "-"));
	write_text(json_get_string(line, "text", ""), out);
	(void)snprintf(logs->open, sizeof(logs->open), "%s", partial ? id : "");
	logs->open_stream = out;
	if (!partial)
		(void)fputc('\n', out);
	(void)fflush(out);
}

struct entry {
	const json_t *pair; /* [instance, line] */
	size_t index;
};

/* Times are of one format and one width, so their order is that of the texts; lines of one write have the
 * same. */
static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a;
	const struct entry *right = b;
	int order = strcmp(json_get_string(json_array_get(left->pair, 1), "time", ""),
	        json_get_string(json_array_get(right->pair, 1), "time", ""));

	if (order != 0)
		return order;
	return left->index < right->index ? -1 : 1;
}

static void merge(struct logs *logs)
{
	size_t count = json_array_size(logs->lines);
	cleanup_free struct entry *entries = calloc(count + 1, sizeof(*entries));

	logs->merged = true;
	if (!entries)
		return;
	for (size_t i = 0; i < count; i++)
		entries[i] = (struct entry){ json_array_get(logs->lines, i), i };
	qsort(entries, count, sizeof(*entries), compare_entries);
	for (size_t i = 0; i < count; i++)
		write_line(logs, json_string_value(json_array_get(entries[i].pair, 0)),
		        json_array_get(entries[i].pair, 1));
	(void)json_array_clear(logs->lines); /* fails only for what is no array */
}

static void take_lines(struct logs *logs, const char *id, const json_t *document)
{
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(document, "lines"), i, line) {
		if (logs->merged)
			write_line(logs, id, line);
		else
			(void)json_array_append_new(
			        logs->lines, json_pack("[s, O]", id, line)); /* out of memory: left out */
	}
}

/* ---- asking ---- */

/* The status of an application names an instance before its node has taken the assignment. */
static bool is_unknown(const json_t *answer)
{
	const json_t *finding = json_array_get(json_object_get(answer, "errors"), 0);

	return strcmp(json_get_string(finding, "path", ""), "$.instance") == 0;
}

static void refused(struct source *source, const json_t *answer)
{
	source->unknown = source->logs->cli->options.follow && is_unknown(answer);
	if (source->unknown)
		return;
	fleet_write_findings(source->id, json_object_get(answer, "errors"));
	source->logs->code = CLI_FAILED;
	source->gone = true;
}

static void on_answer(void *arg, json_t *answer)
{
	struct source *source = arg;
	struct logs *logs = source->logs;
	bool good = json_get_bool(answer, "ok", false);

	if (good) {
		source->unknown = false;
		source->lines += json_array_size(json_object_get(answer, "lines"));
		take_lines(logs, source->id, answer);
	} else {
		refused(source, answer);
	}
	if (source->answered || (good && !json_get_bool(answer, "end", true)))
		return;
	source->answered = true;
	if (logs->since_ms > 0 && logs->cli->options.lines == CLI_NOT_GIVEN &&
	        source->lines >= CONFIG_LOG_LINES_MAX)
		cli_warning("%s: a node sends %d lines at most; there may be older ones", source->id,
		        CONFIG_LOG_LINES_MAX);
	if (--logs->n_waiting == 0 && !logs->merged)
		bus_stop(logs->bus, CLI_OK);
}

static int ask(struct source *source, uint64_t lines, bus_answer_fn answer)
{
	const struct cli_options *options = &source->logs->cli->options;
	cleanup_json json_t *request = json_pack("{s:s, s:I, s:b}", "instance", source->id, "lines",
	        (json_int_t)lines, "follow", options->follow);

	if (request && source->logs->since_ms > 0)
		(void)json_object_set_new(
		        request, "since_ms", json_integer((json_int_t)source->logs->since_ms));
	return bus_request(source->logs->bus, &(struct bus_request){ .kind = TOPIC_NODE_COMMAND,
	                                              .name = source->node,
	                                              .verb = "logs",
	                                              .document = request,
	                                              .answer = answer,
	                                              .arg = source });
}

/* With a time, it is the time that says how many; a node sends so many at most. */
static uint64_t wanted_lines(const struct logs *logs)
{
	uint64_t lines = logs->cli->options.lines;

	if (lines != CLI_NOT_GIVEN)
		return lines;
	return logs->since_ms > 0 ? CONFIG_LOG_LINES_MAX : LINES_DEFAULT;
}

static int start(struct logs *logs, const char *id, const char *node)
{
	struct source *source = add(logs, id, node);
	int code = CLI_OK;

	if (!source)
		return cli_error(CLI_FAILED, "out of memory");
	logs->n_waiting++;
	if (logs->cli->options.follow)
		code = bus_subscribe(logs->bus, TOPIC_NODE_LOGS, node, id);
	return code == CLI_OK ? ask(source, wanted_lines(logs), on_answer) : code;
}

/* Asks for every instance that is new. */
static int start_all(struct logs *logs)
{
	cleanup_json json_t *instances = fleet_instances(logs->bus, NULL);
	const json_t *instance;
	int code = CLI_OK;
	size_t i;

	json_array_foreach(instances, i, instance) {
		const char *id = json_get_string(instance, "id", "");
		const char *node = json_get_string(instance, "node", NULL);

		if (code != CLI_OK || !node || !matches(logs, instance) || find(logs, id))
			continue;
		if (logs->n_sources >= SOURCES_MAX)
			return cli_error(CLI_FAILED, "more than %d instances; name a service or an instance",
			        SOURCES_MAX);
		if (fleet_node_online(logs->bus, node)) {
			code = start(logs, id, node);
		} else if (!logs->merged) {
			cli_warning("%s: node %s is offline, and its log is there", id, node);
			logs->code = CLI_FAILED;
		}
	}
	return code;
}

/* ---- following ---- */

static void on_message(void *arg, const struct topic *topic, json_t *document)
{
	struct logs *logs = arg;
	struct source *source;

	if (topic->kind != TOPIC_NODE_LOGS)
		return;
	source = find(logs, topic->second);
	if (!source || strcmp(source->node, topic->first) != 0)
		return;
	take_lines(logs, source->id, document);
	source->gone = source->gone || json_get_bool(document, "end", false);
}

/* An instance is gone when its node has ended the stream, or when nobody knows it any more. */
static bool all_gone(const struct logs *logs)
{
	cleanup_json json_t *instances = fleet_instances(logs->bus, NULL);
	const json_t *instance;
	size_t i;

	json_array_foreach(instances, i, instance) {
		const struct source *source = find(logs, json_get_string(instance, "id", ""));

		if (source && !source->gone)
			return false;
	}
	return instances != NULL;
}

static void on_tick(void *arg)
{
	struct logs *logs = arg;
	struct source *source;
	int code = start_all(logs);

	if (code != CLI_OK)
		bus_stop(logs->bus, code);
	else if (all_gone(logs))
		bus_stop(logs->bus, logs->code);
	logs->ticks++;
	SLIST_FOREACH(source, &logs->sources, next)
	{
		/* Told why when it fails; the next renewal tries again. */
		if (source->unknown)
			(void)ask(source, wanted_lines(logs), on_answer);
		else if (!source->gone && logs->ticks % RENEW_TICKS == 0)
			(void)ask(source, 0, NULL);
		source->unknown =
		        false; /* until it is refused once more: two answers would be its lines twice */
	}
}

/* ---- the verb ---- */

/* 0 stands for no limit: a time before 1970 is one all the same. */
static int parse_since(const char *text, int64_t *ret_ms)
{
	int64_t duration;
	int64_t ms;

	if (!text)
		return CLI_OK;
	if (duration_parse(text, &duration) == 0)
		ms = clock_wall_ms() - duration;
	else if (time_parse(text, &ms) < 0)
		return cli_error(CLI_USAGE,
		        "--since: \"%s\" is neither a duration (90s, 10m, 1h30m, 2d) nor a time "
		        "(2026-11-24T10:00:00Z)",
		        text);
	*ret_ms = ms > 0 ? ms : 1;
	return CLI_OK;
}

static int wait_answers(struct logs *logs)
{
	const struct source *source;
	int code = logs->n_waiting > 0 ? bus_wait(logs->bus, ANSWER_TIMEOUT_MS) : CLI_OK;

	if (code != CLI_TIMEOUT)
		return code;
	SLIST_FOREACH(source, &logs->sources, next)
	{
		if (!source->answered)
			cli_warning("%s: node %s does not answer", source->id, source->node);
	}
	logs->code = CLI_TIMEOUT;
	return CLI_OK;
}

static int run(struct logs *logs)
{
	int code = fleet_subscribe(logs->bus, NULL);

	if (code == CLI_OK)
		code = bus_sync(logs->bus);
	if (code == CLI_OK)
		code = start_all(logs);
	if (code != CLI_OK)
		return code;
	if (logs->n_sources == 0 && logs->code == CLI_OK)
		return cli_error(CLI_NOT_FOUND,
		        "\"%s\" is no instance, service or application; \"baton ps\" lists them",
		        logs->wanted);
	logs->named = logs->n_sources > 1 || !find(logs, logs->wanted);
	code = wait_answers(logs);
	if (code != CLI_OK)
		return code;
	merge(logs);
	if (!logs->cli->options.follow || logs->n_sources == 0)
		return logs->code;
	code = bus_every(logs->bus, TICK_MS, on_tick, logs);
	return code == CLI_OK ? bus_wait(logs->bus, 0) : code;
}

int verb_logs(const struct cli *cli)
{
	struct logs logs = { .cli = cli, .wanted = cli->operands[0] };
	struct source *source;
	int code = parse_since(cli->options.since, &logs.since_ms);

	if (code != CLI_OK)
		return code;
	SLIST_INIT(&logs.sources);
	logs.lines = json_array();
	code = logs.lines ? bus_open(cli, on_message, &logs, &logs.bus)
	                  : cli_error(CLI_FAILED, "out of memory");
	if (code == CLI_OK) {
		code = run(&logs);
		bus_close(logs.bus);
	}
	while ((source = SLIST_FIRST(&logs.sources))) {
		SLIST_REMOVE_HEAD(&logs.sources, next);
		free(source);
	}
	json_decref(logs.lines);
	return code;
}
