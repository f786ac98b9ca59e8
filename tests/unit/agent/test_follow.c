/* SPDX-License-Identifier: Apache-2.0 */
/* Followed logs and a broker that is slow: they wait in their files. */
#include "test.h"

#define LOGS_TOPIC "nodes/" RIG_NODE "/logs/"

static void append(const struct rig *rig, const char *id, const char *text, unsigned count)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", rig->logs_path, id);
	(void)mkdir(path, 0750);
	(void)snprintf(path, sizeof(path), "%s/%s/current", rig->logs_path, id);
	file = fopen(path, "ae");
	assert_non_null(file);
	for (unsigned i = 0; i < count; i++)
		assert_true(fprintf(file, "2026-01-31T10:00:00.000000000Z stdout F %s\n", text) > 0);
	assert_int_equal(fclose(file), 0);
}

/* How many published lines of the instance hold this text. */
static size_t count_lines(const struct rig *rig, const char *id, const char *text)
{
	char topic[TOPIC_MAX];
	size_t count = 0;

	(void)snprintf(topic, sizeof(topic), RIG_PREFIX "/" LOGS_TOPIC "%s", id);
	for (const struct rig_message *message = rig->published; message; message = message->next) {
		json_t *document;
		json_t *line;
		size_t i;

		if (strcmp(message->topic, topic) != 0)
			continue;
		assert_int_equal(message->qos, 0);
		document = json_loads(message->payload, 0, NULL);
		json_array_foreach(json_object_get(document, "lines"), i, line)
			count += strstr(json_string_value(json_object_get(line, "text")), text) != NULL;
		json_decref(document);
	}
	return count;
}

static void test_slow_broker(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;
	char payload[256];

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_up(rig);
	rig_run_app(rig, &app);
	append(rig, app.id, "first", 1);
	(void)snprintf(payload, sizeof(payload), "{\"instance\":\"%s\",\"lines\":0,\"follow\":true}", app.id);
	rig_command(rig, "logs", payload);
	append(rig, app.id, "second", 1);
	rig_run(rig, CONFIG_LOG_FOLLOW_COALESCE_MS + 100);
	assert_int_equal(count_lines(rig, app.id, "second"), 1);
	rig->congested = true;
	append(rig, app.id, "third", 3);
	rig_run(rig, 400);
	assert_int_equal(count_lines(rig, app.id, "third"), 0);
	rig->congested = false;
	rig_run(rig, 400);
	assert_int_equal(count_lines(rig, app.id, "third"), 3);
	/* more than a second's worth: what is too much is dropped, and told */
	rig->congested = true;
	append(rig, app.id, "fourth", CONFIG_LOG_FOLLOW_BYTES_PER_SECOND / 20);
	rig_run(rig, 400);
	assert_int_equal(count_lines(rig, app.id, "fourth"), 0);
	rig->congested = false;
	rig_run(rig, 400);
	assert_true(count_lines(rig, app.id, "fourth") > 0);
	assert_true(count_lines(rig, app.id, "fourth") < CONFIG_LOG_FOLLOW_BYTES_PER_SECOND / 20);
	assert_true(count_lines(rig, app.id, "dropped") > 0);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_broker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
