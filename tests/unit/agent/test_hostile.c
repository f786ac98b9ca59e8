/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic x payload: whatever a broker brings, the agent stands, what it runs is left alone, and who sent it is
 * told: by the answer to a command, else by an event.
 */
#include "test.h"

#include "core/base/clock.h"
#include "core/model/node.h"

#define DESIRED "nodes/" RIG_NODE "/desired"
#define COMMAND "nodes/" RIG_NODE "/command/"

#define DIGITS_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define REF(id, app, service, slot, digest)                                                                  \
	"{\"id\":" id ",\"app\":" app ",\"service\":" service ",\"slot\":" slot ",\"digest\":" digest "}"
#define GOOD_ID      "\"shop.web.1.0123456789\""
#define GOOD_DIGEST  "\"" DIGITS_64 "\""
#define GOOD_REF     REF(GOOD_ID, "\"shop\"", "\"web\"", "1", GOOD_DIGEST)
#define ASSIGN(refs) "{\"term\":9,\"revision\":9,\"instances\":[" refs "]}"

struct payload {
	const char *name;
	const void *bytes;
	size_t length;
};

#define TEXT(name, text)                                                                                     \
	{                                                                                                    \
		name, text, sizeof(text) - 1                                                                 \
	}

/* No JSON document at all, or none that is an object: wrong for every topic. */
static const struct payload no_objects[] = {
	TEXT("a space", " "),
	TEXT("a word", "hello"),
	TEXT("half an object", "{\"term\":1,\"revision\":"),
	TEXT("two objects", "{} {}"),
	TEXT("an array", "[]"),
	TEXT("a number", "5"),
	TEXT("null", "null"),
	TEXT("a string", "\"stop\""),
	TEXT("a NUL", "\0"),
	TEXT("a NUL behind an object", "{}\0"),
	TEXT("an escaped NUL", "{\"a\":\"\\u0000\"}"),
	TEXT("a name with a NUL", "{\"a\\u0000b\":1}"),
	TEXT("the same name twice", "{\"term\":1,\"term\":2}"),
	TEXT("bytes that are no UTF-8", "{\"a\":\"\xff\xfe\"}"),
	TEXT("an overlong slash", "{\"a\":\"\xc0\xaf\"}"),
	TEXT("half a surrogate", "{\"a\":\"\\ud800\"}"),
	TEXT("a byte order mark", "\xef\xbb\xbf{}"),
	TEXT("an integer of 65 bits", "{\"term\":18446744073709551616}"),
	TEXT("a number without end", "{\"term\":1e999}"),
	TEXT("not a number", "{\"term\":NaN}"),
};

static const struct payload bad_assignments[] = {
	TEXT("an empty object", "{}"),
	TEXT("no instances", "{\"term\":9,\"revision\":9}"),
	TEXT("a term below zero", "{\"term\":-1,\"revision\":9,\"instances\":[]}"),
	TEXT("a term with a fraction", "{\"term\":1.5,\"revision\":9,\"instances\":[]}"),
	TEXT("a term in quotes", "{\"term\":\"9\",\"revision\":9,\"instances\":[]}"),
	TEXT("instances as an object", "{\"term\":9,\"revision\":9,\"instances\":{}}"),
	TEXT("an instance that is a number", ASSIGN("1")),
	TEXT("an instance without members", ASSIGN("{}")),
	TEXT("an id of another slot",
	        ASSIGN(REF("\"shop.web.2.0123456789\"", "\"shop\"", "\"web\"", "1", GOOD_DIGEST))),
	TEXT("an id with a path",
	        ASSIGN(REF("\"../../etc.web.1.0123456789\"", "\"../../etc\"", "\"web\"", "1", GOOD_DIGEST))),
	TEXT("an id with a wildcard",
	        ASSIGN(REF("\"#.web.1.0123456789\"", "\"#\"", "\"web\"", "1", GOOD_DIGEST))),
	TEXT("a slot of 0",
	        ASSIGN(REF("\"shop.web.0.0123456789\"", "\"shop\"", "\"web\"", "0", GOOD_DIGEST))),
	TEXT("a slot of 33 bits", ASSIGN(REF("\"shop.web.4294967296.0123456789\"", "\"shop\"", "\"web\"",
	                                  "4294967296", GOOD_DIGEST))),
	TEXT("a digest that is too short", ASSIGN(REF(GOOD_ID, "\"shop\"", "\"web\"", "1", "\"0123\""))),
	TEXT("a digest in capitals",
	        ASSIGN(REF(GOOD_ID, "\"shop\"", "\"web\"", "1",
	                "\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\""))),
	TEXT("an instance twice", ASSIGN(GOOD_REF "," GOOD_REF)),
};

