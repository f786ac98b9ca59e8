/* SPDX-License-Identifier: Apache-2.0 */
#include "core/controller/policy_status.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/model/text.h"

/* Beyond that a verdict is given, but not remembered: it may be cleaned up at the next sync. */
#define BOARD_MAX 512
#define KEY_SIZE  (2 * NAME_SIZE)

int policy_board_init(struct policy_board *board)
{
	board->wanted = json_object();
	board->retained = json_object();
	return board->wanted && board->retained ? 0 : -ENOMEM;
}

void policy_board_release(struct policy_board *board)
{
	json_decref(board->wanted);
	json_decref(board->retained);
	*board = (struct policy_board){ NULL, NULL };
}

void policy_board_connected(struct policy_board *board)
{
	(void)json_object_clear(board->wanted);
	(void)json_object_clear(board->retained);
}

static void make_key(char key[static KEY_SIZE], const char *type, const char *name)
{
	(void)snprintf(key, KEY_SIZE, "%.*s/%.*s", TOPIC_NAME_MAX, type, TOPIC_NAME_MAX, name);
}

/* Takes the reference. Without memory the entry is missing, which the next sync makes good. */
static void keep(json_t *list, const char *key, json_t *document)
{
	if (json_object_get(list, key) || json_object_size(list) < BOARD_MAX)
		(void)json_object_set_new(list, key, document);
	else
		json_decref(document);
}

void policy_board_message(
        struct policy_board *board, const struct topic *topic, const struct session_message *message)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	struct baton_error err = { 0 };
	json_t *document = NULL;
	char key[KEY_SIZE];

	make_key(key, topic->first, topic->second);
	if (message->length == 0 && !message->too_large) {
		(void)json_object_del(board->retained, key);
		return;
	}
	if (message->too_large || json_parse(message->payload, message->length, limits, &document, &err) < 0)
		document = json_null();
	(void)json_object_del(document, "since");
	keep(board->retained, key, document);
}

static int retain(struct controller *controller, const char *key, const char *text)
{
	char type[KEY_SIZE];
	char *name;

	(void)snprintf(type, sizeof(type), "%s", key);
	name = strchr(type, '/');
	*name++ = '\0';
	return controller_retain(controller, TOPIC_POLICY_STATUS, type, name, text, strlen(text));
}

/* Offline, or out of memory: the next sync or tick finds the difference again. */
static void publish(
        struct controller *controller, struct policy_board *board, const char *key, json_t *document)
{
	cleanup_json json_t *dated = json_copy(document);
	cleanup_free char *text = NULL;
	char since[CLOCK_TEXT_SIZE];

	clock_format(clock_wall_ms(), since);
	if (!dated || json_object_set_new(dated, "since", json_string(since)) < 0)
		return;
	text = json_text(dated);
	if (text && retain(controller, key, text) == 0)
		keep(board->retained, key, json_incref(document));
}

static json_t *make_document(const struct policy_verdict *verdict)
{
	cleanup_json json_t *errors = json_array();

	if (verdict->reason &&
	        json_array_append_new(
	                errors, json_pack("{s:s, s:o, s:s*}", "path", "$", "reason",
	                                document_any_text(verdict->reason), "limit", verdict->limit)) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s?, s:O}", "policy", verdict->name, "type", verdict->type,
	        "state", verdict->state, "digest", verdict->digest, "errors", errors);
}

void policy_board_show(
        struct controller *controller, struct policy_board *board, const struct policy_verdict *verdict)
{
	cleanup_json json_t *document = make_document(verdict);
	char key[KEY_SIZE];

	if (!document)
		return;
	make_key(key, verdict->type, verdict->name);
	keep(board->wanted, key, json_incref(document));
	if (controller->synced && !json_equal(json_object_get(board->retained, key), document))
		publish(controller, board, key, document);
}

static void clear(struct controller *controller, struct policy_board *board, const char *key)
{
	if (retain(controller, key, "") == 0)
		(void)json_object_del(board->retained, key);
}

void policy_board_clear(
        struct controller *controller, struct policy_board *board, const char *type, const char *name)
{
	char key[KEY_SIZE];

	make_key(key, type, name);
	(void)json_object_del(board->wanted, key);
	if (controller->synced && json_object_get(board->retained, key))
		clear(controller, board, key);
}

void policy_board_settle(struct controller *controller, struct policy_board *board)
{
	const char *key;
	json_t *document;
	void *next;

	json_object_foreach(board->wanted, key, document) {
		if (!json_equal(json_object_get(board->retained, key), document))
			publish(controller, board, key, document);
	}
	json_object_foreach_safe(board->retained, next, key, document) {
		if (!json_object_get(board->wanted, key))
			clear(controller, board, key);
	}
}
