/* SPDX-License-Identifier: Apache-2.0 */
/* Lists and mappings: both forms, duplicates, limits at the maximum and one above. */
#include "core/base/strv.h"
#include "tests/unit/model/decode.h"

static void test_examples(void **state)
{
	static const struct example examples[] = {
		{ "\"command\": null", NULL, NULL },
		{ "\"command\": []", NULL, NULL },
		{ "\"command\": \"\"", NULL, NULL },
		{ "\"command\": [\"a\", \"\"]", NULL, NULL },
		{ "\"command\": \"a 'b\"", ".command", "quote" },
		{ "\"command\": [\"a\", 1]", ".command[1]", "must be a string, not an integer" },
		{ "\"command\": {}", ".command", "must be an array, a string or null, not an object" },
		{ "\"entrypoint\": null", NULL, NULL },
		{ "\"entrypoint\": \"a b\"", NULL, NULL },
		{ "\"entrypoint\": [null]", ".entrypoint[0]", "not null" },
		{ "\"entrypoint\": \"a \\\\\"", ".entrypoint", "backslash" },
		{ "\"environment\": []", NULL, NULL },
		{ "\"environment\": {}", NULL, NULL },
		{ "\"environment\": [\"A=1\", \"B=\"]", NULL, NULL },
		{ "\"environment\": {\"A\": null}", ".environment.A", "needs a value" },
		{ "\"environment\": [\"A\"]", ".environment[0]", "needs a value" },
		{ "\"environment\": [\"=1\"]", ".environment[0]", "empty name" },
		{ "\"environment\": [\"\"]", ".environment[0]", "empty" },
		{ "\"environment\": [\"A=1\", \"A=2\"]", ".environment[1]", "twice" },
		{ "\"environment\": {\"A=B\": \"1\"}", ".environment[\"A=B\"]", "\"=\"" },
		{ "\"environment\": {\"\": \"1\"}", ".environment[\"\"]", "empty name" },
		{ "\"environment\": {\"A\": []}", ".environment.A", "not an array" },
		{ "\"environment\": \"A=1\"", ".environment", "must be an object or an array" },
		{ "\"labels\": [\"a=1\", \"b\"]", NULL, NULL },
		{ "\"labels\": {\"a\": null, \"b\": 1, \"c\": true}", NULL, NULL },
		{ "\"labels\": [\"a=1\", \"a\"]", ".labels[1]", "twice" },
		{ "\"sysctls\": [\"net.core.somaxconn=1024\"]", NULL, NULL },
		{ "\"sysctls\": {\"kernel.msgmax\": 65536, \"fs.mqueue.msg_max\": \"20\"}", NULL, NULL },
		{ "\"sysctls\": {\"kernel.hostname\": \"x\"}", ".sysctls[\"kernel.hostname\"]", "sysctl" },
		{ "\"sysctls\": {\"net/../kernel.x\": \"x\"}", ".sysctls[\"net/../kernel.x\"]", "sysctl" },
		{ "\"sysctls\": {\"net.a\": null}", ".sysctls[\"net.a\"]", "needs a value" },
		{ "\"sysctls\": {\"net.a\": true}", ".sysctls[\"net.a\"]", "not true" },
		{ "\"sysctls\": [\"net.a=1\\nb\"]", ".sysctls[0]", "control" },
		{ "\"sysctls\": [\"net.a=\"]", ".sysctls[0]", "empty value" },
		{ "\"cap_add\": [\"NET_ADMIN\", \"cap_sys_time\", \"all\"]", NULL, NULL },
		{ "\"cap_add\": [\"NET_ADMINS\"]", ".cap_add[0]", "capability" },
		{ "\"cap_add\": [\"\"]", ".cap_add[0]", "empty" },
		{ "\"cap_add\": \"ALL\"", ".cap_add", "must be an array" },
		{ "\"cap_drop\": [\"ALL\"]", NULL, NULL },
		{ "\"cap_drop\": [7]", ".cap_drop[0]", "must be a string" },
		{ "\"ulimits\": {\"nofile\": 1024, \"nproc\": \"64\", \"core\": -1}", NULL, NULL },
		{ "\"ulimits\": {\"nofile\": {\"soft\": 1, \"hard\": -1}}", NULL, NULL },
		{ "\"ulimits\": {\"nofile\": {\"soft\": -1, \"hard\": 1}}", ".ulimits.nofile", "above" },
		{ "\"ulimits\": {\"nofile\": {\"soft\": 1}}", ".ulimits.nofile", "both" },
		{ "\"ulimits\": {\"nofile\": {\"soft\": 1, \"hard\": -2}}", ".ulimits.nofile.hard", "range" },
		{ "\"ulimits\": {\"nofile\": -2}", ".ulimits.nofile", "range" },
		{ "\"ulimits\": {\"nofile\": 9223372036854775807}", NULL, NULL },
		{ "\"ulimits\": {\"nofile\": \"9223372036854775808\"}", ".ulimits.nofile", "range" },
		{ "\"ulimits\": {\"files\": 1}", ".ulimits.files", "getrlimit" },
		{ "\"ulimits\": {\"nofile\": []}", ".ulimits.nofile", "not an array" },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

static void check_vector(char *const *vector, const char *const *wanted, size_t count)
{
	assert_int_equal(strv_length(vector), count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(vector[i], wanted[i]);
}

static void test_values(void **state)
{
	static const char *const command[] = { "sh", "-c", "echo $A; b" };
	static const char *const environment[] = { "A=1", "B=0.1", "C=true", "D=" };
	static const char *const labels[] = { "a=", "b=x=y" };
	static const char *const caps[] = { "NET_ADMIN", "ALL" };
	static const char *const sysctls[] = { "kernel.sem=250 32000 32 128", "kernel.shmall=5" };
	cleanup_with(decoded_release) struct decoded decoded = decode_members(
	        "\"command\": \"sh -c 'echo $A; b'\", \"entrypoint\": \"\", \"environment\": {\"A\": 1, "
	        "\"B\": "
	        "0.1, \"C\": true, \"D\": \"\"}, \"labels\": [\"a\", \"b=x=y\"], \"cap_add\": "
	        "[\"net_admin\", "
	        "\"CAP_NET_ADMIN\", \"ALL\"], \"sysctls\": {\"kernel.sem\": \"250 32000 32 128\", "
	        "\"kernel.shmall\": 5}, \"ulimits\": {\"nofile\": {\"soft\": 5, \"hard\": 6}, \"core\": -1}");
	const struct container_spec *spec = &decoded.app.services[0].container;

	(void)state;
	check_accepted(&decoded, "all values");
	check_vector(spec->command, command, array_size(command));
	assert_true(spec->has_command && spec->has_entrypoint);
	check_vector(spec->entrypoint, NULL, 0);
	check_vector(spec->environment, environment, array_size(environment));
	check_vector(spec->labels, labels, array_size(labels));
	check_vector(spec->cap_add, caps, array_size(caps));
	check_vector(spec->sysctls, sysctls, array_size(sysctls));
	assert_int_equal(spec->n_ulimits, 2);
	assert_string_equal(spec->ulimits[0].name, "nofile");
	assert_true(spec->ulimits[0].soft == 5 && spec->ulimits[0].hard == 6);
	assert_true(spec->ulimits[1].soft == UINT64_MAX && spec->ulimits[1].hard == UINT64_MAX);
}

static void test_null_keeps_the_image(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded =
	        decode_members("\"command\": null, \"entrypoint\": null");

	(void)state;
	check_accepted(&decoded, "null");
	assert_false(decoded.app.services[0].container.has_command);
	assert_false(decoded.app.services[0].container.has_entrypoint);
}

static void test_host_network_and_sysctls(void **state)
{
	static const struct example examples[] = {
		{ "\"sysctls\": {\"net.a\": 1}, \"network_mode\": \"host\"", ".sysctls", "host" },
		{ "\"sysctls\": {\"kernel.sem\": 1}, \"network_mode\": \"host\"", NULL, NULL },
		{ "\"network_mode\": \"none\", \"sysctls\": {\"net.a\": 1}", NULL, NULL },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

static void test_item_limits(void **state)
{
	static const struct {
		const char *prefix;
		const char *item;
		const char *suffix;
		const char *path;
	} lists[] = {
		{ "\"command\": [", "\"w\"", "]", ".command" },
		{ "\"entrypoint\": [", "\"w\"", "]", ".entrypoint" },
		{ "\"environment\": [", "\"N%zu=1\"", "]", ".environment" },
		{ "\"environment\": {", "\"N%zu\": 1", "}", ".environment" },
		{ "\"labels\": [", "\"N%zu\"", "]", ".labels" },
		{ "\"labels\": {", "\"N%zu\": 1", "}", ".labels" },
		{ "\"sysctls\": {", "\"net.n%zu\": 1", "}", ".sysctls" },
		{ "\"cap_add\": [", "\"ALL\"", "]", ".cap_add" },
		{ "\"cap_drop\": [", "\"ALL\"", "]", ".cap_drop" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(lists); i++) {
		cleanup_free char *most =
		        repeat(lists[i].prefix, lists[i].item, CONFIG_MAX_LIST_ITEMS, lists[i].suffix);
		cleanup_free char *above =
		        repeat(lists[i].prefix, lists[i].item, CONFIG_MAX_LIST_ITEMS + 1, lists[i].suffix);

		check_examples(&(struct example){ most, NULL, NULL }, 1);
		check_examples(&(struct example){ above, lists[i].path, "too many items" }, 1);
	}
}

static void test_word_limit(void **state)
{
	for (size_t above = 0; above <= 1; above++) {
		cleanup_free char *text = malloc(2 * (CONFIG_MAX_LIST_ITEMS + 1) + 32);
		char *next = stpcpy(text, "\"command\": \"");

		for (size_t i = 0; i < CONFIG_MAX_LIST_ITEMS + above; i++)
			next = stpcpy(next, "w ");
		memcpy(next, "\"", 2);
		check_examples(&(struct example){ text, above ? ".command" : NULL, "too many words" }, 1);
	}
	(void)state;
}

static void test_string_limits(void **state)
{
	static const struct {
		const char *prefix;
		size_t more; /* bytes of the string that are not x */
		const char *suffix;
		const char *path;
	} strings[] = {
		{ "\"command\": [\"", 0, "\"]", ".command[0]" },
		{ "\"command\": \"", 0, "\"", ".command" },
		{ "\"environment\": [\"A=", 2, "\"]", ".environment[0]" },
		{ "\"environment\": {\"A\": \"", 2, "\"}", ".environment.A" },
		{ "\"labels\": {\"A\": \"", 2, "\"}", ".labels.A" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(strings); i++) {
		size_t most_length = CONFIG_MAX_STRING_BYTES - strings[i].more;
		cleanup_free char *most = long_text(strings[i].prefix, most_length, strings[i].suffix);
		cleanup_free char *above = long_text(strings[i].prefix, most_length + 1, strings[i].suffix);

		check_examples(&(struct example){ most, NULL, NULL }, 1);
		check_examples(&(struct example){ above, strings[i].path, "too long" }, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_null_keeps_the_image),
		cmocka_unit_test(test_host_network_and_sysctls),
		cmocka_unit_test(test_item_limits),
		cmocka_unit_test(test_word_limit),
		cmocka_unit_test(test_string_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
