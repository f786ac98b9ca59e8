/* SPDX-License-Identifier: Apache-2.0 */
#include "core/controller/board.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/controller/controller-priv.h"

/* Beyond that a verdict is given, but not remembered: it may be cleaned up at the next sync. */
#define BOARD_MAX 512
#define KEY_SIZE  (2 * NAME_SIZE)
/* A refusal, or the state of a policy with its traceback (ERROR_MESSAGE_MAX, escaped). */
#define STATUS_MAX 4096

int board_init(struct board *board, enum topic_kind kind)
{
	board->kind = kind;
	board->wanted = json_object();
	board->retained = json_object();
	return board->wanted && board->retained ? 0 : -ENOMEM;
}

void board_release(struct board *board)
{
	json_decref(board->wanted);
	json_decref(board->retained);
	*board = (struct board){ .wanted = NULL };
}

void board_connected(struct board *board)
{
	(void)json_object_clear(board->wanted);
	(void)json_object_clear(board->retained);
}

static void make_key(char key[static KEY_SIZE], const char *first, const char *second)
{
	(void)snprintf(key, KEY_SIZE, "%.*s/%.*s", TOPIC_NAME_MAX, first, TOPIC_NAME_MAX, second);
}

/* Takes the reference. Without memory the entry is missing, which the next sync makes good. */
static void keep(json_t *list, const char *key, json_t *document)
{
	if (json_object_get(list, key) || json_object_size(list) < BOARD_MAX)
		(void)json_object_set_new(list, key, document);
	else
		json_decref(document);
}

void board_message(struct board *board, const struct topic *topic, const struct session_message *message)
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
	/* Nothing that we write there is longer; what others wrote is not kept. */
	if (message->too_large || message->length > STATUS_MAX ||
	        json_parse(message->payload, message->length, limits, &document, &err) < 0)
		document = json_null();
	(void)json_object_del(document, "since");
	keep(board->retained, key, document);
}

static int retain(struct controller *controller, const struct board *board, const char *key, const char *text)
{
	size_t length = strcspn(key, "/");
	char first[KEY_SIZE];

	(void)snprintf(first, sizeof(first), "%.*s", (int)length, key);
	return controller_retain(
	        controller, board->kind, first, key + length + (key[length] == '/'), text, strlen(text));
}

/* Offline, or out of memory: the next sync or tick finds the difference again. */
static void publish(struct controller *controller, struct board *board, const char *key, json_t *document)
{
	cleanup_json json_t *dated = json_copy(document);
	cleanup_free char *text = NULL;
	char since[CLOCK_TEXT_SIZE];

	clock_format(clock_wall_ms(), since);
	if (!dated || json_object_set_new(dated, "since", json_string(since)) < 0)
		return;
	text = json_text(dated);
	if (text && retain(controller, board, key, text) == 0)
		keep(board->retained, key, json_incref(document));
}

void board_show(struct controller *controller, struct board *board, const char *first, const char *second,
        json_t *document)
{
	cleanup_json json_t *ours = document;
	char key[KEY_SIZE];

	if (!ours)
		return;
	make_key(key, first, second);
	keep(board->wanted, key, json_incref(ours));
	if (controller->synced && !json_equal(json_object_get(board->retained, key), ours))
		publish(controller, board, key, ours);
}

void board_forget(struct board *board, const char *first, const char *second)
{
	char key[KEY_SIZE];

	make_key(key, first, second);
	(void)json_object_del(board->wanted, key);
	(void)json_object_del(board->retained, key);
}

static void clear(struct controller *controller, struct board *board, const char *key)
{
	if (retain(controller, board, key, "") == 0)
		(void)json_object_del(board->retained, key);
}

void board_clear(struct controller *controller, struct board *board, const char *first, const char *second)
{
	char key[KEY_SIZE];

	make_key(key, first, second);
	(void)json_object_del(board->wanted, key);
	if (controller->synced && json_object_get(board->retained, key))
		clear(controller, board, key);
}

void board_settle(struct controller *controller, struct board *board)
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
