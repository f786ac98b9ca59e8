/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/host/policy.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "lua/host/policy-priv.h"

/* Of a message that a policy raises; the rest of the error record is for the traceback. */
#define MESSAGE_MAX 160

/* Slots of the registry, from the first free one. */
enum { SLOT_FILTER = LUA_RIDX_LAST + 1, SLOT_SCORE, SLOT_NODE, SLOT_SERVICE };

/* Bytes of a text that the parser gets at a time. */
#define PIECE_BYTES 256

struct load {
	const char *chunk_name;
	const char *source;
	size_t length; /* of what is left of it */
};

struct call {
	int function; /* SLOT_ */
	const char *name;
	bool truth;   /* ret: of filter */
	double score; /* ret: of score */
};

struct policy_limits policy_default_limits(void)
{
	return (struct policy_limits){
		.source_max = CONFIG_POLICY_SOURCE_MAX,
		.heap_max = (size_t)CONFIG_POLICY_HEAP_MAX_KIB * 1024,
		.budget_us = CONFIG_POLICY_BUDGET_MS * 1000U,
	};
}

/* Runs at the raise, while the stack is still there. A huge message is cut before it is copied again. */
static int add_traceback(lua_State *lua)
{
	char message[MESSAGE_MAX];

	if (lua_type(lua, 1) == LUA_TSTRING)
		(void)snprintf(message, sizeof(message), "%s", lua_tostring(lua, 1));
	else
		(void)snprintf(message, sizeof(message), "error object is a %s", luaL_typename(lua, 1));
	luaL_traceback(lua, lua, message, 1);
	return 1;
}

/* What a policy says goes into JSON and logs: printable ASCII and line breaks only. */
static void clean_text(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < 0x20 && c != '\n' && c != '\t') || c >= 0x7f)
			*text = '?';
	}
}

/* Runs `function` with `arg` inside one pcall with the budget; nothing of Lua is touched outside. */
static int run_protected(struct policy *policy, lua_CFunction function, void *arg, struct baton_error *err)
{
	lua_State *lua = policy->lua;
	char message[ERROR_MESSAGE_MAX];
	const char *text;
	int status;

	budget_start(policy);
	lua_pushcfunction(lua, add_traceback);
	lua_pushcfunction(lua, function);
	lua_pushlightuserdata(lua, arg);
	status = lua_pcall(lua, 1, 0, 1);
	policy->deadline_ns = 0;
	if (status == LUA_OK && !policy->timed_out) {
		lua_settop(lua, 0);
		return 0;
	}
	policy->broken = policy->timed_out || (status != LUA_OK && status != LUA_ERRRUN);
	/* A pcall of the policy as its last action returns the time-out as a value. */
	text = status == LUA_ERRRUN && lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
	(void)snprintf(message, sizeof(message), "%s", text);
	clean_text(message);
	lua_settop(lua, 0);
	if (policy->timed_out)
		return error_set(err, ETIME, "%s",
		        message[0] ? message : "time budget used up (caught by the policy's own pcall)");
	if (policy->broken)
		return error_set(
		        err, ENOMEM, "heap limit of %zu KiB reached", policy->limits.heap_max / 1024);
	return error_set(err, EINVAL, "%s", message);
}

static void keep_function(lua_State *lua, const char *name, int slot)
{
	lua_pushstring(lua, name);
	lua_rawget(lua, -2);
	if (!lua_isfunction(lua, -1) && !lua_isnil(lua, -1))
		(void)luaL_error(lua, "member '%s' must be a function, got %s", name, luaL_typename(lua, -1));
	lua_rawseti(lua, LUA_REGISTRYINDEX, slot);
}

/*
 * No hook runs inside the parser, and its work grows with the square of the text ("a or a or a ..." walks the
 * list of jumps at each "or": 4 s for 256 KiB), so it gets the text in pieces, and the clock is looked at
 * before each.
 */
static const char *read_piece(lua_State *lua, void *arg, size_t *ret_length)
{
	struct load *load = arg;
	const char *piece = load->source;

	budget_check(lua);
	*ret_length = load->length < PIECE_BYTES ? load->length : PIECE_BYTES;
	load->source += *ret_length;
	load->length -= *ret_length;
	return piece;
}

