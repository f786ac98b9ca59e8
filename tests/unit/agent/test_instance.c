/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an instance: every transition, seen from outside through requests and reports. */
#include "core/agent/instance.h"

#include "test.h"

static void test_table(void **state)
{
	/* P S R B T E F; T: stopping. A state is no transition to itself. */
	static const char *const table[INSTANCE_STATES] = {
		[INSTANCE_PENDING] = ".S.BTEF",
		[INSTANCE_STARTING] = "P.RBTEF",
		[INSTANCE_RUNNING] = "P..BTEF",
		[INSTANCE_BACKOFF] = "PS..T.F",
		[INSTANCE_STOPPING] = "PS.B.EF",
		[INSTANCE_EXITED] = "PS.BT.F",
		[INSTANCE_FAILED] = "PS.BTE.",
	};

	(void)state;
	for (unsigned from = 0; from < INSTANCE_STATES; from++) {
		for (unsigned to = 0; to < INSTANCE_STATES; to++)
			assert_int_equal(instance_transition_allowed(from, to), table[from][to] != '.');
	}
}

static void test_start(void **state)
{
	struct rig *rig = rig_new();
	const struct ipc_message *start;
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &app);
	rig_expect_none(rig);
	assert_true(rig_is_subscribed(rig, app.topic));
	rig_run(rig, 600); /* the write of the assignment waits for the revision, but not for ever */
	rig_assert_state(rig, app.id, "pending", "waits for revision");
	rig_deliver_revision(rig, &app);
	assert_false(rig_is_subscribed(rig, app.topic));
	start = rig_expect(rig, IPC_START);
	assert_string_equal(start->spec.id, app.id);
	assert_string_equal(start->spec.image, "busybox:1");
	assert_int_equal(start->spec.slot, 1);
	assert_int_equal(start->generation, 1);
	rig_assert_state(rig, app.id, "starting", "starting");
	rig_answer(rig, 0, NULL);
	rig_running(rig, app.id, 1);
	rig_assert_state(rig, app.id, "running", "running");
	assert_true(rig_event(rig, "instance.running"));
	rig_expect_none(rig);
	rig_free(rig);
}

static void test_restart_after_exit(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;
	json_t *instance;

	(void)state;
	rig_make_app(&app, "busybox:1", "always");
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_ended(rig, app.id, 1, 3);
	rig_assert_state(rig, app.id, "backoff", "exited with code 3; starts again in");
	rig_expect_none(rig);
	rig_run(rig, CONFIG_BACKOFF_MIN_MS / 2);
	rig_expect_none(rig);
	rig_run(rig, CONFIG_BACKOFF_MIN_MS);
	assert_int_equal(rig_expect(rig, IPC_START)->generation, 2);
	rig_answer(rig, 0, NULL);
	rig_ended(rig, app.id, 1, 9); /* of the first start, once more: must not count */
	rig_assert_state(rig, app.id, "starting", "");
	rig_running(rig, app.id, 2);
	instance = rig_instance(rig, app.id);
	assert_int_equal(json_integer_value(json_object_get(instance, "restarts")), 1);
	assert_int_equal(json_integer_value(json_object_get(instance, "exit_code")), 3);
	json_decref(instance);
	rig_free(rig);
}

static void test_policies(void **state)
{
	static const struct {
		const char *restart;
		int exit_code;
		const char *state;
	} rows[] = {
		{ "no", 0, "exited" },
		{ "no", 1, "exited" },
		{ "on-failure", 0, "exited" },
		{ "on-failure", 1, "backoff" },
		{ "unless-stopped", 0, "backoff" },
		{ NULL, 0, "backoff" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig *rig = rig_new();
		struct rig_app app;

		rig_make_app(&app, "busybox:1", rows[i].restart);
		rig_up(rig);
		rig_run_app(rig, &app);
		rig_ended(rig, app.id, 1, rows[i].exit_code);
		rig_assert_state(rig, app.id, rows[i].state, "exited with code");
		rig_free(rig);
	}
}

static void test_max_attempts(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", "on-failure:1");
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_ended(rig, app.id, 1, 1);
	rig_assert_state(rig, app.id, "backoff", "");
	rig_run(rig, CONFIG_BACKOFF_MIN_MS + 50);
	rig_accept(rig, IPC_START, app.id);
	rig_running(rig, app.id, 2);
	rig_ended(rig, app.id, 2, 1);
	rig_assert_state(rig, app.id, "exited", "max_attempts");
	rig_run(rig, 2 * CONFIG_BACKOFF_MIN_MS + 50);
	rig_expect_none(rig);
	rig_free(rig);
}

static void test_unknown_exit(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;
	json_t *instance;

	(void)state;
	rig_make_app(&app, "busybox:1", "on-failure");
	rig_up(rig);
	rig_run_app(rig, &app);
	rig_tell(rig, app.id,
	        &(struct rig_state){ .state = IPC_INSTANCE_ENDED,
	                .generation = 1,
	                .unknown_exit = true,
	                .message = "ended" });
	instance = rig_instance(rig, app.id);
	assert_true(json_is_null(json_object_get(instance, "exit_code")));
	assert_string_equal(json_string_value(json_object_get(instance, "state")), "backoff");
	json_decref(instance);
	rig_free(rig);
}

static void test_image_missing(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "nowhere:1", NULL);
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &app);
	rig_deliver_revision(rig, &app);
	rig_accept(rig, IPC_START, app.id);
	rig_tell(rig, app.id,
	        &(struct rig_state){ .state = IPC_INSTANCE_ENDED,
	                .generation = 1,
	                .never_ran = true,
	                .message = "image" });
	assert_string_equal(rig_expect(rig, IPC_IMAGE)->image, "nowhere:1");
	rig_answer(rig, ENOENT, "no such image");
	rig_assert_state(rig, app.id, "pending", "image nowhere:1 is not on this node: baton image import");
	rig_run(rig, 2 * CONFIG_BACKOFF_MIN_MS);
	rig_expect_none(rig);
	rig_images_changed(rig); /* another one */
	(void)rig_expect(rig, IPC_IMAGE);
	rig_answer(rig, ENOENT, "no such image");
	rig_expect_none(rig);
	rig_images_changed(rig);
	(void)rig_expect(rig, IPC_IMAGE);
	rig_answer(rig, 0, NULL);
	rig_accept(rig, IPC_START, app.id);
	rig_running(rig, app.id, 2);
	rig_assert_state(rig, app.id, "running", "");
	rig_free(rig);
}

