/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a verb: what it was asked, what its callback said, and whether the rules of the ABI were kept.
 */
#ifndef BATON_TEST_CALL_H
#define BATON_TEST_CALL_H

#include <baton/runtime.h>
#include <stdbool.h>

#include "loop.h"
#include "report.h"

#define LINE_MAX_BYTES   4096
#define DEFAULT_DEADLINE 10000

struct call {
	struct call *next;
	char text[LINE_MAX_BYTES]; /* what `line` points into */
	struct line line;
	bool inside; /* the verb has not returned yet */
	bool refused;
	int calls; /* of the callback */
	bool failed;
	struct baton_runtime_error error;
	bool has_state;
	enum baton_state state;
	bool has_pid;
	int32_t pid;
	int pidfd; /* of a create that succeeded, else -1 */
};

/* The line's words are copied. Never NULL. */
struct call *call_new(const struct line *line);
void call_free(struct call *call); /* the pidfd stays open */

/* Callbacks; arg is the call. */
void call_on_created(void *arg, const struct baton_runtime_error *error, int32_t pid, int pidfd);
void call_on_done(void *arg, const struct baton_runtime_error *error);
void call_on_state(void *arg, const struct baton_runtime_error *error, enum baton_state state, int32_t pid);

/* The verb has returned `r`: notes a refusal, and ends the program when that breaks a rule. */
void call_returned(struct call *call, int r);

/* Runs the loop until the callback was called; ends the program when it does not come. */
void call_wait(struct call *call, struct loop *loop);

/* One JSON object without the line's end. */
void call_print(const struct call *call);

/* The line's KEY=VALUE, or NULL. */
const char *line_option(const struct line *line, const char *key);
uint32_t line_deadline(const struct line *line);

/* Words of `text`, which is cut into them. */
void line_split(char *text, struct line *line);

#endif
