/* SPDX-License-Identifier: Apache-2.0 */
/* An agent between a fake supervisor and a fake broker: everything it says is recorded, nothing is answered
 * by itself. */
#ifndef BATON_TEST_AGENT_RIG_H
#define BATON_TEST_AGENT_RIG_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "core/agent/agent.h"
#include "core/base/digest.h"
#include "core/model/report.h"

#define RIG_NODE   "node-1"
#define RIG_PREFIX "test/v1"

struct rig_message {
	struct rig_message *next;
	char topic[TOPIC_MAX];
	char *payload;
	bool retain;
	int qos;
	char correlation[64];
};

struct rig_request {
	struct rig_request *next;
	struct ipc_message message;
};

struct rig {
	struct event_base *base;
	struct agent *agent;
	struct agent_config config;
	char folder[64];
	char logs_path[96];
	int state_fd;
	struct rig_message *published; /* oldest first */
	struct rig_request *requests;
	char **subscribed;
	char *will;
	bool online;
	bool congested;
	int send_result;
	bool refused;
};

struct rig *rig_new(void);
void rig_free(struct rig *rig);

/* Another life of the same process on the same disk; records are emptied. */
void rig_start(struct rig *rig);
void rig_end(struct rig *rig);

/* HELLO answered, NODE, SYNCED; and the broker connected and synced. */
void rig_sync(struct rig *rig);
void rig_connect(struct rig *rig);
void rig_up(struct rig *rig);

/* ---- supervisor ---- */

/* The oldest request, which must be of this type; freed by the next call of rig_answer. */
const struct ipc_message *rig_expect(struct rig *rig, uint32_t type);
void rig_expect_none(struct rig *rig);
/* Answers the oldest request and drops it. */
void rig_answer(struct rig *rig, int code, const char *reason);
/* rig_expect + rig_answer. */
void rig_accept(struct rig *rig, uint32_t type, const char *id);

struct rig_state {
	enum ipc_instance_state state;
	uint64_t generation;
	const char *message;
	bool never_ran;
	bool unknown_exit;
	int exit_code;
	uint64_t started_ns;
	uint64_t ended_ns;
	uint32_t attempts;
	bool with_spec;
};
void rig_tell(struct rig *rig, const char *id, const struct rig_state *state);
void rig_running(struct rig *rig, const char *id, uint64_t generation);
void rig_ended(struct rig *rig, const char *id, uint64_t generation, int exit_code);
void rig_images_changed(struct rig *rig);

/* ---- broker ---- */

void rig_deliver(struct rig *rig, const char *topic, const char *payload, bool retained);
void rig_deliver_bytes(
        struct rig *rig, const char *topic, const void *payload, size_t length, bool too_large);
/* A command; response_topic may be NULL. */
void rig_command_bytes(struct rig *rig, const char *verb, const char *response_topic, const void *payload,
        size_t length, bool too_large);
/* With response topic "reply/1". */
void rig_command(struct rig *rig, const char *verb, const char *payload);
bool rig_is_subscribed(const struct rig *rig, const char *topic);

/* The newest payload on a topic below the prefix ("" = the answer topic), parsed; NULL without. json_decref.
 */
json_t *rig_published(const struct rig *rig, const char *topic);
size_t rig_count(const struct rig *rig, const char *topic);
void rig_forget_published(struct rig *rig);
/* Whether an event of this type was published. */
bool rig_event(const struct rig *rig, const char *type);

/* Runs the loop for so long. */
void rig_run(struct rig *rig, unsigned ms);

/* State and reason of an instance in the newest report; runs the loop until the report is out. */
json_t *rig_instance(struct rig *rig, const char *id);
void rig_assert_state(struct rig *rig, const char *id, const char *state, const char *reason_part);
void rig_assert_absent(struct rig *rig, const char *id);

/* ---- documents ---- */

struct rig_app {
	char text[1024];
	char digest[DIGEST_HEX_SIZE];
	char topic[TOPIC_MAX];
	char id[INSTANCE_ID_MAX + 1];  /* of service "web", slot 1 */
	char id2[INSTANCE_ID_MAX + 1]; /* slot 2 */
};

/* App "shop" with service "web" of this image; `restart` as in the Compose Specification, or NULL. */
void rig_make_app(struct rig_app *app, const char *image, const char *restart);

/* Delivers nodes/{node}/desired with these ids of these apps. */
struct rig_ref {
	const struct rig_app *app;
	int slot;
};
void rig_assign(struct rig *rig, int term, int revision, const struct rig_ref *refs, size_t count);
void rig_assign_one(struct rig *rig, int term, int revision, const struct rig_app *app);
void rig_deliver_revision(struct rig *rig, const struct rig_app *app);

/* Assigned, revision delivered, started, running with generation 1. */
void rig_run_app(struct rig *rig, const struct rig_app *app);

#endif
