/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baton-init PROGRAM ARGUMENTS...: pid 1 of a container with `init: true`. Starts the program, passes signals
 * on to it, reaps what is re-parented to it, and ends with the program's status (128 + number for a signal).
 * Bind-mounted read-only into the container, so it must not need anything of the image: no C library, no
 * /proc, no allocation.
 */
#include <asm/unistd.h>
#include <linux/wait.h>

#include "core/launch/syscall.h"

#define SIGNAL_CHILD    17
#define SIGNAL_TTIN     21
#define SIGNAL_TTOU     22
#define SIGNALS         64
#define PATH_BYTES      4096
#define WAIT_ANY        (-1L)
#define ERROR_NOENT     2
#define ERROR_ACCES     13
#define ERROR_NOTDIR    20
#define CLONE_TO_PARENT 17 /* exit signal of the child: SIGCHLD */
#define SIG_SETMASK     2

/* The program's own process group is the whole container: a terminal's stop signals are not for pid 1. */
static const unsigned long long all_signals = ~0ULL;
static const unsigned long long no_signals;

static unsigned long text_length(const char *text)
{
	unsigned long length = 0;

	while (text[length])
		length++;
	return length;
}

static const char *find_path(char *const *environment)
{
	for (; *environment; environment++) {
		const char *item = *environment;

		if (item[0] == 'P' && item[1] == 'A' && item[2] == 'T' && item[3] == 'H' && item[4] == '=')
			return item + 5;
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int has_slash(const char *name)
{
	while (*name && *name != '/')
		name++;
	return *name == '/';
}

static void write_error(const char *text)
{
	(void)raw_syscall(__NR_write, 2, (long)text, (long)text_length(text), 0, 0);
}

/* execvp(3): returns the error number that tells most. */
static long execute(char *const *arguments, char *const *environment)
{
	const char *path = find_path(environment);
	char candidate[PATH_BYTES];
	long error = ERROR_NOENT;

	if (has_slash(arguments[0]))
		return -raw_syscall(
		        __NR_execve, (long)arguments[0], (long)arguments, (long)environment, 0, 0);
	while (*path) {
		unsigned long used = 0;
		unsigned long length = text_length(arguments[0]);
		long result;

		while (*path && *path != ':') {
			if (used + length + 2 < PATH_BYTES)
				candidate[used++] = *path;
			path++;
		}
		if (*path == ':')
			path++;
		candidate[used++] = '/';
		if (used + length >= PATH_BYTES)
			continue;
		for (unsigned long i = 0; i <= length; i++)
			candidate[used + i] = arguments[0][i];
		result = -raw_syscall(__NR_execve, (long)candidate, (long)arguments, (long)environment, 0, 0);
		if (result != ERROR_NOENT && result != ERROR_NOTDIR)
			error = result;
	}
	return error;
}

static void set_mask(const unsigned long long *mask)
{
	(void)raw_syscall(__NR_rt_sigprocmask, SIG_SETMASK, (long)mask, 0, 8, 0);
}

static long start_program(char *const *arguments, char *const *environment)
{
	long error;
	long pid = raw_syscall(__NR_clone, CLONE_TO_PARENT, 0, 0, 0, 0);

	if (pid != 0)
		return pid;
	set_mask(&no_signals);
	error = execute(arguments, environment);
	write_error(error == ERROR_ACCES ? "baton-init: permission denied: "
	                                 : "baton-init: executable file not found: ");
	write_error(arguments[0]);
	write_error("\n");
	(void)raw_syscall(__NR_exit_group, error == ERROR_ACCES ? 126 : 127, 0, 0, 0, 0);
	return 0;
}

/* Status of the program when it has ended, -1 while it runs. Strangers are reaped on the way. */
static long reap(long program)
{
	int status = 0;
	long pid;

	while ((pid = raw_syscall(__NR_wait4, WAIT_ANY, (long)&status, WNOHANG, 0, 0)) > 0) {
		if (pid == program)
			return (status & 0x7F) ? 128 + (status & 0x7F) : (status >> 8) & 0xFF;
	}
	return -1;
}

/* `stack` is what the kernel left there: argc, argv, NULL, envp, NULL (System V ABI, "process
 * initialization"). */
void start_c(long *stack)
{
	char **arguments = (char **)(stack + 1);
	char **environment = arguments + stack[0] + 1;
	long program;
	long status = 127;

	if (stack[0] < 2) {
		write_error("usage: baton-init PROGRAM [ARGUMENT...]\n");
		(void)raw_syscall(__NR_exit_group, 2, 0, 0, 0, 0);
	}
	/* Blocked signals wait for rt_sigtimedwait, so pid 1 gets also those that have no handler. */
	set_mask(&all_signals);
	program = start_program(arguments + 1, environment);
	while (program > 0) {
		long signal = raw_syscall(__NR_rt_sigtimedwait, (long)&all_signals, 0, 0, 8, 0);

		if (signal > 0 && signal <= SIGNALS && signal != SIGNAL_CHILD && signal != SIGNAL_TTIN &&
		        signal != SIGNAL_TTOU)
			(void)raw_syscall(__NR_kill, program, signal, 0, 0, 0);
		status = reap(program);
		if (status >= 0)
			break;
	}
	(void)raw_syscall(__NR_exit_group, status, 0, 0, 0, 0);
	__builtin_unreachable();
}
