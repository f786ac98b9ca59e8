/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that take their time, on any machine: what is quick here is slow in an emulator. */
#ifndef BATON_TESTS_LUA_SLOW_H
#define BATON_TESTS_LUA_SLOW_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "lua/host/policy.h"

#define SLOW_SIZE  128
#define SLOW_SCORE "return {score = function() for i = 1, %ld do end return 1 end}"

static inline int64_t slow_measure_ns(long rounds)
{
	const struct policy_service service = { .app = "a", .name = "s" };
	const struct policy_node node = { .name = "n" };
	struct policy_limits limits = policy_default_limits();
	struct policy *policy = NULL;
	struct baton_error err = { 0 };
	char source[SLOW_SIZE];
	int64_t start;
	double score;

	limits.budget_us = 10000000;
	(void)snprintf(source, sizeof(source), SLOW_SCORE, rounds);
	assert_int_equal(policy_load("slow", source, strlen(source), limits, &policy, &err), 0);
	start = clock_thread_ns();
	assert_int_equal(policy_score(policy, &node, &service, 0, &score, &err), 0);
	start = clock_thread_ns() - start;
	policy_free(policy);
	return start > 0 ? start : 1;
}

/* The source of a policy whose score takes about `us` of CPU time. */
static inline void slow_policy(char source[static SLOW_SIZE], long us)
{
	const long rounds = 100000;

	(void)slow_measure_ns(rounds); /* an emulator has to translate it first */
	(void)snprintf(
	        source, SLOW_SIZE, SLOW_SCORE, (long)((int64_t)rounds * us * 1000 / slow_measure_ns(rounds)));
}

#endif
