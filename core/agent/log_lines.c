/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/log_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/clock.h"
#include "core/base/utf8.h"

#define TIME_MIN   20  /* 2026-01-31T10:00:00Z */
#define TIME_MAX   30  /* with nanoseconds */
#define PREFIX_MAX 64  /* time, stream and flag before the text of a line */
#define ENVELOPE   512 /* {"ok":true,"instance":"...","lines":[...],"end":true} */
#define PER_LINE   96  /* names, time, stream, punctuation of one line */
#define ESCAPED    6   /* \u0000 */

struct parsed {
	char time[TIME_MAX + 1];
	const char *stream;
	bool partial;
	const char *text;
	size_t length;
};

void log_lines_init(struct log_lines *lines, int64_t since_ms, log_lines_fn send, void *arg)
{
	*lines = (struct log_lines){ .since_ms = since_ms, .send = send, .arg = arg };
	buf_init(&lines->line, CONFIG_LOG_LINE_MAX + PREFIX_MAX);
}

void log_lines_release(struct log_lines *lines)
{
	json_decref(lines->array);
	lines->array = NULL;
	buf_release(&lines->line);
}

static bool take_word(const char **cursor, const char *end, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(end - *cursor) < length || memcmp(*cursor, word, length) != 0)
		return false;
	*cursor += length;
	return true;
}

static bool parse(const char *line, size_t length, struct parsed *parsed)
{
	const char *end = line + length;
	const char *space = memchr(line, ' ', length);
	const char *cursor = space ? space + 1 : NULL;
	size_t time_length = space ? (size_t)(space - line) : 0;

	if (!cursor || time_length < TIME_MIN || time_length > TIME_MAX)
		return false;
	memcpy(parsed->time, line, time_length);
	parsed->time[time_length] = '\0';
	if (take_word(&cursor, end, "stdout "))
		parsed->stream = "stdout";
	else if (take_word(&cursor, end, "stderr "))
		parsed->stream = "stderr";
	else
		return false;
	parsed->partial = take_word(&cursor, end, "P ");
	if (!parsed->partial && !take_word(&cursor, end, "F "))
		return false;
	parsed->text = cursor;
	parsed->length = (size_t)(end - cursor);
	return true;
}

/*
 * Bytes that a JSON string can carry: what is not UTF-8 becomes U+FFFD, and so does NUL, which our own parser
 * refuses. Returns the length written to `out`, which holds 3 bytes for each of `in`.
 */
static size_t clean(const char *in, size_t length, char *out)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t used = 0;

	while (length > 0) {
		size_t step = *in == '\0' ? 0 : utf8_sequence(in, length);
		const char *from = step > 0 ? in : replacement;
		size_t size = step > 0 ? step : sizeof(replacement) - 1;

		memcpy(out + used, from, size);
		used += size;
		in += step > 0 ? step : 1;
		length -= step > 0 ? step : 1;
	}
	return used;
}

static size_t escaped_length(const char *text, size_t length)
{
	size_t total = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			total += ESCAPED;
		else
			total += c == '"' || c == '\\' ? 2 : 1;
	}
	return total;
}

static size_t cut(const char *text, size_t length)
{
	return length <= CONFIG_LOG_TEXT_MAX ? length : utf8_trim(text, CONFIG_LOG_TEXT_MAX);
}

static void append(struct log_lines *lines, const struct parsed *parsed, size_t length, bool partial)
{
	char text[CONFIG_LOG_TEXT_MAX * 3];
	size_t used = clean(parsed->text, length, text);
	size_t bytes = escaped_length(text, used) + PER_LINE;
	json_t *line;

	if (lines->array && lines->bytes + bytes + ENVELOPE > CONFIG_LOG_MESSAGE_MAX_BYTES)
		log_lines_flush(lines, false);
	line = json_pack(
	        "{s:s, s:s, s:s%}", "time", parsed->time, "stream", parsed->stream, "text", text, used);
	if (line && partial)
		(void)json_object_set_new(line, "partial", json_true()); /* its lack is a line too many */
	if (!lines->array)
		lines->array = json_array();
	if (line && lines->array && json_array_append(lines->array, line) == 0)
		lines->bytes += bytes;
	json_decref(line);
}

void log_lines_add(struct log_lines *lines, const char *line, size_t length)
{
	struct parsed parsed;
	int64_t wall_ms;

	if (!parse(line, length, &parsed))
		return;
	if (lines->since_ms > 0 && (clock_parse(parsed.time, &wall_ms) < 0 || wall_ms < lines->since_ms))
		return;
	do {
		size_t taken = cut(parsed.text, parsed.length);
		bool more = taken < parsed.length;

		append(lines, &parsed, taken, parsed.partial || more);
		parsed.text += taken;
		parsed.length -= taken;
	} while (parsed.length > 0);
}

void log_lines_note(struct log_lines *lines, const char *text)
{
	struct parsed parsed = { .stream = "baton", .text = text, .length = strlen(text) };
	char now[CLOCK_TEXT_SIZE];

	clock_format(clock_wall_ms(), now);
	(void)snprintf(parsed.time, sizeof(parsed.time), "%.30s", now);
	append(lines, &parsed, cut(parsed.text, parsed.length), false);
}

void log_lines_flush(struct log_lines *lines, bool end)
{
	if (!lines->array && end)
		lines->array = json_array();
	if (lines->array)
		lines->send(lines->arg, lines->array, end);
	json_decref(lines->array);
	lines->array = NULL;
	lines->bytes = 0;
}

void log_lines_skip(struct log_lines *lines)
{
	buf_reset(&lines->line);
	lines->skipping = true;
}

void log_lines_feed(struct log_lines *lines, const char *data, size_t length)
{
	while (length > 0) {
		const char *newline = memchr(data, '\n', length);
		size_t part = newline ? (size_t)(newline - data) : length;

		/* The supervisor writes no longer lines: this is no log of ours, or memory is short. */
		if (!lines->skipping && buf_append(&lines->line, data, part) < 0)
			log_lines_skip(lines);
		if (newline && !lines->skipping)
			log_lines_add(lines, lines->line.data ? lines->line.data : "", lines->line.length);
		if (newline) {
			buf_reset(&lines->line);
			lines->skipping = false;
			part++;
		}
		data += part;
		length -= part;
	}
}
