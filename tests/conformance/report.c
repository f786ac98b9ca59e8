/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void print_string(const char *text)
{
	(void)putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			(void)printf("\\%c", c);
		else if (c < ' ')
			(void)printf("\\u%04x", c);
		else
			(void)putchar(c);
	}
	(void)putchar('"');
}

_Noreturn void broken(const char *rule)
{
	(void)printf("{\"verb\": \"broken\", \"rule\": ");
	print_string(rule);
	(void)printf("}\n");
	(void)fflush(stdout);
	exit(3);
}

void print_head(const struct line *line, bool ok)
{
	(void)printf("{\"verb\": ");
	print_string(line->words[0]);
	if (line->count > 1) {
		(void)printf(", \"id\": ");
		print_string(line->words[1]);
	}
	(void)printf(", \"ok\": %s", ok ? "true" : "false");
}

void print_end(void)
{
	(void)printf("}\n");
	(void)fflush(stdout);
}

void print_error(const struct baton_runtime_error *error, bool accepted)
{
	const char *name = strerrorname_np(error->code);

	(void)printf(", \"accepted\": %s, \"code\": ", accepted ? "true" : "false");
	print_string(name ? name : "?");
	(void)printf(", \"message\": ");
	print_string(error->message);
}
