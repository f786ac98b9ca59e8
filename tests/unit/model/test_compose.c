/* SPDX-License-Identifier: Apache-2.0 */
/* The document as a whole: text, top level, names, limits of the document. */
#include "core/base/strv.h"
#include "tests/unit/model/decode.h"

static void refuse(const char *text, const char *topic_app, const char *path, const char *reason)
{
	cleanup_with(decoded_release) struct decoded decoded = decode_text_as(text, topic_app);

	check_one_error(&decoded, path, reason, text);
}

static void accept(const char *text, const char *topic_app)
{
	cleanup_with(decoded_release) struct decoded decoded = decode_text_as(text, topic_app);

	check_accepted(&decoded, text);
}

#define SERVICES "\"services\": {\"s\": {\"image\": \"i\"}}"

static void test_text(void **state)
{
	(void)state;
	refuse("", "a", "$", "not valid JSON");
	refuse("{", "a", "$", "not valid JSON");
	refuse("{} {}", "a", "$", "not valid JSON");
	refuse("[]", "a", "$", "must be an object, not an array");
	refuse("{\"name\": \"\\u0000\"}", "a", "$", "not valid JSON");
	refuse("{\"name\": \"\xff\"}", "a", "$", "not valid JSON");
	refuse("{\"name\": \"a\", \"name\": \"a\", " SERVICES "}", "a", "$", "not valid JSON");
	refuse("{" SERVICES ", \"services\": {}}", "a", "$", "not valid JSON");
}

static void test_top_level(void **state)
{
	(void)state;
	accept("{\"name\": \"a\", " SERVICES "}", "a");
	accept("{\"name\": \"a\", " SERVICES "}", NULL);
	accept("{" SERVICES "}", "a");
	accept("{" SERVICES ", \"x-other\": [1], \"x-baton\": {}}", "a");
	refuse("{" SERVICES "}", NULL, "$", "needs a \"name\"");
	refuse("{\"name\": \"b\", " SERVICES "}", "a", "$.name", "topic");
	refuse("{\"name\": \"A\", " SERVICES "}", NULL, "$.name", "must be 1 to 63");
	refuse("{\"name\": \"\", " SERVICES "}", NULL, "$.name", "must be 1 to 63");
	refuse("{\"name\": 1, " SERVICES "}", NULL, "$.name", "must be a string");
	refuse("{}", "a", "$", "needs \"services\"");
	refuse("{\"services\": {}}", "a", "$.services", "needs a service");
	refuse("{\"services\": []}", "a", "$.services", "must be an object");
	refuse("{\"services\": {\"s\": null}}", "a", "$.services.s", "must be an object, not null");
	refuse("{\"services\": {\"s\": {}}}", "a", "$.services.s", "needs an \"image\"");
	refuse("{\"services\": {\"s\": {\"image\": \"\"}}}", "a", "$.services.s.image", "empty");
	refuse("{\"services\": {\"s\": {\"image\": \"a b\"}}}", "a", "$.services.s.image", "reference");
	refuse("{\"services\": {\"S\": {\"image\": \"i\"}}}", "a", "$.services.S", "name of a service");
	refuse("{\"services\": {\"\": {\"image\": \"i\"}}}", "a", "$.services[\"\"]", "name of a service");
	refuse("{\"services\": {\"a/b\": {\"image\": \"i\"}}}", "a", "$.services[\"a/b\"]", "name of a");
	refuse("{" SERVICES ", \"x-baton\": {\"x-y\": 1}}", "a", "$.x-baton.x-y", "unknown");
	refuse("{" SERVICES ", \"networks\": {\"default\": null}}", "a", "$.networks", "not supported yet");
	refuse("{" SERVICES ", \"service\": {}}", "a", "$.service", "did you mean \"services\"");
}

static void test_volumes(void **state)
{
	(void)state;
	accept("{" SERVICES ", \"volumes\": {}}", "a");
	accept("{" SERVICES ", \"volumes\": {\"v\": {}, \"w\": null, \"y\": {\"x-y\": 1}}}", "a");
	refuse("{" SERVICES ", \"volumes\": {\"V\": null}}", "a", "$.volumes.V", "name of a volume");
	refuse("{" SERVICES ", \"volumes\": {\"v\": []}}", "a", "$.volumes.v", "must be an object or null");
	refuse("{" SERVICES ", \"volumes\": {\"v\": {\"driver\": \"local\"}}}", "a", "$.volumes.v.driver",
	        "not supported yet");
	refuse("{" SERVICES ", \"volumes\": {\"v\": {\"drivers\": 1}}}", "a", "$.volumes.v.drivers",
	        "did you mean \"driver\"");
	refuse("{" SERVICES ", \"volumes\": []}", "a", "$.volumes", "must be an object");
}

static void test_warnings(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded = decode_text_as(
	        "{\"version\": \"3\", \"services\": {\"s\": {\"image\": \"i\", \"build\": \".\"}}}", "a");

	(void)state;
	check_accepted(&decoded, "ignored");
	assert_int_equal(decoded.verdict.n_warnings, 3);
	assert_string_equal(decoded.verdict.warnings[0].path, "$.version");
	assert_string_equal(decoded.verdict.warnings[1].path, "$.services.s.build");
	assert_string_equal(decoded.verdict.warnings[2].path, "$.services.s");
	assert_string_equal(decoded.verdict.warnings[2].reason, "no network yet: isolated with a loopback");
	assert_int_equal(decoded.app.services[0].container.network, NETWORK_NONE);
}

