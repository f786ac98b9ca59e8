/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to JSON: what a document means, where a fault is, and every limit at its maximum and one above. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/cli/yaml.h"

#define ALL SIZE_MAX

struct example {
	const char *yaml;
	const char *json;
};

static int read_text(const char *text, json_t **ret_value, struct baton_error *err)
{
	return yaml_read("f", text, strlen(text), ret_value, err);
}

static void check(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct baton_error err = { 0 };
		cleanup_json json_t *value = NULL;
		cleanup_json json_t *wanted = json_loads(examples[i].json, JSON_DECODE_ANY, NULL);
		cleanup_free char *json = NULL;

		assert_non_null(wanted);
		if (read_text(examples[i].yaml, &value, &err) < 0)
			fail_msg("%s: %s", examples[i].yaml, err.message);
		json = json_text(value);
		if (!json_equal(value, wanted))
			fail_msg("%s is %s, not %s", examples[i].yaml, json, examples[i].json);
	}
}

static void values(void **state)
{
	static const struct example examples[] = {
		{ "", "null" },
		{ "# nothing\n", "null" },
		{ "---\n...\n", "null" },
		{ "\xEF\xBB\xBF"
		  "a: 1",
		        "{\"a\": 1}" },
		{ "%YAML 1.2\n---\na: b\n", "{\"a\": \"b\"}" },
		{ "a:\nb: ''\nc: \"\"\n", "{\"a\": null, \"b\": \"\", \"c\": \"\"}" },
		{ "a: '1'\nb: \"true\"\nc: '~'\n", "{\"a\": \"1\", \"b\": \"true\", \"c\": \"~\"}" },
		{ "- 22:22\n- 0440\n- yes\n", "[\"22:22\", 288, \"yes\"]" },
		{ "a: |\n  one\n   two\n\nb: >-\n  one\n  two\n\n  three\n",
		        "{\"a\": \"one\\n two\\n\", \"b\": \"one two\\nthree\"}" },
		{ "a: |+\n  one\n\n", "{\"a\": \"one\\n\\n\"}" },
		{ "a: \"\\x41\\u00e9\\U0001F600\\t\\\n  b\"\n", "{\"a\": \"A\\u00e9\\ud83d\\ude00\\tb\"}" },
		{ "a: 'it''s'\n", "{\"a\": \"it's\"}" },
		{ "a: one\n  two # no\nb: c#d\n", "{\"a\": \"one two\", \"b\": \"c#d\"}" },
		{ "{a: [1, {b: c}], ? d : e, f: }",
		        "{\"a\": [1, {\"b\": \"c\"}], \"d\": \"e\", \"f\": null}" },
		{ "a:\n- 1\n-\n  - 2\n", "{\"a\": [1, [2]]}" },
		{ "a: 1\r\nb:\r\n  - c\r\n", "{\"a\": 1, \"b\": [\"c\"]}" },
		{ "80: a\ntrue: b\n~: c\n", "{\"80\": \"a\", \"true\": \"b\", \"~\": \"c\"}" },
		{ "[]", "[]" },
		{ "word", "\"word\"" },
	};

	(void)state;
	check(examples, array_size(examples));
}

static void tags(void **state)
{
	static const struct example examples[] = {
		{ "!!str 5", "\"5\"" },
		{ "! 5", "\"5\"" },
		{ "!!str", "\"\"" },
		{ "!!int '7'", "7" },
		{ "!!int \"0x10\"", "16" },
		{ "!!float 5", "5" },
		{ "!!float '1.5'", "1.5" },
		{ "!!bool 'true'", "true" },
		{ "!!null ''", "null" },
		{ "!!map {a: !!seq [b]}", "{\"a\": [\"b\"]}" },
		{ "!<tag:yaml.org,2002:str> 1", "\"1\"" },
		{ "%TAG !y! tag:yaml.org,2002:\n--- !y!str 1", "\"1\"" },
		{ "!!str a: 1", "{\"a\": 1}" },
	};

	(void)state;
	check(examples, array_size(examples));
}

