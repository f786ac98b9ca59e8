/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the sandbox share. */
#ifndef BATON_LUA_POLICY_PRIV_H
#define BATON_LUA_POLICY_PRIV_H

#include <lua.h>

#include "lua/host/policy.h"

struct policy {
	lua_State *lua;
	struct policy_limits limits;
	size_t heap_used;
	size_t work;             /* bytes asked of the allocator since the clock was last looked at */
	int64_t deadline_ns;     /* of the boot clock; 0: no call is going on */
	int64_t cpu_deadline_ns; /* of the thread's CPU time: what counts */
	bool timed_out;
	bool broken; /* out of time or memory once: the state may be half-built */
	bool has_filter;
	uint64_t random;                /* state of math.random */
	const struct policy_node *node; /* of the call that is going on */
	const struct policy_service *service;
};

/* The policy that a Lua state belongs to. */
struct policy *policy_of(lua_State *lua);

/* Allocator with the heap limit, and the clock: budget_start arms both for one call. */
void *budget_allocate(void *arg, void *block, size_t old_size, size_t new_size);
void budget_start(struct policy *policy);

/* Looks at the clock, and raises a Lua error when the time is used up. For what runs long in C. */
void budget_check(lua_State *lua);

/* Says that a C function of ours is about to touch `bytes` bytes: the next instruction may look at the clock.
 */
void budget_charge(struct policy *policy, size_t bytes);

/* Pushes the read-only environment of the chunk. May raise Lua errors. */
void sandbox_push_environment(lua_State *lua);

/* Replaces the table on top by a userdata that reads from it and refuses writes. May raise Lua errors. */
void sandbox_make_read_only(lua_State *lua);

/* Pushes the userdata that the policy sees as `node` and as `service`. May raise Lua errors. */
void view_push_node(lua_State *lua);
void view_push_service(lua_State *lua);

#endif
