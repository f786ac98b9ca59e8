/* SPDX-License-Identifier: Apache-2.0 */
/* Published policies: verdict, hot-swap, failure at run time, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"
#include "tests/unit/controller/fake.h"
#include "tests/unit/lua/slow.h"

#define ON_N2 "return {score = function(node) return node.name == 'n2' and 1 or 0 end}"

static void two_nodes(struct fake *fake)
{
	fake_node(fake, "n1", 512, "\"native\"");
	fake_node(fake, "n2", 512, "\"native\"");
}

static void use(struct fake *fake, const char *app, const char *policy, int replicas)
{
	char topic[TOPIC_MAX];
	char text[512];

	(void)snprintf(topic, sizeof(topic), "apps/%s/desired", app);
	(void)snprintf(text, sizeof(text),
	        "{\"services\": {\"s\": {\"image\": \"i:1\", \"scale\": %d, \"x-baton\": {\"placement\": "
	        "{\"policy\": "
	        "\"%s\"}}}}}",
	        replicas, policy);
	fake_put(fake, topic, text, true);
}

static void expect_policy(struct fake *fake, const char *name, const char *state, const char *reason)
{
	char topic[TOPIC_MAX];
	cleanup_json json_t *status = NULL;
	const char *actual;

	(void)snprintf(topic, sizeof(topic), "policies/placement/%s/status", name);
	status = fake_json(fake, topic);
	assert_string_equal(json_get_string(status, "state", ""), state);
	actual = json_get_string(json_array_get(json_object_get(status, "errors"), 0), "reason", "");
	if (!strstr(actual, reason))
		fail_msg("%s lacks \"%s\": %s", name, reason, actual);
}

static void built_ins(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	two_nodes(fake);
	use(fake, "a", "spread", 4);
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	use(fake, "b", "binpack", 4);
	assert_true(fake_assigned(fake, "n1") == 6 || fake_assigned(fake, "n2") == 6);
	fake_expect(fake, "b", "services/s/policy", "binpack");
	fake_free(fake);
}

static void published_policy_is_used_and_swapped(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	two_nodes(fake);
	fake_put(fake, "policies/placement/mine", ON_N2, true);
	expect_policy(fake, "mine", "active", "");
	use(fake, "a", "mine", 3);
	assert_int_equal(fake_assigned(fake, "n2"), 3);
	fake_put(fake, "policies/placement/mine",
	        "return {filter = function(node) return node.name == 'n1' end, score = function() return 0 "
	        "end}",
	        true);
	use(fake, "a", "mine", 5);
	/* What runs stays; the new ones go by the new policy. */
	assert_int_equal(fake_assigned(fake, "n2"), 3);
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	fake_put(fake, "policies/placement/mine", "", true);
	assert_null(fake_text(fake, "policies/placement/mine/status"));
	use(fake, "b", "mine", 2);
	fake_expect_contains(fake, "b", "services/s/reason", "policy mine is not known");
	fake_expect(fake, "b", "services/s/policy", "spread");
	fake_free(fake);
}

static void override_of_a_built_in(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	two_nodes(fake);
	fake_put(fake, "policies/placement/spread", ON_N2, true);
	use(fake, "a", "spread", 4);
	assert_int_equal(fake_assigned(fake, "n2"), 4);
	fake_put(fake, "policies/placement/spread", "", true);
	use(fake, "b", "spread", 4);
	assert_int_equal(fake_assigned(fake, "n1"), 2);
	assert_int_equal(fake_assigned(fake, "n2"), 6);
	fake_free(fake);
}

static void bad_policies_are_rejected(void **state)
{
	struct fake *fake = fake_new();
	char *large = calloc(1, CONFIG_POLICY_SOURCE_MAX + 2);

	(void)state;
	assert_non_null(large);
	two_nodes(fake);
	fake_put(fake, "policies/placement/broken", "return {", true);
	expect_policy(fake, "broken", "rejected", "broken:1:");
	use(fake, "a", "broken", 2);
	fake_expect_contains(fake, "a", "services/s/reason", "policy broken was rejected");
	assert_int_equal(fake_assigned(fake, "n1"), 1);
	memset(large, ' ', CONFIG_POLICY_SOURCE_MAX + 1);
	fake_put(fake, "policies/placement/large", large, true);
	expect_policy(fake, "large", "rejected", "too large");
	fake_put(fake, "policies/scaling/cpu", "return {}", true);
	assert_non_null(strstr(fake_text(fake, "policies/scaling/cpu/status"), "not supported yet"));
	fake_put(fake, "policies/scaling/cpu", "", true);
	assert_null(fake_text(fake, "policies/scaling/cpu/status"));
	free(large);
	fake_free(fake);
}

