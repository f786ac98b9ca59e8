/* SPDX-License-Identifier: Apache-2.0 */
/* The heap of the scheduler: what it costs and what it chooses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/strv.h"
#include "core/controller/schedule.h"

#define NODES    1000
#define REPLICAS 1000

struct counter {
	size_t filters;
	size_t scores;
	size_t fail_at; /* 0: never */
	const char *unwanted;
};

static int count_filter(void *arg, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, bool *ret_fits, struct baton_error *err)
{
	struct counter *counter = arg;

	(void)service;
	(void)seed;
	(void)err;
	counter->filters++;
	*ret_fits = !counter->unwanted || strcmp(node->name, counter->unwanted) != 0;
	return 0;
}

static int count_score(void *arg, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, double *ret_score, struct baton_error *err)
{
	struct counter *counter = arg;

	(void)service;
	(void)seed;
	if (++counter->scores == counter->fail_at)
		return error_set(err, EINVAL, "told to fail");
	*ret_score = -(double)node->instances_of_service;
	return 0;
}

static void add_nodes(struct table *nodes, size_t count)
{
	*nodes = (struct table){ .max = count };
	for (size_t i = 0; i < count; i++) {
		struct fleet_node *node = calloc(1, sizeof(*node));

		assert_non_null(node);
		(void)snprintf(node->name, sizeof(node->name), "n%04zu", i);
		node->has_presence = true;
		node->presence.online = true;
		node->has_info = true;
		node->info.cpu = 4000;
		node->info.memory = 1 << 30;
		assert_int_equal(strv_append(&node->info.runtimes, "native"), 0);
		assert_int_equal(table_add(nodes, node), 0);
	}
}

static void free_nodes(struct table *nodes)
{
	struct fleet_node *node;

	TABLE_FOREACH(node, nodes)
		fleet_node_free(node);
	free(nodes->items);
}

static struct service make_service(void)
{
	static char name[] = "cart";
	static char image[] = "cart:1";

	return (struct service){ .name = name, .container = { .image = image }, .replicas = REPLICAS };
}

/* Places `replicas`; how many found a node. */
static size_t place(const struct table *nodes, struct app_entry *app, const struct service *service,
        const struct scorer *scorer, size_t replicas)
{
	struct schedule *schedule = NULL;
	struct baton_error err = { 0 };
	size_t placed = 0;

	assert_int_equal(schedule_new(nodes, app, service, scorer, &schedule, &err), 0);
	while (placed < replicas) {
		struct assignment_ref ref = { .slot = (uint32_t)app->n_placements + 1 };
		struct fleet_node *node = NULL;

		if (schedule_next(schedule, &node, &err) != 1)
			break;
		(void)snprintf(ref.app, sizeof(ref.app), "%s", app->name);
		(void)snprintf(ref.service, sizeof(ref.service), "%s", service->name);
		assert_int_equal(placement_add(app, &ref, node, service), 0);
		placed++;
	}
	schedule_free(schedule);
	return placed;
}

static struct app_entry *make_app(void)
{
	struct app_entry *app = calloc(1, sizeof(*app));

	assert_non_null(app);
	(void)snprintf(app->name, sizeof(app->name), "shop");
	return app;
}

static void thousand_replicas_on_thousand_nodes(void **state)
{
	struct counter counter = { .filters = 0 };
	const struct scorer scorer = { count_filter, count_score, &counter, 0 };
	struct app_entry *app = make_app();
	struct service service = make_service();
	struct table nodes;
	int64_t start;
	struct fleet_node *node;

	(void)state;
	add_nodes(&nodes, NODES);
	start = clock_boot_ns();
	assert_int_equal(place(&nodes, app, &service, &scorer, REPLICAS), REPLICAS);
	print_message("%d replicas on %d nodes: %.2f ms, %zu scores\n", REPLICAS, NODES,
	        (double)(clock_boot_ns() - start) / 1e6, counter.scores);
	assert_int_equal(counter.scores, NODES + REPLICAS - 1);
	assert_int_equal(counter.filters, NODES + REPLICAS - 1);
	TABLE_FOREACH(node, &nodes)
		assert_int_equal(node->n_placements, 1);
	app_entry_free(app);
	free_nodes(&nodes);
}

static int lua_score(void *arg, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, double *ret_score, struct baton_error *err)
{
	return policy_score(arg, node, service, seed, ret_score, err);
}

static void with_the_real_policy(void **state)
{
	struct policy *policy = NULL;
	struct baton_error err = { 0 };
	size_t length;
	const char *source = policy_builtin("spread", &length);
	struct app_entry *app = make_app();
	struct service service = make_service();
	struct table nodes;
	int64_t start;
	struct scorer scorer = { .score = NULL };

	(void)state;
	assert_int_equal(policy_load("spread", source, length, policy_default_limits(), &policy, &err), 0);
	scorer = (struct scorer){ NULL, lua_score, policy, 0 };
	add_nodes(&nodes, NODES);
	start = clock_boot_ns();
	assert_int_equal(place(&nodes, app, &service, &scorer, REPLICAS), REPLICAS);
	print_message("the same by spread in Lua: %.2f ms\n", (double)(clock_boot_ns() - start) / 1e6);
	app_entry_free(app);
	free_nodes(&nodes);
	policy_free(policy);
}

