/* SPDX-License-Identifier: Apache-2.0 */
/* Controllers and brokers come and go; what runs is left alone. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"
#include "core/controller/journal.h"
#include "tests/unit/controller/fake.h"

#define CART MANIFEST("\"cart\": {\"image\": \"cart:1\", \"scale\": 3}")

static struct fake *start(void)
{
	struct fake *fake = fake_new();

	fake_node(fake, "n1", 512, "\"native\"");
	fake_node(fake, "n2", 512, "\"native\"");
	fake_put(fake, "apps/shop/desired", CART, true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_report(fake, "n2", INSTANCE_RUNNING);
	(void)fake_ask(fake, "apps/shop/command/scale", "{\"service\": \"cart\", \"replicas\": 5}");
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_report(fake, "n2", INSTANCE_RUNNING);
	fake_expect(fake, "shop", "state", "running");
	return fake;
}

static json_t *retained_copy(const struct fake *fake)
{
	return json_deep_copy(fake->retained);
}

static void forget_journal(struct fake *fake)
{
	assert_int_equal(tree_remove_at(AT_FDCWD, fake->directory), 0);
	close_fd(&fake->directory_fd);
	fake->directory_fd = dir_open_make(fake->directory, 0700, NULL);
	assert_true(fake->directory_fd >= 0);
}

static void remove_files(struct fake *fake, const char *start)
{
	DIR *directory = opendir(fake->directory);
	struct dirent *entry;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		if (strncmp(entry->d_name, start, strlen(start)) == 0)
			assert_int_equal(unlinkat(fake->directory_fd, entry->d_name, 0), 0);
	}
	assert_int_equal(closedir(directory), 0);
}

static void restart_changes_nothing(void **state)
{
	struct fake *fake = start();
	cleanup_json json_t *before = retained_copy(fake);

	(void)state;
	fake_stop(fake);
	json_array_clear(fake->log);
	fake_start(fake);
	fake_run(fake, 60);
	assert_true(json_equal(before, fake->retained));
	assert_int_equal(json_array_size(fake->log), 0);
	fake_free(fake);
}

static void nothing_is_planned_before_synced(void **state)
{
	struct fake *fake = start();

	(void)state;
	fake_stop(fake);
	json_array_clear(fake->log);
	/* The nodes are not known yet when the manifest arrives: a plan now would place everything anew. */
	fake_start(fake);
	controller_disconnected(fake->controller);
	controller_connected(fake->controller);
	fake_put(fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:2\"}"), true);
	assert_int_equal(json_array_size(fake->log), 0);
	fake_replay(fake);
	assert_true(json_array_size(fake->log) > 0);
	fake_free(fake);
}

static void without_journal_the_broker_knows(void **state)
{
	struct fake *fake = start();
	cleanup_json json_t *before = fake_json(fake, "nodes/n1/desired");
	cleanup_json json_t *after = NULL;

	(void)state;
	fake_stop(fake);
	forget_journal(fake);
	/* A rejected manifest on top: the revision in force is found through the assignments. */
	fake_put(fake, "apps/shop/desired", "nonsense", true);
	fake_start(fake);
	fake_expect(fake, "shop", "document/verdict", "rejected");
	fake_expect_int(fake, "shop", "services/cart/running", 3);
	after = fake_json(fake, "nodes/n1/desired");
	assert_true(json_equal(json_array_get(json_object_get(before, "instances"), 0),
	        json_array_get(json_object_get(after, "instances"), 0)));
	/* Scaled replicas are known to the journal only: back to the three of the manifest. */
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 3);
	fake_free(fake);
}

static void forgetful_broker_gets_everything_back(void **state)
{
	struct fake *fake = start();
	cleanup_json json_t *before = retained_copy(fake);
	const char *topic;
	json_t *text;

	(void)state;
	for (int restart = 0; restart < 2; restart++) {
		if (restart)
			fake_stop(fake);
		else
			controller_disconnected(fake->controller);
		fake_forget(fake);
		if (restart)
			fake_start(fake);
		else
			fake_replay(fake);
		assert_true(fake_has_event(fake, "app.restored"));
		/* The agents say again what they are; then all is as it was. */
		json_object_foreach(before, topic, text) {
			if (strstr(topic, "/presence") || strstr(topic, "/info") ||
			        strstr(topic, "/reported"))
				fake_put(fake, topic, json_string_value(text), true);
		}
		fake_expect(fake, "shop", "state", "running");
		json_object_foreach(before, topic, text) {
			if (!strstr(topic, "/status"))
				assert_string_equal(fake_text(fake, topic), json_string_value(text));
		}
	}
	fake_free(fake);
}