static void anchors_and_merges(void **state)
{
	static const struct example examples[] = {
		{ "[&a x, *a, &a y, *a]", "[\"x\", \"x\", \"y\", \"y\"]" },
		{ "a: &a {k: &b [1]}\nb: [*a, *b]", "{\"a\": {\"k\": [1]}, \"b\": [{\"k\": [1]}, [1]]}" },
		{ "a: &a\nb: *a", "{\"a\": null, \"b\": null}" },
		{ "a: &a {k: v, l: w}\nb: {l: own, <<: *a}",
		        "{\"a\": {\"k\": \"v\", \"l\": \"w\"}, \"b\": {\"k\": \"v\", \"l\": \"own\"}}" },
		{ "[&a {k: 1}, &b {k: 2, m: 3}, {<<: [*a, *b]}, {<<: [*b, *a]}]",
		        "[{\"k\": 1}, {\"k\": 2, \"m\": 3}, {\"k\": 1, \"m\": 3}, {\"k\": 2, \"m\": 3}]" },
		{ "<<: {a: {b: 1}}\na: {c: 2}", "{\"a\": {\"c\": 2}}" },
		{ "<<: []\na: 1", "{\"a\": 1}" },
		{ "'<<': {a: 1}", "{\"<<\": {\"a\": 1}}" },
		{ "a: &a {<<: {x: 1}, y: 2}\nb: {<<: *a}",
		        "{\"a\": {\"x\": 1, \"y\": 2}, \"b\": {\"x\": 1, \"y\": 2}}" },
		{ "a: <<", "{\"a\": \"<<\"}" },
	};

	(void)state;
	check(examples, array_size(examples));
}

/* A change of a copy must not be seen at its anchor: variables are replaced in place. */
static void copies_are_their_own(void **state)
{
	cleanup_json json_t *value = NULL;
	struct baton_error err = { 0 };
	json_t *list;

	(void)state;
	assert_int_equal(read_text("a: &a {l: [x]}\nb: *a\nc: {<<: *a}\n", &value, &err), 0);
	for (size_t i = 1; i < 3; i++) {
		list = json_object_get(json_object_get(value, i == 1 ? "b" : "c"), "l");
		assert_int_equal(json_string_set(json_array_get(list, 0), "changed"), 0);
	}
	list = json_object_get(json_object_get(value, "a"), "l");
	assert_string_equal(json_string_value(json_array_get(list, 0)), "x");
}

struct fault {
	const char *yaml;
	size_t length;
	const char *place;
	const char *reason;
};

