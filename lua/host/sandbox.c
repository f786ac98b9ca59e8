/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of a policy: an allow-list. Nothing that can loop in C for longer than a pass over the heap
 * (string patterns, string.rep, table.move, sort), nothing that reaches outside, nothing that shows an
 * address: the same fleet must give the same decision. No metatables can be set, so there is no __gc, no
 * __len and no __index of a policy's own.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#include "lua/host/policy-priv.h"

#define UNPACK_MAX 200

static int refuse_write(lua_State *lua)
{
	return luaL_error(lua, "read-only: policies keep their state in local variables");
}

void sandbox_make_read_only(lua_State *lua)
{
	lua_newuserdatauv(lua, 0, 0);
	lua_createtable(lua, 0, 3);
	lua_rotate(lua, -3, -1); /* userdata, metatable, table */
	lua_setfield(lua, -2, "__index");
	lua_pushcfunction(lua, refuse_write);
	lua_setfield(lua, -2, "__newindex");
	lua_pushboolean(lua, false);
	lua_setfield(lua, -2, "__metatable");
	lua_setmetatable(lua, -2);
}

/* Without addresses. */
static int base_tostring(lua_State *lua)
{
	luaL_checkany(lua, 1);
	switch (lua_type(lua, 1)) {
	case LUA_TNIL:
	case LUA_TBOOLEAN:
	case LUA_TNUMBER:
	case LUA_TSTRING: (void)luaL_tolstring(lua, 1, NULL); break;
	default: lua_pushstring(lua, luaL_typename(lua, 1)); break;
	}
	return 1;
}

/* Plain only: a pattern with many wildcards runs for years, and no hook runs inside. memmem is linear. */
static int string_find(lua_State *lua)
{
	size_t length;
	size_t wanted_length;
	const char *text = luaL_checklstring(lua, 1, &length);
	const char *wanted = luaL_checklstring(lua, 2, &wanted_length);
	lua_Integer start = luaL_optinteger(lua, 3, 1);
	const char *found;

	budget_charge(policy_of(lua), length);
	if (start < 0)
		start = start < -(lua_Integer)length ? 1 : (lua_Integer)length + start + 1;
	if (start == 0)
		start = 1;
	if (start > (lua_Integer)length + 1) {
		lua_pushnil(lua);
		return 1;
	}
	found = memmem(text + start - 1, length - (size_t)(start - 1), wanted, wanted_length);
	if (!found) {
		lua_pushnil(lua);
		return 1;
	}
	lua_pushinteger(lua, found - text + 1);
	lua_pushinteger(lua, found - text + (lua_Integer)wanted_length);
	return 2;
}

/* The library's own, after arguments that would show an address are replaced by the name of their type. */
static int string_format(lua_State *lua)
{
	size_t length;
	const char *format = luaL_checklstring(lua, 1, &length);
	const char *end = format + length; /* the library formats what is behind a NUL too */
	int n_arguments = lua_gettop(lua);

	for (const char *c = memchr(format, '%', length); c; c = memchr(c, '%', (size_t)(end - c))) {
		c += 1 + strspn(c + 1, "-+ #0123456789.");
		if (*c == 'p')
			return luaL_error(lua, "format %%p would show an address");
		if (*c == '%')
			c++;
	}
	for (int i = 2; i <= n_arguments; i++) {
		int type = lua_type(lua, i);

		if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING)
			continue;
		lua_pushstring(lua, lua_typename(lua, type));
		lua_replace(lua, i);
	}
	lua_pushvalue(lua, lua_upvalueindex(1));
	lua_insert(lua, 1);
	lua_call(lua, n_arguments, 1);
	return 1;
}

static lua_Integer check_list(lua_State *lua)
{
	lua_Integer length;

	luaL_checktype(lua, 1, LUA_TTABLE);
	length = (lua_Integer)lua_rawlen(lua, 1);
	budget_charge(policy_of(lua), (size_t)length * sizeof(lua_Integer));
	return length;
}

static int table_insert(lua_State *lua)
{
	lua_Integer length = check_list(lua);
	lua_Integer position = length + 1;

	if (lua_gettop(lua) == 3) {
		position = luaL_checkinteger(lua, 2);
		luaL_argcheck(lua, position >= 1 && position <= length + 1, 2, "position out of bounds");
	} else if (lua_gettop(lua) != 2) {
		return luaL_error(lua, "wrong number of arguments to 'insert'");
	}
	for (lua_Integer i = length + 1; i > position; i--) {
		lua_rawgeti(lua, 1, i - 1);
		lua_rawseti(lua, 1, i);
	}
	lua_rawseti(lua, 1, position);
	return 0;
}

static int table_remove(lua_State *lua)
{
	lua_Integer length = check_list(lua);
	lua_Integer position = luaL_optinteger(lua, 2, length);

	if (length == 0 && (position == 0 || position == 1)) {
		lua_pushnil(lua);
		return 1;
	}
	luaL_argcheck(lua, position >= 1 && position <= length, 2, "position out of bounds");
	lua_rawgeti(lua, 1, position);
	for (lua_Integer i = position; i < length; i++) {
		lua_rawgeti(lua, 1, i + 1);
		lua_rawseti(lua, 1, i);
	}
	lua_pushnil(lua);
	lua_rawseti(lua, 1, length);
	return 1;
}

