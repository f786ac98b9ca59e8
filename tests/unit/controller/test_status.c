/* SPDX-License-Identifier: Apache-2.0 */
/* Status documents: what they say of texts and lists that are too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "tests/unit/controller/fake.h"

#define CART(image) MANIFEST("\"cart\": {\"image\": \"" image "\", \"scale\": 2}")

static json_t *status_of(struct fake *fake)
{
	fake_run(fake, 60);
	return fake_json(fake, "apps/shop/status");
}

/* Reasons are cut to size in many places, wherever a character of several bytes happens to be. */
static void cut_texts_are_published(void **state)
{
	char reason[1 + 2 * 124 + 1] = "x";

	(void)state;
	for (size_t i = 0; i < 124; i++)
		memcpy(reason + 1 + 2 * i, "\xc3\xa9", 3);
	for (int shift = 0; shift < 2; shift++) {
		struct fake *fake = fake_new();

		fake_node(fake, "n1", 512, "\"native\"");
		fake_put(fake, "apps/shop/desired", CART("cart:1"), true);
		fake->reason = reason + shift;
		fake_report(fake, "n1", INSTANCE_RUNNING);
		fake_put(fake, "apps/shop/desired", CART("cart:2"), true);
		fake_report_but(fake, "n1", "cart.1.", INSTANCE_BACKOFF, 1, 1);
		fake_expect_contains(fake, "shop", "services/cart/reason", "\xc3\xa9\xc3\xa9");
		fake_expect_contains(fake, "shop", "reason", "paused");
		fake_presence(fake, "n1", false);
		fake_expect_contains(fake, "shop", "instances/0/reason", "last report: ");
		fake_free(fake);
	}
}

static void explained_nodes_are_published(void **state)
{
	(void)state;
	for (int shift = 0; shift < 2; shift++) {
		struct fake *fake = fake_new();
		char info[512];

		(void)snprintf(info, sizeof(info),
		        "{\"name\": \"n1\", \"architecture\": \"x86_64\", \"kernel\": \"6\", \"board\": "
		        "\"\", "
		        "\"version\": \"1\", \"cpu\": 4000, \"memory\": 99999999, \"cgroup\": \"v2\", "
		        "\"labels\": {}, "
		        "\"runtimes\": [\"native\"], \"missing\": [\"memory: %s"
		        "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
		        "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
		        "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"]"
		        "}",
		        shift ? "x" : "");
		fake_put(fake, "nodes/n1/info", info, true);
		fake_presence(fake, "n1", true);
		fake_put(fake, "apps/shop/desired",
		        MANIFEST("\"cart\": {\"image\": \"i\", \"mem_limit\": \"8m\"}"), true);
		fake_expect_contains(fake, "shop", "services/cart/reason", "n1: memory: ");
		fake_free(fake);
	}
}

/* A manifest with so many unknown attributes. */
static void put_errors(struct fake *fake, int count)
{
	char text[64 * (CONFIG_MAX_FINDINGS + 2)] = "{\"services\": {\"cart\": {\"image\": \"i\"";
	size_t length = strlen(text);

	for (int i = 0; i < count; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, ", \"unknown%d\": 1", i);
	(void)snprintf(text + length, sizeof(text) - length, "}}}");
	fake_put(fake, "apps/shop/desired", text, true);
}

static void one_error_too_many(void **state)
{
	struct fake *fake = fake_new();

	(void)state;
	for (int more = 0; more < 2; more++) {
		cleanup_json json_t *status = NULL;
		const json_t *document;

		put_errors(fake, CONFIG_MAX_FINDINGS + more);
		status = status_of(fake);
		document = json_object_get(status, "document");
		assert_int_equal(json_array_size(json_object_get(document, "errors")), CONFIG_MAX_FINDINGS);
		assert_int_equal(json_is_true(json_object_get(document, "truncated")), more);
	}
	fake_free(fake);
}

static void large_status_is_cut(void **state)
{
	struct fake *fake = fake_new();
	cleanup_json json_t *status = NULL;
	char reason[251];
	char name[16];
	size_t listed;

	(void)state;
	memset(reason, 1, sizeof(reason) - 1); /* six bytes of JSON each */
	reason[sizeof(reason) - 1] = '\0';
	fake->reason = reason;
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		fake_node(fake, name, 512, "\"native\"");
	}
	fake_put(fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 400}"),
	        true);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		fake_report(fake, name, INSTANCE_RUNNING);
	}
	put_errors(fake, CONFIG_MAX_FINDINGS);
	status = status_of(fake);
	assert_true(strlen(fake_text(fake, "apps/shop/status")) <= CONFIG_MAX_DOCUMENT_BYTES);
	fake_expect_int(fake, "shop", "services/cart/running", 400);
	fake_expect(fake, "shop", "document/verdict", "rejected");
	assert_true(json_is_true(json_object_get(json_object_get(status, "document"), "truncated")));
	listed = json_array_size(json_object_get(status, "instances"));
	assert_true(listed > 50 && listed < 400);
	assert_int_equal(json_get_int(status, "instances_omitted", 0) + (int64_t)listed, 400);
	fake_free(fake);
}

/* What an older version, or anybody else, left there. */
static void replayed_status_that_is_too_large(void **state)
{
	struct fake *fake = fake_new();
	size_t length;

	(void)state;
	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", CART("cart:1"), true);
	fake_run(fake, 60);
	length = strlen(fake_text(fake, "apps/shop/status"));
	controller_connected(fake->controller);
	fake_put_bytes(fake, "apps/shop/status", NULL, length, true);
	json_array_clear(fake->log);
	fake_replay(fake);
	fake_put_bytes(fake, "apps/shop/status", NULL, length, true);
	fake_expect(fake, "shop", "state", "progressing");
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_texts_are_published),
		cmocka_unit_test(explained_nodes_are_published),
		cmocka_unit_test(one_error_too_many),
		cmocka_unit_test(large_status_is_cut),
		cmocka_unit_test(replayed_status_that_is_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
