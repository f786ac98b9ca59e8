/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/controller/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/timeval.h"
#include "core/controller/controller-priv.h"

#define PREFIX "fleet"
/* More echoes than this in one run of the loop are a controller that never comes to rest. */
#define ECHOES_MAX 20000

static const struct json_limits limits = { 1 << 22, 64 };

static json_t *parse(const char *text, size_t length)
{
	struct baton_error err;
	json_t *document = NULL;

	if (json_parse(text, length, limits, &document, &err) < 0)
		fail_msg("published what is not JSON: %s: %.*s", err.message, (int)length, text);
	return document;
}

static void deliver(struct fake *fake, const char *topic, const struct session_message *body)
{
	struct session_message message = *body;
	char full[TOPIC_MAX];
	struct topic parsed;

	(void)snprintf(full, sizeof(full), PREFIX "/%s", topic);
	message.topic = full;
	if (topic_parse(full, PREFIX, &parsed) == 0)
		controller_message(fake->controller, &parsed, &message);
	else
		controller_stray(fake->controller, &message);
}

/* A broker sends a client's own messages back to it. An answer to each of them would never end. */
static void on_echo(evutil_socket_t fd, short what, void *arg)
{
	struct fake *fake = arg;
	cleanup_json json_t *echo = json_incref(json_array_get(fake->echoes, 0));
	const json_t *text = json_array_get(echo, 1);
	const struct session_message message = { .payload = json_string_value(text),
		.length = json_string_length(text) };

	(void)fd;
	(void)what;
	if (!echo)
		return;
	json_array_remove(fake->echoes, 0);
	if (json_array_size(fake->echoes) > 0)
		event_active(fake->echo, EV_TIMEOUT, 0);
	if (++fake->echoed > ECHOES_MAX)
		fail_msg("the controller answers itself, on %s", json_string_value(json_array_get(echo, 0)));
	deliver(fake, json_string_value(json_array_get(echo, 0)), &message);
}

static void echo_later(struct fake *fake, const char *topic, const struct session_publish *publish)
{
	json_t *text = json_stringn(publish->length ? publish->payload : "", publish->length);

	json_array_append_new(fake->outbox, json_pack("[s, O]", topic, text));
	json_array_append_new(fake->echoes, json_pack("[s, o]", topic, text));
	event_active(fake->echo, EV_TIMEOUT, 0);
}

static int on_publish(void *arg, const struct session_publish *publish)
{
	struct fake *fake = arg;
	const char *topic = publish->topic;

	if (fake->offline || (fake->lost && strstr(topic, fake->lost)))
		return -ENOTCONN;
	assert_int_equal(publish->qos, 1);
	if (publish->correlation) {
		assert_memory_equal(publish->correlation, "c0", publish->correlation_length);
		assert_string_equal(topic, "answers/here");
		json_array_append_new(fake->answers, parse(publish->payload, publish->length));
		return 0;
	}
	assert_memory_equal(topic, PREFIX "/", strlen(PREFIX) + 1);
	topic += strlen(PREFIX) + 1;
	json_array_append_new(fake->log, json_string(topic));
	if (strcmp(topic, "events") == 0) {
		assert_false(publish->retain);
		json_array_append_new(fake->events, parse(publish->payload, publish->length));
		return 0;
	}
	assert_true(publish->retain);
	echo_later(fake, topic, publish);
	if (publish->length == 0) {
		json_object_del(fake->retained, topic);
		return 0;
	}
	/* Revisions are the operator's bytes; everything else is ours and must be JSON. */
	if (!strstr(topic, "/revisions/"))
		json_decref(parse(publish->payload, publish->length));
	json_object_set_new(fake->retained, topic, json_stringn(publish->payload, publish->length));
	return 0;
}

static void replay(struct fake *fake)
{
	cleanup_json json_t *snapshot = json_deep_copy(fake->retained);
	const char *topic;
	json_t *text;

	fake->offline = false;
	json_array_clear(fake->echoes); /* of a session that is gone */
	controller_connected(fake->controller);
	json_object_foreach(snapshot, topic, text) {
		const struct session_message message = { .payload = json_string_value(text),
			.length = json_string_length(text),
			.retained = true };

		deliver(fake, topic, &message);
	}
}

void fake_replay(struct fake *fake)
{
	replay(fake);
	controller_synced(fake->controller);
	fake_run(fake, 0);
}

void fake_start_unsynced(struct fake *fake)
{
	const struct controller_config config = { .prefix = PREFIX,
		.node = "n1",
		.state_dir_fd = fake->directory_fd,
		.base = fake->base,
		.publish = on_publish,
		.arg = fake };
	struct baton_error err = { 0 };

	if (controller_new(&config, &fake->controller, &err) < 0)
		fail_msg("%s", err.message);
	replay(fake);
}

void fake_start(struct fake *fake)
{
	fake_start_unsynced(fake);
	controller_synced(fake->controller);
	fake_run(fake, 0);
}

