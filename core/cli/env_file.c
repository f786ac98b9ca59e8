/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/env_file.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"

#define BLANKS       " \t\r"
#define UTF8_MARK    "\xEF\xBB\xBF"
#define EXPORT       "export "
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-"

struct source {
	const char *path;
	const char *at;
	size_t line;
	const struct variables *known;
	struct baton_error *err;
};

static int fail(const struct source *source, const char *reason)
{
	return error_set(source->err, EINVAL, "%s:%zu: %s", source->path, source->line, reason);
}

static void skip(struct source *source, const char *letters)
{
	source->at += strspn(source->at, letters);
}

/* To the begin of the next line. */
static void skip_line(struct source *source)
{
	source->at += strcspn(source->at, "\n");
	if (*source->at == '\n') {
		source->at++;
		source->line++;
	}
}

static char unescape(char letter)
{
	static const char from[] = "nrt";
	static const char to[] = "\n\r\t";
	const char *found = strchr(from, letter);

	return found ? to[found - from] : letter;
}

/*
 * source->at stands on the opening quote. "\$" becomes "$$", which is a dollar sign after variables are
 * replaced.
 */
static int read_quoted(struct source *source, struct buf *value)
{
	const char quote = *source->at++;
	const char *escapes = quote == '"' ? "nrt\\\"$" : "'";
	const size_t first = source->line;

	for (; *source->at != quote; source->at++) {
		char letter = *source->at;
		bool escaped = letter == '\\' && source->at[1] && strchr(escapes, source->at[1]);

		if (letter == '\0') {
			source->line = first;
			return fail(source, "the quote is not closed");
		}
		source->line += letter == '\n';
		if (escaped)
			letter = unescape(*++source->at);
		if (buf_append(value, "$", escaped && letter == '$') < 0 || buf_append(value, &letter, 1) < 0)
			return fail(source, "the value is too long");
	}
	source->at++;
	skip(source, BLANKS);
	if (*source->at != '\0' && *source->at != '\n' && *source->at != '#')
		return fail(source, "text behind the closing quote");
	return 0;
}

static int read_plain(struct source *source, struct buf *value)
{
	size_t length = strcspn(source->at, "\n");

	/* Before the value stands "=", or a blank. */
	for (size_t i = 0; i < length; i++) {
		if (source->at[i] == '#' && strchr(BLANKS, source->at[i - 1]))
			length = i;
	}
	while (length > 0 && strchr(BLANKS, source->at[length - 1]))
		length--;
	return buf_append(value, source->at, length) < 0 ? fail(source, "the value is too long") : 0;
}

static int read_value(struct source *source, const char *name, json_t *variables)
{
	cleanup_buf struct buf value = { .max = CONFIG_CLI_DOCUMENT_BYTES };
	cleanup_free char *replaced = NULL;
	const size_t first = source->line;
	const char quote = *source->at;
	const char *text;
	int r = quote == '"' || quote == '\'' ? read_quoted(source, &value) : read_plain(source, &value);

	if (r < 0)
		return r;
	text = value.length > 0 ? value.data : "";
	if (quote != '\'') {
		r = interpolate_text(text, source->known, &replaced, source->err);
		if (r < 0)
			return error_prefix(source->err, "%s:%zu", source->path, first);
		text = replaced;
	}
	if (json_object_set_new(variables, name, json_string(text)) < 0)
		return fail(source, "the value is not UTF-8");
	return 0;
}

static int read_line(struct source *source, json_t *variables)
{
	cleanup_free char *name = NULL;
	size_t length;

	skip(source, BLANKS);
	if (*source->at == '#' || *source->at == '\n' || *source->at == '\0')
		return 0;
	if (strncmp(source->at, EXPORT, strlen(EXPORT)) == 0)
		source->at += strlen(EXPORT);
	skip(source, BLANKS);
	length = strspn(source->at, NAME_LETTERS);
	if (length == 0)
		return fail(source, "a line is NAME=VALUE");
	name = strndup(source->at, length);
	if (!name)
		return error_set(source->err, ENOMEM, "out of memory");
	source->at += length;
	skip(source, BLANKS);
	if (*source->at == '\n' || *source->at == '\0')
		return 0;
	if (*source->at != '=')
		return fail(source, "a line is NAME=VALUE");
	source->at++;
	skip(source, BLANKS);
	return read_value(source, name, variables);
}

int env_file_read(const char *path, const struct variables *known, json_t *variables, struct baton_error *err)
{
	struct source source = { .path = path, .line = 1, .known = known, .err = err };
	cleanup_free char *text = NULL;
	size_t length;
	int r = file_read_at(AT_FDCWD, path, CONFIG_CLI_DOCUMENT_BYTES, &text, &length);

	if (r < 0)
		return error_errno(err, -r, "%s", path);
	if (strlen(text) != length)
		return error_set(err, EINVAL, "%s: NUL characters", path);
	source.at = text;
	if (strncmp(text, UTF8_MARK, strlen(UTF8_MARK)) == 0)
		source.at += strlen(UTF8_MARK);
	while (r == 0 && *source.at) {
		r = read_line(&source, variables);
		skip_line(&source);
	}
	return r;
}
