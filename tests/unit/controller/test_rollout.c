/* SPDX-License-Identifier: Apache-2.0 */
/* A changed container replaces instances one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"
#include "tests/unit/controller/fake.h"

#define CART(image, more) MANIFEST("\"cart\": {\"image\": \"" image "\", \"scale\": 3" more "}")

static const char *hash_of(const json_t *ref)
{
	const char *id = json_get_string(ref, "id", "");

	return id + strlen(id) - INSTANCE_HASH_LENGTH;
}

/* How many of the instances on the node have the hash of none in `before`. */
static size_t replaced(struct fake *fake, const char *node, const json_t *before)
{
	char topic[TOPIC_MAX];
	cleanup_json json_t *now = NULL;
	size_t count = 0;
	json_t *ref;
	size_t i;

	(void)snprintf(topic, sizeof(topic), "nodes/%s/desired", node);
	now = fake_json(fake, topic);
	json_array_foreach(json_object_get(now, "instances"), i, ref)
		count += strcmp(hash_of(ref),
		                 hash_of(json_array_get(json_object_get(before, "instances"), 0))) != 0;
	return count;
}

static json_t *start(struct fake *fake)
{
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", CART("cart:1", ""), true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	return fake_json(fake, "nodes/n1/desired");
}

static void one_slot_at_a_time(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = start(fake);

	(void)state;
	fake_put(fake, "apps/shop/desired", CART("cart:2", ""), true);
	assert_int_equal(replaced(fake, "n1", before), 1);
	fake_expect(fake, "shop", "state", "progressing");
	fake_expect_int(fake, "shop", "services/cart/updated", 1);
	/* Not running yet: no other one goes. */
	fake_report_but(fake, "n1", "cart.1.", INSTANCE_STARTING, 0, 0);
	assert_int_equal(replaced(fake, "n1", before), 1);
	fake_expect_contains(fake, "shop", "services/cart/reason", "waits for shop.cart.1.");
	/* Up, but it may end in a moment. */
	fake_report(fake, "n1", INSTANCE_RUNNING);
	assert_int_equal(replaced(fake, "n1", before), 1);
	fake_expect_contains(fake, "shop", "services/cart/reason", "has been up for");
	fake_settle(fake);
	assert_int_equal(replaced(fake, "n1", before), 2);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_settle(fake);
	assert_int_equal(replaced(fake, "n1", before), 3);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_expect(fake, "shop", "state", "running");
	fake_expect_int(fake, "shop", "services/cart/updated", 3);
	fake_free(fake);
}

static void failure_pauses_and_a_fix_goes_on(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = start(fake);

	(void)state;
	fake_put(fake, "apps/shop/desired", CART("cart:2", ""), true);
	fake_report_but(fake, "n1", "cart.1.", INSTANCE_BACKOFF, 1, 1);
	assert_int_equal(replaced(fake, "n1", before), 1);
	fake_expect(fake, "shop", "state", "degraded");
	fake_expect_contains(fake, "shop", "reason", "paused: shop.cart.1.");
	fake_expect_contains(fake, "shop", "reason", "test says so");
	/* Up again after a restart: it has to prove itself first. */
	fake_report_but(fake, "n1", "cart.1.", INSTANCE_RUNNING, 1, 1);
	assert_int_equal(replaced(fake, "n1", before), 1);
	/* The broken slot is the first that the fix replaces. */
	fake_report_but(fake, "n1", "cart.1.", INSTANCE_FAILED, 1, 1);
	fake_put(fake, "apps/shop/desired", CART("cart:3", ""), true);
	assert_int_equal(replaced(fake, "n1", before), 1);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_settle(fake);
	assert_int_equal(replaced(fake, "n1", before), 2);
	fake_free(fake);
}

