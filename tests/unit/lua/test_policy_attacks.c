/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything a policy may try. Each attack ends within twice the budget, with the error it deserves, and
 * leaves nothing behind. Time is the thread's CPU time: the budget is wall time, so a busy test host can only
 * make the measured value smaller.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "lua/host/policy.h"

/* An emulator needs more, and its tests get it (CMakeLists.txt). */
#ifndef BUDGET_US
#define BUDGET_US 20000
#endif
#define SOURCE_MAX 262144 /* the end of the range of POLICY_SOURCE_MAX */

#define SCORE(body) "return {score = function(node, service) " body " end}"

enum outcome {
	LOAD_REFUSED,  /* -EINVAL at load */
	CALL_REFUSED,  /* loads; -EINVAL at score */
	OUT_OF_TIME,   /* -ETIME, at load or score */
	OUT_OF_MEMORY, /* -ENOMEM, at load or score */
	OUT_OF_EITHER, /* whichever comes first */
	HARMLESS,      /* a score, and it is 1 */
};

struct attack {
	const char *name;
	const char *source;
	enum outcome outcome;
	const char *says; /* in the message; NULL: anything */
};

static const struct attack attacks[] = {
	{ "endless loop", SCORE("while true do end"), OUT_OF_TIME, "time budget" },
	{ "endless loop at load", "while true do end", OUT_OF_TIME, NULL },
	{ "goto loop", SCORE("::a:: goto a"), OUT_OF_TIME, NULL },
	{ "endless repeat with empty body", SCORE("repeat until false"), OUT_OF_TIME, NULL },
	{ "numeric for without end", SCORE("for i = 1, math.huge do end"), OUT_OF_TIME, NULL },
	{ "pcall swallows the time-out", SCORE("while true do pcall(function() while true do end end) end"),
	        OUT_OF_TIME, NULL },
	{ "pcall swallows the time-out and returns a score",
	        SCORE("pcall(function() while true do end end) return 1"), OUT_OF_TIME, NULL },
	{ "pcall as tail call", SCORE("return pcall(function() while true do end end)"), OUT_OF_TIME, NULL },
	{ "nested pcall", "local function f() pcall(f) while true do end end return {score = f}", OUT_OF_TIME,
	        NULL },
	{ "pcall of pcall of pcall", SCORE("while true do pcall(pcall, pcall, pcall, error) end"),
	        OUT_OF_TIME, NULL },
	{ "backtracking pattern by find",
	        SCORE("local s = 'a' for i = 1, 18 do s = s .. s end "
	              "string.find(s, ('.-'), 1) string.find(s, '.-.-.-.-.-.-b') "
	              "return 1"),
	        HARMLESS, NULL },
	{ "string.match", SCORE("return string.match('a', '.-b')"), CALL_REFUSED, "nil value" },
	{ "string.gsub", SCORE("return string.gsub('a', '.-b', '')"), CALL_REFUSED, "nil value" },
	{ "string.gmatch by method", SCORE("for w in ('a'):gmatch('.') do end"), CALL_REFUSED, "nil value" },
	{ "find with a needle that almost fits",
	        SCORE("local s = 'a' for i = 1, 18 do s = s .. s end local n = s:sub(1, 100000) .. 'b' "
	              "while true do s:find(n) end"),
	        OUT_OF_TIME, NULL },
	{ "string.rep", SCORE("while true do string.rep('x', 1000000) end"), CALL_REFUSED, "nil value" },
	{ "rep through the metatable of strings", SCORE("return ('x'):rep(100000000)"), CALL_REFUSED,
	        "nil value" },
	{ "table.move", SCORE("table.move({}, 1, 1 << 60, 2)"), CALL_REFUSED, "nil value" },
	{ "table.insert with __len",
	        SCORE("local t = setmetatable({}, {__len = function() return 1 << 60 end}) "
	              "table.insert(t, 1, 1)"),
	        CALL_REFUSED, "setmetatable" },
	{ "table.insert at the front of a long list",
	        SCORE("local t = {} while true do pcall(table.insert, t, 1, 1) end"), OUT_OF_EITHER, NULL },
	{ "table.remove at the front of a long list",
	        SCORE("local t = {} for i = 1, 60000 do t[i] = 1 end while true do table.remove(t, 1) "
	              "t[60000] = 1 "
	              "end"),
	        OUT_OF_TIME, NULL },
	{ "table.insert into node", SCORE("table.insert(node, 1)"), CALL_REFUSED, "table expected" },
	{ "table.unpack of a long list",
	        SCORE("local t = {} for i = 1, 50000 do t[i] = 1 end return select('#', table.unpack(t))"),
	        CALL_REFUSED, "too many" },
	{ "table.sort", SCORE("table.sort({3, 2, 1})"), CALL_REFUSED, "nil value" },
	{ "table.concat of one string many times",
	        SCORE("local s = 'x' for i = 1, 17 do s = s .. s end local t = {} "
	              "for i = 1, 1000 do t[i] = s end while true do pcall(table.concat, t) end"),
	        OUT_OF_TIME, NULL },
	{ "__gc", SCORE("setmetatable({}, {__gc = function() while true do end end})"), CALL_REFUSED,
	        "setmetatable" },
	{ "to-be-closed variable without a metatable", SCORE("local x <close> = {} return 1"), CALL_REFUSED,
	        "non-closable" },
	{ "xpcall with a looping handler", SCORE("xpcall(error, function() while true do end end)"),
	        CALL_REFUSED, "xpcall" },
	{ "coroutine", SCORE("coroutine.wrap(function() while true do end end)()"), CALL_REFUSED,
	        "coroutine" },
	{ "deep recursion", "local function f() return 1 + f() end return {score = f}", OUT_OF_EITHER, NULL },
	{ "endless tail calls", "local function f() return f() end return {score = f}", OUT_OF_TIME, NULL },
	{ "string doubled without end", SCORE("local s = 'x' while true do s = s .. s end"), OUT_OF_MEMORY,
	        "heap limit" },
	{ "large strings made and dropped",
	        SCORE("local s = 'x' for i = 1, 19 do s = s .. s end while true do local t = s .. 'y' end"),
	        OUT_OF_TIME, NULL },
	{ "memory error swallowed again and again",
	        SCORE("local s = 'x' for i = 1, 20 do pcall(function() s = s .. s end) end "
	              "while true do pcall(function() return s .. s .. s .. s end) end"),
	        OUT_OF_EITHER, NULL },
	{ "many small objects, then memory errors without end",
	        SCORE("local t = {} pcall(function() while true do t[#t + 1] = {} end end) "
	              "while true do pcall(function() t[#t + 1] = {{}, {}, {}, {}} end) end"),
	        OUT_OF_EITHER, NULL },
	{ "comparison of large strings",
	        SCORE("local s = 'x' for i = 1, 18 do s = s .. s end local a, b = s .. 'a', s .. 'b' "
	              "while true do local _ = a < b end"),
	        OUT_OF_TIME, NULL },
	{ "huge table", SCORE("local t = {} for i = 1, 1 << 40 do t[i] = i end"), OUT_OF_EITHER, NULL },
	{ "next on an emptied table",
	        SCORE("local t = {} for i = 1, 30000 do t[i .. ''] = i end for k in pairs(t) do t[k] = nil "
	              "end "
	              "while true do next(t) end"),
	        OUT_OF_TIME, NULL },
	{ "format width", SCORE("return string.format('%99999999d', 1)"), CALL_REFUSED, "conversion" },
	{ "format of an address", SCORE("return string.format('%p', {})"), CALL_REFUSED, "address" },
	{ "format of an address behind a NUL", SCORE("return string.format('\\0%p', 'x')"), CALL_REFUSED,
	        "address" },
	{ "format of an address behind a NUL and a good one",
	        SCORE("return string.format('%d%%\\0%d%-30p', 1, 2, {})"), CALL_REFUSED, "address" },
	{ "format with a NUL", SCORE("return string.format('%d\\0%%', 1) == '1\\0%' and 1"), HARMLESS, NULL },
	{ "address by tostring", SCORE("return tostring({}) == 'table' and 1"), HARMLESS, NULL },
	{ "address of a function by tostring", SCORE("return tostring(pcall) == 'function' and 1"), HARMLESS,
	        NULL },
	{ "address by format", SCORE("return string.format('%s', node) == 'userdata' and 1"), HARMLESS,
	        NULL },
	{ "address by concatenation", SCORE("return '' .. {}"), CALL_REFUSED, "concatenate" },
	{ "error object with __tostring", SCORE("error(setmetatable({}, {__tostring = function() end}))"),
	        CALL_REFUSED, "setmetatable" },
	{ "error object that is a table", SCORE("error({})"), CALL_REFUSED, "error object is a table" },
	{ "error object that is nil", SCORE("error(nil)"), CALL_REFUSED, "error object is a nil" },
	{ "error object that is node", SCORE("error(node)"), CALL_REFUSED, "error object is a userdata" },
	{ "error with a huge message", SCORE("local s = 'x' for i = 1, 19 do s = s .. s end error(s)"),
	        CALL_REFUSED, "xxxx" },
	{ "error with control characters", SCORE("error('\\27[2J\\0\\255')"), CALL_REFUSED, "?[2J" },
	{ "binary chunk", "\033LuaS", LOAD_REFUSED, "binary chunk" },
	{ "load", SCORE("return load('return 1')()"), CALL_REFUSED, "'load'" },
	{ "string.dump", SCORE("return string.dump(function() end)"), CALL_REFUSED, "nil value" },
	{ "require", "return require('os')", LOAD_REFUSED, "'require'" },
	{ "os", "os.execute('true') return {score = print}", LOAD_REFUSED, "'os'" },
	{ "io", "io.open('/etc/passwd')", LOAD_REFUSED, "'io'" },
	{ "debug", SCORE("debug.sethook()"), CALL_REFUSED, "'debug'" },
	{ "_G", SCORE("_G.score = 1"), CALL_REFUSED, "'_G'" },
	{ "collectgarbage", SCORE("collectgarbage('stop')"), CALL_REFUSED, "'collectgarbage'" },
	{ "getmetatable of strings", SCORE("getmetatable('').__index = nil"), CALL_REFUSED, "getmetatable" },
	{ "load of a file", SCORE("return loadfile('/etc/passwd')"), CALL_REFUSED, "'loadfile'" },
	{ "run of a file", SCORE("return dofile('/etc/passwd')"), CALL_REFUSED, "'dofile'" },
	{ "loadstring of older versions", SCORE("return loadstring('return 1')()"), CALL_REFUSED,
	        "'loadstring'" },
	{ "package", SCORE("package.loadlib('libc.so.6', 'abort')"), CALL_REFUSED, "'package'" },
	{ "rawget", SCORE("return rawget(node, 'cpu')"), CALL_REFUSED, "'rawget'" },
	{ "rawequal", SCORE("return rawequal(node, node) and 1"), CALL_REFUSED, "'rawequal'" },
	{ "rawlen", SCORE("return rawlen({1})"), CALL_REFUSED, "'rawlen'" },
	{ "rawset", SCORE("rawset(node, 'cpu', 1)"), CALL_REFUSED, "'rawset'" },
	{ "write to a global", SCORE("leak = 1"), CALL_REFUSED, "read-only" },
	{ "write to a library", "math.floor = nil", LOAD_REFUSED, "read-only" },
	{ "write to string", "string.len = nil", LOAD_REFUSED, "read-only" },
	{ "write to node", SCORE("node.cpu = 1 << 40"), CALL_REFUSED, "read-only" },
	{ "write to service", SCORE("service.app = 'other'"), CALL_REFUSED, "read-only" },
	{ "write to labels", SCORE("node.labels.site = 'moon'"), CALL_REFUSED, "read-only" },
	/* What is behind the NUL of a label is none of a policy's business: see guarded_label. */
	{ "label by a name with its value and a NUL",
	        SCORE("return node.labels['site=oslo\\0'] == nil and 1"), HARMLESS, NULL },
	{ "label by a name that goes on far behind the label",
	        SCORE("local s = 'x' for i = 1, 18 do s = s .. s end "
	              "return node.labels['site=oslo\\0' .. s] == nil and 1"),
	        HARMLESS, NULL },
	{ "label by its right name",
	        SCORE("return node.labels.site == 'oslo' and node.labels.sit == nil and 1"), HARMLESS, NULL },
	{ "node kept for later",
	        "local kept return {score = function(node) if kept and kept.cpu then end kept = "
	        "node return 1 end}",
	        HARMLESS, NULL },
	{ "score is not a number", SCORE("return 0 / 0"), CALL_REFUSED, "finite" },
	{ "score is infinite", SCORE("return math.huge"), CALL_REFUSED, "finite" },
	{ "score is minus infinity", SCORE("return -1 / 0"), CALL_REFUSED, "finite" },
	{ "score is nothing", SCORE(""), CALL_REFUSED, "nil" },
	{ "score is a numeric string", SCORE("return '5'"), CALL_REFUSED, "string" },
	{ "score is a huge string", SCORE("local s = 'x' for i = 1, 19 do s = s .. s end return s"),
	        CALL_REFUSED, "string" },
	{ "score is a table", SCORE("return {}"), CALL_REFUSED, "table" },
	{ "policy is no table", "return 5", LOAD_REFUSED, "must return a table" },
	{ "policy is a library", "return math", LOAD_REFUSED, "must return a table" },
	{ "no score", "return {}", LOAD_REFUSED, "score" },
	{ "score is no function", "return {score = 5}", LOAD_REFUSED, "function" },
	{ "filter is no function", "return {filter = 5, score = function() return 1 end}", LOAD_REFUSED,
	        "function" },
	{ "syntax error", "return {", LOAD_REFUSED, "attack:1" },
	{ "empty text", "", LOAD_REFUSED, "must return a table" },
	{ "deeply nested text",
	        "return "
	        "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
	        "("
	        "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
	        "((((((((("
	        "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
	        "((((((((1",
	        LOAD_REFUSED, NULL },
	{ "tonumber of a long string",
	        SCORE("local s = '1' for i = 1, 18 do s = s .. s end while true do tonumber(s) end"),
	        OUT_OF_TIME, NULL },
	{ "bytes of a long string",
	        SCORE("local s = 'x' for i = 1, 19 do s = s .. s end "
	              "while true do pcall(string.byte, s, 1, -1) end"),
	        OUT_OF_EITHER, NULL },
	{ "upper and reverse of long strings",
	        SCORE("local s = 'x' for i = 1, 19 do s = s .. s end "
	              "while true do s:upper() s:reverse() end"),
	        OUT_OF_EITHER, NULL },
	{ "random over an empty interval", SCORE("return math.random(2, 1)"), CALL_REFUSED, "empty" },
	{ "random over everything", SCORE("math.random(math.mininteger, math.maxinteger) return 1"), HARMLESS,
	        NULL },
};

