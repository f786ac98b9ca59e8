/* SPDX-License-Identifier: Apache-2.0 */
/* A disk without room: what runs stays, what is new waits. Linked with --wrap=file_system_room. */
#include "test.h"

int64_t __wrap_file_system_room(int dir_fd);

static int64_t room;

int64_t __wrap_file_system_room(int dir_fd)
{
	(void)dir_fd;
	return room;
}

#define PLENTY ((int64_t)1 << 40)

/* Names hold dots: both slots have ids that begin with "a.b.c.1.". */
static const struct {
	const char *app;
	const char *service;
	const char *old_id;
	const char *new_id;
} slots[] = {
	{ "a", "b.c", "a.b.c.1.5555555555", "a.b.c.1.1111111111" },
	{ "a.b", "c", "a.b.c.1.3333333333", "a.b.c.1.2222222222" },
};

static void assign(struct rig *rig, int revision, bool new)
{
	static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	json_t *list = json_array();
	json_t *document;
	char *text;

	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		assert_int_equal(json_array_append_new(list,
		                         json_pack("{s:s, s:s, s:s, s:i, s:s}", "id",
		                                 new ? slots[i].new_id : slots[i].old_id, "app", slots[i].app,
		                                 "service", slots[i].service, "slot", 1, "digest", digest)),
		        0);
	document = json_pack("{s:i, s:i, s:o}", "term", 1, "revision", revision, "instances", list);
	text = json_dumps(document, 0);
	rig_deliver(rig, "nodes/" RIG_NODE "/desired", text, true);
	free(text);
	json_decref(document);
}

/* The list that stands for the assignment meanwhile is in another order than the assignment. */
static void test_what_runs_stays(void **state)
{
	struct rig *rig;

	(void)state;
	room = PLENTY;
	rig = rig_new();
	assign(rig, 1, false);
	rig_running(rig, slots[0].old_id, 1);
	rig_running(rig, slots[1].old_id, 1);
	rig_up(rig);
	rig_run(rig, 700); /* until that assignment is written */
	rig_expect_none(rig);
	room = 0;
	assign(rig, 2, true);
	rig_expect_none(rig);
	rig_run(rig, 700); /* the report waits for a write, which is tried after a while */
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		rig_assert_state(rig, slots[i].old_id, "running", "");
		rig_assert_state(rig, slots[i].new_id, "pending", "the disk has 0 KiB left");
	}
	rig_free(rig);
}

/* An operator's stop is no way around it. */
static void test_stop_while_held(void **state)
{
	struct rig_app app;
	struct rig *rig;
	char payload[256];

	(void)state;
	room = 0;
	rig = rig_new();
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &app);
	rig_deliver_revision(rig, &app);
	rig_expect_none(rig);
	rig_assert_state(rig, app.id, "pending", "the disk has 0 KiB left");
	(void)snprintf(payload, sizeof(payload), "{\"instance\":\"%s\"}", app.id);
	rig_command(rig, "stop", payload);
	rig_expect_none(rig);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_runs_stays),
		cmocka_unit_test(test_stop_while_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
