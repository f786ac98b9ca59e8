/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "core/base/cleanup.h"

#define LOG_LINE_MAX 1024

static const struct {
	const char *name;
	int priority;
} level_table[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

static const char *program_name = "baton";
static enum log_level threshold = LOG_LEVEL_INFO;
static bool to_journal;

void log_open(const char *program, enum log_level level)
{
	program_name = program;
	threshold = level;
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

int log_level_parse(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < array_size(level_table); i++) {
		if (strcmp(name, level_table[i].name) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	size_t prefix;
	size_t length;
	va_list args;

	if (level > threshold)
		return;
	if (to_journal)
		(void)snprintf(line, sizeof(line), "<%d>", level_table[level].priority);
	else
		(void)snprintf(line, sizeof(line), "%s: %s: ", program_name, level_table[level].name);
	prefix = strlen(line);
	va_start(args, format);
	(void)vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, args);
	va_end(args);
	length = strlen(line);
	for (size_t i = prefix; i < length; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
			line[i] = '?';
	}
	line[length++] = '\n';
	/* Nobody is left to tell when standard error is gone. */
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}