static void faults(void **state)
{
	static const struct fault examples[] = {
		{ "a: 1\nb: 2\na: 3\n", ALL, "f:3:1: ", "twice: a" },
		{ "a:\n  b: {c: 1, c: 2}\n", ALL, "f:2:13: ", "twice: c" },
		{ "1: a\n\"1\": b\n", ALL, "f:2:1: ", "twice" },
		{ "<<: {a: 1}\n<<: {b: 2}\n", ALL, "f:2:1: ", "twice: <<" },
		{ "? [a]\n: b\n", ALL, "f:1:3: ", "a key must be" },
		{ "a: &a b\n*a : c\n", ALL, "f:2:1: ", "a key must be" },
		{ "{{}: 1}", ALL, "f:1:2: ", "a key must be" },
		{ "a: *b\n", ALL, "f:1:4: ", "called b" },
		{ "a: &a [*a]\n", ALL, "f:1:8: ", "called a" },
		{ "<<: 5\n", ALL, "f:1:5: ", "mappings only" },
		{ "<<: [{}, 5]\n", ALL, "f:", "mappings only" },
		{ "a: !x y\n", ALL, "f:1:4: ", "not supported: !x" },
		{ "a: !x [y]\n", ALL, "f:1:4: ", "not supported: !x" },
		{ "a: !!set {y}\n", ALL, "f:1:4: ", "not supported" },
		{ "a: !!binary aGk=\n", ALL, "f:1:4: ", "binary" },
		{ "a: !!seq {y: z}\n", ALL, "f:1:4: ", "not supported" },
		{ "!x a: b\n", ALL, "f:1:1: ", "not supported: a" },
		{ "!!int x", ALL, "f:1:1: ", "type of its tag, !!int" },
		{ "!!int 1.5", ALL, "f:1:1: ", "type of its tag, !!int" },
		{ "!!bool yes", ALL, "f:1:1: ", "type of its tag, !!bool" },
		{ "a: [1\n", ALL, "f:2:1: ", "did not find" },
		{ "a: b: c\n", ALL, "f:1:5: ", "not allowed" },
		{ "a:\n\t- b\n", ALL, "f:2:1: ", "cannot start any token" },
		{ "a: 'b\n", ALL, "f:2:1: ", "end of stream" },
		{ "a: \"\\q\"\n", ALL, "f:1:", "escape" },
		{ "a: \"\\ud800\"\n", ALL, "f:1:", "Unicode" },
		{ "a: \"x\\0y\"\n", ALL, "f:1:4: ", "NUL" },
		{ "\"x\\0y\": a\n", ALL, "f:1:1: ", "NUL" },
		{ "a: 1\n---\nb: 2\n", ALL, "f:2:1: ", "second document" },
		{ "a\n...\n---\n", ALL, "f:3:1: ", "second document" },
		{ "a: .inf\n", ALL, "f:1:4: ", ".inf" },
		{ "a: b\0c\n", 7, "f: byte 4: ", "control characters" },
		{ "a: \xff\n", ALL, "f: byte 3: ", "UTF-8" },
		{ "a: \xed\xa0\x80\n", ALL, "f: byte 3: ", "Unicode" },
		{ "a: \xc3", ALL, "f: byte 3: ", "UTF-8" },
		{ "a: \x1b[2J\n", ALL, "f: byte 3: ", "control characters" },
		{ "%YAML 2.0\n---\na\n", ALL, "f:1:1: ", "YAML" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(examples); i++) {
		const struct fault *fault = &examples[i];
		struct baton_error err = { 0 };
		json_t *value = NULL;
		size_t length = fault->length == ALL ? strlen(fault->yaml) : fault->length;

		if (yaml_read("f", fault->yaml, length, &value, &err) != -EINVAL)
			fail_msg("%s is read: %d %s", fault->yaml, err.code, err.message);
		assert_null(value);
		if (strncmp(err.message, fault->place, strlen(fault->place)) != 0 ||
		        !strstr(err.message, fault->reason))
			fail_msg("%s: \"%s\" without \"%s\" or \"%s\"", fault->yaml, err.message,
			        fault->place, fault->reason);
	}
}

/* ---- limits ---- */

static void repeat(struct buf *text, const char *part, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(buf_append(text, part, strlen(part)), 0);
}

static void expect(const struct buf *text, const char *reason)
{
	struct baton_error err = { 0 };
	cleanup_json json_t *value = NULL;
	int r = yaml_read("f", text->data, text->length, &value, &err);

	if (reason ? r != -EINVAL || !strstr(err.message, reason) : r != 0)
		fail_msg("%.40s...: %d %s", text->data, r, err.message);
}

static void depth(void **state)
{
	(void)state;
	for (size_t above = 0; above < 2; above++) {
		cleanup_buf struct buf text = { .max = 4096 };

		repeat(&text, "[", CONFIG_MAX_DOCUMENT_DEPTH + above);
		repeat(&text, "]", CONFIG_MAX_DOCUMENT_DEPTH + above);
		expect(&text, above ? "nested too deep" : NULL);
	}
}

/* The alias stands one level below its list: a copy may be one level less deep. */
static void depth_of_copies(void **state)
{
	(void)state;
	for (size_t above = 0; above < 2; above++) {
		cleanup_buf struct buf text = { .max = 4096 };

		repeat(&text, "[&a [[]], ", 1);
		repeat(&text, "[", CONFIG_MAX_DOCUMENT_DEPTH - 3 + above);
		repeat(&text, "*a", 1);
		repeat(&text, "]", CONFIG_MAX_DOCUMENT_DEPTH - 2 + above);
		expect(&text, above ? "too many levels" : NULL);
	}
}

static void nodes(void **state)
{
	(void)state;
	for (size_t above = 0; above < 2; above++) {
		cleanup_buf struct buf text = { .max = 8 * (CONFIG_CLI_YAML_NODES + 8) };

		repeat(&text, "[", 1);
		repeat(&text, "1,", CONFIG_CLI_YAML_NODES - 1 + above);
		repeat(&text, "]", 1);
		expect(&text, above ? "more nodes" : NULL);
	}
}

/* Each line is ten times the one before; no line costs memory before it is refused. */
static void nodes_of_copies(void **state)
{
	cleanup_buf struct buf text = { .max = 8192 };

	(void)state;
	repeat(&text, "a: &a [x,x,x,x,x,x,x,x,x,x]\n", 1);
	for (char name = 'b'; name < 'j'; name++) {
		const char anchor[] = { name, ':', ' ', '&', name, ' ', '[', '\0' };
		const char alias[] = { '*', (char)(name - 1), ',', '\0' };

		repeat(&text, anchor, 1);
		repeat(&text, alias, 10);
		repeat(&text, "]\n", 1);
	}
	expect(&text, "too many nodes");
}

static void text_of_copies(void **state)
{
	(void)state;
	for (size_t above = 0; above < 2; above++) {
		cleanup_buf struct buf text = { .max = CONFIG_CLI_DOCUMENT_BYTES };

		repeat(&text, "[&a ", 1);
		repeat(&text, "abcdefgh", CONFIG_CLI_DOCUMENT_BYTES / 64);
		repeat(&text, ", *a", 8 + above);
		repeat(&text, "]", 1);
		expect(&text, above ? "too much text" : NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(tags),
		cmocka_unit_test(anchors_and_merges),
		cmocka_unit_test(copies_are_their_own),
		cmocka_unit_test(faults),
		cmocka_unit_test(depth),
		cmocka_unit_test(depth_of_copies),
		cmocka_unit_test(nodes),
		cmocka_unit_test(nodes_of_copies),
		cmocka_unit_test(text_of_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
