/* SPDX-License-Identifier: Apache-2.0 */
/* A controller with a broker and agents that are made of memory. */
#ifndef BATON_TEST_CONTROLLER_FAKE_H
#define BATON_TEST_CONTROLLER_FAKE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/controller/controller.h"
#include "core/model/report.h"

#define MANIFEST(services) "{\"name\": \"shop\", \"services\": {" services "}}"

struct fake {
	struct event_base *base;
	char directory[64];
	int directory_fd;
	struct controller *controller;
	json_t *retained; /* topic -> text */
	json_t *log;      /* topics of everything published, in order */
	json_t *events;   /* parsed documents of `events` */
	json_t *answers;  /* parsed documents with correlation data */
	json_t *echoes;   /* [topic, text] of retained documents that the broker still has to send back */
	json_t *outbox;   /* the same, for other clients */
	struct event *echo;
	size_t echoed;      /* in this fake_run */
	const char *reason; /* of every reported instance; NULL: some text */
	const char *lost;   /* nothing with this in its topic can be published; NULL: everything can */
	bool offline;
};

struct fake *fake_new(void); /* controller is up, connected and synced with an empty broker */
void fake_free(struct fake *fake);

void fake_start(struct fake *fake);          /* new controller: connect, replay, synced */
void fake_start_unsynced(struct fake *fake); /* the same without the synced */
void fake_replay(struct fake *fake);         /* of the one that runs: connected, retained messages, synced */
void fake_stop(struct fake *fake);           /* frees the controller; journal and broker stay */
void fake_forget(struct fake *fake);         /* the broker loses everything */

/* As an operator or agent: a message on a topic below the prefix; kept by the broker when retained. */
void fake_put(struct fake *fake, const char *topic, const char *text, bool retain);
void fake_put_bytes(struct fake *fake, const char *topic, const void *data, size_t length, bool too_large);
/* With response topic; the answer is the last of fake->answers. */
const json_t *fake_ask(struct fake *fake, const char *topic, const char *text);
void fake_run(struct fake *fake, int ms); /* the event loop, for so long */

/* Presence and info of a node; memory in MiB; extra: further members of info, "" or "\"missing\": …". */
void fake_node(struct fake *fake, const char *name, int memory_mib, const char *runtimes);
void fake_presence(struct fake *fake, const char *name, bool online);
/* Everything that is assigned to the node is in this state. */
void fake_report(struct fake *fake, const char *node, enum instance_state state);
/* Everything runs but the instances whose id contains `part`. */
void fake_report_but(struct fake *fake, const char *node, const char *part, enum instance_state state,
        int exit_code, int restarts);

/* What runs has been up for as long as an update wants it. */
void fake_settle(struct fake *fake);

/* Borrowed until the next message; NULL when nothing is retained there. */
const char *fake_text(const struct fake *fake, const char *topic);
json_t *fake_json(const struct fake *fake, const char *topic); /* new reference; fails the test without */
/* Parses the status of the application and compares a member: "state", "document.verdict". */
void fake_expect(struct fake *fake, const char *app, const char *path, const char *value);
void fake_expect_int(struct fake *fake, const char *app, const char *path, int value);
void fake_expect_contains(struct fake *fake, const char *app, const char *path, const char *part);
size_t fake_assigned(struct fake *fake, const char *node);
void fake_expect_quiet(struct fake *fake); /* nothing was published since the log was cleared */
bool fake_has_event(const struct fake *fake, const char *type);

#endif
