/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests, verdicts, assignments, status, scale, removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"
#include "tests/unit/controller/fake.h"

#define TWO MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 2}")

static size_t position(const struct fake *fake, const char *part)
{
	for (size_t i = 0; i < json_array_size(fake->log); i++) {
		if (strstr(json_string_value(json_array_get(fake->log, i)), part))
			return i;
	}
	fail_msg("nothing was published on %s", part);
	return 0;
}

static void manifest_becomes_assignment(void **state)
{
	struct fake *fake = fake_new();
	char digest[DIGEST_HEX_SIZE];
	char topic[TOPIC_MAX];

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_node(fake, "n2", 512, "\"native\"");
	json_array_clear(fake->log);
	fake_put(fake, "apps/shop/desired", TWO, true);
	/* In the same turn, without the loop: revision, then assignments, then status. */
	assert_int_equal(fake_assigned(fake, "n1"), 1);
	assert_int_equal(fake_assigned(fake, "n2"), 1);
	assert_true(position(fake, "revisions/") < position(fake, "nodes/n1/desired"));
	assert_true(position(fake, "nodes/n2/desired") < position(fake, "apps/shop/status"));
	assert_int_equal(digest_sha256(TWO, strlen(TWO), digest), 0);
	(void)snprintf(topic, sizeof(topic), "apps/shop/revisions/%s", digest);
	assert_string_equal(fake_text(fake, topic), TWO);
	fake_expect(fake, "shop", "document/digest", digest);
	fake_expect(fake, "shop", "document/verdict", "accepted");
	fake_expect(fake, "shop", "revision", digest);
	fake_expect(fake, "shop", "state", "progressing");
	assert_true(fake_has_event(fake, "app.accepted"));
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_report(fake, "n2", INSTANCE_RUNNING);
	fake_expect(fake, "shop", "state", "running");
	fake_expect_int(fake, "shop", "services/cart/running", 2);
	fake_expect_int(fake, "shop", "services/cart/updated", 2);
	fake_expect(fake, "shop", "services/cart/policy", "spread");
	fake_expect(fake, "shop", "instances/0/state", "running");
	fake_expect(fake, "shop", "instances/0/exit_code", NULL);
	fake_free(fake);
}

static void nothing_changes_when_nothing_changed(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", TWO, true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_run(fake, 60);
	json_array_clear(fake->log);
	fake_put(fake, "apps/shop/desired", TWO, true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_node(fake, "n1", 512, "\"native\"");
	fake_run(fake, 60);
	assert_int_equal(json_array_size(fake->log), 0);
	fake_free(fake);
}

static void rejected_manifest_leaves_the_old_one_running(void **state)
{
	struct fake *fake = fake_new();
	char digest[DIGEST_HEX_SIZE];

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", TWO, true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_put(fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": 5, \"nonsense\": 1}"), true);
	fake_expect(fake, "shop", "document/verdict", "rejected");
	fake_expect_contains(fake, "shop", "document/errors/0/path", "$.services.cart");
	fake_expect_contains(fake, "shop", "document/errors/1/path", "$.services.cart");
	assert_int_equal(digest_sha256(TWO, strlen(TWO), digest), 0);
	fake_expect(fake, "shop", "revision", digest);
	fake_expect(fake, "shop", "state", "running");
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	assert_true(fake_has_event(fake, "app.rejected"));
	/* Back to what is in force: accepted again, nothing restarts. */
	json_array_clear(fake->log);
	fake_put(fake, "apps/shop/desired", TWO, true);
	fake_expect(fake, "shop", "document/verdict", "accepted");
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	fake_free(fake);
}

static void first_manifest_rejected(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_put(fake, "apps/shop/desired", "not json", true);
	fake_expect(fake, "shop", "state", "rejected");
	fake_expect(fake, "shop", "revision", NULL);
	fake_expect(fake, "shop", "document/verdict", "rejected");
	fake_put(fake, "apps/shop/desired", "", true);
	fake_run(fake, 60);
	assert_null(fake_text(fake, "apps/shop/status"));
	fake_free(fake);
}

static void scale_changes_replicas_until_the_next_manifest(void **state)
{
	struct fake *fake = fake_new();
	const json_t *answer;

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", TWO, true);
	answer = fake_ask(fake, "apps/shop/command/scale", "{\"service\": \"cart\", \"replicas\": 5}");
	assert_true(json_get_bool(answer, "ok", false));
	assert_int_equal(fake_assigned(fake, "n1"), 5);
	answer = fake_ask(fake, "apps/shop/command/scale", "{\"service\": \"cart\", \"replicas\": 0}");
	assert_true(json_get_bool(answer, "ok", false));
	assert_int_equal(fake_assigned(fake, "n1"), 0);
	fake_put(
	        fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 3}"), true);
	assert_int_equal(fake_assigned(fake, "n1"), 3);
	fake_free(fake);
}

