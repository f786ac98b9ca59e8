/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of many instances fit into one document. */
#include "core/model/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"

/* Everything at its maximum, and reasons that JSON makes six times as long. */
static void fill(struct report_instance *instance, unsigned slot, size_t app_length, size_t service_length)
{
	struct assignment_ref *ref = &instance->ref;

	*instance = (struct report_instance){
		.state = INSTANCE_STARTING,
		.since_ms = 1795514400123,
		.restarts = UINT32_MAX,
		.has_exit = true,
		.exit_code = 255,
		.pid = 4194304,
		.limit_unenforced = true,
	};
	memset(ref->app, 'a', app_length);
	memset(ref->service, 's', service_length);
	memset(ref->digest, 'd', DIGEST_HEX_LENGTH);
	ref->slot = slot;
	assert_true((size_t)snprintf(ref->id, sizeof(ref->id), "%s.%s.%u.0123456789", ref->app, ref->service,
	                    slot) < sizeof(ref->id));
	memset(instance->reason, 0x1b, sizeof(instance->reason) - 1);
	memset(instance->image_digest, 'i', sizeof(instance->image_digest) - 1);
	memset(instance->runtime, 'r', sizeof(instance->runtime) - 1);
}

static json_t *encode(size_t count, size_t app_length, size_t service_length)
{
	cleanup_free struct report_instance *instances = calloc(count, sizeof(*instances));
	struct report report = { .node = "n", .boot = "b", .instances = instances, .n_instances = count };

	assert_non_null(instances);
	for (size_t i = 0; i < count; i++)
		fill(&instances[i], (unsigned)i + 1, app_length, service_length);
	return report_encode(&report);
}

/* Through text and back, as the controller reads it. */
static void assert_fits(size_t count, size_t app_length, size_t service_length)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	cleanup_json json_t *document = encode(count, app_length, service_length);
	cleanup_json json_t *parsed = NULL;
	cleanup_free char *text = NULL;
	struct report report;
	struct baton_error err;

	assert_non_null(document);
	text = json_text(document);
	assert_int_equal(strlen(text), json_text_length(document));
	if (json_parse(text, strlen(text), limits, &parsed, &err) < 0)
		fail_msg("%zu instances: %zu bytes: %s", count, strlen(text), err.message);
	if (report_decode(parsed, &report, &err) < 0)
		fail_msg("%zu instances: %s", count, err.message);
	assert_int_equal(report.n_instances, count);
	report_release(&report);
}

static void test_many_instances(void **state)
{
	(void)state;
	assert_fits(0, 1, 1);
	assert_fits(CONFIG_MAX_ASSIGNED_INSTANCES, 4, 6);
	/* the longest names that an id has room for: its own maximum, less dots, slot and hash */
	assert_fits(CONFIG_MAX_ASSIGNED_INSTANCES, 63, INSTANCE_ID_MAX - 63 - 3 - 10 - INSTANCE_HASH_LENGTH);
	/* half as many again, which leave, with names as people give them */
	assert_fits((size_t)CONFIG_MAX_ASSIGNED_INSTANCES * 3 / 2, 8, 8);
}

/* Nothing is left out without need. */
static void test_few_instances(void **state)
{
	cleanup_json json_t *document = encode(2, 8, 8);
	struct report report;
	struct baton_error err;

	(void)state;
	assert_int_equal(report_decode(document, &report, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		struct report_instance wanted;

		fill(&wanted, (unsigned)i + 1, 8, 8);
		assert_memory_equal(&report.instances[i], &wanted, sizeof(wanted));
	}
	report_release(&report);
}

/* More than can be told. */
static void test_too_many(void **state)
{
	(void)state;
	assert_null(encode((size_t)2 * CONFIG_MAX_ASSIGNED_INSTANCES, 50, 50));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_instances),
		cmocka_unit_test(test_few_instances),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