static void removal_while_away_is_obeyed(void **state)
{
	struct fake *fake = start();

	(void)state;
	controller_disconnected(fake->controller);
	fake->offline = true;
	fake_put(fake, "apps/shop/desired", "", true);
	fake_replay(fake);
	assert_int_equal(fake_assigned(fake, "n1"), 0);
	fake_expect(fake, "shop", "state", "removing");
	fake_free(fake);
}

/* What mosquitto loads after a power cut when it had not saved since. */
static void roll_back(struct fake *fake, json_t *old)
{
	fake_stop(fake);
	json_decref(fake->retained);
	fake->retained = json_deep_copy(old);
	fake_start(fake);
}

static void remove_shop(struct fake *fake)
{
	fake_put(fake, "apps/shop/desired", "", true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_report(fake, "n2", INSTANCE_RUNNING);
	fake_run(fake, 100);
	assert_null(fake_text(fake, "apps/shop/status"));
}

static void rolled_back_broker_does_not_undo_a_removal(void **state)
{
	struct fake *fake = start();
	cleanup_json json_t *old = retained_copy(fake);

	(void)state;
	remove_shop(fake);
	for (int again = 0; again < 2; again++) {
		roll_back(fake, old);
		fake_report(fake, "n1", INSTANCE_RUNNING);
		fake_report(fake, "n2", INSTANCE_RUNNING);
		fake_run(fake, 100);
		assert_null(fake_text(fake, "apps/shop/desired"));
		assert_null(fake_text(fake, "apps/shop/status"));
	}
	fake_free(fake);
}

static void rolled_back_broker_does_not_undo_a_return(void **state)
{
	struct fake *fake = start();
	cleanup_free char *first = strdup(fake_text(fake, "apps/shop/desired"));
	cleanup_json json_t *old = NULL;

	(void)state;
	fake_put(fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:2\"}"), true);
	fake_run(fake, 20);
	old = retained_copy(fake);
	fake_put(fake, "apps/shop/desired", first, true);
	fake_run(fake, 20);
	roll_back(fake, old);
	assert_string_equal(fake_text(fake, "apps/shop/desired"), first);
	assert_true(fake_has_event(fake, "app.restored"));
	fake_free(fake);
}

static void rolled_back_broker_does_not_undo_a_new_start(void **state)
{
	const char *manifest = MANIFEST("\"cart\": {\"image\": \"cart:3\"}");
	struct fake *fake = start();
	cleanup_json json_t *old = retained_copy(fake);

	(void)state;
	remove_shop(fake);
	fake_put(fake, "apps/shop/desired", manifest, true);
	fake_run(fake, 20);
	roll_back(fake, old);
	assert_string_equal(fake_text(fake, "apps/shop/desired"), manifest);
	fake_free(fake);
}

/* The connection that brought a forgetful broker is lost while it gets its documents back. */
static void lost_connection_while_restoring_removes_nothing(void **state)
{
	struct fake *fake = start();

	(void)state;
	for (int restart = 0; restart < 2; restart++) {
		fake_stop(fake);
		fake_forget(fake);
		json_array_clear(fake->events);
		fake->lost = "apps/shop/desired";
		fake_start(fake);
		assert_false(fake_has_event(fake, "app.removed"));
		assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 5);
		/* The broker must not look up to date: the next sync would take its word. */
		assert_null(fake_text(fake, "controller/leader"));
		fake->lost = NULL;
		if (restart)
			fake_stop(fake);
		if (restart)
			fake_start(fake);
		else
			fake_replay(fake);
		assert_true(fake_has_event(fake, "app.restored"));
		assert_string_equal(fake_text(fake, "apps/shop/desired"), CART);
		assert_non_null(fake_text(fake, "controller/leader"));
	}
	fake_free(fake);
}

static void lost_connection_while_removing_again_brings_nothing_back(void **state)
{
	struct fake *fake = start();
	cleanup_json json_t *old = retained_copy(fake);

	(void)state;
	remove_shop(fake);
	fake->lost = "apps/shop/desired";
	roll_back(fake, old);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	fake_report(fake, "n2", INSTANCE_RUNNING);
	fake_run(fake, 100);
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 0);
	fake_expect_contains(fake, "shop", "reason", "removed again");
	fake->lost = NULL;
	fake_replay(fake);
	fake_run(fake, 100);
	assert_null(fake_text(fake, "apps/shop/desired"));
	assert_null(fake_text(fake, "apps/shop/status"));
	fake_free(fake);
}

