/* SPDX-License-Identifier: Apache-2.0 */
/* Terms and revisions: higher than everything seen, and what nobody is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"
#include "tests/unit/controller/fake.h"

#define CART MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 3}")

static struct fake *start(void)
{
	struct fake *fake = fake_new();

	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", CART, true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	return fake;
}

static int64_t term_of(const struct fake *fake, const char *topic)
{
	cleanup_json json_t *document = fake_json(fake, topic);

	return json_get_int(document, "term", -1);
}

static void terms_grow_above_everything_seen(void **state)
{
	struct fake *fake = start();
	int64_t term = term_of(fake, "nodes/n1/desired");

	(void)state;
	fake_stop(fake);
	fake_put(fake, "nodes/n9/reported",
	        "{\"node\": \"n9\", \"boot\": \"b\", \"term\": 77, \"revision\": 1, \"instances\": []}",
	        true);
	fake_start(fake);
	fake_put(fake, "apps/shop/desired", "", true);
	assert_int_equal(term, 1);
	assert_int_equal(term_of(fake, "nodes/n1/desired"), 78);
	fake_free(fake);
}

static void revisions_grow_within_a_term(void **state)
{
	struct fake *fake = start();
	int64_t last = 0;

	(void)state;
	for (int i = 0; i < 5; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "{\"service\": \"cart\", \"replicas\": %d}", 8 + 2 * i);
		(void)fake_ask(fake, "apps/shop/command/scale", text);
		cleanup_json json_t *document = fake_json(fake, "nodes/n1/desired");

		assert_true(json_get_int(document, "revision", 0) > last);
		last = json_get_int(document, "revision", 0);
	}
	fake_free(fake);
}

/* Each is completed by the term and "}". */
static const struct {
	const char *topic;
	const char *start;
} claims[] = {
	{ "nodes/n1/beat",
	        "{\"boot\": \"b\", \"seq\": 1, \"revision\": 1, \"free\": {\"memory\": 1, \"cpu\": 1}, "
	        "\"term\": " },
	{ "nodes/n1/reported",
	        "{\"node\": \"n1\", \"boot\": \"b\", \"revision\": 1, \"instances\": [], \"term\": " },
	{ "nodes/n1/desired", "{\"revision\": 1, \"instances\": [], \"term\": " },
};

static void claim(struct fake *fake, size_t index, int64_t term)
{
	char text[256];

	/* Not more often than this does a controller outbid another one. */
	fake->controller->term_raised_ms -= 60000;
	json_array_clear(fake->events);
	(void)snprintf(text, sizeof(text), "%s%lld}", claims[index].start, (long long)term);
	fake_put(fake, claims[index].topic, text, false);
	fake_run(fake, 0);
}

/* Above the limit nobody is believed; at the limit there is still a long way to go. */
static void no_claim_ends_the_terms(void **state)
{
	struct fake *fake = start();

	(void)state;
	for (size_t i = 0; i < array_size(claims); i++) {
		claim(fake, i, TERM_OUTSIDE_MAX + 1);
		assert_true(fake_has_event(fake, "payload.rejected"));
		assert_true(fake->controller->term < TERM_OUTSIDE_MAX);
		claim(fake, i, INT64_MAX);
		assert_true(fake_has_event(fake, "payload.rejected"));
		assert_true(fake->controller->term < TERM_OUTSIDE_MAX);
	}
	for (size_t i = 0; i < array_size(claims); i++) {
		claim(fake, i, TERM_OUTSIDE_MAX);
		assert_int_equal(fake->controller->term, TERM_OUTSIDE_MAX + 1);
		assert_int_equal(term_of(fake, "nodes/n1/desired"), TERM_OUTSIDE_MAX + 1);
		/* What agents say of our own term is fine. */
		claim(fake, i, TERM_OUTSIDE_MAX + 1);
		assert_false(fake_has_event(fake, "payload.rejected"));
	}
	/* The journal remembers it, and every start goes on above it. */
	fake_stop(fake);
	fake_start(fake);
	assert_int_equal(fake->controller->term, TERM_OUTSIDE_MAX + 2);
	fake_put(fake, "apps/shop/desired", "", true);
	assert_int_equal(term_of(fake, "nodes/n1/desired"), TERM_OUTSIDE_MAX + 2);
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_grow_above_everything_seen),
		cmocka_unit_test(revisions_grow_within_a_term),
		cmocka_unit_test(no_claim_ends_the_terms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
