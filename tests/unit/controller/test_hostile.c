/* SPDX-License-Identifier: Apache-2.0 */
/* Every topic the controller listens to, with payloads and names nobody should send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/controller/schedule.h"
#include "tests/unit/controller/fake.h"

#define MUTATIONS 10000
#define TEN(text) text text text text text text text text text text
#define LONG_NAME TEN("xxxxxxxxxxxxxxxxxxxx")

static const char *const topics[] = { "apps/shop/desired", "apps/shop/status", "apps/shop/revisions/abc",
	"apps/shop/command/scale", "nodes/n1/presence", "nodes/n1/info", "nodes/n1/desired",
	"nodes/n1/reported", "nodes/n1/beat", "policies/placement/p", "policies/placement/p/status",
	"policies/scaling/p", "apps/Bad Name/desired", "nodes/UPPER/info", "policies/placement/\xff\xfe",
	"apps/\xc3\x28/desired", "apps/none/status", "apps/none/revisions/abc", "policies/scaling/p/status",
	"controller/leader", "apps//desired", "nodes/" LONG_NAME "/info" };

static const char *const payloads[] = { "null", "[]", "{}", "\"text\"", "1e999", "{\"a\": 1, \"a\": 2}",
	"\xff\xfe\xfd", "{\"name\": \"\\u0000\"}", "{\"services\": []}", "{\"services\": {\"x\": null}}",
	"{\"state\": 5, \"boot\": {}, \"session\": []}",
	"{\"term\": -1, \"revision\": 1e30, \"instances\": {}}",
	"{\"term\": 1, \"revision\": 1, \"instances\": [{\"id\": \"x\"}]}", "{\"node\": \"other\"}",
	"{\"name\": \"other\"}" };

static struct fake *start(void)
{
	struct fake *fake = fake_new();

	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(
	        fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 2}"), true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	return fake;
}

static bool was_published(const struct fake *fake, const char *topic)
{
	const json_t *item;
	size_t i;

	json_array_foreach(fake->log, i, item) {
		if (strcmp(json_string_value(item), topic) == 0)
			return true;
	}
	return false;
}

/* An event of its own, or, on a topic that only we write, what belongs there. */
static void hit(struct fake *fake, const char *topic, const void *payload, size_t length, bool too_large)
{
	json_array_clear(fake->log);
	json_array_clear(fake->events);
	fake_put_bytes(fake, topic, payload, length, too_large);
	if (fake_has_event(fake, "payload.rejected") || fake_has_event(fake, "app.rejected") ||
	        fake_has_event(fake, "policy.rejected"))
		return;
	controller_tick(fake->controller);
	fake_run(fake, CONFIG_STATUS_COALESCE_MS + 10);
	if (!was_published(fake, topic))
		fail_msg("%s: nobody says anything about %.40s", topic, (const char *)payload);
}

static void every_payload_on_every_topic(void **state)
{
	struct fake *fake = start();
	char *deep = malloc(20001);

	(void)state;
	assert_non_null(deep);
	memset(deep, '[', 20000);
	deep[20000] = '\0';
	for (size_t t = 0; t < array_size(topics); t++) {
		for (size_t p = 0; p < array_size(payloads); p++)
			hit(fake, topics[t], payloads[p], strlen(payloads[p]), false);
		hit(fake, topics[t], "a\0b", 3, false);
		hit(fake, topics[t], deep, 20000, false);
		hit(fake, topics[t], "", 100U << 20, true);
	}
	/* It still works, and comes to rest. */
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(
	        fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 3}"), true);
	assert_int_equal(fake_assigned(fake, "n1"), 3);
	fake_expect(fake, "shop", "document/verdict", "accepted");
	json_array_clear(fake->log);
	controller_tick(fake->controller);
	fake_run(fake, 60);
	fake_expect_quiet(fake);
	free(deep);
	fake_free(fake);
}