static void bad_commands_are_answered(void **state)
{
	static const struct {
		const char *topic;
		const char *text;
		const char *path;
	} cases[] = {
		{ "apps/shop/command/scale", "nonsense", "$" },
		{ "apps/shop/command/scale", "[]", "$.service" },
		{ "apps/shop/command/scale", "{\"service\": \"cart\"}", "$.replicas" },
		{ "apps/shop/command/scale", "{\"service\": \"cart\", \"replicas\": -1}", "$.replicas" },
		{ "apps/shop/command/scale", "{\"service\": \"cart\", \"replicas\": 1.5}", "$.replicas" },
		{ "apps/shop/command/scale", "{\"service\": \"none\", \"replicas\": 1}", "$.service" },
		{ "apps/none/command/scale", "{\"service\": \"cart\", \"replicas\": 1}", "$" },
		{ "apps/shop/command/explode", "{}", "$" },
	};
	struct fake *fake = fake_new();
	char text[96];

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", TWO, true);
	for (size_t i = 0; i < array_size(cases); i++) {
		const json_t *answer = fake_ask(fake, cases[i].topic, cases[i].text);
		const json_t *error = json_array_get(json_object_get(answer, "errors"), 0);

		assert_false(json_get_bool(answer, "ok", true));
		assert_string_equal(json_get_string(error, "path", ""), cases[i].path);
		assert_true(strlen(json_get_string(error, "reason", "")) > 0);
	}
	(void)snprintf(
	        text, sizeof(text), "{\"service\": \"cart\", \"replicas\": %d}", CONFIG_MAX_REPLICAS + 1);
	assert_non_null(json_object_get(
	        json_array_get(json_object_get(fake_ask(fake, "apps/shop/command/scale", text), "errors"), 0),
	        "limit"));
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	/* Without a response topic it is an event. */
	json_array_clear(fake->events);
	fake_put(fake, "apps/shop/command/scale", "nonsense", false);
	assert_true(fake_has_event(fake, "payload.rejected"));
	fake_free(fake);
}

static void removal_waits_for_the_nodes(void **state)
{
	struct fake *fake = fake_new();
	const char *topic;
	json_t *text;

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", TWO, true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_put(fake, "apps/shop/desired", "", true);
	assert_int_equal(fake_assigned(fake, "n1"), 0);
	fake_expect(fake, "shop", "state", "removing");
	fake_expect_contains(fake, "shop", "reason", "being stopped");
	fake_presence(fake, "n1", false);
	fake_expect(fake, "shop", "state", "removing");
	fake_presence(fake, "n1", true);
	fake_report(fake, "n1", INSTANCE_RUNNING); /* nothing is assigned: an empty report */
	fake_run(fake, 60);
	assert_null(fake_text(fake, "apps/shop/status"));
	json_object_foreach(fake->retained, topic, text)
		assert_null(strstr(topic, "apps/"));
	fake_free(fake);
}

static void removed_services_go(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired",
	        MANIFEST("\"cart\": {\"image\": \"cart:1\"}, \"web\": {\"image\": \"web:1\", \"scale\": 3}"),
	        true);
	assert_int_equal(fake_assigned(fake, "n1"), 4);
	fake_put(fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\"}"), true);
	assert_int_equal(fake_assigned(fake, "n1"), 1);
	fake_free(fake);
}

static void pending_replicas_have_a_reason_per_node(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_put(fake, "apps/shop/desired",
	        MANIFEST("\"cart\": {\"image\": \"cart:1\", \"x-baton\": {\"runtime\": \"native\"}, "
	                 "\"deploy\": "
	                 "{\"replicas\": 3, \"resources\": {\"reservations\": {\"memory\": \"64M\"}}}}"),
	        true);
	fake_expect(fake, "shop", "state", "degraded");
	fake_expect_contains(fake, "shop", "reason", "no node is known");
	fake_node(fake, "n1", 100, "\"native\"");
	fake_node(fake, "n2", 100, "\"crun\"");
	assert_int_equal(fake_assigned(fake, "n1"), 1);
	fake_expect_contains(fake, "shop", "services/cart/reason", "n1: needs 64 MiB, 36 MiB unreserved");
	fake_expect_contains(fake, "shop", "services/cart/reason", "n2: runtime native not available");
	fake_expect(fake, "shop", "instances/1/state", "pending");
	fake_expect(fake, "shop", "instances/1/node", NULL);
	/* A node that can take them comes: no further message is needed. */
	fake_node(fake, "n3", 1000, "\"native\"");
	assert_int_equal(fake_assigned(fake, "n3"), 2);
	fake_free(fake);
}

