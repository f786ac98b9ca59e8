/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the tables of attributes and topics as JSON, for gen-docs.py and the schema test. Not installed. */
#include <jansson.h>
#include <stdio.h>

#include "core/base/cleanup.h"
#include "core/model/compose.h"
#include "core/model/topics.h"

static const char *const supports[] = {
	[ATTRIBUTE_SUPPORTED] = "supported",
	[ATTRIBUTE_UNSUPPORTED] = "rejected",
	[ATTRIBUTE_IGNORED] = "ignored",
};

int main(void)
{
	cleanup_json json_t *attributes = json_array();
	cleanup_json json_t *topics = json_array();
	cleanup_json json_t *tables = json_pack("{s:O, s:O}", "attributes", attributes, "topics", topics);
	const struct topic_row *rows = topic_table();
	const struct attribute_row *row;

	for (size_t i = 0; (row = compose_attribute(i)); i++)
		(void)json_array_append_new(
		        attributes, json_pack("{s:s, s:s, s:s}", "path", row->path, "support",
		                            supports[row->support], "help", row->help ? row->help : ""));
	for (size_t i = 0; i < TOPIC_KINDS; i++)
		(void)json_array_append_new(
		        topics, json_pack("{s:s, s:b, s:s, s:s}", "pattern", rows[i].pattern, "retained",
		                        rows[i].retained, "writer", rows[i].writer, "help", rows[i].help));
	if (!tables || json_dumpf(tables, stdout, JSON_INDENT(1)) < 0 || fflush(stdout) != 0)
		return 1;
	return 0;
}