/* An image that crashes after some seconds, and agents that report only what stands at the end. */
static void what_keeps_crashing_replaces_one(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = start(fake);

	(void)state;
	fake_put(fake, "apps/shop/desired", CART("cart:2", ""), true);
	for (int restarts = 0; restarts < 3; restarts++) {
		fake_report_but(fake, "n1", "cart.1.", INSTANCE_RUNNING, 0, restarts);
		controller_tick(fake->controller);
		assert_int_equal(replaced(fake, "n1", before), 1);
		apps_find(fake->controller, "shop")->placements[0]->running_ms -=
		        CONFIG_ROLLOUT_SETTLE_MS - 1000;
	}
	fake_report_but(fake, "n1", "cart.1.", INSTANCE_BACKOFF, 1, 3);
	fake_settle(fake);
	assert_int_equal(replaced(fake, "n1", before), 1);
	fake_expect(fake, "shop", "state", "degraded");
	fake_free(fake);
}

/* Not only at the next tick. */
static void update_goes_on_as_soon_as_it_may(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = start(fake);
	struct app_entry *app = apps_find(fake->controller, "shop");

	(void)state;
	fake_put(fake, "apps/shop/desired", CART("cart:2", ""), true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	assert_int_equal(event_del(fake->controller->settle_timer), 0);
	app->placements[0]->running_ms -= CONFIG_ROLLOUT_SETTLE_MS - 200;
	app->plan = true;
	controller_turn(fake->controller);
	assert_int_equal(replaced(fake, "n1", before), 1);
	fake_run(fake, 400);
	assert_int_equal(replaced(fake, "n1", before), 2);
	fake_free(fake);
}

/* The newest one is not the last in the list: its time counts all the same. */
static void update_waits_for_the_youngest(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = start(fake);

	(void)state;
	fake_report_but(fake, "n1", "cart.3.", INSTANCE_BACKOFF, 1, 1);
	fake_put(fake, "apps/shop/desired", CART("cart:2", ""), true); /* what is down goes first */
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_settle(fake);
	assert_int_equal(replaced(fake, "n1", before), 2);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	assert_int_equal(replaced(fake, "n1", before), 2);
	fake_settle(fake);
	assert_int_equal(replaced(fake, "n1", before), 3);
	fake_free(fake);
}

/* The reports came before the assignments that they belong to. */
static void update_goes_on_after_a_restart(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = start(fake);

	(void)state;
	fake_put(fake, "apps/shop/desired", CART("cart:2", ""), true);
	fake_report_but(fake, "n1", "cart.1.", INSTANCE_RUNNING, 0, 1);
	fake_stop(fake);
	fake_start(fake);
	fake_settle(fake);
	assert_int_equal(replaced(fake, "n1", before), 2);
	fake_free(fake);
}

static void restart_never_counts_when_ended_well(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = NULL;

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", CART("job:1", ", \"restart\": \"no\""), true);
	fake_report_but(fake, "n1", "", INSTANCE_EXITED, 0, 0);
	fake_expect(fake, "shop", "state", "running");
	fake_expect_contains(fake, "shop", "reason", "3 ended well");
	before = fake_json(fake, "nodes/n1/desired");
	fake_put(fake, "apps/shop/desired", CART("job:2", ", \"restart\": \"no\""), true);
	fake_report_but(fake, "n1", "", INSTANCE_EXITED, 0, 0);
	assert_int_equal(replaced(fake, "n1", before), 2);
	fake_report_but(fake, "n1", "cart.2.", INSTANCE_EXITED, 3, 0);
	assert_int_equal(replaced(fake, "n1", before), 2);
	fake_expect(fake, "shop", "state", "degraded");
	fake_free(fake);
}

static void same_container_is_not_touched(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = start(fake);
	cleanup_json json_t *after = NULL;
	const json_t *ref;

	(void)state;
	/* Replicas and another service: the containers of cart stay, only their digest follows. */
	fake_put(
	        fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 4}"), true);
	assert_int_equal(replaced(fake, "n1", before), 0);
	after = fake_json(fake, "nodes/n1/desired");
	assert_int_equal(json_array_size(json_object_get(after, "instances")), 4);
	ref = json_array_get(json_object_get(after, "instances"), 0);
	assert_string_not_equal(json_get_string(ref, "digest", ""),
	        json_get_string(json_array_get(json_object_get(before, "instances"), 0), "digest", ""));
	fake_free(fake);
}

