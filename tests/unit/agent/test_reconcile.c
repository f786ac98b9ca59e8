/* SPDX-License-Identifier: Apache-2.0 */
/* Assignments against what runs: removal, replacement, adoption, fencing. */
#include "test.h"

static void test_remove(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_assign(rig, 1, 2, NULL, 0);
	rig_accept(rig, IPC_STOP, app.id);
	rig_expect_none(rig);
	rig_assert_state(rig, app.id, "stopping", "not assigned");
	rig_ended(rig, app.id, 1, 143);
	(void)rig_expect(rig, IPC_FORGET);
	rig_answer(rig, EBUSY, "not yet");
	rig_assert_state(rig, app.id, "stopping", "");
	rig_expect_none(rig);
	rig_run(rig, 1100);
	rig_accept(rig, IPC_FORGET, app.id);
	rig_assert_absent(rig, app.id);
	rig_expect_none(rig);
	rig_free(rig);
}

static void test_remove_what_never_started(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &app);
	rig_assign(rig, 1, 2, NULL, 0);
	rig_expect_none(rig);
	rig_assert_absent(rig, app.id);
	assert_false(rig_is_subscribed(rig, app.topic));
	rig_free(rig);
}

/* The end is told twice when it crosses the STOP; an answer too many would count for the next life. */
static void test_end_told_twice(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_assign(rig, 1, 2, NULL, 0);
	(void)rig_expect(rig, IPC_STOP);
	rig_ended(rig, app.id, 1, 1); /* by itself */
	rig_answer(rig, 0, NULL);     /* of STOP */
	rig_ended(rig, app.id, 1, 1);
	rig_assign_one(rig, 1, 3, &app);
	rig_deliver_revision(rig, &app);
	rig_accept(rig, IPC_FORGET, app.id);
	rig_accept(rig, IPC_START, app.id);
	rig_expect_none(rig);
	rig_running(rig, app.id, 1);
	rig_assert_state(rig, app.id, "running", "");
	rig_free(rig);
}

static void test_remove_in_backoff(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_ended(rig, app.id, 1, 1);
	rig_assign(rig, 1, 2, NULL, 0);
	rig_accept(rig, IPC_FORGET, app.id);
	rig_run(rig, CONFIG_BACKOFF_MIN_MS + 50);
	rig_expect_none(rig);
	rig_assert_absent(rig, app.id);
	rig_free(rig);
}

static void test_desired_again(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_assign(rig, 1, 2, NULL, 0);
	rig_accept(rig, IPC_STOP, app.id);
	rig_assign_one(rig, 1, 3, &app); /* its revision was dropped with the last assignment */
	rig_deliver_revision(rig, &app);
	rig_expect_none(rig);
	rig_assert_state(rig, app.id, "stopping", "assigned again");
	rig_ended(rig, app.id, 1, 143);
	rig_accept(rig, IPC_START, app.id);
	/* while it is being forgotten */
	rig_running(rig, app.id, 2);
	rig_assign(rig, 1, 4, NULL, 0);
	rig_accept(rig, IPC_STOP, app.id);
	rig_ended(rig, app.id, 2, 143);
	(void)rig_expect(rig, IPC_FORGET);
	rig_assign_one(rig, 1, 5, &app);
	rig_deliver_revision(rig, &app);
	rig_answer(rig, 0, NULL);
	rig_accept(rig, IPC_START, app.id);
	rig_free(rig);
}

static void test_replace(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app old;
	struct rig_app new;
	char reason[256];

	(void)state;
	rig_make_app(&old, "busybox:1", NULL);
	rig_make_app(&new, "busybox:2", NULL);
	rig_up(rig);
	rig_run_app(rig, &old);
	rig_assign_one(rig, 1, 2, &new);
	rig_deliver_revision(rig, &new);
	rig_accept(rig, IPC_STOP, old.id);
	rig_expect_none(rig);
	(void)snprintf(reason, sizeof(reason), "waits for %s to stop", old.id);
	rig_assert_state(rig, new.id, "pending", reason);
	rig_assert_state(rig, old.id, "stopping", "");
	rig_ended(rig, old.id, 1, 143);
	rig_accept(rig, IPC_FORGET, old.id);
	rig_accept(rig, IPC_START, new.id);
	rig_assert_absent(rig, old.id);
	rig_free(rig);
}