static const struct payload bad_logs[] = {
	TEXT("an empty object", "{}"),
	TEXT("an instance that is a number", "{\"instance\":1}"),
	TEXT("an unknown instance", "{\"instance\":\"shop.web.7.0123456789\"}"),
	TEXT("a path", "{\"instance\":\"../../../etc\"}"),
	TEXT("lines in quotes", "{\"instance\":\"%s\",\"lines\":\"5\"}"),
	TEXT("lines below zero", "{\"instance\":\"%s\",\"lines\":-1}"),
	TEXT("more lines than the limit", "{\"instance\":\"%s\",\"lines\":1000000}"),
	TEXT("since before 1970", "{\"instance\":\"%s\",\"since_ms\":-5}"),
	TEXT("since behind all dates", "{\"instance\":\"%s\",\"since_ms\":9223372036854775807}"),
	TEXT("follow that is a number", "{\"instance\":\"%s\",\"follow\":1}"),
	TEXT("a member too many", "{\"instance\":\"%s\",\"lines\":1,\"tail\":1}"),
};

static const struct payload bad_stops[] = {
	TEXT("an empty object", "{}"),
	TEXT("an instance that is a list", "{\"instance\":[]}"),
	TEXT("an unknown instance", "{\"instance\":\"shop.web.7.0123456789\"}"),
	TEXT("a member too many", "{\"instance\":\"%s\",\"signal\":9}"),
};

#define count_of(array) (sizeof(array) / sizeof((array)[0]))

/* ---- what must follow ---- */

/* The newest event is the refusal of a payload on this topic, with a reason for people. */
static void assert_event(const struct rig *rig, const char *topic, const char *name, const char *limit)
{
	json_t *event = rig_published(rig, "events");
	char full[TOPIC_MAX];

	if (!event)
		fail_msg("%s: %s: silence", topic, name);
	(void)snprintf(full, sizeof(full), "%s/%s", RIG_PREFIX, topic);
	assert_string_equal(json_string_value(json_object_get(event, "type")), "payload.rejected");
	assert_string_equal(json_string_value(json_object_get(event, "topic")), full);
	assert_int_equal(json_string_value(json_object_get(event, "path"))[0], '$');
	assert_true(json_string_length(json_object_get(event, "reason")) > 0);
	if (limit)
		assert_string_equal(json_string_value(json_object_get(event, "limit")), limit);
	json_decref(event);
}

static void assert_answer(const struct rig *rig, const char *verb, const char *name, const char *reason)
{
	json_t *answer = rig_published(rig, "");
	json_t *first;

	if (!answer)
		fail_msg("%s: %s: no answer", verb, name);
	first = json_array_get(json_object_get(answer, "errors"), 0);
	if (!json_is_false(json_object_get(answer, "ok")) || !first)
		fail_msg("%s: %s is taken", verb, name);
	assert_int_equal(json_string_value(json_object_get(first, "path"))[0], '$');
	assert_true(json_string_length(json_object_get(first, "reason")) > 0);
	if (reason && !strstr(json_string_value(json_object_get(first, "reason")), reason))
		fail_msg("%s: %s: %s", verb, name, json_string_value(json_object_get(first, "reason")));
	json_decref(answer);
}

/* On no topic at all: answers have a member "ok", and nothing else has. */
static void assert_no_answer(const struct rig *rig)
{
	for (const struct rig_message *message = rig->published; message; message = message->next) {
		json_t *document = json_loads(message->payload, 0, NULL);

		if (json_object_get(document, "ok"))
			fail_msg("an answer on %s", message->topic);
		json_decref(document);
	}
}

/* An instance that runs, and must go on doing so. */
static struct rig *start(struct rig_app *app)
{
	struct rig *rig = rig_new();