static void failure_at_run_time_falls_back(void **state)
{
	static const char *const sources[] = {
		"return {score = function(node) return node.none.x end}",
		"return {score = function() while true do end end}",
		"return {score = function() local s = 'x' while true do s = s .. s end end}",
		"return {score = function() return 'much' end}",
		"return {filter = function() error('no') end, score = function() return 0 end}",
	};
	struct fake *fake = fake_new();
	char app[16];

	(void)state;
	two_nodes(fake);
	for (size_t i = 0; i < array_size(sources); i++) {
		(void)snprintf(app, sizeof(app), "a%zu", i);
		fake_put(fake, "policies/placement/binpack", sources[i], true);
		expect_policy(fake, "binpack", "active", "");
		use(fake, app, "binpack", 2);
		expect_policy(fake, "binpack", "failing", "");
		fake_expect_contains(fake, app, "services/s/reason",
		        "policy binpack failed, the built-in binpack is used");
		assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 2 * (i + 1));
	}
	assert_true(fake_has_event(fake, "policy.failed"));
	/* Out for good after some failures, until it is replaced. */
	fake_put(fake, "policies/placement/binpack", "return {score = function(node) return node.none.x end}",
	        true);
	for (int i = 0; i < CONFIG_POLICY_FAILURES_MAX; i++)
		use(fake, "a0", "binpack", 3 + i);
	expect_policy(fake, "binpack", "failed", "traceback");
	fake_put(fake, "policies/placement/binpack", ON_N2, true);
	expect_policy(fake, "binpack", "active", "");
	fake_free(fake);
}

#define FAILS_FOR_3 "return {score = function(n, s) if s.replicas == 3 then error('three') end return 0 end}"

/* Failures that lie far apart do not add up. */
static void success_forgives_a_failure(void **state)
{
	struct fake *fake = fake_new();
	char app[16];

	(void)state;
	two_nodes(fake);
	fake_put(fake, "policies/placement/mine", FAILS_FOR_3, true);
	for (int i = 0; i < 2 * CONFIG_POLICY_FAILURES_MAX; i++) {
		bool fails = i % CONFIG_POLICY_FAILURES_MAX != 1;

		(void)snprintf(app, sizeof(app), "a%d", i);
		use(fake, app, "mine", fails ? 3 : 2);
		expect_policy(fake, "mine", fails ? "failing" : "active", fails ? "three" : "");
		fake_expect(fake, app, "services/s/policy", fails ? "spread" : "mine");
	}
	fake_free(fake);
}

static void slow_decisions_fall_back(void **state)
{
	struct fake *fake = fake_new();
	char source[SLOW_SIZE];
	char name[16];

	(void)state;
	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		fake_node(fake, name, 512, "\"native\"");
	}
	slow_policy(source, 2000); /* no single call is too slow */
	fake_put(fake, "policies/placement/slow", source, true);
	use(fake, "a", "slow", 3);
	expect_policy(fake, "slow", "failing", "for one decision");
	fake_expect(fake, "a", "services/s/policy", "spread");
	fake_expect_contains(fake, "a", "services/s/reason", "policy slow failed");
	fake_free(fake);
}

static void one_policy_too_many(void **state)
{
	struct fake *fake = fake_new();
	char topic[TOPIC_MAX];
	char name[32];

	(void)state;
	for (int i = 0; i <= CONFIG_POLICIES_MAX; i++) {
		(void)snprintf(topic, sizeof(topic), "policies/placement/p%d", i);
		fake_put(fake, topic, ON_N2, true);
	}
	(void)snprintf(name, sizeof(name), "p%d", CONFIG_POLICIES_MAX);
	expect_policy(fake, name, "rejected", "no room");
	fake_free(fake);
}