static void the_same_while_state_is_replayed(void **state)
{
	struct fake *fake = start();

	(void)state;
	fake_stop(fake);
	for (size_t t = 0; t < array_size(topics); t++) {
		if (strchr(topics[t], '\xff') || strchr(topics[t], '\xc3'))
			continue; /* the fake broker keeps texts in JSON */
		json_object_set_new(
		        fake->retained, topics[t], json_string(payloads[t % array_size(payloads)]));
		if (!json_object_get(fake->retained, topics[t]))
			json_object_set_new(fake->retained, topics[t], json_string("[]"));
	}
	fake_start(fake);
	fake_put(fake, "apps/shop/desired", "", true);
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/web/desired", "{\"services\": {\"s\": {\"image\": \"i\"}}}", true);
	assert_int_equal(fake_assigned(fake, "n1"), 1);
	fake_free(fake);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

static void random_mutations_of_a_manifest(void **state)
{
	static const char manifest[] =
	        MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 2, \"environment\": {\"A\": \"b\"}, "
	                 "\"command\": [\"a\", "
	                 "\"b\"], \"mem_limit\": \"32m\", \"deploy\": {\"replicas\": 2}}");
	struct fake *fake = start();
	uint32_t seed = 20261124;
	char text[sizeof(manifest)];

	(void)state;
	for (int i = 0; i < MUTATIONS; i++) {
		memcpy(text, manifest, sizeof(text));
		for (uint32_t n = 1 + next_random(&seed) % 4; n > 0; n--)
			text[next_random(&seed) % (sizeof(text) - 1)] = (char)next_random(&seed);
		fake_put_bytes(fake, "apps/shop/desired", text, sizeof(text) - 1, false);
	}
	fake_put(fake, "apps/shop/desired", manifest, true);
	fake_expect(fake, "shop", "document/verdict", "accepted");
	fake_put(
	        fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 2}"), true);
	fake_expect(fake, "shop", "document/verdict", "accepted");
	fake_free(fake);
}

static void one_node_too_many(void **state)
{
	struct fake *fake = fake_new();
	char name[32];

	(void)state;
	for (int i = 0; i < CONFIG_MAX_NODES; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		fake_presence(fake, name, true);
	}
	json_array_clear(fake->events);
	fake_presence(fake, "extra", true);
	assert_true(fake_has_event(fake, "payload.rejected"));
	/* Clearing the topics of one makes room after the next tick. */
	fake_put(fake, "nodes/n0/presence", "", true);
	fleet_forget_empty(fake->controller);
	json_array_clear(fake->events);
	fake_presence(fake, "extra", true);
	assert_false(fake_has_event(fake, "payload.rejected"));
	fake_free(fake);
}

static void foreign_writes_are_repaired(void **state)
{
	struct fake *fake = start();
	cleanup_json json_t *before = fake_json(fake, "nodes/n1/desired");
	cleanup_json json_t *after = NULL;

	(void)state;
	fake_put(fake, "nodes/n1/desired", "", true);
	after = fake_json(fake, "nodes/n1/desired");
	assert_true(json_equal(before, after));
	fake_put(fake, "nodes/n1/desired", "rubbish", true);
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	fake_free(fake);
}

/* Somebody else writes there; at the next tick there is what we say, and then there is peace. */
static void expect_repair(struct fake *fake, const char *topic, const char *foreign)
{
	cleanup_free char *ours = fake_text(fake, topic) ? strdup(fake_text(fake, topic)) : NULL;

	fake_put(fake, topic, foreign, true);
	controller_tick(fake->controller);
	fake_run(fake, CONFIG_STATUS_COALESCE_MS + 10);
	if (ours)
		assert_string_equal(fake_text(fake, topic), ours);
	else
		assert_null(fake_text(fake, topic));
	json_array_clear(fake->log);
	controller_tick(fake->controller);
	fake_run(fake, CONFIG_STATUS_COALESCE_MS + 10);
	fake_expect_quiet(fake);
}

static void everything_of_ours_is_repaired(void **state)
{
	static const char *const foreign[] = { "", "rubbish", "{\"node\": \"n9\", \"watermark\": 1}",
		"{\"node\": \"n1\", \"watermark\": 9007199254740992}", "{\"node\": \"n1\", \"watermark\": 0}",
		"{\"term\": 0, \"revision\": 1, \"instances\": []}" };
	struct fake *fake = start();

	(void)state;
	fake_run(fake, 60);
	for (size_t i = 0; i < array_size(foreign); i++) {
		expect_repair(fake, "apps/shop/status", foreign[i]);
		expect_repair(fake, "apps/none/status", foreign[i]);
		expect_repair(fake, "controller/leader", foreign[i]);
		expect_repair(fake, "nodes/n1/desired", foreign[i]);
	}
	fake_free(fake);
}

