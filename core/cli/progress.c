/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/cli/terminal.h"

#define WIDTH_DEFAULT 80

void progress_init(struct progress *progress, bool quiet)
{
	*progress = (struct progress){ .terminal = isatty(STDERR_FILENO) == 1, .quiet = quiet };
}

/* A longer line would wrap, and \r goes back to the begin of its last part only. */
static int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return WIDTH_DEFAULT - 1;
	return size.ws_col - 1;
}

void progress_show(struct progress *progress, const char *format, ...)
{
	char text[PROGRESS_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	terminal_clean(text, "");
	if (progress->quiet || strcmp(text, progress->last) == 0)
		return;
	memcpy(progress->last, text, sizeof(text));
	if (!progress->terminal) {
		(void)fprintf(stderr, "%s\n", text);
		return;
	}
	(void)fprintf(stderr, "\r\033[K%.*s", terminal_width(), text);
	(void)fflush(stderr);
	progress->open = true;
}

void progress_end(struct progress *progress)
{
	if (progress->open)
		(void)fputc('\n', stderr);
	progress->open = false;
}
