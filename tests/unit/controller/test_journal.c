/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails, and what the journal writes when. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"
#include "core/controller/journal.h"
#include "tests/unit/controller/fake.h"

#define CART(image) MANIFEST("\"cart\": {\"image\": \"" image "\", \"scale\": 2}")

static struct fake *start(void)
{
	struct fake *fake = fake_new();

	fake_node(fake, "n1", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", CART("cart:1"), true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_run(fake, 60);
	return fake;
}

/* Every write fails from now on. */
static int break_disk(struct fake *fake)
{
	int fd = fake->controller->journal_fd;

	fake->controller->journal_fd = -1;
	return fd;
}

/* What happens 10 s after the first failure. */
static void disk_timer(struct fake *fake)
{
	assert_true(event_pending(fake->controller->journal_again, EV_TIMEOUT, NULL));
	event_active(fake->controller->journal_again, EV_TIMEOUT, 0);
}

static int64_t watermark(const struct fake *fake)
{
	cleanup_json json_t *leader = fake_json(fake, "controller/leader");

	return json_get_int(leader, "watermark", -1);
}

static void failing_disk_does_not_keep_the_loop_busy(void **state)
{
	struct fake *fake = start();
	int64_t before = watermark(fake);
	struct app_entry *app = apps_find(fake->controller, "shop");
	int fd;

	(void)state;
	fd = break_disk(fake);
	fake_put(fake, "apps/shop/desired", CART("cart:2"), true);
	json_array_clear(fake->log);
	fake_run(fake, 300);
	/* Status, and at most the event that tells of it; the watermark says what the disk holds. */
	assert_true(json_array_size(fake->log) < 10);
	assert_int_equal(watermark(fake), before);
	assert_true(app->journal);
	assert_true(app->mark <= before);
	/* The disk is there again: the timer writes what waits, without another message. */
	fake->controller->journal_fd = fd;
	disk_timer(fake);
	fake_run(fake, 20);
	assert_false(app->journal);
	assert_true(watermark(fake) > before);
	assert_int_equal(app->mark, watermark(fake));
	fake_free(fake);
}

static bool file_is_there(const struct fake *fake, const char *name)
{
	return faccessat(fake->directory_fd, name, F_OK, 0) == 0;
}

/* A directory in the way of one file: that write fails, the others do not. */
static void document_never_names_bytes_that_are_not_there(void **state)
{
	struct fake *fake = start();
	char name[NAME_MAX];
	char digest[DIGEST_HEX_SIZE];
	cleanup_free char *text = NULL;
	struct app_entry *app = apps_find(fake->controller, "shop");
	size_t length;

	(void)state;
	assert_int_equal(digest_sha256(CART("cart:2"), strlen(CART("cart:2")), digest), 0);
	(void)snprintf(name, sizeof(name), "revision.shop.%s", digest);
	assert_int_equal(mkdirat(fake->directory_fd, name, 0700), 0);
	fake_put(fake, "apps/shop/desired", CART("cart:2"), true);
	fake_run(fake, 60);
	assert_int_equal(file_read_at(fake->directory_fd, "app.shop.json", 1 << 16, &text, &length), 0);
	assert_null(strstr(text, digest));
	assert_true(app->journal);
	assert_int_equal(unlinkat(fake->directory_fd, name, AT_REMOVEDIR), 0);
	disk_timer(fake);
	fake_run(fake, 20);
	assert_false(app->journal);
	assert_true(file_is_there(fake, name));
	fake_free(fake);
}

/* Nothing may be told to be gone before that is durable. */
static void removal_waits_for_the_disk(void **state)
{
	struct fake *fake = start();
	int fd = break_disk(fake);

	(void)state;
	fake_put(fake, "apps/shop/desired", "", true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_run(fake, 100);
	assert_non_null(fake_text(fake, "apps/shop/status"));
	fake->controller->journal_fd = fd;
	disk_timer(fake);
	fake_run(fake, 100);
	assert_null(fake_text(fake, "apps/shop/status"));
	fake_free(fake);
}

static size_t unwritten(const struct fake *fake)
{
	const struct app_entry *app;
	size_t count = 0;

	TABLE_FOREACH(app, &fake->controller->apps)
		count += app->journal;
	return count;
}

static void few_documents_are_written_in_one_turn(void **state)
{
	struct fake *fake = fake_new();
	char topic[TOPIC_MAX];
	size_t before;

	(void)state;
	for (int i = 0; i < 3 * JOURNAL_BATCH; i++) {
		(void)snprintf(topic, sizeof(topic), "apps/a%d/desired", i);
		fake_put(fake, topic, "{\"services\": {\"s\": {\"image\": \"i\"}}}", true);
	}
	before = unwritten(fake);
	assert_int_equal(before, 3 * JOURNAL_BATCH);
	assert_true(journal_flush(fake->controller, JOURNAL_BATCH));
	assert_int_equal(unwritten(fake), before - JOURNAL_BATCH);
	assert_null(fake_text(fake, "controller/leader"));
	/* Also while the broker is away. */
	controller_disconnected(fake->controller);
	fake_run(fake, 60);
	assert_int_equal(unwritten(fake), 0);
	fake_replay(fake);
	fake_run(fake, 20);
	assert_int_equal(watermark(fake), fake->controller->watermark);
	fake_free(fake);
}

static void full_disk_at_the_first_sync_is_tried_again(void **state)
{
	struct fake *fake = start();
	int fd;

	(void)state;
	fake_stop(fake);
	fake_start_unsynced(fake);
	fd = break_disk(fake);
	controller_synced(fake->controller);
	fake_put(fake, "apps/shop/desired", CART("cart:2"), true);
	fake_run(fake, 20);
	assert_int_equal(fake->controller->term, 0);
	fake->controller->journal_fd = fd;
	controller_tick(fake->controller);
	fake_run(fake, 60);
	assert_true(fake->controller->term > 0);
	fake_expect_contains(fake, "shop", "services/cart/reason", "waits for shop.cart.1.");
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_disk_does_not_keep_the_loop_busy),
		cmocka_unit_test(document_never_names_bytes_that_are_not_there),
		cmocka_unit_test(removal_waits_for_the_disk),
		cmocka_unit_test(few_documents_are_written_in_one_turn),
		cmocka_unit_test(full_disk_at_the_first_sync_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