	rig_make_app(app, "busybox:1", NULL);
	rig_up(rig);
	rig_run_app(rig, app);
	rig_forget_published(rig);
	return rig;
}

static void assert_untouched(struct rig *rig, const struct rig_app *app)
{
	json_t *instance;

	rig_expect_none(rig);
	rig_assign_one(rig, 1, 2, app); /* a good one still counts, and brings a report */
	instance = rig_instance(rig, app->id);
	assert_string_equal(json_string_value(json_object_get(instance, "state")), "running");
	json_decref(instance);
	rig_expect_none(rig);
	rig_free(rig);
}

/* ---- assignments and revisions ---- */

static void refuse_desired(struct rig *rig, const struct payload *payloads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		rig_forget_published(rig);
		rig_deliver_bytes(rig, DESIRED, payloads[i].bytes, payloads[i].length, false);
		assert_event(rig, DESIRED, payloads[i].name, NULL);
		rig_expect_none(rig);
	}
}

static char *deep(size_t depth)
{
	char *text = malloc(2 * depth + 1);

	assert_non_null(text);
	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	text[2 * depth] = '\0';
	return text;
}

static void test_desired(void **state)
{
	struct rig_app app;
	struct rig *rig = start(&app);
	char *nested = deep(CONFIG_MAX_DOCUMENT_DEPTH + 1);
	char limit[32];

	(void)state;
	refuse_desired(rig, no_objects, count_of(no_objects));
	refuse_desired(rig, bad_assignments, count_of(bad_assignments));
	refuse_desired(rig, &(struct payload){ "too deep", nested, strlen(nested) }, 1);
	free(nested);
	rig_forget_published(rig);
	(void)snprintf(limit, sizeof(limit), "%d bytes", CONFIG_MAX_DOCUMENT_BYTES);
	rig_deliver_bytes(rig, DESIRED, NULL, (size_t)CONFIG_MAX_DOCUMENT_BYTES + 1, true);
	assert_event(rig, DESIRED, "too large", limit);
	rig_deliver_bytes(rig, DESIRED, "", 0, false); /* removed: takes no work away, is no fault */
	assert_int_equal(rig_count(rig, "events"), 1);
	assert_untouched(rig, &app);
}

static void test_too_many_instances(void **state)
{
	struct rig_app app;
	struct rig *rig = start(&app);
	json_t *list = json_array();
	json_t *document;
	char *text;

	(void)state;
	for (int i = 1; i <= CONFIG_MAX_ASSIGNED_INSTANCES + 1; i++) {
		char id[64];

		(void)snprintf(id, sizeof(id), "s.w.%d.0123456789", i);
		assert_int_equal(json_array_append_new(
		                         list, json_pack("{s:s, s:s, s:s, s:i, s:s}", "id", id, "app", "s",
		                                       "service", "w", "slot", i, "digest", DIGITS_64)),
		        0);
	}
	document = json_pack("{s:i, s:i, s:o}", "term", 9, "revision", 9, "instances", list);
	text = json_dumps(document, JSON_COMPACT);
	rig_deliver_bytes(rig, DESIRED, text, strlen(text), false);
	free(text);
	json_decref(document);
	assert_event(rig, DESIRED, "an instance too many", NULL);
	assert_untouched(rig, &app);
}

/* Of another node, of another app, of no use: no business of ours. */
static void test_not_ours(void **state)
{
	struct rig_app app;
	struct rig *rig = start(&app);

	(void)state;
	rig_deliver(rig, "nodes/other/desired", "{\"term\":9,\"revision\":9,\"instances\":[]}", true);
	rig_deliver(rig, "nodes/other/command/stop", "{}", false);
	rig_deliver(rig, "apps/other/revisions/" DIGITS_64, "junk", true);
	assert_int_equal(rig_count(rig, "events"), 0);
	assert_untouched(rig, &app);
}

