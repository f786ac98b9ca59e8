/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts on what has no entry of its own to keep them: what we say on each status topic, and what the
 * broker holds there. A verdict is published only when they differ, so a reconnect changes nothing, and what
 * others write there is repaired.
 */
#ifndef BATON_CONTROLLER_BOARD_H
#define BATON_CONTROLLER_BOARD_H

#include <jansson.h>

#include "core/model/topics.h"

struct controller;
struct session_message;

struct board {
	enum topic_kind kind; /* of the status topics */
	json_t *wanted;       /* "first/second": document without "since" */
	json_t *retained;     /* the same; null for what is none of ours */
};

int board_init(struct board *board, enum topic_kind kind); /* 0 or -ENOMEM */
void board_release(struct board *board);                   /* takes one that is zero */

/* `second` is "" for topics with one variable level. */
void board_connected(struct board *board);
void board_message(struct board *board, const struct topic *topic, const struct session_message *message);

/* Before synced they only change what is wanted. Takes the reference to document, which may be NULL. */
void board_show(struct controller *controller, struct board *board, const char *first, const char *second,
        json_t *document);
void board_clear(struct controller *controller, struct board *board, const char *first, const char *second);

/* The topic is somebody else's business from now on. */
void board_forget(struct board *board, const char *first, const char *second);

/* Publishes every difference. */
void board_settle(struct controller *controller, struct board *board);

#endif