static int table_unpack(lua_State *lua)
{
	lua_Integer length = check_list(lua);

	luaL_argcheck(lua, length <= UNPACK_MAX, 1, "too many items to unpack");
	luaL_checkstack(lua, (int)length, "too many items to unpack");
	for (lua_Integer i = 1; i <= length; i++)
		lua_rawgeti(lua, 1, i);
	return (int)length;
}

static int table_concat(lua_State *lua)
{
	lua_Integer length = check_list(lua);
	const char *separator = luaL_optstring(lua, 2, "");
	luaL_Buffer text;

	luaL_buffinit(lua, &text);
	for (lua_Integer i = 1; i <= length; i++) {
		if (i > 1)
			luaL_addstring(&text, separator);
		if (lua_rawgeti(lua, 1, i) != LUA_TSTRING && lua_type(lua, -1) != LUA_TNUMBER)
			return luaL_error(lua, "item %d of 'concat' is no string or number", (int)i);
		luaL_addvalue(&text);
	}
	luaL_pushresult(&text);
	return 1;
}

/* splitmix64 (Steele, Lea, Flood 2014): small, and any seed is a good one. */
static uint64_t random_next(struct policy *policy)
{
	uint64_t z = policy->random += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static int math_random(lua_State *lua)
{
	uint64_t random = random_next(policy_of(lua));
	lua_Integer low = 1;
	lua_Integer high;

	if (lua_gettop(lua) == 0) {
		lua_pushnumber(lua, (double)(random >> 11) * 0x1p-53);
		return 1;
	}
	high = luaL_checkinteger(lua, 1);
	if (lua_gettop(lua) > 1) {
		low = high;
		high = luaL_checkinteger(lua, 2);
	}
	luaL_argcheck(lua, low <= high, lua_gettop(lua), "interval is empty");
	uint64_t span = (uint64_t)high - (uint64_t)low + 1;

	/* Modulo bias is below 2^-32 for every span a policy has a use for. */
	random = (uint64_t)low + (span == 0 ? random : random % span);
	lua_pushinteger(lua, (lua_Integer)random);
	return 1;
}

struct allowed {
	const char *name;
	lua_CFunction own; /* NULL: the member of the library */
};

static const struct allowed base_members[] = { { "assert", NULL }, { "error", NULL }, { "ipairs", NULL },
	{ "next", NULL }, { "pairs", NULL }, { "pcall", NULL }, { "select", NULL }, { "tonumber", NULL },
	{ "tostring", base_tostring }, { "type", NULL }, { NULL, NULL } };

static const struct allowed math_members[] = { { "abs", NULL }, { "ceil", NULL }, { "cos", NULL },
	{ "exp", NULL }, { "floor", NULL }, { "fmod", NULL }, { "huge", NULL }, { "log", NULL },
	{ "max", NULL }, { "maxinteger", NULL }, { "min", NULL }, { "mininteger", NULL }, { "modf", NULL },
	{ "pi", NULL }, { "random", math_random }, { "sin", NULL }, { "sqrt", NULL }, { "tointeger", NULL },
	{ "type", NULL }, { "ult", NULL }, { NULL, NULL } };

static const struct allowed string_members[] = { { "byte", NULL }, { "char", NULL }, { "find", string_find },
	{ "format", string_format }, { "len", NULL }, { "lower", NULL }, { "reverse", NULL }, { "sub", NULL },
	{ "upper", NULL }, { NULL, NULL } };

static const struct allowed table_members[] = { { "concat", table_concat }, { "insert", table_insert },
	{ "remove", table_remove }, { "unpack", table_unpack }, { NULL, NULL } };

static const struct library {
	const char *name; /* "" for the globals */
	lua_CFunction open;
	const struct allowed *members;
} libraries[] = {
	{ LUA_MATHLIBNAME, luaopen_math, math_members },
	{ LUA_STRLIBNAME, luaopen_string, string_members },
	{ LUA_TABLIBNAME, luaopen_table, table_members },
};

/* Copies the allowed members of the library on top into a new table that takes its place. */
static void keep_allowed(lua_State *lua, const struct allowed *members)
{
	lua_newtable(lua);
	for (const struct allowed *member = members; member->name; member++) {
		lua_getfield(lua, -2, member->name);
		if (member->own) /* upvalue: the library's function of that name, or nil */
			lua_pushcclosure(lua, member->own, 1);
		lua_setfield(lua, -2, member->name);
	}
	lua_remove(lua, -2);
}

/* ("x"):rep goes through the metatable of strings: it must lead to the allowed functions too. */
static void set_string_methods(lua_State *lua)
{
	lua_pushstring(lua, "");
	lua_createtable(lua, 0, 2);
	lua_pushvalue(lua, -3);
	lua_setfield(lua, -2, "__index");
	lua_pushboolean(lua, false);
	lua_setfield(lua, -2, "__metatable");
	lua_setmetatable(lua, -2);
	lua_pop(lua, 1);
}

void sandbox_push_environment(lua_State *lua)
{
	lua_pushcfunction(lua, luaopen_base);
	lua_call(lua, 0, 1);
	keep_allowed(lua, base_members);
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		lua_pushcfunction(lua, libraries[i].open);
		lua_call(lua, 0, 1);
		keep_allowed(lua, libraries[i].members);
		sandbox_make_read_only(lua);
		if (libraries[i].open == luaopen_string)
			set_string_methods(lua);
		lua_setfield(lua, -2, libraries[i].name);
	}
	sandbox_make_read_only(lua);
}
