/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLBACK_GRACE 15000 /* a plugin may need time to undo what it did, on top of the deadline */

void line_split(char *text, struct line *line)
{
	char *state = NULL;

	line->count = 0;
	for (char *word = strtok_r(text, " \t\r\n", &state); word && line->count < WORDS_MAX;
	        word = strtok_r(NULL, " \t\r\n", &state))
		line->words[line->count++] = word;
}

const char *line_option(const struct line *line, const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 1; i < line->count; i++) {
		if (strncmp(line->words[i], key, length) == 0 && line->words[i][length] == '=')
			return line->words[i] + length + 1;
	}
	return NULL;
}

uint32_t line_deadline(const struct line *line)
{
	const char *text = line_option(line, "deadline");

	return text ? (uint32_t)strtoul(text, NULL, 10) : DEFAULT_DEADLINE;
}

struct call *call_new(const struct line *line)
{
	struct call *call = calloc(1, sizeof(*call));
	size_t used = 0;

	if (!call) {
		perror("calloc");
		exit(2);
	}
	call->line.count = line->count;
	call->pidfd = -1;
	call->inside = true;
	for (size_t i = 0; i < line->count; i++) { /* they fit: they come from one line */
		size_t size = strlen(line->words[i]) + 1;

		call->line.words[i] = memcpy(call->text + used, line->words[i], size);
		used += size;
	}
	return call;
}

void call_free(struct call *call)
{
	free(call);
}

static void answered(struct call *call, const struct baton_runtime_error *error)
{
	if (call->inside)
		broken("done was called from inside the verb");
	if (call->refused)
		broken("done was called although the verb was refused");
	if (++call->calls > 1)
		broken("done was called twice");
	call->failed = error != NULL;
	if (!error)
		return;
	if (error->code <= 0)
		broken("an error has no code");
	if (!memchr(error->message, '\0', sizeof(error->message)) || !*error->message)
		broken("an error has no message");
	call->error = *error;
}

void call_on_created(void *arg, const struct baton_runtime_error *error, int32_t pid, int pidfd)
{
	struct call *call = arg;

	answered(call, error);
	if (error)
		return;
	if (pid <= 0 || pidfd < 0)
		broken("create succeeded without pid and pidfd");
	if (!(fcntl(pidfd, F_GETFD) & FD_CLOEXEC))
		broken("the pidfd is not close-on-exec");
	call->has_pid = true;
	call->pid = pid;
	call->pidfd = pidfd;
}

void call_on_done(void *arg, const struct baton_runtime_error *error)
{
	answered(arg, error);
}

void call_on_state(void *arg, const struct baton_runtime_error *error, enum baton_state state, int32_t pid)
{
	struct call *call = arg;

	answered(call, error);
	if (error)
		return;
	if ((unsigned)state > BATON_STATE_STOPPED)
		broken("state is none of the four");
	call->has_state = true;
	call->state = state;
	call->has_pid = true;
	call->pid = pid;
}

void call_returned(struct call *call, int r)
{
	call->inside = false;
	if (r > 0)
		broken("a verb returned a positive number");
	if (r == 0)
		return;
	if (call->error.code != -r || !*call->error.message)
		broken("a refused verb did not fill its error");
	call->refused = true;
}

void call_wait(struct call *call, struct loop *loop)
{
	int64_t until = loop_now_ms() + line_deadline(&call->line) + CALLBACK_GRACE;

	while (!call->refused && call->calls == 0) {
		if (!loop_once(loop, until))
			broken("done was not called");
	}
}

void call_print(const struct call *call)
{
	static const char *const names[] = { "creating", "created", "running", "stopped" };

	print_head(&call->line, !call->refused && !call->failed);
	if (call->refused || call->failed)
		print_error(&call->error, !call->refused);
	if (call->has_state)
		(void)printf(", \"state\": \"%s\"", names[call->state]);
	if (call->has_pid)
		(void)printf(", \"pid\": %d", call->pid);
	(void)putchar('}');
}