static void test_defaults(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded = decode_text_as(
	        "{\"services\": {\"z\": {\"image\": \"i\"}, \"a\": {\"image\": \"j\"}}, \"volumes\": {\"v\": "
	        "null}}",
	        "app");
	const struct service *service = decoded.app.services;

	(void)state;
	check_accepted(&decoded, "defaults");
	assert_string_equal(decoded.app.name, "app");
	assert_int_equal(decoded.app.n_services, 2);
	assert_string_equal(service[0].name, "a");
	assert_string_equal(service[1].name, "z");
	assert_true(strv_contains(decoded.app.volumes, "v"));
	assert_int_equal(service->replicas, 1);
	assert_int_equal(service->restart.condition, RESTART_ALWAYS);
	assert_int_equal(service->container.stop_grace_ms, 10000);
	assert_null(service->container.stop_signal);
	assert_null(service->placement_policy);
	assert_int_equal(service->container.memory_limit, 0);
	assert_int_equal(service->container.pids_limit, 0);
	assert_string_equal(service->container.app, "app");
}

static void test_all_errors_at_once(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded =
	        decode_text_as("{\"name\": 1, \"services\": {\"a\": {\"imag\": 1}, \"b\": {\"image\": \"i\", "
	                       "\"ports\": [], \"cpus\": \"x\"}}, \"secrets\": {}}",
	                "app");

	(void)state;
	assert_int_equal(decoded.result, -EINVAL);
	assert_int_equal(decoded.verdict.n_errors, 6);
}

static void test_document_bytes(void **state)
{
	static const char start[] = "{" SERVICES "}";

	(void)state;
	for (size_t above = 0; above <= 1; above++) {
		size_t length = CONFIG_MAX_DOCUMENT_BYTES + above;
		cleanup_free char *text = malloc(length);

		memset(text, ' ', length);
		memcpy(text, start, sizeof(start) - 1);
		{
			cleanup_with(decoded_release) struct decoded decoded =
			        decode_bytes_as(text, length, "a");

			assert_int_equal(decoded.result, above ? -EINVAL : 0);
			if (above)
				assert_non_null(strstr(decoded.verdict.errors[0].limit, "bytes"));
		}
	}
}

static char *nested(size_t depth)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)fputs("{" SERVICES ", \"x-deep\": ", out);
	for (size_t i = 1; i < depth; i++)
		(void)fputc('[', out);
	for (size_t i = 1; i < depth; i++)
		(void)fputc(']', out);
	(void)fputc('}', out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_document_depth(void **state)
{
	cleanup_free char *most = nested(CONFIG_MAX_DOCUMENT_DEPTH);
	cleanup_free char *above = nested(CONFIG_MAX_DOCUMENT_DEPTH + 1);

	(void)state;
	accept(most, "a");
	refuse(above, "a", "$", "nested");
}

static void test_service_limit(void **state)
{
	cleanup_free char *most =
	        repeat("{\"services\": {", "\"s%zu\": {\"image\": \"i\"}", CONFIG_MAX_SERVICES, "}}");
	cleanup_free char *above =
	        repeat("{\"services\": {", "\"s%zu\": {\"image\": \"i\"}", CONFIG_MAX_SERVICES + 1, "}}");

	(void)state;
	accept(most, "a");
	refuse(above, "a", "$.services", "too many services");
}

static void test_volume_limit(void **state)
{
	cleanup_free char *most =
	        repeat("{" SERVICES ", \"volumes\": {", "\"v%zu\": null", CONFIG_MAX_LIST_ITEMS, "}}");
	cleanup_free char *above =
	        repeat("{" SERVICES ", \"volumes\": {", "\"v%zu\": null", CONFIG_MAX_LIST_ITEMS + 1, "}}");

	(void)state;
	accept(most, "a");
	refuse(above, "a", "$.volumes", "too many volumes");
}

/* examples/hello/compose.yaml as `baton apply` publishes it. */
static void test_hello_example(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded = decode_text_as(
	        "{\"name\": \"hello\", \"services\": {\"hello\": {\"image\": \"baton/hello:1\", \"command\": "
	        "[\"sh\", \"-c\", \"while true; do echo hello; sleep 1; done\\n\"], \"restart\": \"always\", "
	        "\"mem_limit\": \"16m\", \"pids_limit\": 32, \"read_only\": true, \"network_mode\": "
	        "\"none\", "
	        "\"volumes\": [\"counter:/data\"]}}, \"volumes\": {\"counter\": null}}",
	        "hello");
	const struct service *service = decoded.app.services;

	(void)state;
	check_accepted(&decoded, "hello");
	assert_int_equal(decoded.verdict.n_warnings, 0);
	assert_int_equal(strv_length(service->container.command), 3);
	assert_int_equal(service->container.memory_limit, 16 << 20);
	assert_int_equal(service->container.pids_limit, 32);
	assert_true(service->container.read_only);
	assert_string_equal(service->container.mounts[0].source, "counter");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_top_level),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_errors_at_once),
		cmocka_unit_test(test_document_bytes),
		cmocka_unit_test(test_document_depth),
		cmocka_unit_test(test_service_limit),
		cmocka_unit_test(test_volume_limit),
		cmocka_unit_test(test_hello_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