/* An operator's stop must not start it beside the one that it waits for. */
static void test_stop_while_waiting(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app old;
	struct rig_app new;
	char payload[256];

	(void)state;
	rig_make_app(&old, "busybox:1", NULL);
	rig_make_app(&new, "busybox:2", NULL);
	rig_up(rig);
	rig_run_app(rig, &old);
	rig_assign_one(rig, 1, 2, &new);
	rig_deliver_revision(rig, &new);
	rig_accept(rig, IPC_STOP, old.id);
	(void)snprintf(payload, sizeof(payload), "{\"instance\":\"%s\"}", new.id);
	rig_command(rig, "stop", payload);
	rig_expect_none(rig);
	rig_assert_state(rig, new.id, "pending", "waits for");
	rig_ended(rig, old.id, 1, 143);
	rig_accept(rig, IPC_FORGET, old.id);
	rig_accept(rig, IPC_START, new.id);
	rig_free(rig);
}

static void test_waiting_is_withdrawn(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app old;
	struct rig_app new;

	(void)state;
	rig_make_app(&old, "busybox:1", NULL);
	rig_make_app(&new, "busybox:2", NULL);
	rig_up(rig);
	rig_run_app(rig, &old);
	rig_assign_one(rig, 1, 2, &new);
	rig_accept(rig, IPC_STOP, old.id);
	rig_assign(rig, 1, 3, NULL, 0);
	rig_assert_absent(rig, new.id);
	rig_ended(rig, old.id, 1, 143);
	rig_accept(rig, IPC_FORGET, old.id);
	rig_expect_none(rig);
	rig_free(rig);
}

static void test_policy_changes_without_container(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app never;
	struct rig_app always;

	(void)state;
	rig_make_app(&never, "busybox:1", "no");
	rig_make_app(&always, "busybox:1", "always");
	assert_string_equal(never.id, always.id);
	assert_string_not_equal(never.digest, always.digest);
	rig_up(rig);
	rig_run_app(rig, &never);
	rig_ended(rig, never.id, 1, 0);
	rig_assert_state(rig, never.id, "exited", "");
	rig_assign_one(rig, 1, 2, &always);
	rig_deliver_revision(rig, &always);
	rig_assert_state(rig, never.id, "backoff", "");
	rig_free(rig);
}

static void test_two_slots(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_assign(rig, 1, 1, (struct rig_ref[]){ { &app, 1 }, { &app, 2 } }, 2);
	rig_deliver_revision(rig, &app);
	rig_accept(rig, IPC_START, app.id);
	rig_accept(rig, IPC_START, app.id2);
	rig_running(rig, app.id, 1);
	rig_running(rig, app.id2, 1);
	rig_assign_one(rig, 1, 2, &app);
	rig_accept(rig, IPC_STOP, app.id2);
	rig_expect_none(rig);
	rig_free(rig);
}

/* ---- taking over ---- */

