/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a policy holds what is listed here and nothing else: docs/policies.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>

#include "lua/host/policy-priv.h"

#define NAMES_MAX 64

/* Sorted, with one space between. */
static const struct {
	const char *library; /* "" for the globals */
	const char *members;
} allowed[] = {
	{ "", "assert error ipairs math next pairs pcall select string table tonumber tostring type" },
	{ "math",
	        "abs ceil cos exp floor fmod huge log max maxinteger min mininteger modf pi random sin sqrt "
	        "tointeger type ult" },
	{ "string", "byte char find format len lower reverse sub upper" },
	{ "table", "concat insert remove unpack" },
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The table on top, which is left there. */
static void assert_members(lua_State *lua, const char *library, const char *wanted)
{
	const char *names[NAMES_MAX];
	char text[1024] = "";
	size_t count = 0;

	assert_true(lua_istable(lua, -1));
	for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1)) {
		assert_int_equal(lua_type(lua, -2), LUA_TSTRING);
		assert_true(count < NAMES_MAX);
		names[count++] = lua_tostring(lua, -2);
	}
	qsort(names, count, sizeof(names[0]), compare);
	for (size_t i = 0; i < count; i++) {
		strncat(text, i > 0 ? " " : "", sizeof(text) - strlen(text) - 1);
		strncat(text, names[i], sizeof(text) - strlen(text) - 1);
	}
	if (strcmp(text, wanted) != 0)
		fail_msg("\"%s\" holds %s, not %s", library, text, wanted);
}

/* Of the read-only object on top, the table that it reads from takes its place. */
static void open_read_only(lua_State *lua)
{
	assert_true(lua_isuserdata(lua, -1));
	assert_int_equal(luaL_getmetafield(lua, -1, "__metatable"), LUA_TBOOLEAN);
	lua_pop(lua, 1);
	assert_int_equal(luaL_getmetafield(lua, -1, "__index"), LUA_TTABLE);
	lua_remove(lua, -2);
}

static void test_allow_list(void **state)
{
	static const char source[] = "return {score = function() return 1 end}";
	struct policy *policy = NULL;
	struct baton_error err;
	lua_State *lua;

	(void)state;
	assert_int_equal(
	        policy_load("plain", source, sizeof(source) - 1, policy_default_limits(), &policy, &err), 0);
	lua = policy->lua;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		sandbox_push_environment(lua);
		open_read_only(lua);
		if (*allowed[i].library) {
			lua_getfield(lua, -1, allowed[i].library);
			open_read_only(lua);
		}
		assert_members(lua, allowed[i].library, allowed[i].members);
		lua_settop(lua, 0);
	}
	/* ("x"):rep leads to the same functions. */
	lua_pushliteral(lua, "x");
	assert_int_equal(luaL_getmetafield(lua, -1, "__index"), LUA_TUSERDATA);
	open_read_only(lua);
	assert_members(lua, "methods of strings", allowed[2].members);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allow_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