void fake_stop(struct fake *fake)
{
	controller_free(fake->controller);
	fake->controller = NULL;
	json_array_clear(fake->echoes);
}

void fake_forget(struct fake *fake)
{
	json_object_clear(fake->retained);
}

struct fake *fake_new(void)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	(void)snprintf(fake->directory, sizeof(fake->directory), "/tmp/baton-controller-XXXXXX");
	assert_non_null(mkdtemp(fake->directory));
	fake->directory_fd = open(fake->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fake->directory_fd >= 0);
	fake->base = event_base_new();
	fake->echo = event_new(fake->base, -1, 0, on_echo, fake);
	fake->echoes = json_array();
	fake->outbox = json_array();
	fake->retained = json_object();
	fake->log = json_array();
	fake->events = json_array();
	fake->answers = json_array();
	fake_start(fake);
	return fake;
}

void fake_free(struct fake *fake)
{
	fake_stop(fake);
	close_fd(&fake->directory_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, fake->directory), 0);
	event_free(fake->echo);
	event_base_free(fake->base);
	json_decref(fake->echoes);
	json_decref(fake->outbox);
	json_decref(fake->retained);
	json_decref(fake->log);
	json_decref(fake->events);
	json_decref(fake->answers);
	free(fake);
}

void fake_run(struct fake *fake, int ms)
{
	const struct timeval time = timeval_of_ms(ms);

	fake->echoed = 0;
	if (ms == 0) {
		assert_true(event_base_loop(fake->base, EVLOOP_NONBLOCK) >= 0);
		return;
	}
	assert_int_equal(event_base_loopexit(fake->base, &time), 0);
	assert_true(event_base_dispatch(fake->base) >= 0);
}

void fake_put(struct fake *fake, const char *topic, const char *text, bool retain)
{
	const struct session_message message = { .payload = text, .length = strlen(text) };

	if (retain && text[0])
		json_object_set_new(fake->retained, topic, json_string(text));
	else if (retain)
		json_object_del(fake->retained, topic);
	if (fake->controller && !fake->offline)
		deliver(fake, topic, &message);
}

void fake_put_bytes(struct fake *fake, const char *topic, const void *data, size_t length, bool too_large)
{
	const struct session_message message = { .payload = data, .length = length, .too_large = too_large };

	deliver(fake, topic, &message);
}

const json_t *fake_ask(struct fake *fake, const char *topic, const char *text)
{
	const struct session_message message = { .payload = text,
		.length = strlen(text),
		.response_topic = "answers/here",
		.correlation = "c0",
		.correlation_length = 2 };
	size_t before = json_array_size(fake->answers);

	deliver(fake, topic, &message);
	assert_int_equal(json_array_size(fake->answers), before + 1);
	return json_array_get(fake->answers, before);
}

void fake_presence(struct fake *fake, const char *name, bool online)
{
	char topic[TOPIC_MAX];
	char text[256];

	(void)snprintf(topic, sizeof(topic), "nodes/%s/presence", name);
	(void)snprintf(text, sizeof(text), "{\"state\": \"%s\", \"boot\": \"b\", \"session\": \"s\"}",
	        online ? "online" : "offline");
	fake_put(fake, topic, text, true);
}

void fake_node(struct fake *fake, const char *name, int memory_mib, const char *runtimes)
{
	char topic[TOPIC_MAX];
	char text[1024];

	(void)snprintf(topic, sizeof(topic), "nodes/%s/info", name);
	(void)snprintf(text, sizeof(text),
	        "{\"name\": \"%s\", \"architecture\": \"x86_64\", \"kernel\": \"6\", \"board\": \"\", "
	        "\"version\": \"1\", "
	        "\"cpu\": 4000, \"memory\": %lld, \"cgroup\": \"v2\", \"labels\": %s, \"runtimes\": [%s], "
	        "\"missing\": [%s]}",
	        name, (long long)memory_mib << 20, "{\"site\": \"oslo\"}", runtimes,
	        strstr(name, "weak") ? "\"memory: limits are not enforced; add cgroup_enable=memory\"" : "");
	fake_put(fake, topic, text, true);
	fake_presence(fake, name, true);
}

const char *fake_text(const struct fake *fake, const char *topic)
{
	return json_string_value(json_object_get(fake->retained, topic));
}

json_t *fake_json(const struct fake *fake, const char *topic)
{
	const char *text = fake_text(fake, topic);

	if (!text)
		fail_msg("nothing is retained on %s", topic);
	return parse(text, strlen(text));
}

static json_t *assigned(const struct fake *fake, const char *node)
{
	char topic[TOPIC_MAX];

	(void)snprintf(topic, sizeof(topic), "nodes/%s/desired", node);
	return fake_text(fake, topic) ? fake_json(fake, topic) : NULL;
}

