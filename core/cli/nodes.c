/* SPDX-License-Identifier: Apache-2.0 */
/* baton nodes: who is there, and what each node has. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/cli/bus.h"
#include "core/cli/table.h"

#define TEXT_MAX 512

struct listing {
	struct bus *bus;
	json_t *nodes; /* array of objects */
	size_t online;
};

/* A node is what has a presence; {"node", "state", "info", "instances": number}. */
static void visit_presence(void *arg, const struct topic *topic, json_t *presence)
{
	struct listing *listing = arg;
	const char *state = json_get_string(presence, "state", "unknown");
	const json_t *report = bus_document(listing->bus, TOPIC_NODE_REPORTED, topic->first, NULL);
	json_t *info = bus_document(listing->bus, TOPIC_NODE_INFO, topic->first, NULL);
	json_t *node = json_pack("{s:s, s:s, s:O?, s:I}", "node", topic->first, "state", state, "info", info,
	        "instances", (json_int_t)json_array_size(json_object_get(report, "instances")));

	listing->online += strcmp(state, "online") == 0;
	(void)json_array_append_new(listing->nodes, node); /* out of memory leaves it out of a listing */
}

static void join(const json_t *texts, struct buf *out)
{
	const json_t *text;
	size_t i;

	json_array_foreach(texts, i, text)
		(void)buf_appendf(
		        out, "%s%s", i > 0 ? "," : "", json_string_value(text)); /* cut when too long */
}

static void add_row(struct table *table, const json_t *node)
{
	const json_t *info = json_object_get(node, "info");
	int64_t memory = json_get_int(info, "memory", 0);
	int64_t cpu = json_get_int(info, "cpu", 0);
	cleanup_buf struct buf runtimes = { .data = NULL };
	cleanup_buf struct buf labels = { .data = NULL };
	char cpu_text[32];
	char memory_text[32];
	char count[32];

	buf_init(&runtimes, TEXT_MAX);
	buf_init(&labels, TEXT_MAX);
	join(json_object_get(info, "runtimes"), &runtimes);
	join(json_object_get(info, "labels"), &labels);
	(void)snprintf(cpu_text, sizeof(cpu_text), "%" PRId64 ".%" PRId64, cpu / 1000, cpu % 1000 / 100);
	(void)snprintf(memory_text, sizeof(memory_text), "%" PRId64 "M", memory >> 20);
	(void)snprintf(count, sizeof(count), "%" PRId64, json_get_int(node, "instances", 0));
	const char *const cells[] = { json_get_string(node, "node", NULL),
		json_get_string(node, "state", NULL), json_get_string(info, "architecture", NULL), cpu_text,
		memory_text, runtimes.data, count, json_get_string(info, "version", NULL), labels.data };

	table_add(table, cells);
}

static int show(const struct cli *cli, struct bus *bus)
{
	static const char *const titles[] = { "NODE", "STATE", "ARCH", "CPUS", "MEMORY", "RUNTIMES",
		"INSTANCES", "VERSION", "LABELS", NULL };
	cleanup_json json_t *nodes = json_array();
	cleanup_json json_t *document = json_pack("{s:O}", "nodes", nodes);
	struct listing listing = { .bus = bus, .nodes = nodes };
	struct table *table;
	const json_t *node;
	size_t i;

	if (!document)
		return cli_error(CLI_FAILED, "out of memory");
	bus_each(bus, TOPIC_NODE_PRESENCE, visit_presence, &listing);
	if (cli->options.json) {
		if (json_write(document, stdout) < 0)
			return CLI_FAILED;
	} else {
		table = table_new(titles);
		json_array_foreach(nodes, i, node) {
			add_row(table, node);
		}
		table_write(table, stdout);
	}
	if (listing.online == 0)
		return cli_error(CLI_NOT_FOUND, "no node is online; start batond on one, or check --prefix");
	return CLI_OK;
}

int verb_nodes(const struct cli *cli)
{
	static const enum topic_kind kinds[] = { TOPIC_NODE_PRESENCE, TOPIC_NODE_INFO, TOPIC_NODE_REPORTED };
	struct bus *bus;
	int code = bus_open(cli, NULL, NULL, &bus);

	if (code != CLI_OK)
		return code;
	for (size_t i = 0; code == CLI_OK && i < array_size(kinds); i++)
		code = bus_subscribe(bus, kinds[i], NULL, NULL);
	if (code == CLI_OK)
		code = bus_sync(bus);
	if (code == CLI_OK)
		code = show(cli, bus);
	bus_close(bus);
	return code;
}
