/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a document: all findings at once, each with its place, reason and limit. */
#ifndef BATON_MODEL_VERDICT_H
#define BATON_MODEL_VERDICT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define VERDICT_TEXT_MAX 256

struct finding {
	char path[VERDICT_TEXT_MAX];   /* JSON path, "$.services.cart.ports[0]"; "$" for the document */
	char reason[VERDICT_TEXT_MAX]; /* what is wrong and what to do */
	char limit[64];                /* the limit that was passed, "" when none is involved */
};

struct verdict {
	struct finding *errors;
	size_t n_errors;
	struct finding *warnings; /* accepted, but the operator should know */
	size_t n_warnings;
	bool truncated; /* more than CONFIG_MAX_FINDINGS errors or warnings */
};

void verdict_init(struct verdict *verdict);
void verdict_release(struct verdict *verdict);

/* Never fail: a finding that does not fit sets `truncated`. `limit` may be NULL. */
void verdict_error(struct verdict *verdict, const char *path, const char *limit, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
void verdict_warning(struct verdict *verdict, const char *path, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Array of {"path", "reason"} and "limit" where there is one. New reference, NULL when out of memory. */
json_t *verdict_errors_json(const struct verdict *verdict);
json_t *verdict_warnings_json(const struct verdict *verdict);

#endif
