/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes that are one value: every form, every limit at its maximum and one above. */
#include "tests/unit/model/decode.h"

static void test_examples(void **state)
{
	static const struct example examples[] = {
		{ "\"read_only\": true", NULL, NULL },
		{ "\"read_only\": false", NULL, NULL },
		{ "\"read_only\": \"true\"", NULL, NULL },
		{ "\"read_only\": \"yes\"", ".read_only", "true or false" },
		{ "\"read_only\": 1", ".read_only", "must be a string, true or false, not an integer" },
		{ "\"init\": true", NULL, NULL },
		{ "\"init\": \"false\"", NULL, NULL },
		{ "\"init\": null", ".init", "not null" },
		{ "\"hostname\": \"edge-1.example\"", NULL, NULL },
		{ "\"hostname\": \"\"", ".hostname", "empty" },
		{ "\"hostname\": \"-a\"", ".hostname", "host name" },
		{ "\"hostname\": \"a_b\"", ".hostname", "host name" },
		{ "\"hostname\": \"a..b\"", ".hostname", "host name" },
		{ "\"working_dir\": \"/srv\"", NULL, NULL },
		{ "\"working_dir\": \"srv\"", ".working_dir", "absolute" },
		{ "\"working_dir\": \"/srv/../etc\"", ".working_dir", "\"..\"" },
		{ "\"user\": \"1000\"", NULL, NULL },
		{ "\"user\": 1000", NULL, NULL },
		{ "\"user\": 2147483647", NULL, NULL },
		{ "\"user\": 2147483648", ".user", "range" },
		{ "\"user\": -1", ".user", "range" },
		{ "\"user\": \"app:app\"", NULL, NULL },
		{ "\"user\": \"0x0\"", ".user", "USER" },
		{ "\"user\": \"\"", ".user", "empty" },
		{ "\"restart\": \"always\"", NULL, NULL },
		{ "\"restart\": \"no\"", NULL, NULL },
		{ "\"restart\": \"unless-stopped\"", NULL, NULL },
		{ "\"restart\": \"on-failure\"", NULL, NULL },
		{ "\"restart\": \"on-failure:4294967295\"", NULL, NULL },
		{ "\"restart\": \"on-failure:4294967296\"", ".restart", "must be" },
		{ "\"restart\": \"on-failure:\"", ".restart", "must be" },
		{ "\"restart\": \"always:1\"", ".restart", "must be" },
		{ "\"restart\": \"\"", ".restart", "must be" },
		{ "\"restart\": false", ".restart", "must be a string, not false" },
		{ "\"stop_signal\": \"SIGINT\"", NULL, NULL },
		{ "\"stop_signal\": 2", NULL, NULL },
		{ "\"stop_signal\": 0", ".stop_signal", "must be a signal" },
		{ "\"stop_signal\": \"SIGFOO\"", ".stop_signal", "must be a signal" },
		{ "\"stop_grace_period\": \"24h\"", NULL, NULL },
		{ "\"stop_grace_period\": \"24h1ms\"", ".stop_grace_period", "too long" },
		{ "\"stop_grace_period\": \"10\"", ".stop_grace_period", "duration" },
		{ "\"stop_grace_period\": \"-1s\"", ".stop_grace_period", "duration" },
		{ "\"stop_grace_period\": 10", ".stop_grace_period", "must be a string" },
		{ "\"network_mode\": \"none\"", NULL, NULL },
		{ "\"network_mode\": \"host\"", NULL, NULL },
		{ "\"network_mode\": \"bridge\"", ".network_mode", "not supported yet" },
		{ "\"network_mode\": \"service:x\"", ".network_mode", "not supported yet" },
		{ "\"logging\": {\"driver\": \"json-file\"}", NULL, NULL },
		{ "\"logging\": {\"driver\": \"local\"}", NULL, NULL },
		{ "\"logging\": {\"driver\": \"syslog\"}", ".logging.driver", "not supported yet" },
		{ "\"logging\": {\"options\": {\"max-size\": \"1g\", \"max-file\": \"100\"}}", NULL, NULL },
		{ "\"logging\": {\"options\": {\"max-size\": 4096, \"max-file\": 1}}", NULL, NULL },
		{ "\"logging\": {\"options\": {\"max-size\": 4095}}", ".logging.options.max-size", "range" },
		{ "\"logging\": {\"options\": {\"max-size\": \"1025m\"}}", ".logging.options.max-size",
		        "range" },
		{ "\"logging\": {\"options\": {\"max-file\": 101}}", ".logging.options.max-file", "range" },
		{ "\"logging\": {\"options\": {\"max-file\": 0}}", ".logging.options.max-file", "range" },
		{ "\"logging\": {\"options\": {\"tag\": \"x\"}}", ".logging.options.tag", "unknown" },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

static void test_numbers(void **state)
{
	static const struct example examples[] = {
		{ "\"mem_limit\": 262144", NULL, NULL },
		{ "\"mem_limit\": 262143", ".mem_limit", "range" },
		{ "\"mem_limit\": 0", ".mem_limit", "range" },
		{ "\"mem_limit\": -1", ".mem_limit", "range" },
		{ "\"mem_limit\": 1125899906842624", NULL, NULL },
		{ "\"mem_limit\": 1125899906842625", ".mem_limit", "range" },
		{ "\"mem_limit\": 1e6", NULL, NULL },
		{ "\"mem_limit\": 1e300", ".mem_limit", "range" },
		{ "\"mem_limit\": 1000000.5", ".mem_limit", "must be bytes" },
		{ "\"mem_limit\": \"1048576g\"", NULL, NULL },
		{ "\"mem_limit\": \"1048577g\"", ".mem_limit", "range" },
		{ "\"mem_limit\": \"99999999999999999999\"", ".mem_limit", "range" },
		{ "\"mem_limit\": \"\"", ".mem_limit", "must be bytes" },
		{ "\"mem_limit\": \"-1\"", ".mem_limit", "must be bytes" },
		{ "\"mem_limit\": \"nan\"", ".mem_limit", "must be bytes" },
		{ "\"mem_limit\": \"64x\"", ".mem_limit", "must be bytes" },
		{ "\"mem_limit\": true", ".mem_limit", "must be a string or a number, not true" },
		{ "\"cpus\": 0.01", NULL, NULL },
		{ "\"cpus\": 0.009", ".cpus", "range" },
		{ "\"cpus\": 0", ".cpus", "range" },
		{ "\"cpus\": -1", ".cpus", "number of CPUs" },
		{ "\"cpus\": 8192", NULL, NULL },
		{ "\"cpus\": 8192.001", ".cpus", "range" },
		{ "\"cpus\": 1e300", ".cpus", "range" },
		{ "\"cpus\": \"0.5\"", NULL, NULL },
		{ "\"cpus\": \"inf\"", ".cpus", "number of CPUs" },
		{ "\"cpus\": \"1e3\"", ".cpus", "number of CPUs" },
		{ "\"cpus\": \"\"", ".cpus", "number of CPUs" },
		{ "\"cpus\": \"8193\"", ".cpus", "range" },
		{ "\"pids_limit\": -1", NULL, NULL },
		{ "\"pids_limit\": \"-1\"", NULL, NULL },
		{ "\"pids_limit\": 1", NULL, NULL },
		{ "\"pids_limit\": 0", ".pids_limit", "above 0" },
		{ "\"pids_limit\": -2", ".pids_limit", "range" },
		{ "\"pids_limit\": 4194304", NULL, NULL },
		{ "\"pids_limit\": 4194305", ".pids_limit", "range" },
		{ "\"scale\": 0", NULL, NULL },
		{ "\"scale\": \"2\"", NULL, NULL },
		{ "\"scale\": -1", ".scale", "range" },
		{ "\"scale\": 1.5", ".scale", "must be a string or an integer, not a number" },
		{ "\"scale\": \"two\"", ".scale", "whole number" },
		{ "\"deploy\": {\"replicas\": -1}", ".deploy.replicas", "range" },
		{ "\"deploy\": {\"resources\": {\"limits\": {\"cpus\": \"0.5\", \"memory\": \"64M\", "
		  "\"pids\": 64}}}",
		        NULL, NULL },
		{ "\"deploy\": {\"resources\": {\"limits\": {\"memory\": \"1\"}}}",
		        ".deploy.resources.limits.memory", "range" },
		{ "\"deploy\": {\"resources\": {\"limits\": {\"pids\": 0}}}", ".deploy.resources.limits.pids",
		        "above 0" },
		{ "\"deploy\": {\"resources\": {\"reservations\": {\"cpus\": 0.25, \"memory\": \"1m\"}}}",
		        NULL, NULL },
		{ "\"deploy\": {\"resources\": {\"reservations\": {\"cpus\": 0}}}",
		        ".deploy.resources.reservations.cpus", "range" },
		{ "\"x-baton\": {\"runtime\": \"crun\", \"placement\": {\"policy\": \"binpack\"}}", NULL,
		        NULL },
		{ "\"x-baton\": {\"runtime\": \"../evil\"}", ".x-baton.runtime", "must be 1 to 63" },
		{ "\"x-baton\": {\"runtime\": \"a123456789012345678901234567890b\"}", NULL, NULL },
		{ "\"x-baton\": {\"runtime\": \"a1234567890123456789012345678901c\"}", ".x-baton.runtime",
		        "at most 32" },
		{ "\"x-baton\": {\"placement\": {\"policy\": \"\"}}", ".x-baton.placement.policy", "empty" },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

static void test_replicas_limit(void **state)
{
	for (int above = 0; above <= 1; above++) {
		cleanup_free char *members = NULL;

		assert_true(asprintf(&members, "\"scale\": %d", CONFIG_MAX_REPLICAS + above) > 0);
		check_examples(&(struct example){ members, above ? ".scale" : NULL, "range" }, 1);
	}
	(void)state;
}

static void test_values(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded = decode_members(
	        "\"user\": 7, \"restart\": \"on-failure:3\", \"stop_signal\": \"int\", "
	        "\"stop_grace_period\": "
	        "\"1m30s\", \"mem_limit\": \"64m\", \"cpus\": 0.29, \"pids_limit\": -1, \"scale\": 3, "
	        "\"hostname\": \"h\", \"working_dir\": \"/w\", \"read_only\": true, \"init\": true, "
	        "\"network_mode\": \"host\", \"logging\": {\"options\": {\"max-size\": \"64k\", "
	        "\"max-file\": "
	        "3}}, \"x-baton\": {\"runtime\": \"crun\", \"placement\": {\"policy\": \"binpack\"}}, "
	        "\"deploy\": {\"resources\": {\"reservations\": {\"cpus\": \"0.2\", \"memory\": \"1m\"}}}");
	const struct service *service = decoded.app.services;
	const struct container_spec *spec = &service->container;

	(void)state;
	check_accepted(&decoded, "all values");
	assert_string_equal(spec->app, "a");
	assert_string_equal(spec->service, "s");
	assert_string_equal(spec->image, "i");
	assert_string_equal(spec->user, "7");
	assert_int_equal(service->restart.condition, RESTART_ON_FAILURE);
	assert_int_equal(service->restart.max_attempts, 3);
	assert_string_equal(spec->stop_signal, "SIGINT");
	assert_int_equal(spec->stop_grace_ms, 90000);
	assert_int_equal(spec->memory_limit, 64 << 20);
	assert_int_equal(spec->cpu_limit, 290);
	assert_int_equal(spec->pids_limit, -1);
	assert_int_equal(service->replicas, 3);
	assert_string_equal(spec->hostname, "h");
	assert_string_equal(spec->working_dir, "/w");
	assert_true(spec->read_only && spec->init);
	assert_int_equal(spec->network, NETWORK_HOST);
	assert_int_equal(spec->log_max_size, 64 << 10);
	assert_int_equal(spec->log_max_files, 3);
	assert_string_equal(spec->runtime, "crun");
	assert_string_equal(service->placement_policy, "binpack");
	assert_int_equal(service->reserve_cpu, 200);
	assert_int_equal(service->reserve_memory, 1 << 20);
	assert_int_equal(decoded.verdict.n_warnings, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_replicas_limit),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