static void test_adopt(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;
	json_t *instance;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_end(rig);
	rig_start(rig);
	(void)rig_expect(rig, IPC_HELLO);
	rig_answer(rig, 0, NULL);
	rig_tell(rig, app.id,
	        &(struct rig_state){ .state = IPC_INSTANCE_RUNNING,
	                .generation = 2,
	                .attempts = 1,
	                .message = "running",
	                .with_spec = true });
	rig_connect(
	        rig); /* before SYNCED: nothing may be reported, or the controller would see an empty node */
	assert_int_equal(rig_count(rig, "nodes/" RIG_NODE "/reported"), 0);
	rig_sync(rig);
	rig_expect_none(rig);
	rig_assert_state(rig, app.id, "running", "running");
	instance = rig_instance(rig, app.id);
	assert_int_equal(json_integer_value(json_object_get(instance, "restarts")), 1);
	json_decref(instance);
	rig_ended(rig, app.id, 2, 1);
	rig_assert_state(rig, app.id, "backoff", "");
	rig_run(rig, CONFIG_BACKOFF_MIN_MS + 50);
	rig_expect_none(rig); /* its second restart, whoever counted the first one */
	rig_run(rig, CONFIG_BACKOFF_MIN_MS);
	assert_int_equal(rig_expect(rig, IPC_START)->generation, 3);
	rig_free(rig);
}

static void test_adopt_ended(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", "on-failure");
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_end(rig);
	rig_start(rig);
	rig_ended(rig, app.id, 1, 0); /* while nobody was there */
	rig_up(rig);
	rig_expect_none(rig);
	rig_assert_state(rig, app.id, "exited", "exited with code 0");
	rig_end(rig);
	rig_start(rig);
	rig_ended(rig, app.id, 1, 1);
	rig_up(rig);
	rig_assert_state(rig, app.id, "backoff", "exited with code 1");
	rig_end(rig);
	rig_start(rig);
	rig_tell(rig, app.id,
	        &(struct rig_state){ .state = IPC_INSTANCE_ENDED,
	                .generation = 2,
	                .never_ran = true,
	                .message = "mount" });
	rig_up(rig);
	rig_accept(rig, IPC_START, app.id);
	rig_free(rig);
}

/* An instance that may be restarted once ended, while nobody watched, after running for so long. */
static struct rig *adopt_ended(struct rig_app *app, uint32_t attempts, uint64_t ran_ms)
{
	const uint64_t started_ns = 5000000000U;
	struct rig *rig = rig_new();

	rig_make_app(app, "busybox:1", "on-failure:1");
	rig_up(rig);
	rig_run_app(rig, app);
	rig_end(rig);
	rig_start(rig);
	rig_tell(rig, app->id,
	        &(struct rig_state){ .state = IPC_INSTANCE_ENDED,
	                .generation = 6, /* starts on request are no attempts */
	                .attempts = attempts,
	                .started_ns = started_ns,
	                .ended_ns = started_ns + ran_ms * 1000000,
	                .exit_code = 1,
	                .message = "exited with code 1" });
	rig_up(rig);
	return rig;
}

/* What has used up its attempts stays down when baton-control starts anew. */
static void test_adopt_exhausted(void **state)
{
	struct rig_app app;
	struct rig *rig = adopt_ended(&app, 1, 2000);

	(void)state;
	rig_assert_state(rig, app.id, "exited", "not started again after 1 attempts");
	rig_run(rig, 2 * CONFIG_BACKOFF_MIN_MS + 50);
	rig_expect_none(rig);
	rig_free(rig);
}

static void test_adopt_not_exhausted(void **state)
{
	static const struct {
		uint32_t attempts;
		uint64_t ran_ms;
	} rows[] = { { 0, 2000 }, { 1, CONFIG_BACKOFF_RESET_MS } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig_app app;
		struct rig *rig = adopt_ended(&app, rows[i].attempts, rows[i].ran_ms);

		rig_run(rig, 2 * CONFIG_BACKOFF_MIN_MS + 50);
		assert_int_equal(rig_expect(rig, IPC_START)->attempts, 1);
		rig_free(rig);
	}
}

