/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of the crun binary: a child with pidfd, deadline and TERM then KILL, on the loop of the plugin's
 * host. core/base/process.h does the same for the daemon, but on libevent, which a plugin does not have.
 */
#ifndef BATON_CRUN_COMMAND_H
#define BATON_CRUN_COMMAND_H

#include <baton/runtime.h>
#include <stdbool.h>

#include "core/base/error.h"

/* The child writes its own failures, and crun what --log gives it, to a pipe that is this number in the
 * child. */
#define COMMAND_LOG_PATH "/proc/self/fd/3"

struct command;

struct command_result {
	int code;           /* exit status, or -1 when a signal ended it */
	int signal;         /* signal number, or 0 */
	bool timed_out;     /* the deadline passed and we ended it */
	const char *log;    /* last line of its log, "" for none */
	const char *output; /* what it wrote to its standard output, if captured, else "" */
};

typedef void (*command_done_fn)(void *arg, const struct command_result *result);

struct command_spec {
	const char *path;
	const char *const *argv;
	int stdio[3];        /* -1: /dev/null */
	bool capture_output; /* stdout into command_result.output; stdio[1] is not used */
	bool hide_unified;   /* in a mount namespace without /sys/fs/cgroup/unified: see crun.c */
	const struct baton_cgroup *cgroup; /* NULL: stay. Joined before anything else */
	int netns_fd;                      /* -1: stay */
	uint32_t deadline_ms;
	command_done_fn done; /* called once from the loop, never from command_start; may call command_free */
	void *arg;
};

/* 0 and *ret_command, or negative errno with err. Nothing of the spec is needed after the return but `arg`.
 */
int command_start(const struct baton_host *host, const struct command_spec *spec,
        struct command **ret_command, struct baton_error *err);

/*
 * The read end of the log pipe, O_NONBLOCK; the caller's from then on. A container that crun has created
 * holds the write end until its execve(2): then, or when it ends, the pipe is at its end.
 */
int command_take_log(struct command *command);

/* Takes NULL. Kills and reaps a command that still runs; `done` is not called then. */
void command_free(struct command *command);

/* Reads what is there in a pipe and appends it to `text`, which has room for `size` bytes with the NUL; the
 * oldest bytes go when it is full. 1 at the end of the pipe, 0 when more may come, or negative errno. */
int command_read_tail(int fd, char *text, size_t size);

/* Cuts `text` down to its last line that is not empty, control characters replaced. Returns it. */
char *command_last_line(char *text);

#endif
