/* SPDX-License-Identifier: Apache-2.0 */
/* The revisions that the assignment refers to: on disk, decoded here, asked from the broker when missing. */
#ifndef BATON_AGENT_REVISION_H
#define BATON_AGENT_REVISION_H

#include "core/agent/agent-priv.h"
#include "core/model/app.h"

enum revision_state {
	REVISION_MISSING, /* subscribed to its topic */
	REVISION_READY,
	REVISION_BROKEN /* the right bytes, but this node cannot read them: `reason` */
};

struct revision {
	LIST_ENTRY(revision) next;
	char app[64];
	char digest[DIGEST_HEX_SIZE];
	enum revision_state state;
	struct app decoded;
	char *unsaved; /* the bytes, until they are on disk */
	size_t unsaved_length;
	bool marked;
	char reason[256]; /* BROKEN */
};

struct revision *revision_find(const struct agent *agent, const char *app, const char *digest);

/* Makes the list what the assignment refers to: new ones are read from disk or asked from the broker. 0, or
 * -ENOMEM with some left out. */
int revision_refer(struct agent *agent);

/* Whether some revision has not arrived yet. */
bool revision_any_missing(const struct agent *agent);

/* A message on apps/{app}/revisions/{digest}; ignored when nothing waits for it. */
void revision_message(struct agent *agent, const struct topic *topic, const struct session_message *message);

void revision_free_all(struct agent *agent);

#endif