static void test_revision(void **state)
{
	struct rig *rig = rig_new();
	struct rig_app app;
	struct rig_app other;

	(void)state;
	rig_make_app(&app, "busybox:1", NULL);
	rig_make_app(&other, "busybox:2", NULL);
	rig_up(rig);
	rig_assign_one(rig, 1, 1, &app);
	for (size_t i = 0; i < count_of(no_objects); i++) {
		rig_forget_published(rig);
		rig_deliver_bytes(rig, app.topic, no_objects[i].bytes, no_objects[i].length, false);
		assert_event(rig, app.topic, no_objects[i].name, NULL);
	}
	rig_forget_published(rig);
	rig_deliver(rig, app.topic, other.text, true); /* good, but not what the digest stands for */
	assert_event(rig, app.topic, "another revision", NULL);
	rig_deliver_bytes(rig, app.topic, NULL, (size_t)CONFIG_MAX_DOCUMENT_BYTES + 1, true);
	assert_event(rig, app.topic, "too large", NULL);
	rig_expect_none(rig);
	assert_true(rig_is_subscribed(rig, app.topic));
	rig_deliver_revision(rig, &app);
	rig_accept(rig, IPC_START, app.id);
	rig_free(rig);
}

/* Right digest, and no manifest that this node can use: the instance says so. */
static void test_revision_that_cannot_be_decoded(void **state)
{
	for (size_t i = 0; i < count_of(no_objects); i++) {
		struct rig *rig = rig_new();
		struct rig_app app;

		(void)state;
		rig_make_app(&app, "busybox:1", NULL);
		assert_int_equal(digest_sha256(no_objects[i].bytes, no_objects[i].length, app.digest), 0);
		(void)snprintf(app.topic, sizeof(app.topic), "apps/shop/revisions/%s", app.digest);
		rig_up(rig);
		rig_assign_one(rig, 1, 1, &app);
		rig_deliver_bytes(rig, app.topic, no_objects[i].bytes, no_objects[i].length, false);
		rig_expect_none(rig);
		rig_assert_state(rig, app.id, "failed", "cannot be used on this node");
		rig_free(rig);
	}
}

/* ---- commands ---- */

/* "%s" in the payload stands for the id of what runs. */
static void refuse_commands(
        struct rig *rig, const char *verb, const struct payload *payloads, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++) {
		const char *mark = strstr(payloads[i].bytes, "%s");
		char text[512];
		size_t length = payloads[i].length;

		memcpy(text, payloads[i].bytes, length);
		if (mark)
			length = (size_t)snprintf(text, sizeof(text), "%.*s%s%s",
			        (int)(mark - (const char *)payloads[i].bytes),
			        (const char *)payloads[i].bytes, id, mark + 2);
		rig_forget_published(rig);
		rig_command_bytes(rig, verb, "reply/1", text, length, false);
		assert_answer(rig, verb, payloads[i].name, NULL);
		rig_expect_none(rig);
	}
}

static void test_commands(void **state)
{
	static const char *const verbs[] = { "logs", "stop" };
	struct rig_app app;
	struct rig *rig = start(&app);

	(void)state;
	for (size_t i = 0; i < count_of(verbs); i++) {
		char topic[64];

		refuse_commands(rig, verbs[i], no_objects, count_of(no_objects), app.id);
		rig_command_bytes(rig, verbs[i], "reply/1", "", 0, false);
		assert_answer(rig, verbs[i], "nothing", NULL);
		rig_forget_published(rig);
		rig_command_bytes(
		        rig, verbs[i], "reply/1", NULL, (size_t)CONFIG_MAX_DOCUMENT_BYTES + 1, true);
		assert_answer(rig, verbs[i], "too large", "bytes");
		/* without a topic for the answer */
		rig_command_bytes(rig, verbs[i], NULL, "[]", 2, false);
		(void)snprintf(topic, sizeof(topic), COMMAND "%s", verbs[i]);
		assert_event(rig, topic, "nobody to answer to", NULL);
	}
	refuse_commands(rig, "logs", bad_logs, count_of(bad_logs), app.id);
	refuse_commands(rig, "stop", bad_stops, count_of(bad_stops), app.id);
	assert_untouched(rig, &app);
}

static void test_unknown_verbs(void **state)
{
	static const char *const verbs[] = { "reboot", "LOGS", "stop2", "sto", "exec" };
	struct rig_app app;
	struct rig *rig = start(&app);

	(void)state;
	for (size_t i = 0; i < count_of(verbs); i++) {
		rig_forget_published(rig);
		rig_command_bytes(rig, verbs[i], "reply/1", "{}", 2, false);
		assert_answer(rig, verbs[i], "an unknown verb", "this node knows logs and stop");
	}
	assert_untouched(rig, &app);
}

