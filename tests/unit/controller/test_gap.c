/* SPDX-License-Identifier: Apache-2.0 */
/* A broker that leaves out messages, because its queue is short: absent does not mean removed, nor old rolled
 * back. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/controller/controller-priv.h"
#include "tests/unit/controller/fake.h"

#define CART(version) MANIFEST("\"cart\": {\"image\": \"cart:" #version "\", \"scale\": 5}")

static struct fake *start(void)
{
	struct fake *fake = fake_new();

	fake_node(fake, "n1", 512, "\"native\"");
	fake_node(fake, "n2", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", CART(1), true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_report(fake, "n2", INSTANCE_RUNNING);
	fake_expect(fake, "shop", "state", "running");
	return fake;
}

static void forget_journal(struct fake *fake)
{
	assert_int_equal(tree_remove_at(AT_FDCWD, fake->directory), 0);
	close_fd(&fake->directory_fd);
	fake->directory_fd = dir_open_make(fake->directory, 0700, NULL);
	assert_true(fake->directory_fd >= 0);
}

/* The broker's queue was too short for what it holds: absent is not removed, until everything has come. */
static void replay_with_a_gap_removes_nothing(void **state)
{
	struct fake *fake = start();
	json_t *manifest = json_object_get(fake->retained, "apps/shop/desired");

	(void)state;
	json_incref(manifest);
	fake_stop(fake);
	assert_int_equal(json_object_del(fake->retained, "apps/shop/desired"), 0);
	fake_start_unsynced(fake);
	controller_incomplete(fake->controller);
	controller_synced(fake->controller);
	assert_false(fake_has_event(fake, "app.removed"));
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 5);
	assert_int_equal(json_object_set_new(fake->retained, "apps/shop/desired", manifest), 0);
	fake_replay(fake);
	assert_false(fake_has_event(fake, "app.removed"));
	fake_expect(fake, "shop", "state", "running");
	assert_int_equal(json_object_del(fake->retained, "apps/shop/desired"), 0);
	fake_replay(fake);
	assert_true(fake_has_event(fake, "app.removed"));
	fake_free(fake);
}

/* An operator has put an older manifest in place, and the broker left out its revision and our watermark. */
static void replay_with_a_gap_restores_nothing(void **state)
{
	struct fake *fake = start();
	json_t *older = json_incref(json_object_get(fake->retained, "apps/shop/desired"));

	(void)state;
	fake_put(fake, "apps/shop/desired", CART(2), true);
	fake_stop(fake);
	assert_int_equal(json_object_set_new(fake->retained, "apps/shop/desired", older), 0);
	assert_int_equal(json_object_del(fake->retained, "controller/leader"), 0);
	fake_start_unsynced(fake);
	controller_incomplete(fake->controller);
	controller_synced(fake->controller);
	assert_ptr_equal(json_object_get(fake->retained, "apps/shop/desired"), older);
	assert_true(fake_has_event(fake, "broker.incomplete"));
	fake_free(fake);
}

static void controller_without_a_journal_does_not_lead_with_a_gap(void **state)
{
	struct fake *fake = start();

	(void)state;
	fake_stop(fake);
	forget_journal(fake);
	assert_int_equal(json_object_del(fake->retained, "apps/shop/desired"), 0);
	fake_start_unsynced(fake);
	controller_incomplete(fake->controller);
	controller_synced(fake->controller);
	controller_tick(fake->controller);
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 5);
	assert_int_equal(fake->controller->term, 0);
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replay_with_a_gap_removes_nothing),
		cmocka_unit_test(replay_with_a_gap_restores_nothing),
		cmocka_unit_test(controller_without_a_journal_does_not_lead_with_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
