/* SPDX-License-Identifier: Apache-2.0 */
/* Names of MQTT topics below the fleet's prefix: DESIGN section 3. */
#ifndef BATON_MODEL_TOPICS_H
#define BATON_MODEL_TOPICS_H

#include <stdbool.h>
#include <stddef.h>

#define TOPIC_NAME_MAX   63 /* of an app, service, node, policy: one level */
#define TOPIC_PREFIX_MAX 64
#define TOPIC_MAX        320 /* bytes of a whole topic with NUL */

/* [a-z0-9][a-z0-9_.-]{0,62}: what the Compose Specification allows for `name`; nodes and policies follow it.
 */
bool topic_name_valid(const char *name);

enum topic_kind {
	TOPIC_APP_DESIRED,   /* apps/{app}/desired */
	TOPIC_APP_STATUS,    /* apps/{app}/status */
	TOPIC_APP_REVISION,  /* apps/{app}/revisions/{digest} */
	TOPIC_APP_COMMAND,   /* apps/{app}/command/{verb} */
	TOPIC_NODE_PRESENCE, /* nodes/{node}/presence */
	TOPIC_NODE_INFO,     /* nodes/{node}/info */
	TOPIC_NODE_DESIRED,  /* nodes/{node}/desired */
	TOPIC_NODE_REPORTED, /* nodes/{node}/reported */
	TOPIC_NODE_BEAT,     /* nodes/{node}/beat */
	TOPIC_NODE_COMMAND,  /* nodes/{node}/command/{verb} */
	TOPIC_NODE_LOGS,     /* nodes/{node}/logs/{instance} */
	TOPIC_POLICY,        /* policies/{type}/{name} */
	TOPIC_POLICY_STATUS, /* policies/{type}/{name}/status */
	TOPIC_EVENTS,        /* events */
	TOPIC_SYNC,          /* sync/{client} */
	TOPIC_CONTROLLER,    /* controller/leader */
	TOPIC_KINDS
};

struct topic_row {
	enum topic_kind kind;
	const char *pattern; /* with {app}, {node}, {digest}, {verb}, {instance}, {type}, {name}, {client} */
	bool retained;
	const char *writer;
	const char *help; /* one line for docs/topics.md */
};

/* Rows in the order of the enum, TOPIC_KINDS of them. */
const struct topic_row *topic_table(void);

struct topic {
	enum topic_kind kind;
	/* The two variable levels in the order of the pattern; "" when the pattern has fewer. Longest: an
	 * instance id. */
	char first[192];
	char second[192];
};

/* Writes "prefix/…" into text. Arguments may be NULL when the pattern has no such level. 0 or -EMSGSIZE. */
int topic_format(char text[static TOPIC_MAX], const char *prefix, enum topic_kind kind, const char *first,
        const char *second);

/* As topic_format with "+" for every variable level: a subscription filter. */
int topic_filter(char text[static TOPIC_MAX], const char *prefix, enum topic_kind kind);

/* 0 and *ret_topic, or -ENOENT for a topic that is not below prefix or matches no row. Levels are not
 * validated. */
int topic_parse(const char *text, const char *prefix, struct topic *ret_topic);

#endif
