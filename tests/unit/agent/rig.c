/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/base/timeval.h"
#include "core/ipc/identity.h"
#include "core/model/compose.h"

/* ---- what the agent calls ---- */

static int on_publish(void *arg, const struct session_publish *publish)
{
	struct rig *rig = arg;
	struct rig_message *message;
	struct rig_message **end = &rig->published;

	if (!rig->online)
		return -ENOTCONN;
	message = calloc(1, sizeof(*message));
	assert_non_null(message);
	assert_true((size_t)snprintf(message->topic, sizeof(message->topic), "%s", publish->topic) <
	            sizeof(message->topic));
	message->payload = strndup(publish->payload, publish->length);
	message->retain = publish->retain;
	message->qos = publish->qos;
	assert_true(publish->correlation_length < sizeof(message->correlation));
	if (publish->correlation)
		memcpy(message->correlation, publish->correlation, publish->correlation_length);
	while (*end)
		end = &(*end)->next;
	*end = message;
	return 0;
}

static bool on_congested(void *arg)
{
	const struct rig *rig = arg;

	return rig->congested;
}

static int on_subscribe(void *arg, const char *filter)
{
	struct rig *rig = arg;

	assert_int_equal(strv_append(&rig->subscribed, filter), 0);
	return 0;
}

static int on_unsubscribe(void *arg, const char *filter)
{
	struct rig *rig = arg;
	char **left = NULL;
	bool found = false;
	char **item;

	STRV_FOREACH(item, rig->subscribed) {
		if (strcmp(*item, filter) == 0)
			found = true;
		else
			assert_int_equal(strv_append(&left, *item), 0);
	}
	assert_true(found);
	strv_free(rig->subscribed);
	rig->subscribed = left;
	return 0;
}

static int on_set_will(void *arg, const void *payload, size_t length)
{
	struct rig *rig = arg;

	free(rig->will);
	rig->will = strndup(payload, length);
	return 0;
}

/* Through the codec: what it would refuse is an error here too. */
static int on_send(void *arg, const struct ipc_message *message)
{
	struct rig *rig = arg;
	struct rig_request **end = &rig->requests;
	struct rig_request *request;
	struct baton_error err;
	struct buf bytes;

	if (rig->send_result < 0)
		return rig->send_result;
	request = calloc(1, sizeof(*request));
	assert_non_null(request);
	buf_init(&bytes, 1U << 20);
	assert_int_equal(ipc_message_encode(message, &bytes), 0);
	assert_int_equal(ipc_message_decode(bytes.data, bytes.length, &request->message, &err), 0);
	buf_release(&bytes);
	while (*end)
		end = &(*end)->next;
	*end = request;
	return 0;
}

static void on_refused(void *arg, const char *reason)
{
	struct rig *rig = arg;

	assert_non_null(reason);
	rig->refused = true;
}

static const struct agent_handler handler = {
	.publish = on_publish,
	.congested = on_congested,

	.subscribe = on_subscribe,
	.unsubscribe = on_unsubscribe,
	.set_will = on_set_will,
	.send = on_send,
	.refused = on_refused,
};

/* ---- life ---- */

void rig_start(struct rig *rig)
{
	static char label[] = "site=oslo";
	static char *const labels[] = { label, NULL };
	struct baton_error err;

	rig->config = (struct agent_config){
		.base = rig->base,
		.prefix = RIG_PREFIX,
		.node = RIG_NODE,
		.labels = labels,
		.logs_path = rig->logs_path,
		.state_dir_fd = rig->state_fd,
		.handler = &handler,
		.arg = rig,
	};
	assert_int_equal(agent_new(&rig->config, &rig->agent, &err), 0);
	assert_int_equal(agent_start(rig->agent), 0);
}

static void drop_request(struct rig *rig)
{
	struct rig_request *first = rig->requests;

	rig->requests = first->next;
	ipc_message_release(&first->message);
	free(first);
}

void rig_end(struct rig *rig)
{
	agent_free(rig->agent);
	rig->agent = NULL;
	rig->online = false;
	while (rig->requests)
		drop_request(rig);
	rig_forget_published(rig);
	strv_free(rig->subscribed);
	rig->subscribed = NULL;
}

struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	(void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/baton-agent-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	(void)snprintf(rig->logs_path, sizeof(rig->logs_path), "%s/logs", rig->folder);
	assert_int_equal(mkdir(rig->logs_path, 0750), 0);
	rig->state_fd = open(rig->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(rig->state_fd >= 0);
	rig->base = event_base_new();
	assert_non_null(rig->base);
	rig_start(rig);
	return rig;
}

void rig_free(struct rig *rig)
{
	rig_end(rig);
	event_base_free(rig->base);
	free(rig->will);
	(void)close(rig->state_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, rig->folder), 0);
	free(rig);
}

void rig_connect(struct rig *rig)
{
	rig->online = true;
	agent_connected(rig->agent);
	agent_synced(rig->agent);
}

void rig_sync(struct rig *rig)
{
	char *runtimes[] = { (char[]){ "native" }, NULL };
	char mode[] = "v2";
	const struct ipc_message node = { .type = IPC_NODE, .runtimes = runtimes, .cgroup_mode = mode };
	const struct ipc_message synced = { .type = IPC_SYNCED };

	agent_supervisor_message(rig->agent, &node);
	agent_supervisor_message(rig->agent, &synced);
}

void rig_up(struct rig *rig)
{
	(void)rig_expect(rig, IPC_HELLO);
	rig_answer(rig, 0, NULL);
	rig_sync(rig);
	rig_connect(rig);
}

/* ---- supervisor ---- */

const struct ipc_message *rig_expect(struct rig *rig, uint32_t type)
{
	assert_non_null(rig->requests);
	assert_int_equal(rig->requests->message.type, type);
	return &rig->requests->message;
}

void rig_expect_none(struct rig *rig)
{
	if (rig->requests)
		fail_msg("unexpected request of type %u", rig->requests->message.type);
}

void rig_answer(struct rig *rig, int code, const char *reason)
{
	char text[256];
	struct ipc_message reply = { .type = IPC_REPLY, .code = code };

	assert_non_null(rig->requests);
	reply.sequence = rig->requests->message.sequence;
	if (reason) {
		(void)snprintf(text, sizeof(text), "%s", reason);
		reply.message = text;
	}
	drop_request(rig);
	agent_supervisor_message(rig->agent, &reply);
}

void rig_accept(struct rig *rig, uint32_t type, const char *id)
{
	const struct ipc_message *message = rig_expect(rig, type);

	assert_string_equal(type == IPC_START ? message->spec.id : message->id, id);
	rig_answer(rig, 0, NULL);
}

void rig_tell(struct rig *rig, const char *id, const struct rig_state *state)
{
	char name[INSTANCE_ID_MAX + 1];
	char reason[256];
	char app[] = "shop";
	char service[] = "web";
	char image[] = "x";
	char runtime[] = "native";
	struct ipc_message message = {
		.type = IPC_INSTANCE,
		.id = name,
		.generation = state->generation,
		.state = state->state,
		.pid = state->state == IPC_INSTANCE_RUNNING ? 4242 : 0,
		.has_exit_code =
		        state->state == IPC_INSTANCE_ENDED && !state->unknown_exit && !state->never_ran,
		.exit_code = state->exit_code,
		.never_ran = state->never_ran,
		.started_ns = state->started_ns,
		.ended_ns = state->ended_ns,
		.attempts = state->attempts,
		.message = state->message ? reason : NULL,
		.runtime = runtime,
		.has_spec = state->with_spec,
	};

	(void)snprintf(name, sizeof(name), "%s", id);
	(void)snprintf(reason, sizeof(reason), "%s", state->message ? state->message : "");
	if (state->with_spec)
		message.spec = (struct container_spec){
			.id = name, .app = app, .service = service, .slot = 1, .image = image
		};
	agent_supervisor_message(rig->agent, &message);
}

void rig_running(struct rig *rig, const char *id, uint64_t generation)
{
	rig_tell(rig, id,
	        &(struct rig_state){
	                .state = IPC_INSTANCE_RUNNING, .generation = generation, .message = "running" });
}

void rig_ended(struct rig *rig, const char *id, uint64_t generation, int exit_code)
{
	char reason[64];

	(void)snprintf(reason, sizeof(reason), "exited with code %d", exit_code);
	rig_tell(rig, id,
	        &(struct rig_state){ .state = IPC_INSTANCE_ENDED,
	                .generation = generation,
	                .exit_code = exit_code,
	                .message = reason });
}

