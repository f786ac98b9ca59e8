/* SPDX-License-Identifier: Apache-2.0 */
/* Time and memory of one policy call. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "lua/host/policy-priv.h"

/* Instructions between two looks at the clock: one instruction can compare two strings as large as the heap.
 */
#define HOOK_INSTRUCTIONS 100
/* Bytes allocated after which the next instruction looks at the clock: concatenation and emergency garbage
 * collections spend their time in C, where no hook runs. */
#define HOOK_WORK (64U << 10)

struct policy *policy_of(lua_State *lua)
{
	void *policy;

	(void)lua_getallocf(lua, &policy);
	return policy;
}

/*
 * A policy that is preempted is not a slow one: its CPU time counts. That clock is a system call, so it is
 * asked only when the boot clock, which is always ahead of it, says that it may be over.
 */
static bool has_time(const struct policy *policy)
{
	return clock_boot_ns() < policy->deadline_ns || clock_thread_ns() < policy->cpu_deadline_ns;
}

static void on_instructions(lua_State *lua, lua_Debug *activation)
{
	(void)activation;
	budget_check(lua);
}

void budget_check(lua_State *lua)
{
	struct policy *policy = policy_of(lua);

	policy->work = 0;
	if (!policy->timed_out && has_time(policy)) {
		lua_sethook(lua, on_instructions, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
		return;
	}
	/* A pcall of the policy catches this error; with count 1 its very next instruction raises it again.
	 */
	policy->timed_out = true;
	lua_sethook(lua, on_instructions, LUA_MASKCOUNT, 1);
	(void)luaL_error(lua, "time budget of %d us used up", (int)policy->limits.budget_us);
}

/* lua_sethook may be called at any moment, even from a signal handler. */
static void look_at_clock_soon(struct policy *policy)
{
	if (policy->lua && policy->deadline_ns != 0)
		lua_sethook(policy->lua, on_instructions, LUA_MASKCOUNT, 1);
}

void budget_charge(struct policy *policy, size_t bytes)
{
	policy->work += bytes;
	if (policy->work > HOOK_WORK)
		look_at_clock_soon(policy);
}

void *budget_allocate(void *arg, void *block, size_t old_size, size_t new_size)
{
	struct policy *policy = arg;
	size_t old_used = block ? old_size : 0; /* without a block old_size is a type tag */
	void *grown;

	if (new_size == 0) {
		free(block);
		policy->heap_used -= old_used;
		return NULL;
	}
	if (new_size > old_used && new_size - old_used > policy->limits.heap_max - policy->heap_used) {
		look_at_clock_soon(policy);
		return NULL;
	}
	grown = realloc(block, new_size);
	if (!grown)
		return NULL;
	policy->heap_used = policy->heap_used - old_used + new_size;
	budget_charge(policy, new_size);
	return grown;
}

void budget_start(struct policy *policy)
{
	policy->timed_out = false;
	policy->work = 0;
	policy->deadline_ns = clock_boot_ns() + (int64_t)policy->limits.budget_us * 1000;
	policy->cpu_deadline_ns = clock_thread_ns() + (int64_t)policy->limits.budget_us * 1000;
	lua_sethook(policy->lua, on_instructions, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}