static int protected_load(lua_State *lua)
{
	struct load *load = lua_touserdata(lua, 1);

	view_push_node(lua);
	lua_rawseti(lua, LUA_REGISTRYINDEX, SLOT_NODE);
	view_push_service(lua);
	lua_rawseti(lua, LUA_REGISTRYINDEX, SLOT_SERVICE);
	/* Mode "t": the byte code of a binary chunk is not checked and can do anything. */
	if (lua_load(lua, read_piece, load, load->chunk_name, "t") != LUA_OK)
		return lua_error(lua);
	sandbox_push_environment(lua);
	(void)lua_setupvalue(lua, -2, 1); /* _ENV is the one upvalue of a main chunk */
	lua_call(lua, 0, 1);
	if (!lua_istable(lua, -1))
		return luaL_error(lua, "a policy must return a table, got %s", luaL_typename(lua, -1));
	keep_function(lua, "filter", SLOT_FILTER);
	keep_function(lua, "score", SLOT_SCORE);
	policy_of(lua)->has_filter = lua_rawgeti(lua, LUA_REGISTRYINDEX, SLOT_FILTER) == LUA_TFUNCTION;
	if (lua_rawgeti(lua, LUA_REGISTRYINDEX, SLOT_SCORE) != LUA_TFUNCTION)
		return luaL_error(lua, "the table of a policy must have a function 'score'");
	return 0;
}

static int protected_call(lua_State *lua)
{
	struct call *call = lua_touserdata(lua, 1);
	int type;

	lua_rawgeti(lua, LUA_REGISTRYINDEX, call->function);
	lua_rawgeti(lua, LUA_REGISTRYINDEX, SLOT_NODE);
	lua_rawgeti(lua, LUA_REGISTRYINDEX, SLOT_SERVICE);
	lua_call(lua, 2, 1);
	type = lua_type(lua, -1);
	if (call->function == SLOT_FILTER) {
		if (type != LUA_TBOOLEAN)
			return luaL_error(
			        lua, "filter must return a boolean, got %s", luaL_typename(lua, -1));
		call->truth = lua_toboolean(lua, -1);
		return 0;
	}
	if (type != LUA_TNUMBER)
		return luaL_error(lua, "score must return a number, got %s", luaL_typename(lua, -1));
	call->score = lua_tonumber(lua, -1);
	if (!isfinite(call->score))
		return luaL_error(lua, "score must return a finite number");
	return 0;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	if (policy->lua)
		lua_close(policy->lua);
	free(policy);
}

static void cleanup_policy_(struct policy **policy)
{
	policy_free(*policy);
}

int policy_load(const char *name, const char *source, size_t length, struct policy_limits limits,
        struct policy **ret_policy, struct baton_error *err)
{
	cleanup_with(cleanup_policy_) struct policy *policy = NULL;
	char chunk_name[LUA_IDSIZE];
	struct load load = { chunk_name, source, length };
	int r;

	if (length > limits.source_max)
		return error_set(err, EMSGSIZE, "policy of %zu bytes is larger than the limit of %zu", length,
		        limits.source_max);
	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return error_set(err, ENOMEM, "out of memory");
	policy->limits = limits;
	policy->lua = lua_newstate(budget_allocate, policy);
	if (!policy->lua)
		return error_set(err, ENOMEM, "heap limit of %zu KiB is too small", limits.heap_max / 1024);
	/* "=": the name is shown as it is, not as source text. */
	(void)snprintf(chunk_name, sizeof(chunk_name), "=%s", name);
	r = run_protected(policy, protected_load, &load, err);
	if (r < 0)
		return r;
	*ret_policy = steal_ptr(policy);
	return 0;
}

static int run_call(struct policy *policy, const struct policy_node *node,
        const struct policy_service *service, uint64_t seed, struct call *call, struct baton_error *err)
{
	int r;

	if (policy->broken)
		return error_set(
		        err, EINVAL, "policy ran out of time or memory before and must be loaded anew");
	policy->node = node;
	policy->service = service;
	policy->random = seed;
	r = run_protected(policy, protected_call, call, err);
	policy->node = NULL;
	policy->service = NULL;
	return r < 0 ? error_prefix(err, "%s", call->name) : 0;
}

int policy_filter(struct policy *policy, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, bool *ret_fits, struct baton_error *err)
{
	struct call call = { .function = SLOT_FILTER, .name = "filter" };
	int r;

	if (!policy->has_filter) {
		*ret_fits = true;
		return 0;
	}
	r = run_call(policy, node, service, seed, &call, err);
	if (r < 0)
		return r;
	*ret_fits = call.truth;
	return 0;
}

int policy_score(struct policy *policy, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, double *ret_score, struct baton_error *err)
{
	struct call call = { .function = SLOT_SCORE, .name = "score" };
	int r = run_call(policy, node, service, seed, &call, err);

	if (r < 0)
		return r;
	*ret_score = call.score;
	return 0;
}
