/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of RUN/logs as JSON: {"time", "stream", "text", "partial"?}, collected into arrays of which each fits
 * one message. The supervisor wrote the lines, containers chose the text.
 */
#ifndef BATON_AGENT_LOG_LINES_H
#define BATON_AGENT_LOG_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

/* `lines` is borrowed during the call; `end`: no more follow. */
typedef void (*log_lines_fn)(void *arg, json_t *lines, bool end);

struct log_lines {
	json_t *array;   /* NULL while empty */
	size_t bytes;    /* an upper bound of the JSON text of the array */
	struct buf line; /* of log_lines_feed: a line whose end has not come yet */
	bool skipping;   /* of log_lines_feed: up to the end of a line that is not wanted */
	int64_t since_ms;
	log_lines_fn send;
	void *arg;
};

/* Lines of a time before since_ms are left out. */
void log_lines_init(struct log_lines *lines, int64_t since_ms, log_lines_fn send, void *arg);

/* Bytes of a file in their order; a last line without its end waits for the next call. */
void log_lines_feed(struct log_lines *lines, const char *data, size_t length);

/* The next bytes do not continue the last ones: leaves out everything up to the end of a line. */
void log_lines_skip(struct log_lines *lines);

/* One line without its newline. What is not a line of ours, and what memory does not hold, is left out. */
void log_lines_add(struct log_lines *lines, const char *line, size_t length);

/* A line of our own: stream "baton". */
void log_lines_note(struct log_lines *lines, const char *text);

/* Sends what is collected; with `end` even an empty array. */
void log_lines_flush(struct log_lines *lines, bool end);

/* Drops what was not sent and frees what it holds. */
void log_lines_release(struct log_lines *lines);

#endif