/* What was refused before a reconnect is refused after it, in the same words. */
static void refusals_outlive_a_reconnect(void **state)
{
	struct fake *fake = fake_new();
	char *large = calloc(1, CONFIG_POLICY_SOURCE_MAX + 2);
	char topic[TOPIC_MAX];
	char extra[TOPIC_MAX];

	(void)state;
	assert_non_null(large);
	memset(large, ' ', CONFIG_POLICY_SOURCE_MAX + 1);
	two_nodes(fake);
	fake_put(fake, "policies/scaling/cpu", "return {}", true);
	fake_put(fake, "policies/placement/large", large, true);
	for (int i = 0; i < CONFIG_POLICIES_MAX; i++) {
		(void)snprintf(topic, sizeof(topic), "policies/placement/p%d", i);
		fake_put(fake, topic, ON_N2, true);
	}
	/* "large" has one of the places. */
	(void)snprintf(extra, sizeof(extra), "p%d", CONFIG_POLICIES_MAX - 1);
	expect_policy(fake, extra, "rejected", "no room");
	fake_run(fake, 20);
	json_array_clear(fake->log);
	for (int again = 0; again < 3; again++) {
		if (again == 2)
			fake_stop(fake);
		if (again == 2)
			fake_start(fake);
		else
			fake_replay(fake);
		controller_tick(fake->controller);
		fake_run(fake, 20);
		expect_policy(fake, extra, "rejected", "no room");
		expect_policy(fake, "large", "rejected", "too large");
		expect_policy(fake, "p0", "active", "");
		assert_non_null(fake_text(fake, "policies/scaling/cpu/status"));
		fake_expect_quiet(fake);
	}
	/* All of them go with what they speak of. */
	fake->offline = true;
	controller_disconnected(fake->controller);
	fake_put(fake, "policies/scaling/cpu", "", true);
	fake_put(fake, "policies/placement/large", "", true);
	fake_replay(fake);
	assert_null(fake_text(fake, "policies/scaling/cpu/status"));
	assert_null(fake_text(fake, "policies/placement/large/status"));
	/* Room again: published anew it is taken. */
	fake_put(fake, topic, ON_N2, true);
	expect_policy(fake, extra, "active", "");
	free(large);
	fake_free(fake);
}

static void too_large_an_update_takes_the_old_one_out(void **state)
{
	struct fake *fake = fake_new();
	char *large = calloc(1, CONFIG_POLICY_SOURCE_MAX + 2);

	(void)state;
	assert_non_null(large);
	memset(large, ' ', CONFIG_POLICY_SOURCE_MAX + 1);
	two_nodes(fake);
	fake_put(fake, "policies/placement/mine", ON_N2, true);
	fake_put(fake, "policies/placement/mine", large, true);
	expect_policy(fake, "mine", "rejected", "too large");
	for (int again = 0; again < 2; again++) {
		use(fake, again ? "b" : "a", "mine", 2);
		fake_expect_contains(fake, again ? "b" : "a", "services/s/reason", "mine was rejected");
		assert_int_equal(fake_assigned(fake, "n1"), 1 + again);
		fake_replay(fake);
		expect_policy(fake, "mine", "rejected", "too large");
	}
	fake_put(fake, "policies/placement/mine", ON_N2, true);
	expect_policy(fake, "mine", "active", "");
	free(large);
	fake_free(fake);
}

static void foreign_statuses_are_repaired(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	fake_put(fake, "policies/placement/mine", ON_N2, true);
	fake_run(fake, 20);
	for (int i = 0; i < 3; i++) {
		static const char *const payloads[] = { "", "rubbish", "{\"state\": \"failed\"}" };

		fake_put(fake, "policies/placement/mine/status", payloads[i], true);
		fake_put(fake, "policies/placement/none/status", payloads[i], true);
		fake_put(fake, "policies/scaling/none/status", payloads[i], true);
		controller_tick(fake->controller);
		fake_run(fake, 20);
		expect_policy(fake, "mine", "active", "");
		assert_null(fake_text(fake, "policies/placement/none/status"));
		assert_null(fake_text(fake, "policies/scaling/none/status"));
		json_array_clear(fake->log);
		controller_tick(fake->controller);
		fake_run(fake, 20);
		fake_expect_quiet(fake);
	}
	fake_free(fake);
}

static void policies_removed_while_away_go(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	two_nodes(fake);
	fake_put(fake, "policies/placement/mine", ON_N2, true);
	fake_put(fake, "policies/placement/other", ON_N2, true);
	controller_disconnected(fake->controller);
	json_object_del(fake->retained, "policies/placement/mine");
	fake_replay(fake);
	assert_null(fake_text(fake, "policies/placement/mine/status"));
	fake_stop(fake);
	json_object_del(fake->retained, "policies/placement/other");
	fake_start(fake);
	assert_null(fake_text(fake, "policies/placement/other/status"));
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_ins),
		cmocka_unit_test(published_policy_is_used_and_swapped),
		cmocka_unit_test(override_of_a_built_in),
		cmocka_unit_test(bad_policies_are_rejected),
		cmocka_unit_test(failure_at_run_time_falls_back),
		cmocka_unit_test(success_forgives_a_failure),
		cmocka_unit_test(slow_decisions_fall_back),
		cmocka_unit_test(one_policy_too_many),
		cmocka_unit_test(refusals_outlive_a_reconnect),
		cmocka_unit_test(too_large_an_update_takes_the_old_one_out),
		cmocka_unit_test(foreign_statuses_are_repaired),
		cmocka_unit_test(policies_removed_while_away_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