static double cpu_ms(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static char guarded_label[] = "site=oslo\0=not a part of it";
static char *const labels[] = { guarded_label, NULL };
static const struct policy_node node = {
	.name = "n1", .architecture = "x86_64", .labels = labels, .cpu = 1000, .memory = 1 << 20
};
static const struct policy_service service = {
	.app = "shop", .name = "cart", .image = "cart:1", .replicas = 1
};

static bool outcome_is(const struct attack *attack, int loaded, int scored, double score)
{
	int r = loaded < 0 ? loaded : scored;

	switch (attack->outcome) {
	case LOAD_REFUSED: return loaded == -EINVAL;
	case CALL_REFUSED: return loaded == 0 && scored == -EINVAL;
	case OUT_OF_TIME: return r == -ETIME;
	case OUT_OF_MEMORY: return r == -ENOMEM;
	case OUT_OF_EITHER: return r == -ETIME || r == -ENOMEM;
	case HARMLESS: return r == 0 && score == 1;
	}
	return false;
}

static double run(const struct attack *attack, struct policy_limits limits)
{
	struct policy *policy = NULL;
	struct baton_error err = { 0 };
	double start = cpu_ms();
	double score = 0;
	double worst;
	int scored = 0;
	int loaded = policy_load("attack", attack->source, strlen(attack->source), limits, &policy, &err);

	worst = cpu_ms() - start;
	if (loaded == 0) {
		start = cpu_ms();
		scored = policy_score(policy, &node, &service, 1, &score, &err);
		if (cpu_ms() - start > worst)
			worst = cpu_ms() - start;
	}
	start = cpu_ms();
	policy_free(policy);
	if (cpu_ms() - start > worst)
		worst = cpu_ms() - start;
	if (!outcome_is(attack, loaded, scored, score))
		fail_msg("%s: load %d, score %d (%g): %s", attack->name, loaded, scored, score, err.message);
	if (attack->says && !strstr(err.message, attack->says))
		fail_msg("%s: message lacks \"%s\": %s", attack->name, attack->says, err.message);
	return worst;
}

static void every_attack_ends(void **state)
{
	struct policy_limits limits = policy_default_limits();
	double slowest = 0;

	(void)state;
	limits.budget_us = BUDGET_US;
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		double ms = run(&attacks[i], limits);

		if (ms > 2.0 * BUDGET_US / 1000)
			fail_msg("%s took %.1f ms of CPU, the budget is %d ms", attacks[i].name, ms,
			        BUDGET_US / 1000);
		if (ms > slowest) {
			slowest = ms;
			print_message("%-60s %.1f ms\n", attacks[i].name, ms);
		}
	}
	print_message("%zu attacks, budget %d ms, slowest %.1f ms\n", sizeof(attacks) / sizeof(attacks[0]),
	        BUDGET_US / 1000, slowest);
}