static void full_nodes_are_left_out(void **state)
{
	struct counter counter = { .filters = 0 };
	const struct scorer scorer = { NULL, count_score, &counter, 0 };
	struct app_entry *app = make_app();
	struct service service = make_service();
	char text[REASON_SIZE];
	struct table nodes;

	(void)state;
	add_nodes(&nodes, 3);
	service.reserve_memory = 400 << 20;
	assert_int_equal(place(&nodes, app, &service, &scorer, 10), 6);
	schedule_explain(&nodes, &service, text);
	assert_non_null(strstr(text, "n0000: needs 400 MiB, 224 MiB unreserved; n0001: "));
	service.reserve_memory = 0;
	service.reserve_cpu = 4500;
	assert_int_equal(place(&nodes, app, &service, &scorer, 1), 0);
	schedule_explain(&nodes, &service, text);
	assert_non_null(strstr(text, "n0002: needs 4.500 CPUs, 4.000 unreserved"));
	app_entry_free(app);
	free_nodes(&nodes);
}

static void one_instance_too_many(void **state)
{
	struct counter counter = { .filters = 0 };
	const struct scorer scorer = { NULL, count_score, &counter, 0 };
	struct app_entry *app = make_app();
	struct service service = make_service();
	char text[REASON_SIZE];
	struct table nodes;

	(void)state;
	add_nodes(&nodes, 1);
	assert_int_equal(place(&nodes, app, &service, &scorer, CONFIG_MAX_ASSIGNED_INSTANCES + 1),
	        CONFIG_MAX_ASSIGNED_INSTANCES);
	schedule_explain(&nodes, &service, text);
	assert_non_null(strstr(text, "which is the limit"));
	app_entry_free(app);
	free_nodes(&nodes);
}

static void the_policy_may_refuse_and_fail(void **state)
{
	struct counter counter = { .unwanted = "n0001" };
	const struct scorer scorer = { count_filter, count_score, &counter, 0 };
	struct app_entry *app = make_app();
	struct service service = make_service();
	struct schedule *schedule = NULL;
	struct baton_error err = { 0 };
	struct table nodes;

	(void)state;
	add_nodes(&nodes, 3);
	assert_int_equal(place(&nodes, app, &service, &scorer, 4), 4);
	assert_int_equal(((struct fleet_node *)nodes.items[1])->n_placements, 0);
	assert_int_equal(((struct fleet_node *)nodes.items[2])->n_placements, 2);
	counter.fail_at = counter.scores + 2;
	assert_int_equal(schedule_new(&nodes, app, &service, &scorer, &schedule, &err), -EINVAL);
	assert_string_equal(err.message, "told to fail");
	app_entry_free(app);
	free_nodes(&nodes);
}

static int slow_score(void *arg, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, double *ret_score, struct baton_error *err)
{
	int64_t end = clock_thread_ns() + 2000000;

	while (clock_thread_ns() < end)
		;
	return count_score(arg, node, service, seed, ret_score, err);
}

static void all_calls_together_are_bounded(void **state)
{
	struct counter counter = { .filters = 0 };
	struct scorer scorer = { NULL, slow_score, &counter, 20 };
	struct app_entry *app = make_app();
	struct service service = make_service();
	struct schedule *schedule = NULL;
	struct baton_error err = { 0 };
	struct table nodes;

	(void)state;
	add_nodes(&nodes, NODES);
	assert_int_equal(schedule_new(&nodes, app, &service, &scorer, &schedule, &err), -ETIME);
	assert_non_null(strstr(err.message, "20 ms"));
	assert_true(counter.scores <= 11);
	scorer.budget_ms = 1000;
	free_nodes(&nodes);
	add_nodes(&nodes, 3);
	assert_int_equal(place(&nodes, app, &service, &scorer, 3), 3);
	app_entry_free(app);
	free_nodes(&nodes);
}

static void many_nodes_are_explained_in_short(void **state)
{
	struct service service = make_service();
	char text[REASON_SIZE];
	struct table nodes;

	(void)state;
	add_nodes(&nodes, NODES);
	service.reserve_memory = 4LL << 30;
	schedule_explain(&nodes, &service, text);
	assert_true(strlen(text) < REASON_SIZE);
	assert_non_null(strstr(text, "and 99"));
	free_nodes(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousand_replicas_on_thousand_nodes),
		cmocka_unit_test(with_the_real_policy),
		cmocka_unit_test(full_nodes_are_left_out),
		cmocka_unit_test(one_instance_too_many),
		cmocka_unit_test(the_policy_may_refuse_and_fail),
		cmocka_unit_test(all_calls_together_are_bounded),
		cmocka_unit_test(many_nodes_are_explained_in_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
