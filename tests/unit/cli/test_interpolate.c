/* SPDX-License-Identifier: Apache-2.0 */
/* Variables: the forms of the Compose Specification, what is wrong, and what is told. */
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
#include "core/cli/interpolate.h"

struct example {
	const char *text;
	const char *wanted; /* the value; of a fault: part of its reason */
};

static const char *value(void *arg, const char *name)
{
	(void)arg;
	if (strcmp(name, "BYTES") == 0)
		return "\xff";
	if (strcmp(name, "DOLLAR") == 0)
		return "$SET";
	if (strcmp(name, "EMPTY") == 0)
		return "";
	return strcmp(name, "SET") == 0 || strcmp(name, "_s1") == 0 ? "value" : NULL;
}

/* Appends the name and a blank to the struct buf. */
static void unset(void *arg, const char *name)
{
	assert_int_equal(buf_appendf(arg, "%s ", name), 0);
}

static void forms(void **state)
{
	static const struct example examples[] = {
		{ "", "" },
		{ "no variable", "no variable" },
		{ "$SET", "value" },
		{ "${SET}", "value" },
		{ "$_s1-x", "value-x" },
		{ "a${SET}b$SET.c", "avaluebvalue.c" },
		{ "$EMPTY", "" },
		{ "$$SET", "$SET" },
		{ "$$$SET", "$value" },
		{ "$${SET}", "${SET}" },
		{ "${SET:-d}", "value" },
		{ "${SET-d}", "value" },
		{ "${EMPTY:-d}", "d" },
		{ "${EMPTY-d}", "" },
		{ "${NO:-d}", "d" },
		{ "${NO-d}", "d" },
		{ "${NO:-}", "" },
		{ "${NO-}", "" },
		{ "${SET:?e}", "value" },
		{ "${SET?e}", "value" },
		{ "${EMPTY?e}", "" },
		{ "${SET:+o}", "o" },
		{ "${SET+o}", "o" },
		{ "${EMPTY:+o}", "" },
		{ "${EMPTY+o}", "o" },
		{ "${NO:+o}", "" },
		{ "${NO+o}", "" },
		{ "${NO:-${EMPTY:-${SET}}}", "value" },
		{ "${NO:-a${SET}b}c", "avaluebc" },
		{ "${SET:+$SET$SET}", "valuevalue" },
		{ "${NO:-$$}", "$" },
		{ "${NO:-$$${SET}}", "$value" },
		{ "${NO:-{\"a\": {\"b\": 1}}}", "{\"a\": {\"b\": 1}}" },
		{ "${NO:-a}b}", "ab}" },
		{ "${NO:-:-?+}", ":-?+" },
		{ "${SET:-${NO?not reached}}", "value" },
		{ "$DOLLAR", "$SET" }, /* values are not looked at again */
		{ "\xc3\xa9$SET\xc3\xa9", "\xc3\xa9value\xc3\xa9" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(examples); i++) {
		cleanup_buf struct buf told = { .max = 1024 };
		const struct variables variables = { value, unset, &told };
		struct baton_error err = { 0 };
		cleanup_free char *text = NULL;

		if (interpolate_text(examples[i].text, &variables, &text, &err) < 0)
			fail_msg("%s: %s", examples[i].text, err.message);
		if (strcmp(text, examples[i].wanted) != 0)
			fail_msg("%s is \"%s\", not \"%s\"", examples[i].text, text, examples[i].wanted);
		assert_int_equal(told.length, 0);
	}
}

static void what_is_not_set_is_told(void **state)
{
	cleanup_buf struct buf told = { .max = 1024 };
	const struct variables variables = { value, unset, &told };
	struct baton_error err = { 0 };
	cleanup_free char *text = NULL;

	(void)state;
	assert_int_equal(
	        interpolate_text("a$ONE-${TWO}b${SET:+$THREE}${SET:-$FOUR}", &variables, &text, &err), 0);
	assert_string_equal(text, "a-bvalue");
	assert_string_equal(told.data, "ONE TWO THREE ");
}

static void faults(void **state)
{
	static const struct example examples[] = {
		{ "$", "single \"$\"" },
		{ "a $ b", "single \"$\"" },
		{ "$1", "single \"$\"" },
		{ "$$$", "single \"$\"" },
		{ "$-", "single \"$\"" },
		{ "$\xc3\xa9", "single \"$\"" },
		{ "${", "without \"}\"" },
		{ "${SET", "without \"}\"" },
		{ "${NO:-${SET}", "without \"}\"" },
		{ "${}", "begin with a variable's name" },
		{ "${1}", "begin with a variable's name" },
		{ "${ SET}", "begin with a variable's name" },
		{ "${:-x}", "begin with a variable's name" },
		{ "${${SET}}", "begin with a variable's name" },
		{ "${SET }", "after ${SET" },
		{ "${SET:}", "after ${SET" },
		{ "${SET!x}", "after ${SET" },
		{ "${SET:=x}", "after ${SET" },
		{ "${NO?}", "NO is required" },
		{ "${NO:?why not}", "NO is required: why not" },
		{ "${EMPTY:?why not}", "EMPTY is required: why not" },
		{ "${NO:-${NO?inner}}", "NO is required: inner" },
		{ "${NO:-$}", "single \"$\"" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(examples); i++) {
		cleanup_buf struct buf told = { .max = 1024 };
		const struct variables variables = { value, unset, &told };
		struct baton_error err = { 0 };
		char *text = NULL;

		if (interpolate_text(examples[i].text, &variables, &text, &err) != -EINVAL)
			fail_msg("%s is \"%s\"", examples[i].text, text);
		assert_null(text);
		if (!strstr(err.message, examples[i].wanted))
			fail_msg("%s: \"%s\" without \"%s\"", examples[i].text, err.message,
			        examples[i].wanted);
	}
}

static void limits(void **state)
{
	cleanup_buf struct buf told = { .max = 1024 };
	const struct variables variables = { value, unset, &told };

	(void)state;
	for (size_t above = 0; above < 2; above++) {
		cleanup_buf struct buf name = { .max = 4096 };
		cleanup_buf struct buf nested = { .max = 4096 };
		cleanup_buf struct buf large = { .max = 2 * CONFIG_CLI_DOCUMENT_BYTES };
		const struct buf *const texts[] = { &name, &nested, &large };
		const int codes[] = { -EINVAL, -EINVAL, -EMSGSIZE };

		for (size_t i = 0; i < 255 + above; i++)
			assert_int_equal(buf_append(&name, i ? "a" : "${a", i ? 1 : 3), 0);
		assert_int_equal(buf_append(&name, "-}", 2), 0);
		for (size_t i = 0; i < 7 + above; i++)
			assert_int_equal(buf_append(&nested, "${NO-", 5), 0);
		for (size_t i = 0; i < 7 + above; i++)
			assert_int_equal(buf_append(&nested, "}", 1), 0);
		for (size_t i = 0; i < CONFIG_CLI_DOCUMENT_BYTES + above; i++)
			assert_int_equal(buf_append(&large, "x", 1), 0);
		for (size_t i = 0; i < array_size(texts); i++) {
			struct baton_error err = { 0 };
			cleanup_free char *text = NULL;

			assert_int_equal(interpolate_text(texts[i]->data, &variables, &text, &err),
			        above ? codes[i] : 0);
		}
	}
}

static int replace(json_t *tree, struct baton_error *err)
{
	cleanup_buf struct buf told = { .max = 1024 };
	const struct variables variables = { value, unset, &told };

	return interpolate_tree(tree, &variables, err);
}

static void trees(void **state)
{
	struct baton_error err = { 0 };
	cleanup_json json_t *tree =
	        json_pack("{s:[s,i,{s:s}], s:b}", "$SET", "$SET", 5, "k", "${NO-d}", "b", 1);
	cleanup_json json_t *wanted = json_pack("{s:[s,i,{s:s}], s:b}", "$SET", "value", 5, "k", "d", "b", 1);

	(void)state;
	assert_int_equal(replace(tree, &err), 0);
	assert_true(json_equal(tree, wanted));
}

static void faults_of_trees_have_a_path(void **state)
{
	static const struct example examples[] = {
		{ "{\"a\": [1, {\"b\": \"${NO?why}\"}]}", "$.a[1].b: the variable NO is required: why" },
		{ "\"$\"", "$: a single" },
		{ "{\"a\": \"$BYTES\"}", "$.a: not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(examples); i++) {
		cleanup_json json_t *tree = json_loads(examples[i].text, JSON_DECODE_ANY, NULL);
		struct baton_error err = { 0 };

		assert_int_equal(replace(tree, &err), -EINVAL);
		if (strncmp(err.message, examples[i].wanted, strlen(examples[i].wanted)) != 0)
			fail_msg("%s: %s", examples[i].text, err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(what_is_not_set_is_told),
		cmocka_unit_test(faults),
		cmocka_unit_test(limits),
		cmocka_unit_test(trees),
		cmocka_unit_test(faults_of_trees_have_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
