/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes on the event loop: pidfd, deadline, TERM then KILL. Never a bare pid after a wait. */
#ifndef BATON_BASE_PROCESS_H
#define BATON_BASE_PROCESS_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/base/error.h"

struct process; /* opaque */

struct process_exit {
	int code;       /* exit status, or -1 when a signal ended it */
	int signal;     /* signal number, or 0 */
	bool timed_out; /* the deadline passed and we killed it */
};

typedef void (*process_exit_fn)(struct process *process, const struct process_exit *exit, void *arg);

struct process_spec {
	const char
	        *path; /* absolute; executed with execve(2), also when only the caller's user can get to it */
	char *const *argv;
	char *const *envp;   /* NULL: empty environment */
	int stdin_fd;        /* -1: /dev/null */
	int stdout_fd;       /* -1: /dev/null */
	int stderr_fd;       /* -1: inherited */
	const int *keep_fds; /* arrive as 3, 4, ... in this order */
	size_t n_keep_fds;
	unsigned deadline_ms; /* 0: none. SIGTERM then; SIGKILL one second later */
	/*
	 * Runs in the child, after descriptors are in place and before execve: only async-signal-safe calls.
	 * 0 goes on; a negative errno makes process_spawn fail with it.
	 */
	int (*prepare)(void *arg);
	void *prepare_arg;
	int parent_death_signal; /* 0: none. prctl(PR_SET_PDEATHSIG) */
	process_exit_fn on_exit; /* called once, from the loop, never from process_spawn; frees nothing */
	void *arg;
};

/*
 * Starts a child: all signals unblocked and default, own session, no descriptors but those named. 0 and
 * *ret_process, or negative errno with the failed step in err (a failed execve included). The caller frees
 * with process_free after or before the exit; freeing a running process kills and reaps it, as pidfd_end()
 * does.
 */
int process_spawn(struct event_base *base, const struct process_spec *spec, struct process **ret_process,
        struct baton_error *err);

pid_t process_pid(const struct process *process);
int process_pidfd(const struct process *process);

/* pidfd_send_signal(2). 0 or negative errno. */
int process_signal(struct process *process, int signal);

void process_free(struct process *process); /* takes NULL */

/* Field 22 of /proc/PID/stat, clock ticks since boot: with the pid it names a process for ever. 0 or negative
 * errno. */
int process_start_time(pid_t pid, unsigned long long *ret_ticks);

#endif
