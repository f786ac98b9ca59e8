/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/terminal.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/cleanup.h"

#define DELETE  0x7FU
#define C1_LEAD 0xC2U

static bool is_c1(unsigned char byte)
{
	return byte >= 0x80U && byte <= 0x9FU;
}

/*
 * Bytes of the control character at `text`, 0 without one. `before` is the byte in front, 0 at the begin:
 * behind one of 80 and above, a byte 80 to 9F is a part of a longer character.
 */
static size_t control_length(const char *text, unsigned char before, const char *keep)
{
	unsigned char byte = (unsigned char)text[0];

	if (byte < 0x20U || byte == DELETE)
		return strchr(keep, text[0]) ? 0 : 1;
	if (byte == C1_LEAD && is_c1((unsigned char)text[1]))
		return 2;
	return is_c1(byte) && before < 0x80U;
}

void terminal_clean(char *text, const char *keep)
{
	unsigned char before = 0;
	char *to = text;

	for (const char *from = text; *from;) {
		size_t length = control_length(from, before, keep);

		before = length > 0 ? '?' : (unsigned char)*from;
		*to++ = (char)before;
		from += length > 0 ? length : 1;
	}
	*to = '\0';
}

void terminal_write(const char *text, const char *keep, FILE *out)
{
	cleanup_free char *copy = strdup(text);

	if (!copy)
		return; /* out of memory: rather nothing than an escape sequence */
	terminal_clean(copy, keep);
	(void)fputs(copy, out); /* main looks at the stream once, at the end */
}

void terminal_printf(FILE *out, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0) {
		text = NULL; /* undefined after a failure, see asprintf(3) */
		return;
	}
	terminal_clean(text, "\n");
	(void)fputs(text, out);
}
