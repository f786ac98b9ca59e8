/* SPDX-License-Identifier: Apache-2.0 */
/* What apply, scale and rm say while they wait: one line that changes on a terminal, plain lines otherwise.
 */
#ifndef BATON_CLI_PROGRESS_H
#define BATON_CLI_PROGRESS_H

#include <stdbool.h>

#define PROGRESS_TEXT_MAX 512

struct progress {
	bool terminal; /* of standard error, where it is written */
	bool quiet;    /* -o json */
	bool open;     /* a line that has no end yet */
	char last[PROGRESS_TEXT_MAX];
};

void progress_init(struct progress *progress, bool quiet);

/* Shows the text unless it is what is shown already. */
void progress_show(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the open line; call before anything else is written. */
void progress_end(struct progress *progress);

#endif
