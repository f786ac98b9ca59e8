/* SPDX-License-Identifier: Apache-2.0 */
/* What runtime-host prints: one JSON object for each line of its script. */
#ifndef BATON_TEST_REPORT_H
#define BATON_TEST_REPORT_H

#include <baton/runtime.h>
#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 32

struct line {
	char *words[WORDS_MAX];
	size_t count;
};

/* The plugin broke a rule of the ABI: says which and ends the program with status 3. */
_Noreturn void broken(const char *rule);

void print_string(const char *text);

/* Verb, id and "ok"; more members may be printed before print_end(). */
void print_head(const struct line *line, bool ok);
void print_error(const struct baton_runtime_error *error, bool accepted);
void print_end(void);

#endif
