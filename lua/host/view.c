/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy sees as `node` and `service`. Both are one userdata for the life of the state: fields are
 * read out of the C structs of the call that is going on, so a call costs no table and no copy.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>
#include <string.h>

#include "lua/host/policy-priv.h"

enum field_type { FIELD_TEXT, FIELD_INTEGER, FIELD_COUNT, FIELD_LABELS };

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
};

#define NODE(name, type)                                                                                     \
	{                                                                                                    \
#name, type, offsetof(struct policy_node, name)                                              \
	}
#define SERVICE(name, type)                                                                                  \
	{                                                                                                    \
#name, type, offsetof(struct policy_service, name)                                           \
	}

/* In docs/policies.md. */
static const struct field node_fields[] = {
	NODE(name, FIELD_TEXT),
	NODE(architecture, FIELD_TEXT),
	NODE(labels, FIELD_LABELS),
	NODE(cpu, FIELD_INTEGER),
	NODE(memory, FIELD_INTEGER),
	NODE(cpu_reserved, FIELD_INTEGER),
	NODE(memory_reserved, FIELD_INTEGER),
	NODE(instances, FIELD_INTEGER),
	NODE(instances_of_service, FIELD_INTEGER),
	{ NULL, 0, 0 },
};

static const struct field service_fields[] = {
	SERVICE(app, FIELD_TEXT),
	SERVICE(name, FIELD_TEXT),
	SERVICE(image, FIELD_TEXT),
	SERVICE(cpu, FIELD_INTEGER),
	SERVICE(memory, FIELD_INTEGER),
	SERVICE(replicas, FIELD_COUNT),
	SERVICE(labels, FIELD_LABELS),
	{ NULL, 0, 0 },
};

static int refuse_write(lua_State *lua)
{
	return luaL_error(lua, "node and service are read-only");
}

/* Upvalues of both __index functions: name -> number of the field, userdata of the labels. */
static int push_field(lua_State *lua, const struct field *fields, const void *object)
{
	const struct field *field;
	const char *member;

	if (!object)
		return luaL_error(lua, "node and service can be read during a call only");
	lua_settop(lua, 2);
	if (lua_rawget(lua, lua_upvalueindex(1)) != LUA_TNUMBER)
		return 1; /* nil: as of any absent member */
	field = &fields[lua_tointeger(lua, -1)];
	member = (const char *)object + field->offset;
	switch (field->type) {
	case FIELD_TEXT: lua_pushstring(lua, *(const char *const *)(const void *)member); break;
	case FIELD_INTEGER: lua_pushinteger(lua, *(const int64_t *)(const void *)member); break;
	case FIELD_COUNT: lua_pushinteger(lua, *(const uint32_t *)(const void *)member); break;
	case FIELD_LABELS: lua_pushvalue(lua, lua_upvalueindex(2)); break;
	}
	return 1;
}

static int node_index(lua_State *lua)
{
	return push_field(lua, node_fields, policy_of(lua)->node);
}

static int service_index(lua_State *lua)
{
	return push_field(lua, service_fields, policy_of(lua)->service);
}

static char *const *labels_of(lua_State *lua, bool of_node)
{
	const struct policy *policy = policy_of(lua);

	if (of_node)
		return policy->node ? policy->node->labels : NULL;
	return policy->service ? policy->service->labels : NULL;
}

/* Upvalue 1 of the label functions: true for the node's, false for the service's. */
static int label_index(lua_State *lua)
{
	char *const *labels = labels_of(lua, lua_toboolean(lua, lua_upvalueindex(1)));
	size_t length;
	const char *name = luaL_checklstring(lua, 2, &length);

	for (; labels && *labels; labels++) {
		/* A string of Lua may hold NULs, behind which a comparison of C strings would not look. */
		if (strcspn(*labels, "=") == length && (*labels)[length] == '=' &&
		        memcmp(*labels, name, length) == 0) {
			lua_pushstring(lua, *labels + length + 1);
			return 1;
		}
	}
	lua_pushnil(lua);
	return 1;
}

/* Iterator of pairs(node.labels); upvalue 2 counts. */
static int label_next(lua_State *lua)
{
	char *const *labels = labels_of(lua, lua_toboolean(lua, lua_upvalueindex(1)));
	lua_Integer position = lua_tointeger(lua, lua_upvalueindex(2));
	const char *equals;

	/* Walked from the start, because the iterator may have been kept from a call with other labels. */
	for (lua_Integer i = 0; labels && *labels && i < position; i++)
		labels++;
	if (!labels || !*labels)
		return 0;
	lua_pushinteger(lua, position + 1);
	lua_replace(lua, lua_upvalueindex(2));
	equals = strchrnul(*labels, '=');
	lua_pushlstring(lua, *labels, (size_t)(equals - *labels));
	lua_pushstring(lua, *equals ? equals + 1 : "");
	return 2;
}

static int label_pairs(lua_State *lua)
{
	lua_pushvalue(lua, lua_upvalueindex(1));
	lua_pushinteger(lua, 0);
	lua_pushcclosure(lua, label_next, 2);
	return 1;
}

/* Userdata with a metatable whose __index is the closure on top (which it takes). */
static void push_view(lua_State *lua)
{
	lua_newuserdatauv(lua, 0, 0);
	lua_createtable(lua, 0, 4);
	lua_rotate(lua, -3, -1);
	lua_setfield(lua, -2, "__index");
	lua_pushcfunction(lua, refuse_write);
	lua_setfield(lua, -2, "__newindex");
	lua_pushboolean(lua, false);
	lua_setfield(lua, -2, "__metatable");
}

static void push_labels(lua_State *lua, bool of_node)
{
	lua_pushboolean(lua, of_node);
	lua_pushcclosure(lua, label_index, 1);
	push_view(lua);
	lua_pushboolean(lua, of_node);
	lua_pushcclosure(lua, label_pairs, 1);
	lua_setfield(lua, -2, "__pairs");
	lua_setmetatable(lua, -2);
}

static void push_object(lua_State *lua, const struct field *fields, lua_CFunction index, bool of_node)
{
	lua_newtable(lua);
	for (lua_Integer i = 0; fields[i].name; i++) {
		lua_pushinteger(lua, i);
		lua_setfield(lua, -2, fields[i].name);
	}
	push_labels(lua, of_node);
	lua_pushcclosure(lua, index, 2);
	push_view(lua);
	lua_setmetatable(lua, -2);
}

void view_push_node(lua_State *lua)
{
	push_object(lua, node_fields, node_index, true);
}

void view_push_service(lua_State *lua)
{
	push_object(lua, service_fields, service_index, false);
}