/* A stricter decoder after an upgrade, or a damaged disk: what runs goes on. */
static void unreadable_revision_leaves_its_instances(void **state)
{
	struct fake *fake = start();
	const char *topic;
	json_t *text;
	void *next;

	(void)state;
	fake_stop(fake);
	json_object_foreach_safe(fake->retained, next, topic, text) {
		if (strstr(topic, "/revisions/"))
			json_object_del(fake->retained, topic);
	}
	fake_put(fake, "apps/shop/desired", "{\"services\": {\"cart\": {\"nonsense\": 1}}}", true);
	remove_files(fake, "revision.");
	fake_start(fake);
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 5);
	fake_expect(fake, "shop", "document/verdict", "rejected");
	fake_expect(fake, "shop", "state", "degraded");
	fake_expect_contains(fake, "shop", "reason", "left as they are");
	fake_expect(fake, "shop", "instances/0/state", "running");
	/* It stays so over restarts, until a manifest comes that can be read. */
	fake_stop(fake);
	fake_start(fake);
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 5);
	fake_put(fake, "apps/shop/desired", CART, true);
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 5);
	fake_expect(fake, "shop", "state", "running");
	fake_free(fake);
}

/* The controller ran out of memory, or of what it may hold, when the manifest arrived. */
static void manifest_that_could_not_be_kept_changes_nothing(void **state)
{
	struct fake *fake = start();

	(void)state;
	fake_stop(fake);
	fake_start_unsynced(fake);
	apps_find(fake->controller, "shop")->arrived = ARRIVED_UNKNOWN;
	controller_synced(fake->controller);
	assert_false(fake_has_event(fake, "app.removed"));
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 5);
	fake_free(fake);
}

static void held_documents_are_bounded(void **state)
{
	struct fake *fake = fake_new();
	char *large = malloc(CONFIG_MAX_DOCUMENT_BYTES);
	const size_t most = (size_t)CONFIG_REPLAY_MAX_KIB * 1024 / CONFIG_MAX_DOCUMENT_BYTES;
	char digest[DIGEST_HEX_SIZE];
	char topic[TOPIC_MAX];

	(void)state;
	assert_non_null(large);
	memset(large, 'x', CONFIG_MAX_DOCUMENT_BYTES);
	assert_int_equal(digest_sha256(large, CONFIG_MAX_DOCUMENT_BYTES, digest), 0);
	fake_stop(fake);
	for (int again = 0; again < 2; again++) {
		if (again)
			controller_connected(fake->controller);
		else
			fake_start_unsynced(fake);
		json_array_clear(fake->events);
		for (size_t i = 0; i <= most; i++) {
			assert_false(fake_has_event(fake, "payload.rejected"));
			(void)snprintf(topic, sizeof(topic), "apps/a%zu/%s%s", i,
			        i % 2 ? "desired" : "revisions/", i % 2 ? "" : digest);
			fake_put_bytes(fake, topic, large, CONFIG_MAX_DOCUMENT_BYTES, false);
		}
		assert_true(fake_has_event(fake, "payload.rejected"));
	}
	controller_synced(fake->controller);
	fake_expect(fake, "a1", "document/verdict", "rejected");
	free(large);
	fake_free(fake);
}

/* Where it costs nothing to have it again later. */
static void what_the_journal_has_is_not_held(void **state)
{
	struct fake *fake = start();

	(void)state;
	fake_stop(fake);
	fake_start_unsynced(fake);
	assert_int_equal(fake->controller->held_bytes, 0);
	fake_stop(fake);
	remove_files(fake, "revision.");
	fake_start_unsynced(fake);
	assert_true(fake->controller->held_bytes > 0);
	controller_synced(fake->controller);
	assert_int_equal(fake->controller->held_bytes, 0);
	fake_expect(fake, "shop", "document/verdict", "accepted");
	fake_expect(fake, "shop", "state", "running");
	controller_connected(fake->controller);
	fake_put(fake, "apps/shop/desired", CART, true);
	assert_int_equal(fake->controller->held_bytes, 0);
	fake_replay(fake);
	fake_expect(fake, "shop", "state", "running");
	fake_free(fake);
}