size_t fake_assigned(struct fake *fake, const char *node)
{
	cleanup_json json_t *document = assigned(fake, node);

	return json_array_size(json_object_get(document, "instances"));
}

void fake_report_but(struct fake *fake, const char *node, const char *part, enum instance_state state,
        int exit_code, int restarts)
{
	cleanup_json json_t *document = assigned(fake, node);
	cleanup_with(assignment_release) struct assignment assignment = { 0 };
	cleanup_json json_t *encoded = NULL;
	cleanup_free char *text = NULL;
	struct report report = { .boot = "b" };
	struct baton_error err = { 0 };
	char topic[TOPIC_MAX];

	if (document && assignment_decode(document, &assignment, &err) < 0)
		fail_msg("assignment of %s: %s", node, err.message);
	(void)snprintf(report.node, sizeof(report.node), "%.63s", node);
	report.term = assignment.term;
	report.revision = assignment.revision;
	report.instances = calloc(assignment.n_refs + 1, sizeof(*report.instances));
	assert_non_null(report.instances);
	for (size_t i = 0; i < assignment.n_refs; i++) {
		struct report_instance *instance = &report.instances[report.n_instances++];
		bool odd = strstr(assignment.refs[i].id, part) != NULL;

		instance->ref = assignment.refs[i];
		instance->state = odd ? state : INSTANCE_RUNNING;
		(void)snprintf(instance->reason, sizeof(instance->reason), "%s",
		        fake->reason ? fake->reason : "test says so");
		instance->has_exit = odd && state != INSTANCE_RUNNING;
		instance->exit_code = odd ? exit_code : 0;
		instance->restarts = odd ? (uint32_t)restarts : 0;
		instance->pid = instance->state == INSTANCE_RUNNING ? 1000 : 0;
	}
	encoded = report_encode(&report);
	assert_non_null(encoded);
	text = json_text(encoded);
	report_release(&report);
	(void)snprintf(topic, sizeof(topic), "nodes/%s/reported", node);
	fake_put(fake, topic, text, true);
}

void fake_report(struct fake *fake, const char *node, enum instance_state state)
{
	fake_report_but(fake, node, "", state, 0, 0);
}

void fake_settle(struct fake *fake)
{
	struct app_entry *app;

	TABLE_FOREACH(app, &fake->controller->apps) {
		for (size_t i = 0; i < app->n_placements; i++) {
			if (app->placements[i]->running_ms > 0)
				app->placements[i]->running_ms -= CONFIG_ROLLOUT_SETTLE_MS;
		}
	}
	controller_tick(fake->controller);
}

static json_t *member(struct fake *fake, const char *app, const char *path, json_t **ret_document)
{
	char topic[TOPIC_MAX];
	char copy[128];
	char *rest = copy;
	char *name;
	json_t *value;

	fake_run(fake, 60); /* coalesced */
	(void)snprintf(topic, sizeof(topic), "apps/%s/status", app);
	*ret_document = fake_json(fake, topic);
	value = *ret_document;
	(void)snprintf(copy, sizeof(copy), "%s", path);
	while ((name = strsep(&rest, "/"))) {
		if (json_is_array(value))
			value = json_array_get(value, (size_t)strtoul(name, NULL, 10));
		else
			value = json_object_get(value, name);
	}
	return value;
}

void fake_expect(struct fake *fake, const char *app, const char *path, const char *value)
{
	cleanup_json json_t *document = NULL;
	const json_t *actual = member(fake, app, path, &document);
	cleanup_free char *text = json_text(document);

	if (value ? !json_is_string(actual) || strcmp(json_string_value(actual), value) != 0
	          : !json_is_null(actual))
		fail_msg("%s of %s is not %s: %s", path, app, value ? value : "null", text);
}

void fake_expect_int(struct fake *fake, const char *app, const char *path, int value)
{
	cleanup_json json_t *document = NULL;
	const json_t *actual = member(fake, app, path, &document);
	cleanup_free char *text = json_text(document);

	if (!json_is_integer(actual) || json_integer_value(actual) != value)
		fail_msg("%s of %s is not %d: %s", path, app, value, text);
}

void fake_expect_contains(struct fake *fake, const char *app, const char *path, const char *part)
{
	cleanup_json json_t *document = NULL;
	const json_t *actual = member(fake, app, path, &document);
	cleanup_free char *text = json_text(document);

	if (!json_is_string(actual) || !strstr(json_string_value(actual), part))
		fail_msg("%s of %s lacks \"%s\": %s", path, app, part, text);
}

bool fake_has_event(const struct fake *fake, const char *type)
{
	json_t *event;
	size_t i;

	json_array_foreach(fake->events, i, event) {
		if (strcmp(json_get_string(event, "type", ""), type) == 0)
			return true;
	}
	return false;
}

void fake_expect_quiet(struct fake *fake)
{
	cleanup_free char *text = json_text(fake->log);

	if (json_array_size(fake->log) > 0)
		fail_msg("published without need: %s", text);
}