/* The same with the smallest heap: every allocation of loading and calling fails at some size. */
static void every_heap_size_is_survived(void **state)
{
	static const char source[] =
	        "local kept = {} return {filter = function(node) return node.name ~= 'x' end, "
	        "score = function(node, service) kept[#kept + 1] = node.name .. service.app "
	        "return node.cpu + (node.labels.rack and 1 or 0) end}";
	struct policy_limits limits = policy_default_limits();
	size_t loaded = 0;

	(void)state;
	limits.budget_us = 10 * BUDGET_US; /* no matter here, and a busy machine takes it away */
	for (limits.heap_max = 0; limits.heap_max < 40000; limits.heap_max += 8) {
		struct policy *policy = NULL;
		struct baton_error err = { 0 };
		int r = policy_load("small", source, sizeof(source) - 1, limits, &policy, &err);

		if (r == 0) {
			double score;

			loaded++;
			r = policy_score(policy, &node, &service, 1, &score, &err);
		}
		assert_true(r == 0 || r == -ENOMEM);
		policy_free(policy);
	}
	assert_true(loaded > 0);
}

/* What makes the parser walk long lists again and again: `item` as often as the text allows, between the
 * others.
 */
static const struct {
	const char *name;
	const char *first;
	const char *item; /* NULL: labels and gotos of different names */
	const char *last;
} slow_texts[] = {
	{ "or", "local a local b = a", " or a", "" },
	{ "and", "local a return a", " and a", "" },
	{ "or in a condition", "local a if a", " or a", " then end" },
	{ "elseif", "local a if a then", " elseif a then", " end" },
	{ "else if", "", "if a then else ", "return" },
	{ "break", "local a while 1 do", " break", " end" },
	{ "goto to one label", "", "goto a ", "::a::" },
	{ "numbers", "local t = {", "1.5,", "}" },
	{ "nested", "return ", "(", "" },
	{ "labels and gotos", "", NULL, "" },
};

