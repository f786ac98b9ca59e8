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

static const char *const topics[] = { "apps/shop/desired", "apps/shop/status", "apps/shop/revisions/abc",
	"apps/shop/command/scale", "nodes/n1/presence", "nodes/n1/info", "nodes/n1/desired",
	"nodes/n1/reported", "nodes/n1/beat", "policies/placement/p", "policies/placement/p/status",
	"policies/scaling/p", "apps/Bad Name/desired", "nodes/UPPER/info", "policies/placement/\xff\xfe",
	"apps/\xc3\x28/desired" };

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

static void every_payload_on_every_topic(void **state)
{
	struct fake *fake = start();
	char *deep = malloc(20001);

	(void)state;
	assert_non_null(deep);
	memset(deep, '[', 20000);
	deep[20000] = '\0';
	for (size_t t = 0; t < array_size(topics); t++) {
		json_array_clear(fake->log);
		for (size_t p = 0; p < array_size(payloads); p++)
			fake_put_bytes(fake, topics[t], payloads[p], strlen(payloads[p]), false);
		fake_put_bytes(fake, topics[t], "a\0b", 3, false);
		fake_put_bytes(fake, topics[t], deep, 20000, false);
		fake_put_bytes(fake, topics[t], NULL, 100U << 20, true);
		fake_run(fake, 60);
		/* Nobody stays silent, but for what predecessors said of their own state. */
		if (!strstr(topics[t], "status"))
			assert_true(json_array_size(fake->log) > 0);
	}
	/* It still works. */
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(
	        fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 3}"), true);
	assert_int_equal(fake_assigned(fake, "n1"), 3);
	fake_expect(fake, "shop", "document/verdict", "accepted");
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
		cmocka_unit_test(retained_commands_are_refused),
		cmocka_unit_test(answers_do_not_go_to_documents),
		cmocka_unit_test(silent_node_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
