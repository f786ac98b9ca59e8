/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policies/{type}/{name}/status: what we say of each policy, and what the broker holds there. A verdict is
 * published only when they differ, so a reconnect changes nothing, and what others write there is repaired.
 */
#ifndef BATON_CONTROLLER_POLICY_STATUS_H
#define BATON_CONTROLLER_POLICY_STATUS_H

#include "core/controller/controller-priv.h"

struct policy_board {
	json_t *wanted;   /* "type/name": document without "since" */
	json_t *retained; /* the same; null for what is none of ours */
};

struct policy_verdict {
	const char *type;
	const char *name;
	const char *state;
	const char *digest; /* NULL: it was not looked at */
	const char *reason; /* NULL: no error */
	const char *limit;
};

int policy_board_init(struct policy_board *board); /* 0 or -ENOMEM */
void policy_board_release(struct policy_board *board);

void policy_board_connected(struct policy_board *board);
void policy_board_message(
        struct policy_board *board, const struct topic *topic, const struct session_message *message);

/* Before synced they only change what is wanted. */
void policy_board_show(
        struct controller *controller, struct policy_board *board, const struct policy_verdict *verdict);
void policy_board_clear(
        struct controller *controller, struct policy_board *board, const char *type, const char *name);

/* Publishes every difference. */
void policy_board_settle(struct controller *controller, struct policy_board *board);

#endif