/* An agent keeps what it got first under two numbers: ours need new ones. */
static void other_content_under_our_numbers_is_replaced(void **state)
{
	struct fake *fake = start();
	cleanup_json json_t *before = fake_json(fake, "nodes/n1/desired");
	cleanup_json json_t *after = NULL;
	cleanup_json json_t *lie = json_copy(before);
	cleanup_free char *text = NULL;

	(void)state;
	json_object_set_new(lie, "instances", json_array());
	text = json_text(lie);
	fake_run(fake, CONFIG_STATUS_COALESCE_MS + 10);
	fake_put(fake, "nodes/n1/desired", text, true);
	controller_tick(fake->controller);
	fake_run(fake, CONFIG_STATUS_COALESCE_MS + 10);
	after = fake_json(fake, "nodes/n1/desired");
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	assert_true(json_get_int(after, "revision", 0) > json_get_int(before, "revision", 0));
	json_array_clear(fake->log);
	controller_tick(fake->controller);
	fake_run(fake, 60);
	fake_expect_quiet(fake);
	fake_free(fake);
}

/* A node that was never given anything gets something from somebody else. */
static void foreign_work_is_taken_away(void **state)
{
	struct fake *fake = start();

	(void)state;
	fake_node(fake, "n2", 512, "\"native\"");
	fake->controller->term_raised_ms -= 60000;
	fake_put(fake, "nodes/n2/desired",
	        "{\"term\": 1, \"revision\": 900, \"instances\": [{\"id\": \"x.y.1.0123456789\", \"app\": "
	        "\"x\", "
	        "\"service\": \"y\", \"slot\": 1, \"digest\": "
	        "\"0123456789012345678901234567890123456789012345678901234567890123\"}]}",
	        true);
	controller_tick(fake->controller);
	fake_run(fake, 20);
	assert_int_equal(fake_assigned(fake, "n2"), 0);
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	fake_free(fake);
}

static void retained_commands_are_refused(void **state)
{
	struct fake *fake = start();

	(void)state;
	json_object_set_new(fake->retained, "apps/shop/command/scale",
	        json_string("{\"service\": \"cart\", \"replicas\": 9}"));
	json_array_clear(fake->events);
	fake_replay(fake);
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	assert_true(fake_has_event(fake, "payload.rejected"));
	fake_free(fake);
}

static void answers_do_not_go_to_documents(void **state)
{
	struct fake *fake = start();
	const struct session_message message = { .topic = "fleet/apps/shop/command/scale",
		.payload = "{\"service\": \"cart\", \"replicas\": 3}",
		.length = 34,
		.response_topic = "fleet/nodes/n1/desired" };
	const struct topic topic = { .kind = TOPIC_APP_COMMAND, .first = "shop", .second = "scale" };
	cleanup_json json_t *document = NULL;

	(void)state;
	json_array_clear(fake->events);
	controller_message(fake->controller, &topic, &message);
	assert_true(fake_has_event(fake, "payload.rejected"));
	document = fake_json(fake, "nodes/n1/desired");
	assert_non_null(json_object_get(document, "instances"));
	fake_free(fake);
}

static void silent_node_is_noticed(void **state)
{
	struct fake *fake = start();
	struct fleet_node *node;

	(void)state;
	node = table_find(&fake->controller->nodes, "n1");
	node->heard_ms -= 3 * CONFIG_BEAT_MS;
	fleet_tick(fake->controller);
	assert_false(fake_has_event(fake, "node.silent"));
	node->heard_ms -= CONFIG_BEAT_MS;
	fleet_tick(fake->controller);
	controller_turn(fake->controller);
	assert_true(fake_has_event(fake, "node.silent"));
	fake_expect(fake, "shop", "reason", "node n1 is silent");
	fake_put(fake, "nodes/n1/beat",
	        "{\"boot\": \"b\", \"seq\": 1, \"term\": 1, \"revision\": 1, \"free\": {\"memory\": 1, "
	        "\"cpu\": 1}}",
	        false);
	fake_expect(fake, "shop", "state", "running");
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_payload_on_every_topic),
		cmocka_unit_test(the_same_while_state_is_replayed),
		cmocka_unit_test(random_mutations_of_a_manifest),
		cmocka_unit_test(one_node_too_many),
		cmocka_unit_test(foreign_writes_are_repaired),
		cmocka_unit_test(everything_of_ours_is_repaired),
		cmocka_unit_test(other_content_under_our_numbers_is_replaced),
		cmocka_unit_test(foreign_work_is_taken_away),
		cmocka_unit_test(retained_commands_are_refused),
		cmocka_unit_test(answers_do_not_go_to_documents),
		cmocka_unit_test(silent_node_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
