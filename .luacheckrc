-- SPDX-License-Identifier: Apache-2.0
-- Policies see what the sandbox allows (lua/host/sandbox.c) and nothing else.
std = {
	read_globals = {
		"assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type",
		math = { fields = {
			"abs", "ceil", "cos", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger", "min",
			"mininteger", "modf", "pi", "random", "sin", "sqrt", "tointeger", "type", "ult",
		} },
		string = { fields = { "byte", "char", "find", "format", "len", "lower", "reverse", "sub", "upper" } },
		table = { fields = { "concat", "insert", "remove", "unpack" } },
	},
}
max_line_length = 120