/* Removed while baton-control was down: must not be resurrected, must be stopped. */
static void test_adopt_unwanted(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app old;
	struct rig_app new;

	(void)state;
	rig_make_app(&old, "busybox:1", NULL);
	rig_make_app(&new, "busybox:2", NULL);
	rig_up(rig);
	rig_run_app(rig, &old);
	rig_assign_one(rig, 1, 2, &new);
	rig_deliver_revision(rig, &new);
	rig_end(rig); /* the stop was asked for, and lost */
	rig_start(rig);
	rig_tell(rig, old.id,
	        &(struct rig_state){ .state = IPC_INSTANCE_RUNNING,
	                .generation = 1,
	                .message = "running",
	                .with_spec = true });
	rig_up(rig);
	rig_accept(rig, IPC_STOP, old.id);
	rig_expect_none(rig);
	rig_assert_state(rig, new.id, "pending", "waits for");
	rig_ended(rig, old.id, 1, 143);
	rig_accept(rig, IPC_FORGET, old.id);
	rig_accept(rig, IPC_START, new.id);
	rig_free(rig);
}

static void test_nothing_known_leaves_alone(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_running(rig, app.id, 3); /* without a spec: named by its id */
	rig_up(rig);
	rig_expect_none(rig);
	rig_assert_state(rig, app.id, "running", "");
	rig_assign_one(rig, 1, 1, &app);
	rig_deliver_revision(rig, &app);
	rig_expect_none(rig);
	rig_assign(rig, 1, 2, NULL, 0);
	rig_accept(rig, IPC_STOP, app.id);
	rig_free(rig);
}

static void test_hello_refused(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	(void)rig_expect(rig, IPC_HELLO);
	rig_answer(rig, EPROTO, "another version");
	assert_true(rig->refused);
	rig_free(rig);
}

/* ---- fencing ---- */

static void test_fence(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_assign_one(rig, 5, 7, &app);
	rig_deliver_revision(rig, &app);
	rig_accept(rig, IPC_START, app.id);
	rig_running(rig, app.id, 1);
	rig_forget_published(rig);
	rig_assign(rig, 5, 6, NULL, 0);
	rig_assign(rig, 4, 100, NULL, 0);
	rig_expect_none(rig);
	assert_true(rig_event(rig, "desired.refused"));
	rig_forget_published(rig);
	rig_assign_one(rig, 5, 7, &app); /* the same, once more */
	rig_expect_none(rig);
	assert_false(rig_event(rig, "desired.refused"));
	rig_assign(rig, 5, 7, NULL, 0); /* another document with the same numbers */
	rig_expect_none(rig);
	assert_true(rig_event(rig, "desired.refused"));
	rig_end(rig); /* the fence outlives the process */
	rig_start(rig);
	rig_running(rig, app.id, 1);
	rig_up(rig);
	rig_assign(rig, 5, 6, NULL, 0);
	rig_expect_none(rig);
	rig_assign(rig, 6, 1, NULL, 0); /* a higher term with a lower revision */
	rig_accept(rig, IPC_STOP, app.id);
	rig_free(rig);
}

/* A term can never be lowered again: one that is too high must not be taken. */
static void test_highest_term(void **state)
{
	struct rig *rig = rig_new();
	char text[96];

	(void)state;
	rig_up(rig);
	rig_forget_published(rig);
	(void)snprintf(text, sizeof(text), "{\"term\": %lld, \"revision\": 1, \"instances\": []}",
	        (long long)TERM_MAX + 1);
	rig_deliver(rig, "nodes/" RIG_NODE "/desired", text, true);
	assert_true(rig_event(rig, "payload.rejected"));
	rig_forget_published(rig);
	rig_assign(rig, 1, 1, NULL, 0);
	assert_false(rig_event(rig, "desired.refused"));
	(void)snprintf(text, sizeof(text), "{\"term\": %lld, \"revision\": 1, \"instances\": []}",
	        (long long)TERM_MAX);
	rig_deliver(rig, "nodes/" RIG_NODE "/desired", text, true);
	assert_false(rig_event(rig, "payload.rejected"));
	rig_assign(rig, 2, 1, NULL, 0);
	assert_true(rig_event(rig, "desired.refused"));
	rig_free(rig);
}