static void limits_go_where_they_hold(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_node(fake, "weak", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired",
	        MANIFEST("\"cart\": {\"image\": \"cart:1\", \"mem_limit\": \"32m\"}"), true);
	fake_expect_contains(fake, "shop", "reason", "limits are not enforced");
	assert_int_equal(fake_assigned(fake, "weak"), 0);
	fake_node(fake, "strong", 512, "\"native\"");
	assert_int_equal(fake_assigned(fake, "strong"), 1);
	fake_free(fake);
}

static void offline_node_keeps_its_instances(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_node(fake, "n2", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", TWO, true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_report(fake, "n2", INSTANCE_RUNNING);
	fake_presence(fake, "n2", false);
	fake_expect(fake, "shop", "state", "degraded");
	fake_expect(fake, "shop", "reason", "node n2 is offline");
	fake_expect_int(fake, "shop", "services/cart/running", 1);
	assert_int_equal(fake_assigned(fake, "n2"), 1);
	/* New replicas go to the node that is there. */
	(void)fake_ask(fake, "apps/shop/command/scale", "{\"service\": \"cart\", \"replicas\": 4}");
	assert_int_equal(fake_assigned(fake, "n1"), 3);
	assert_int_equal(fake_assigned(fake, "n2"), 1);
	fake_presence(fake, "n2", true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_expect(fake, "shop", "state", "running");
	fake_free(fake);
}

static void old_will_is_ignored(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "nodes/n1/presence",
	        "{\"state\": \"offline\", \"boot\": \"b\", \"session\": \"older\"}", true);
	fake_put(fake, "apps/shop/desired", TWO, true);
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	fake_free(fake);
}

static void status_is_coalesced(void **state)
{
	struct fake *fake = fake_new();
	size_t count = 0;

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", TWO, true);
	fake_run(fake, 60);
	json_array_clear(fake->log);
	for (int i = 0; i < 100; i++)
		fake_report(fake, "n1", i % 2 ? INSTANCE_RUNNING : INSTANCE_STARTING);
	fake_run(fake, 60);
	for (size_t i = 0; i < json_array_size(fake->log); i++)
		count += strcmp(json_string_value(json_array_get(fake->log, i)), "apps/shop/status") == 0;
	assert_true(count >= 1 && count <= 3);
	fake_expect(fake, "shop", "state", "running");
	fake_free(fake);
}

static void one_application_too_many(void **state)
{
	struct fake *fake = fake_new();
	char topic[TOPIC_MAX];

	(void)state;
	for (int i = 0; i <= CONFIG_MAX_APPS; i++) {
		(void)snprintf(topic, sizeof(topic), "apps/a%d/desired", i);
		fake_put(fake, topic, "{\"services\": {\"s\": {\"image\": \"i\"}}}", true);
	}
	(void)snprintf(topic, sizeof(topic), "a%d", CONFIG_MAX_APPS);
	fake_expect(fake, topic, "state", "rejected");
	fake_expect_contains(fake, topic, "document/errors/0/limit", "applications");
	/* It is told once, however often the connection is lost. */
	fake_run(fake, 100);
	json_array_clear(fake->log);
	fake_replay(fake);
	controller_tick(fake->controller);
	fake_run(fake, 100);
	fake_expect_quiet(fake);
	/* Room again: published anew it is taken. */
	fake_put(fake, "apps/a0/desired", "", true);
	fake_run(fake, 60);
	(void)snprintf(topic, sizeof(topic), "apps/a%d/desired", CONFIG_MAX_APPS);
	fake_put(fake, topic, "{\"services\": {\"s\": {\"image\": \"i\"}}}", true);
	(void)snprintf(topic, sizeof(topic), "a%d", CONFIG_MAX_APPS);
	fake_expect(fake, topic, "document/verdict", "accepted");
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifest_becomes_assignment),
		cmocka_unit_test(nothing_changes_when_nothing_changed),
		cmocka_unit_test(rejected_manifest_leaves_the_old_one_running),
		cmocka_unit_test(first_manifest_rejected),
		cmocka_unit_test(scale_changes_replicas_until_the_next_manifest),
		cmocka_unit_test(bad_commands_are_answered),
		cmocka_unit_test(removal_waits_for_the_nodes),
		cmocka_unit_test(removed_services_go),
		cmocka_unit_test(pending_replicas_have_a_reason_per_node),
		cmocka_unit_test(limits_go_where_they_hold),
		cmocka_unit_test(offline_node_keeps_its_instances),
		cmocka_unit_test(old_will_is_ignored),
		cmocka_unit_test(status_is_coalesced),
		cmocka_unit_test(one_application_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
