/* SPDX-License-Identifier: Apache-2.0 */
/* Two controllers on one broker, which nobody wants: they must not answer each other without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"
#include "tests/unit/controller/fake.h"

/* Documents of this fleet: status, assignments, revision, leader. One tick repairs each a few times. */
#define MESSAGES_MAX 60

static size_t carry(struct fake *from, struct fake *to)
{
	cleanup_json json_t *messages = from->outbox;
	json_t *message;
	size_t i;

	from->outbox = json_array();
	json_array_foreach(messages, i, message) {
		fake_put(to, json_string_value(json_array_get(message, 0)),
		        json_string_value(json_array_get(message, 1)), true);
	}
	fake_run(to, CONFIG_STATUS_COALESCE_MS + 10);
	return json_array_size(messages);
}

/* Until both are at rest; how many messages that took. */
static size_t pump(struct fake *a, struct fake *b)
{
	size_t count = 0;
	size_t before;

	do {
		before = count;
		count += carry(a, b);
		count += carry(b, a);
		if (count > MESSAGES_MAX) {
			cleanup_free char *text = json_text(a->outbox);

			fail_msg("two controllers do not come to rest: %.500s", text);
		}
	} while (count > before);
	return count;
}

static void put_both(struct fake *a, struct fake *b, const char *topic, const char *text)
{
	fake_put(a, topic, text, true);
	fake_put(b, topic, text, true);
}

static void two_controllers_come_to_rest(void **state)
{
	struct fake *fakes[2];

	(void)state;
	for (size_t i = 0; i < array_size(fakes); i++) {
		fakes[i] = fake_new();
		fake_node(fakes[i], "n1", 512, "\"native\"");
		fake_node(fakes[i], "n2", 512, "\"native\"");
	}
	put_both(fakes[0], fakes[1], "apps/shop/desired",
	        MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 3}"));
	put_both(fakes[0], fakes[1], "policies/placement/mine", "return {score = function() return 0 end}");
	(void)pump(fakes[0], fakes[1]);
	for (int tick = 0; tick < 4; tick++) {
		for (size_t i = 0; i < array_size(fakes); i++) {
			fakes[i]->controller->term_raised_ms -= CONFIG_BEAT_MS;
			controller_tick(fakes[i]->controller);
		}
		(void)pump(fakes[0], fakes[1]);
	}
	/* Different wishes are no reason for more. */
	(void)fake_ask(fakes[0], "apps/shop/command/scale", "{\"service\": \"cart\", \"replicas\": 5}");
	(void)pump(fakes[0], fakes[1]);
	for (size_t i = 0; i < array_size(fakes); i++)
		fake_free(fakes[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_controllers_come_to_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