/* Carried out at every connection, if it were carried out at all. */
static void test_retained_command(void **state)
{
	struct rig_app app;
	struct rig *rig = start(&app);
	char payload[256];

	(void)state;
	(void)snprintf(payload, sizeof(payload), "{\"instance\":\"%s\"}", app.id);
	rig_deliver(rig, COMMAND "stop", payload, true);
	assert_event(rig, COMMAND "stop", "retained", NULL);
	rig_forget_published(rig);
	rig_deliver(rig, COMMAND "stop", "", true); /* somebody removed it */
	assert_int_equal(rig_count(rig, "events"), 0);
	assert_untouched(rig, &app);
}

/* The agent may write where the asker may not: the asker must not choose such a topic for the answer. */
static void test_answers_do_not_reach_topics_of_the_fleet(void **state)
{
	static const char *const topics[] = {
		"apps/shop/desired",
		"apps/shop/status",
		"apps/shop/command/rollback",
		"nodes/" RIG_NODE "/desired",
		"nodes/other/desired",
		"nodes/other/command/stop",
		"nodes/other/reported",
		"policies/placement/mine",
		"controller/leader",
		"events",
	};
	struct rig_app app;
	struct rig *rig = start(&app);
	char payload[256];

	(void)state;
	for (size_t i = 0; i < count_of(topics); i++) {
		char full[TOPIC_MAX];

		(void)snprintf(full, sizeof(full), "%s/%s", RIG_PREFIX, topics[i]);
		(void)snprintf(payload, sizeof(payload), "{\"instance\":\"%s\",\"lines\":0}", app.id);
		rig_forget_published(rig);
		rig_command_bytes(rig, "logs", full, payload, strlen(payload), false); /* a good one */
		assert_no_answer(rig);
		rig_command_bytes(rig, "logs", full, "[]", 2, false);
		assert_event(rig, COMMAND "logs", topics[i], NULL);
		assert_no_answer(rig);
	}
	/* The asker's own topic in the fleet is meant for that. */
	rig_forget_published(rig);
	rig_command_bytes(rig, "logs", RIG_PREFIX "/sync/cli-1", "[]", 2, false);
	assert_int_equal(rig_count(rig, "sync/cli-1"), 1);
	assert_untouched(rig, &app);
}

/* ---- what we say ourselves ---- */

/* A late will of an earlier boot or session is told by these. */
static void test_will(void **state)
{
	struct node_presence first;
	struct node_presence second;
	struct baton_error err;
	struct rig *rig = rig_new();
	char boot[BOOT_ID_SIZE];
	json_t *will;
	json_t *online;

	(void)state;
	assert_non_null(rig->will);
	will = json_loads(rig->will, 0, NULL);
	assert_int_equal(node_presence_decode(will, &first, &err), 0);
	json_decref(will);
	assert_false(first.online);
	rig_up(rig);
	assert_int_equal(clock_boot_id(boot), 0);
	assert_string_equal(first.boot, boot);
	online = rig_published(rig, "nodes/" RIG_NODE "/presence");
	assert_int_equal(node_presence_decode(online, &second, &err), 0);
	json_decref(online);
	assert_true(second.online);
	assert_string_equal(second.boot, first.boot);
	assert_string_equal(second.session, first.session);
	agent_disconnected(rig->agent);
	will = json_loads(rig->will, 0, NULL);
	assert_int_equal(node_presence_decode(will, &second, &err), 0);
	json_decref(will);
	assert_false(second.online);
	assert_string_equal(second.boot, first.boot);
	assert_string_not_equal(second.session, first.session);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desired),
		cmocka_unit_test(test_too_many_instances),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_revision),
		cmocka_unit_test(test_revision_that_cannot_be_decoded),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_unknown_verbs),
		cmocka_unit_test(test_retained_command),
		cmocka_unit_test(test_answers_do_not_reach_topics_of_the_fleet),
		cmocka_unit_test(test_will),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