static void test_report_numbers(void **state)
{
	struct rig *rig = rig_new();
	json_t *report;

	(void)state;
	rig_up(rig);
	rig_assign(rig, 9, 8, NULL, 0);
	rig_run(rig, CONFIG_REPORT_COALESCE_MS + 20);
	report = rig_published(rig, "nodes/" RIG_NODE "/reported");
	assert_int_equal(json_integer_value(json_object_get(report, "term")), 9);
	assert_int_equal(json_integer_value(json_object_get(report, "revision")), 8);
	json_decref(report);
	rig_free(rig);
}

/* ids of an assignment of the largest size, with names of nearly the maximum */
static void make_id(char *id, int slot, char hash)
{
	(void)snprintf(id, INSTANCE_ID_MAX + 1, "%050d.%050d.%d.%c123456789", 1, 2, slot, hash);
}

static char *make_assignment(int revision, char hash)
{
	json_t *list = json_array();
	json_t *document;
	char id[INSTANCE_ID_MAX + 1];
	char name[64];
	char service[64];
	char *text;

	(void)snprintf(name, sizeof(name), "%050d", 1);
	(void)snprintf(service, sizeof(service), "%050d", 2);
	for (int slot = 1; slot <= CONFIG_MAX_ASSIGNED_INSTANCES; slot++) {
		make_id(id, slot, hash);
		assert_int_equal(
		        json_array_append_new(list,
		                json_pack("{s:s, s:s, s:s, s:i, s:s}", "id", id, "app", name, "service",
		                        service, "slot", slot, "digest",
		                        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")),
		        0);
	}
	document = json_pack("{s:i, s:i, s:o}", "term", 1, "revision", revision, "instances", list);
	text = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	return text;
}

/* The largest assignment is replaced by another one: the report is still one that the controller takes. */
static void test_report_of_the_maximum(void **state)
{
	struct rig *rig = rig_new();
	char id[INSTANCE_ID_MAX + 1];
	char *text = make_assignment(1, 'a');
	json_t *report;
	size_t length;

	(void)state;
	rig_deliver(rig, "nodes/" RIG_NODE "/desired", text, true);
	free(text);
	for (int slot = 1; slot <= CONFIG_MAX_ASSIGNED_INSTANCES; slot++) {
		make_id(id, slot, 'a');
		rig_running(rig, id, 1);
	}
	rig_up(rig);
	text = make_assignment(2, 'b');
	rig_deliver(rig, "nodes/" RIG_NODE "/desired", text, true);
	free(text);
	make_id(id, 1, 'b');
	rig_run(rig, 700);
	rig_assert_state(rig, id, "pending", "waits for");
	make_id(id, CONFIG_MAX_ASSIGNED_INSTANCES, 'b');
	rig_assert_state(rig, id, "pending", "waits for");
	report = rig_published(rig, "nodes/" RIG_NODE "/reported");
	text = json_dumps(report, JSON_COMPACT);
	length = strlen(text);
	free(text);
	json_decref(report);
	assert_true(length <= CONFIG_MAX_DOCUMENT_BYTES);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_remove_what_never_started),
		cmocka_unit_test(test_end_told_twice),
		cmocka_unit_test(test_remove_in_backoff),
		cmocka_unit_test(test_desired_again),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_stop_while_waiting),
		cmocka_unit_test(test_waiting_is_withdrawn),
		cmocka_unit_test(test_policy_changes_without_container),
		cmocka_unit_test(test_two_slots),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_adopt_ended),
		cmocka_unit_test(test_adopt_exhausted),
		cmocka_unit_test(test_adopt_not_exhausted),
		cmocka_unit_test(test_adopt_unwanted),
		cmocka_unit_test(test_nothing_known_leaves_alone),
		cmocka_unit_test(test_hello_refused),
		cmocka_unit_test(test_fence),
		cmocka_unit_test(test_highest_term),
		cmocka_unit_test(test_report_numbers),
		cmocka_unit_test(test_report_of_the_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