/* The image comes while the revision is on its way: the revision's arrival starts it. */
static void test_image_then_revision(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app first;
	struct rig_app second;

	(void)state;
	rig_make_app(&first, "nowhere:1", NULL);
	rig_make_app(&second, "nowhere:1", "always");
	assert_string_equal(first.id, second.id);
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &first);
	rig_deliver_revision(rig, &first);
	rig_accept(rig, IPC_START, first.id);
	rig_tell(rig, first.id,
	        &(struct rig_state){ .state = IPC_INSTANCE_ENDED,
	                .generation = 1,
	                .never_ran = true,
	                .message = "image" });
	(void)rig_expect(rig, IPC_IMAGE);
	rig_answer(rig, ENOENT, "no such image");
	rig_assign_one(rig, 1, 2, &second);
	rig_run(rig, 600); /* the write of the assignment waits for the revision, but not for ever */
	rig_assert_state(rig, second.id, "pending", "waits for revision");
	rig_images_changed(rig);
	rig_expect_none(rig);
	rig_deliver_revision(rig, &second);
	rig_accept(rig, IPC_START, second.id);
	rig_free(rig);
}

static void test_refused(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", "no");
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &app);
	rig_deliver_revision(rig, &app);
	(void)rig_expect(rig, IPC_START);
	rig_answer(rig, EPERM, "this node does not allow it");
	rig_assert_state(rig, app.id, "failed", "this node does not allow it");
	rig_run(rig, CONFIG_BACKOFF_MIN_MS / 2);
	rig_expect_none(rig);
	rig_run(rig, CONFIG_BACKOFF_MIN_MS); /* things change, whatever the restart policy says */
	(void)rig_expect(rig, IPC_START);
	rig_answer(rig, EPERM, "this node does not allow it");
	rig_run(rig, CONFIG_BACKOFF_MIN_MS + 100);
	rig_expect_none(rig); /* twice as long now */
	rig_free(rig);
}

static void test_never_ran(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &app);
	rig_deliver_revision(rig, &app);
	rig_accept(rig, IPC_START, app.id);
	rig_tell(rig, app.id,
	        &(struct rig_state){ .state = IPC_INSTANCE_ENDED,
	                .generation = 1,
	                .never_ran = true,
	                .message = "executable file not found" });
	(void)rig_expect(rig, IPC_IMAGE);
	rig_answer(rig, 0, NULL);
	rig_assert_state(rig, app.id, "failed", "executable file not found");
	rig_expect_none(rig);
	rig_run(rig, CONFIG_BACKOFF_MIN_MS + 50);
	rig_accept(rig, IPC_START, app.id);
	rig_running(rig, app.id, 2);
	rig_assert_state(rig, app.id, "running", "");
	rig_free(rig);
}

static void test_unsendable(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &app);
	rig->send_result = -ENOBUFS;
	rig_deliver_revision(rig, &app);
	rig_assert_state(rig, app.id, "failed", "batond cannot be asked");
	rig->send_result = 0;
	rig_run(rig, CONFIG_BACKOFF_MIN_MS + 50);
	rig_accept(rig, IPC_START, app.id);
	rig_free(rig);
}

static void test_stop_command(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;
	char payload[256];
	json_t *answer;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_run_app(rig, &app);
	(void)snprintf(payload, sizeof(payload), "{\"instance\":\"%s\"}", app.id);
	rig_command(rig, "stop", payload);
	answer = rig_published(rig, "");
	assert_true(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	rig_accept(rig, IPC_STOP, app.id);
	rig_assert_state(rig, app.id, "stopping", "operator");
	rig_ended(rig, app.id, 1, 143);
	rig_accept(rig, IPC_START, app.id); /* at once, without a wait */
	rig_running(rig, app.id, 2);
	rig_assert_state(rig, app.id, "running", "");
	/* while it waits for its restart */
	rig_ended(rig, app.id, 2, 1);
	rig_assert_state(rig, app.id, "backoff", "");
	rig_command(rig, "stop", payload);
	rig_accept(rig, IPC_START, app.id);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_restart_after_exit),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_max_attempts),
		cmocka_unit_test(test_unknown_exit),
		cmocka_unit_test(test_image_missing),
		cmocka_unit_test(test_image_then_revision),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_never_ran),
		cmocka_unit_test(test_unsendable),
		cmocka_unit_test(test_stop_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