/* Of the largest size that Kconfig allows: the parser runs no hook. */
static void largest_text_compiles_in_time(void **state)
{
	static char text[SOURCE_MAX + 2];
	struct policy_limits limits = policy_default_limits();
	struct policy *policy = NULL;
	struct baton_error err = { 0 };

	(void)state;
	limits.source_max = SOURCE_MAX;
	limits.heap_max = (size_t)16 << 20;
	limits.budget_us = BUDGET_US;
	for (size_t i = 0; i < sizeof(slow_texts) / sizeof(slow_texts[0]); i++) {
		int length = snprintf(text, sizeof(text), "%s", slow_texts[i].first);
		double start;
		double ms;
		int r;

		for (int k = 0; length < SOURCE_MAX - 64; k++) {
			size_t left = sizeof(text) - (size_t)length;

			length += slow_texts[i].item
			                  ? snprintf(text + length, left, "%s", slow_texts[i].item)
			                  : snprintf(text + length, left, "goto a%d ::b%d:: ", k, k);
		}
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%s", slow_texts[i].last);
		start = cpu_ms();
		r = policy_load("slow", text, (size_t)length, limits, &policy, &err);
		ms = cpu_ms() - start;
		if ((r != -EINVAL && r != -ETIME) || ms > 2.0 * BUDGET_US / 1000)
			fail_msg("%s: %d after %.1f ms: %s", slow_texts[i].name, r, ms, err.message);
	}
	assert_int_equal(policy_load("large", text, SOURCE_MAX + 1, limits, &policy, &err), -EMSGSIZE);
	assert_non_null(strstr(err.message, "limit"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attack_ends),
		cmocka_unit_test(every_heap_size_is_survived),
		cmocka_unit_test(largest_text_compiles_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