void rig_images_changed(struct rig *rig)
{
	const struct ipc_message message = { .type = IPC_IMAGES_CHANGED };

	agent_supervisor_message(rig->agent, &message);
}

/* ---- broker ---- */

static void deliver(struct rig *rig, struct session_message *message)
{
	struct topic topic;

	assert_int_equal(topic_parse(message->topic, RIG_PREFIX, &topic), 0);
	agent_message(rig->agent, &topic, message);
}

/* Exactly as long, and not terminated: what reads behind it is found by the sanitizer. */
static char *exact_copy(const void *payload, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);

	assert_non_null(copy);
	memcpy(copy, payload, length);
	return copy;
}

void rig_deliver_bytes(struct rig *rig, const char *topic, const void *payload, size_t length, bool too_large)
{
	char full[TOPIC_MAX];
	struct session_message message = { .topic = full, .length = length, .too_large = too_large };
	char *copy = NULL;

	(void)snprintf(full, sizeof(full), "%s/%s", RIG_PREFIX, topic);
	if (!too_large)
		message.payload = copy = exact_copy(payload, length);
	deliver(rig, &message);
	free(copy);
}

void rig_deliver(struct rig *rig, const char *topic, const char *payload, bool retained)
{
	char full[TOPIC_MAX];
	struct session_message message = {
		.topic = full, .payload = payload, .length = strlen(payload), .retained = retained
	};

	(void)snprintf(full, sizeof(full), "%s/%s", RIG_PREFIX, topic);
	deliver(rig, &message);
}

void rig_command_bytes(struct rig *rig, const char *verb, const char *response_topic, const void *payload,
        size_t length, bool too_large)
{
	char full[TOPIC_MAX];
	struct session_message message = {
		.topic = full,
		.length = length,
		.too_large = too_large,
		.response_topic = response_topic,
		.correlation = "c-1",
		.correlation_length = 3,
	};
	char *copy = NULL;

	(void)snprintf(full, sizeof(full), "%s/nodes/%s/command/%s", RIG_PREFIX, RIG_NODE, verb);
	if (!too_large)
		message.payload = copy = exact_copy(payload, length);
	deliver(rig, &message);
	free(copy);
}

void rig_command(struct rig *rig, const char *verb, const char *payload)
{
	rig_command_bytes(rig, verb, "reply/1", payload, strlen(payload), false);
}

bool rig_is_subscribed(const struct rig *rig, const char *topic)
{
	char full[TOPIC_MAX];

	(void)snprintf(full, sizeof(full), "%s/%s", RIG_PREFIX, topic);
	return strv_contains(rig->subscribed, full);
}

static void full_topic(const char *topic, char full[static TOPIC_MAX])
{
	if (*topic)
		(void)snprintf(full, TOPIC_MAX, "%s/%s", RIG_PREFIX, topic);
	else
		(void)snprintf(full, TOPIC_MAX, "reply/1");
}

json_t *rig_published(const struct rig *rig, const char *topic)
{
	const struct rig_message *newest = NULL;
	char full[TOPIC_MAX];
	json_t *value;

	full_topic(topic, full);
	for (const struct rig_message *message = rig->published; message; message = message->next) {
		if (strcmp(message->topic, full) == 0)
			newest = message;
	}
	if (!newest)
		return NULL;
	value = json_loads(newest->payload, 0, NULL);
	assert_non_null(value);
	return value;
}

size_t rig_count(const struct rig *rig, const char *topic)
{
	char full[TOPIC_MAX];
	size_t count = 0;

	full_topic(topic, full);
	for (const struct rig_message *message = rig->published; message; message = message->next)
		count += strcmp(message->topic, full) == 0;
	return count;
}

void rig_forget_published(struct rig *rig)
{
	while (rig->published) {
		struct rig_message *first = rig->published;

		rig->published = first->next;
		free(first->payload);
		free(first);
	}
}

bool rig_event(const struct rig *rig, const char *type)
{
	for (const struct rig_message *message = rig->published; message; message = message->next) {
		json_t *event;
		bool found;

		if (strcmp(message->topic, RIG_PREFIX "/events") != 0)
			continue;
		event = json_loads(message->payload, 0, NULL);
		assert_non_null(event);
		found = strcmp(json_string_value(json_object_get(event, "type")), type) == 0;
		json_decref(event);
		if (found)
			return true;
	}
	return false;
}

