/* SPDX-License-Identifier: Apache-2.0 */
/* The table of topics, and writing, filtering and parsing by its patterns. */
#include "core/model/topics.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define TOPIC_VARIABLES 2 /* no pattern has more */

static const struct topic_row table[TOPIC_KINDS] = {
	{ TOPIC_APP_DESIRED, "apps/{app}/desired", true, "operator",
	        "The manifest: one Compose document in JSON. An empty payload removes the application." },
	{ TOPIC_APP_STATUS, "apps/{app}/status", true, "controller",
	        "Verdict on the manifest, revision in force, state of services and instances." },
	{ TOPIC_APP_REVISION, "apps/{app}/revisions/{digest}", true, "controller",
	        "The exact bytes of an accepted manifest; {digest} is their SHA-256 in hexadecimal." },
	{ TOPIC_APP_COMMAND, "apps/{app}/command/{verb}", false, "operator",
	        "Request with an MQTT 5 response topic. Verbs: scale." },
	{ TOPIC_NODE_PRESENCE, "nodes/{node}/presence", true, "agent, Last Will",
	        "Whether the node is connected, with the id of its boot and of its session." },
	{ TOPIC_NODE_INFO, "nodes/{node}/info", true, "agent",
	        "What the node is: capacity, labels, runtimes, and what its kernel lacks." },
	{ TOPIC_NODE_DESIRED, "nodes/{node}/desired", true, "controller",
	        "The instances that the node has to run, by reference to revisions." },
	{ TOPIC_NODE_REPORTED, "nodes/{node}/reported", true, "agent",
	        "The assignment that was applied and the state of every instance." },
	{ TOPIC_NODE_BEAT, "nodes/{node}/beat", false, "agent", "Heartbeat with free resources. QoS 0." },
	{ TOPIC_NODE_COMMAND, "nodes/{node}/command/{verb}", false, "operator",
	        "Request with an MQTT 5 response topic. Verbs: logs, stop." },
	{ TOPIC_NODE_LOGS, "nodes/{node}/logs/{instance}", false, "agent",
	        "Log lines of an instance, only while somebody follows." },
	{ TOPIC_POLICY, "policies/{type}/{name}", true, "operator",
	        "Lua source of a policy; {type} is placement. An empty payload removes it." },
	{ TOPIC_POLICY_STATUS, "policies/{type}/{name}/status", true, "controller",
	        "Verdict on the policy, and its last failure with traceback." },
	{ TOPIC_EVENTS, "events", false, "controller, agents", "One JSON object for each event." },
	{ TOPIC_SYNC, "sync/{client}", false, "each client, for itself",
	        "A nonce whose echo says that all retained messages have arrived." },
	{ TOPIC_CONTROLLER, "controller/leader", true, "controller",
	        "The active controller, and how far its journal had come: tells a broker that was rolled "
	        "back." },
};

const struct topic_row *topic_table(void)
{
	return table;
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool topic_name_valid(const char *name)
{
	size_t length = 1;

	if (!is_name_start(name[0]))
		return false;
	for (; name[length]; length++) {
		char c = name[length];

		if (length >= TOPIC_NAME_MAX || !(is_name_start(c) || c == '_' || c == '.' || c == '-'))
			return false;
	}
	return true;
}

struct writer {
	char text[TOPIC_MAX];
	size_t length;
	bool overflow;
};

static void put(struct writer *writer, const char *text, size_t length)
{
	if (length >= sizeof(writer->text) - writer->length) {
		writer->overflow = true;
		return;
	}
	memcpy(writer->text + writer->length, text, length);
	writer->length += length;
	writer->text[writer->length] = '\0';
}

/* values[i] stands for the i-th variable level of the pattern. */
static int expand(char text[static TOPIC_MAX], const char *prefix, enum topic_kind kind,
        const char *const values[static TOPIC_VARIABLES])
{
	struct writer writer = { .length = 0 };
	const char *rest = table[kind].pattern;
	size_t variable = 0;

	put(&writer, prefix, strlen(prefix));
	while (*rest) {
		size_t length = strcspn(rest, "/");

		put(&writer, "/", 1);
		if (rest[0] == '{') {
			assert(variable < TOPIC_VARIABLES && values[variable]);
			put(&writer, values[variable], strlen(values[variable]));
			variable++;
		} else {
			put(&writer, rest, length);
		}
		rest += length;
		if (*rest == '/')
			rest++;
	}
	if (writer.overflow)
		return -EMSGSIZE;
	memcpy(text, writer.text, writer.length + 1);
	return 0;
}

int topic_format(char text[static TOPIC_MAX], const char *prefix, enum topic_kind kind, const char *first,
        const char *second)
{
	const char *const values[TOPIC_VARIABLES] = { first, second };

	return expand(text, prefix, kind, values);
}

int topic_filter(char text[static TOPIC_MAX], const char *prefix, enum topic_kind kind)
{
	return topic_format(text, prefix, kind, "+", "+");
}

/* Compares level by level; a variable level takes any text that is not empty and fits. */
static bool match(const char *pattern, const char *text, struct topic *topic)
{
	char *const levels[TOPIC_VARIABLES] = { topic->first, topic->second };
	size_t variable = 0;

	for (;;) {
		size_t pattern_length = strcspn(pattern, "/");
		size_t length = strcspn(text, "/");

		if (pattern[0] == '{') {
			if (length == 0 || length >= sizeof(topic->first))
				return false;
			assert(variable < TOPIC_VARIABLES);
			memcpy(levels[variable], text, length);
			levels[variable++][length] = '\0';
		} else if (length != pattern_length || memcmp(pattern, text, length) != 0) {
			return false;
		}
		pattern += pattern_length;
		text += length;
		if (*pattern != *text)
			return false;
		if (*pattern == '\0')
			return true;
		pattern++;
		text++;
	}
}

int topic_parse(const char *text, const char *prefix, struct topic *ret_topic)
{
	size_t length = strlen(prefix);

	if (strncmp(text, prefix, length) != 0 || text[length] != '/')
		return -ENOENT;
	for (size_t i = 0; i < TOPIC_KINDS; i++) {
		struct topic topic = { .kind = table[i].kind };

		if (match(table[i].pattern, text + length + 1, &topic)) {
			*ret_topic = topic;
			return 0;
		}
	}
	return -ENOENT;
}
