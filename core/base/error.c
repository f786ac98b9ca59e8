/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/utf8.h"

/* Does not leave half a UTF-8 character at the end of a message that was cut. */
static void trim_partial_character(char *text)
{
	size_t length = strlen(text);

	if (length + 1 == ERROR_MESSAGE_MAX)
		text[utf8_trim(text, length)] = '\0';
}

__attribute__((format(printf, 3, 0))) static void format_into(
        struct baton_error *err, int code, const char *format, va_list args)
{
	err->code = code;
	(void)vsnprintf(err->message, sizeof(err->message), format, args);
	trim_partial_character(err->message);
}

int error_set(struct baton_error *err, int code, const char *format, ...)
{
	va_list args;

	if (err) {
		va_start(args, format);
		format_into(err, code, format, args);
		va_end(args);
	}
	return -code;
}

int error_errno(struct baton_error *err, int code, const char *format, ...)
{
	va_list args;
	size_t used;

	if (err) {
		va_start(args, format);
		format_into(err, code, format, args);
		va_end(args);
		used = strlen(err->message);
		/* strerrordesc_np is a table look-up: safe between clone and exec, unlike strerror. */
		const char *text = strerrordesc_np(code);
		(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
		        text ? text : "unknown error");
	}
	return -code;
}

int error_prefix(struct baton_error *err, const char *format, ...)
{
	char old[ERROR_MESSAGE_MAX];
	va_list args;
	size_t used;

	if (!err)
		return -EIO;
	memcpy(old, err->message, sizeof(old));
	va_start(args, format);
	format_into(err, err->code, format, args);
	va_end(args);
	used = strlen(err->message);
	(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s", old);
	trim_partial_character(err->message);
	return -err->code;
}