static void reconnect_writes_and_publishes_nothing(void **state)
{
	struct fake *fake = start();
	struct stat before;
	struct stat after;

	(void)state;
	fake_put(
	        fake, "apps/gone/desired", "{\"services\": {\"s\": {\"image\": \"i\", \"scale\": 0}}}", true);
	fake_run(fake, 20);
	fake_put(fake, "apps/bad/desired", "nonsense", true);
	fake_put(fake, "apps/gone/desired", "", true);
	fake_run(fake, 100);
	assert_int_equal(fstatat(fake->directory_fd, "app.gone.json", &before, 0), 0);
	json_array_clear(fake->log);
	(void)fake_ask(fake, "apps/shop/command/scale", "{\"service\": \"cart\", \"replicas\": 5}");
	fake_run(fake, 60);
	fake_expect_quiet(fake);
	assert_false(apps_find(fake->controller, "shop")->journal);
	for (int restart = 0; restart < 3; restart++) {
		if (restart == 2)
			fake_stop(fake);
		if (restart == 2)
			fake_start(fake);
		else
			fake_replay(fake);
		assert_false(journal_is_due(fake->controller));
		fake_run(fake, 60);
		fake_expect_quiet(fake);
	}
	/* Every write is a new file. */
	assert_int_equal(fstatat(fake->directory_fd, "app.gone.json", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	fake_free(fake);
}

/* The same messages from a broker that lost nothing are what somebody wants. */
static void return_to_an_older_manifest_while_away_is_obeyed(void **state)
{
	struct fake *fake = start();
	cleanup_free char *first = strdup(fake_text(fake, "apps/shop/desired"));

	(void)state;
	fake_put(fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:2\"}"), true);
	fake_run(fake, 20);
	fake_stop(fake);
	assert_int_equal(json_object_set_new(fake->retained, "apps/shop/desired", json_string(first)), 0);
	fake_start(fake);
	assert_string_equal(fake_text(fake, "apps/shop/desired"), first);
	assert_false(fake_has_event(fake, "app.restored"));
	fake_free(fake);
}

static void older_manifest_of_a_rolled_back_broker_is_not_taken(void **state)
{
	struct fake *fake = start();
	cleanup_json json_t *old = retained_copy(fake);
	cleanup_json json_t *before = NULL;

	(void)state;
	fake_put(fake, "apps/shop/desired", MANIFEST("\"cart\": {\"image\": \"cart:2\"}"), true);
	fake_report(fake, "n1", INSTANCE_RUNNING);
	before = fake_json(fake, "nodes/n1/desired");
	controller_disconnected(fake->controller);
	json_object_clear(fake->retained);
	json_object_update(fake->retained, old);
	fake_replay(fake);
	assert_string_equal(
	        fake_text(fake, "apps/shop/desired"), MANIFEST("\"cart\": {\"image\": \"cart:2\"}"));
	cleanup_json json_t *after = fake_json(fake, "nodes/n1/desired");

	assert_true(json_equal(before, after));
	/* An operator who publishes the older one on purpose is obeyed. */
	fake_put(fake, "apps/shop/desired", CART, true);
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 3);
	fake_free(fake);
}

static void damaged_journal_is_set_aside(void **state)
{
	struct fake *fake = start();

	(void)state;
	fake_stop(fake);
	assert_int_equal(
	        file_replace_at(fake->directory_fd, "app.shop.json", "{\"docu", 6, 0600, FILE_VOLATILE), 0);
	assert_int_equal(
	        file_replace_at(fake->directory_fd, "controller.json", "\0\0", 2, 0600, FILE_VOLATILE), 0);
	assert_int_equal(
	        file_replace_at(fake->directory_fd, "node.n1.json", "[]", 2, 0600, FILE_VOLATILE), 0);
	fake_start(fake);
	assert_int_equal(faccessat(fake->directory_fd, "damaged.app.shop.json", F_OK, 0), 0);
	/* Scale is lost, the rest is known from the broker. */
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 3);
	fake_free(fake);
}

static void offline_means_silence(void **state)
{
	struct fake *fake = start();

	(void)state;
	fake->offline = true;
	controller_disconnected(fake->controller);
	json_array_clear(fake->log);
	fake_run(fake, 120);
	fake_expect_quiet(fake);
	fake_replay(fake);
	assert_int_equal(fake_assigned(fake, "n1") + fake_assigned(fake, "n2"), 5);
	fake_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restart_changes_nothing),
		cmocka_unit_test(nothing_is_planned_before_synced),
		cmocka_unit_test(without_journal_the_broker_knows),
		cmocka_unit_test(forgetful_broker_gets_everything_back),
		cmocka_unit_test(removal_while_away_is_obeyed),
		cmocka_unit_test(rolled_back_broker_does_not_undo_a_removal),
		cmocka_unit_test(rolled_back_broker_does_not_undo_a_return),
		cmocka_unit_test(rolled_back_broker_does_not_undo_a_new_start),
		cmocka_unit_test(lost_connection_while_restoring_removes_nothing),
		cmocka_unit_test(lost_connection_while_removing_again_brings_nothing_back),
		cmocka_unit_test(unreadable_revision_leaves_its_instances),
		cmocka_unit_test(manifest_that_could_not_be_kept_changes_nothing),
		cmocka_unit_test(held_documents_are_bounded),
		cmocka_unit_test(what_the_journal_has_is_not_held),
		cmocka_unit_test(reconnect_writes_and_publishes_nothing),
		cmocka_unit_test(return_to_an_older_manifest_while_away_is_obeyed),
		cmocka_unit_test(older_manifest_of_a_rolled_back_broker_is_not_taken),
		cmocka_unit_test(damaged_journal_is_set_aside),
		cmocka_unit_test(offline_means_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
