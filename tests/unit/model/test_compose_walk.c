/* SPDX-License-Identifier: Apache-2.0 */
/* Unknown attributes, extensions, paths, and a verdict that is full. */
#include "tests/unit/model/decode.h"

static void test_unknown(void **state)
{
	static const struct example examples[] = {
		{ "\"prots\": []", ".prots", "did you mean \"ports\"?" },
		{ "\"enviroment\": []", ".enviroment", "did you mean \"environment\"?" },
		{ "\"comand\": []", ".comand", "did you mean \"command\"?" },
		{ "\"replicas\": 1", ".replicas", "unknown attribute" },
		{ "\"qqqqqqqqqqqq\": 1", ".qqqqqqqqqqqq", "unknown attribute" },
		{ "\"\": 1", "[\"\"]", "unknown attribute" },
		{ "\"a \\\"b\": 1", "[\"a \"b\"]", "unknown attribute" },
		{ "\"deploy\": {\"resource\": {}}", ".deploy.resource", "did you mean \"resources\"?" },
		{ "\"x-baton\": {\"runtme\": \"a\"}", ".x-baton.runtme", "did you mean \"runtime\"?" },
		{ "\"x-baton\": {\"x-runtime\": \"a\"}", ".x-baton.x-runtime", "unknown attribute" },
		{ "\"x-baton\": {\"placement\": {\"x\": 1}}", ".x-baton.placement.x", "unknown attribute" },
		{ "\"deploy\": {\"x-baton\": {}}", ".deploy.x-baton", "unknown attribute" },
		{ "\"x-anything\": {\"a\": [1]}, \"deploy\": {\"x-other\": 1}", NULL, NULL },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

static void test_full_verdict(void **state)
{
	cleanup_free char *most = repeat("", "\"unknown%zu\": 1", CONFIG_MAX_FINDINGS, "");
	cleanup_free char *above = repeat("", "\"unknown%zu\": 1", CONFIG_MAX_FINDINGS + 1, "");
	cleanup_with(decoded_release) struct decoded full = decode_members(most);
	cleanup_with(decoded_release) struct decoded truncated = decode_members(above);

	(void)state;
	assert_int_equal(full.verdict.n_errors, CONFIG_MAX_FINDINGS);
	assert_false(full.verdict.truncated);
	assert_int_equal(truncated.verdict.n_errors, CONFIG_MAX_FINDINGS);
	assert_true(truncated.verdict.truncated);
	assert_int_equal(truncated.result, -EINVAL);
}

/* A path and a reason that do not fit are cut at the end of a character, so that they can be published. */
static void test_long_names(void **state)
{
	cleanup_free char *members = malloc(2048);
	char *next = stpcpy(members, "\"");

	(void)state;
	for (size_t i = 0; i < 500; i++)
		next = stpcpy(next, "\xc3\xa9");
	(void)stpcpy(next, "\": 1");
	{
		cleanup_with(decoded_release) struct decoded decoded = decode_members(members);
		cleanup_json json_t *errors = verdict_errors_json(&decoded.verdict);

		assert_int_equal(decoded.verdict.n_errors, 1);
		assert_int_equal(json_array_size(errors), 1);
		assert_null(strchr(decoded.verdict.errors[0].path, '?'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_full_verdict),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