void rig_run(struct rig *rig, unsigned ms)
{
	struct timeval limit = timeval_of_ms(ms);

	assert_int_equal(event_base_loopexit(rig->base, &limit), 0);
	assert_true(event_base_dispatch(rig->base) >= 0);
}

/* ---- reports ---- */

json_t *rig_instance(struct rig *rig, const char *id)
{
	json_t *report;
	json_t *found = NULL;
	json_t *item;
	size_t i;

	rig_run(rig, CONFIG_REPORT_COALESCE_MS + 20);
	report = rig_published(rig, "nodes/" RIG_NODE "/reported");
	assert_non_null(report);
	json_array_foreach(json_object_get(report, "instances"), i, item) {
		if (strcmp(json_string_value(json_object_get(item, "id")), id) == 0)
			found = json_incref(item);
	}
	json_decref(report);
	return found;
}

void rig_assert_state(struct rig *rig, const char *id, const char *state, const char *reason_part)
{
	json_t *instance = rig_instance(rig, id);
	const char *reason;

	if (!instance)
		fail_msg("%s is not in the report", id);
	assert_string_equal(json_string_value(json_object_get(instance, "state")), state);
	reason = json_string_value(json_object_get(instance, "reason"));
	if (!strstr(reason, reason_part))
		fail_msg("reason \"%s\" does not hold \"%s\"", reason, reason_part);
	json_decref(instance);
}

void rig_assert_absent(struct rig *rig, const char *id)
{
	json_t *instance = rig_instance(rig, id);

	if (instance)
		fail_msg("%s is still in the report", id);
}

/* ---- documents ---- */

void rig_make_app(struct rig_app *app, const char *image, const char *restart)
{
	struct app decoded;
	struct verdict verdict;
	char hash[INSTANCE_HASH_LENGTH + 1];

	(void)snprintf(app->text, sizeof(app->text),
	        "{\"name\":\"shop\",\"services\":{\"web\":{\"image\":\"%s\",\"scale\":2%s%s%s}}}", image,
	        restart ? ",\"restart\":\"" : "", restart ? restart : "", restart ? "\"" : "");
	assert_int_equal(digest_sha256(app->text, strlen(app->text), app->digest), 0);
	(void)snprintf(app->topic, sizeof(app->topic), "apps/shop/revisions/%s", app->digest);
	verdict_init(&verdict);
	if (compose_decode(app->text, strlen(app->text), "shop", &decoded, &verdict) != 0)
		fail_msg("%s: %s", verdict.errors[0].path, verdict.errors[0].reason);
	assert_int_equal(identity_hash(&decoded.services[0].container, hash), 0);
	assert_int_equal(identity_format("shop", "web", 1, hash, app->id), 0);
	assert_int_equal(identity_format("shop", "web", 2, hash, app->id2), 0);
	app_release(&decoded);
	verdict_release(&verdict);
}

void rig_assign(struct rig *rig, int term, int revision, const struct rig_ref *refs, size_t count)
{
	json_t *list = json_array();
	json_t *document;
	char *text;

	for (size_t i = 0; i < count; i++)
		assert_int_equal(json_array_append_new(
		                         list, json_pack("{s:s, s:s, s:s, s:i, s:s}", "id",
		                                       refs[i].slot == 1 ? refs[i].app->id : refs[i].app->id2,
		                                       "app", "shop", "service", "web", "slot", refs[i].slot,
		                                       "digest", refs[i].app->digest)),
		        0);
	document = json_pack("{s:i, s:i, s:o}", "term", term, "revision", revision, "instances", list);
	text = json_dumps(document, 0);
	rig_deliver(rig, "nodes/" RIG_NODE "/desired", text, true);
	free(text);
	json_decref(document);
}

void rig_assign_one(struct rig *rig, int term, int revision, const struct rig_app *app)
{
	rig_assign(rig, term, revision, &(struct rig_ref){ app, 1 }, app ? 1 : 0);
}

void rig_deliver_revision(struct rig *rig, const struct rig_app *app)
{
	rig_deliver_bytes(rig, app->topic, app->text, strlen(app->text), false);
}

void rig_run_app(struct rig *rig, const struct rig_app *app)
{
	rig_assign_one(rig, 1, 1, app);
	rig_deliver_revision(rig, app);
	rig_accept(rig, IPC_START, app->id);
	rig_running(rig, app->id, 1);
	rig_assert_state(rig, app->id, "running", "running");
}