static void offline_nodes_come_last(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = NULL;

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_node(fake, "n2", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", CART("cart:1", ""), true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_report(fake, "n2", INSTANCE_RUNNING);
	before = fake_json(fake, "nodes/n1/desired");
	fake_presence(fake, "n1", false);
	fake_put(fake, "apps/shop/desired", CART("cart:2", ""), true);
	assert_int_equal(replaced(fake, "n2", before), 1);
	assert_int_equal(replaced(fake, "n1", before), 0);
	for (int i = 0; i < 4; i++) {
		fake_report(fake, "n2", INSTANCE_RUNNING);
		fake_settle(fake);
	}
	assert_int_equal(replaced(fake, "n1", before), 1);
	fake_expect_contains(fake, "shop", "services/cart/reason", "node n1 is offline");
	fake_free(fake);
}

static void new_container_moves_when_it_no_longer_fits(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_node(fake, "n1", 100, "\"native\"");
	fake_put(fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\"}"), true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_put(fake, "apps/shop/desired",
	        MANIFEST("\"cart\": {\"image\": \"cart:2\", \"deploy\": {\"resources\": {\"reservations\": "
	                 "{\"memory\": "
	                 "\"200M\"}}}}"),
	        true);
	assert_int_equal(fake_assigned(fake, "n1"), 1);
	fake_expect_contains(fake, "shop", "services/cart/reason", "paused: no node fits");
	fake_node(fake, "n2", 1000, "\"native\"");
	assert_int_equal(fake_assigned(fake, "n1"), 0);
	assert_int_equal(fake_assigned(fake, "n2"), 1);
	fake_free(fake);
}

static void old_revisions_go_when_nothing_refers_to_them(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *before = start(fake);
	size_t kept = 0;
	char topic[TOPIC_MAX];
	char text[256];
	const char *name;
	json_t *value;

	(void)state;
	for (int i = 2; i < CONFIG_REVISIONS_KEPT + 4; i++) {
		(void)snprintf(
		        text, sizeof(text), MANIFEST("\"cart\": {\"image\": \"cart:%d\", \"scale\": 3}"), i);
		fake_put(fake, "apps/shop/desired", text, true);
	}
	/* Slot 1 has moved on, slots 2 and 3 still run the first one: it must not go. */
	(void)snprintf(topic, sizeof(topic), "apps/shop/revisions/%s",
	        json_get_string(json_array_get(json_object_get(before, "instances"), 2), "digest", ""));
	assert_non_null(fake_text(fake, topic));
	for (int i = 0; i < 4; i++) {
		fake_report(fake, "n1", INSTANCE_RUNNING);
		fake_settle(fake);
	}
	assert_null(fake_text(fake, topic));
	json_object_foreach(fake->retained, name, value)
		kept += strstr(name, "/revisions/") != NULL;
	assert_int_equal(kept, CONFIG_REVISIONS_KEPT);
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_slot_at_a_time),
		cmocka_unit_test(failure_pauses_and_a_fix_goes_on),
		cmocka_unit_test(what_keeps_crashing_replaces_one),
		cmocka_unit_test(update_goes_on_as_soon_as_it_may),
		cmocka_unit_test(update_waits_for_the_youngest),
		cmocka_unit_test(update_goes_on_after_a_restart),
		cmocka_unit_test(restart_never_counts_when_ended_well),
		cmocka_unit_test(same_container_is_not_touched),
		cmocka_unit_test(offline_nodes_come_last),
		cmocka_unit_test(new_container_moves_when_it_no_longer_fits),
		cmocka_unit_test(old_revisions_go_when_nothing_refers_to_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
