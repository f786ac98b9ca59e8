/* SPDX-License-Identifier: Apache-2.0 */
/* What only two attributes together can get wrong, and the limits of a whole service. */
#include "core/model/assignment.h"
#include "tests/unit/model/decode.h"

#define LIMITS(text) "\"deploy\": {\"resources\": {\"limits\": {" text "}}}"
#define BOTH(limits, reservations)                                                                           \
	"\"deploy\": {\"resources\": {\"limits\": {" limits "}, \"reservations\": {" reservations "}}}"

static void test_contradictions(void **state)
{
	static const struct example examples[] = {
		{ "\"scale\": 2, \"deploy\": {\"replicas\": 2}", NULL, NULL },
		{ "\"scale\": 2, \"deploy\": {\"replicas\": 3}", "", "scale and deploy.replicas" },
		{ "\"scale\": 0, \"deploy\": {\"replicas\": 1}", "", "scale and deploy.replicas" },
		{ "\"mem_limit\": \"64m\", " LIMITS("\"memory\": \"65536k\""), NULL, NULL },
		{ "\"mem_limit\": \"64m\", " LIMITS("\"memory\": \"65m\""), "", "mem_limit" },
		{ "\"cpus\": 0.5, " LIMITS("\"cpus\": \"0.5\""), NULL, NULL },
		{ "\"cpus\": 0.5, " LIMITS("\"cpus\": \"0.501\""), "", "cpus" },
		{ "\"pids_limit\": 5, " LIMITS("\"pids\": 5"), NULL, NULL },
		{ "\"pids_limit\": 5, " LIMITS("\"pids\": -1"), "", "pids_limit" },
		{ BOTH("\"memory\": \"2m\"", "\"memory\": \"2m\""), NULL, NULL },
		{ BOTH("\"memory\": \"2m\"", "\"memory\": \"3m\""), "", "reservations.memory" },
		{ BOTH("\"cpus\": 1", "\"cpus\": 1"), NULL, NULL },
		{ BOTH("\"cpus\": 1", "\"cpus\": 1.001"), "", "reservations.cpus" },
		{ "\"mem_limit\": \"1m\", " BOTH("", "\"memory\": \"2m\""), "", "reservations.memory" },
		{ BOTH("", "\"memory\": \"2m\", \"cpus\": 4"), NULL, NULL },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

static void test_replicas(void **state)
{
	cleanup_with(decoded_release) struct decoded scale = decode_members("\"scale\": 0");
	cleanup_with(decoded_release) struct decoded deploy = decode_members("\"deploy\": {\"replicas\": 4}");
	cleanup_with(decoded_release) struct decoded limits =
	        decode_members(LIMITS("\"cpus\": \"1.5\", \"memory\": \"1m\", \"pids\": 9"));

	(void)state;
	check_accepted(&scale, "scale");
	check_accepted(&deploy, "deploy");
	check_accepted(&limits, "limits");
	assert_int_equal(scale.app.services[0].replicas, 0);
	assert_int_equal(deploy.app.services[0].replicas, 4);
	assert_int_equal(limits.app.services[0].container.cpu_limit, 1500);
	assert_int_equal(limits.app.services[0].container.memory_limit, 1 << 20);
	assert_int_equal(limits.app.services[0].container.pids_limit, 9);
}

/* app.service.slot.hash with the largest slot that a scale can ask for. */
static void test_instance_id_limit(void **state)
{
	size_t digits = (size_t)snprintf(NULL, 0, "%d", CONFIG_MAX_REPLICAS);
	size_t names = INSTANCE_ID_MAX - 3 - digits - INSTANCE_HASH_LENGTH;
	size_t app_length = 63 < names - 1 ? 63 : names - 1;

	(void)state;
	for (size_t above = 0; above <= 1; above++) {
		cleanup_free char *app = long_text("", app_length, "");
		cleanup_free char *service = long_text("", names - app_length + above, "");
		cleanup_free char *text = NULL;

		assert_true(asprintf(&text, "{\"services\": {\"%s\": {\"image\": \"i\"}}}", service) > 0);
		{
			cleanup_with(decoded_release) struct decoded decoded = decode_text_as(text, app);

			if (!above) {
				check_accepted(&decoded, text);
			} else {
				assert_int_equal(decoded.verdict.n_errors, 1);
				assert_non_null(strstr(decoded.verdict.errors[0].reason, "too long"));
				assert_non_null(strstr(decoded.verdict.errors[0].limit, "instance id"));
			}
		}
	}
}

/* Each string alone is within its limit. */
static void test_service_bytes(void **state)
{
	cleanup_free char *item = long_text("\"N%zu=", CONFIG_MAX_STRING_BYTES - 8, "\"");
	size_t fit = CONFIG_MAX_SERVICE_BYTES / (CONFIG_MAX_STRING_BYTES + 16);
	cleanup_free char *most = repeat("\"environment\": [", item, fit, "]");
	cleanup_free char *above = repeat("\"environment\": [", item, fit + 2, "]");

	(void)state;
	check_examples(&(struct example){ most, NULL, NULL }, 1);
	check_examples(&(struct example){ above, "", "together are too long" }, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_replicas),
		cmocka_unit_test(test_instance_id_limit),
		cmocka_unit_test(test_service_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
