/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/crun/command.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/descriptors.h"
#include "core/base/pidfd.h"
#include "core/base/signals.h"
#include "plugins/crun/descendants.h"

#define KILL_AFTER_MS 1000
#define REAP_EVERY_MS 20
#define REAP_TRIES    100
#define LOG_FD        3
#define LOG_SIZE      1024
#define OUTPUT_SIZE   ((size_t)64 * 1024) /* what fits into a pipe that nobody reads */
#define UNIFIED_MOUNT "/sys/fs/cgroup/unified"
#define NULL_DEVICE   "/dev/null"

struct command {
	const struct baton_host *host;
	pid_t pid;
	int pidfd;
	int log_fd;
	int output_fd;
	bool reaped;
	struct command_result result;
	struct baton_watch *exited;
	struct baton_timer *timer; /* deadline, then the wait for KILL, then for descendants */
	struct descendants descendants;
	int reap_tries;
	command_done_fn done;
	void *arg;
};

/* ---- in the child: async-signal-safe calls only ---- */

struct child {
	const struct command_spec *spec;
	int log_fd;
	int output_fd;
};

/* The parent finds it as the last line of the log. */
static _Noreturn void child_fail(const struct child *child, const char *step)
{
	struct baton_error error;

	(void)error_errno(&error, errno, "%s", step);
	(void)!write(child->log_fd, error.message, strlen(error.message)); /* the exit status tells as well */
	_exit(127);
}

static void enter(const struct child *child)
{
	const struct command_spec *spec = child->spec;

	for (size_t i = 0; spec->cgroup && i < spec->cgroup->n_procs_fds; i++) {
		if (write(spec->cgroup->procs_fds[i], "0", 1) < 0)
			child_fail(child, "joining the control group");
	}
	if (spec->netns_fd >= 0 && setns(spec->netns_fd, CLONE_NEWNET) < 0)
		child_fail(child, "entering the network namespace");
	if (!spec->hide_unified)
		return;
	if (unshare(CLONE_NEWNS) < 0)
		child_fail(child, "mount namespace for crun");
	/* Private first: or the unmount would reach the host's namespace. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		child_fail(child, "private mounts for crun");
	if (umount2(UNIFIED_MOUNT, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
		child_fail(child, "unmounting " UNIFIED_MOUNT " for crun");
}

static void place_fds(struct child *child)
{
	const struct command_spec *spec = child->spec;
	int null_fd = open(NULL_DEVICE, O_RDWR | O_CLOEXEC);
	int wanted[LOG_FD + 1] = { spec->stdio[0], spec->stdio[1], spec->stdio[2], child->log_fd };

	if (null_fd < 0)
		child_fail(child, NULL_DEVICE);
	if (spec->capture_output)
		wanted[STDOUT_FILENO] = child->output_fd;
	for (int i = 0; i < LOG_FD; i++)
		wanted[i] = wanted[i] >= 0 ? wanted[i] : null_fd;
	errno = -descriptors_place(wanted, LOG_FD + 1, false);
	if (errno != 0)
		child_fail(child, "descriptors");
	child->log_fd = LOG_FD;
}

static _Noreturn void run_child(struct child *child)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char *const environment[] = { path, NULL };
	union {
		const char *const *given;
		char *const *taken; /* execve(2) writes to neither, but its prototype predates const */
	} argv = { .given = child->spec->argv };

	signals_reset();
	(void)setsid(); /* fails only for a group leader, which a new child is not */
	enter(child);
	place_fds(child);
	(void)execve(child->spec->path, argv.taken, environment);
	child_fail(child, child->spec->path);
}

/* ---- what it said ---- */

int command_read_tail(int fd, char *text, size_t size)
{
	size_t length = strlen(text);
	char chunk[512];

	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));
		size_t take;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (got == 0)
			return 1;
		take = (size_t)got < size - 1 ? (size_t)got : size - 1;
		if (length + take > size - 1) {
			size_t drop = length + take - (size - 1);

			memmove(text, text + drop, length - drop);
			length -= drop;
		}
		memcpy(text + length, chunk + (size_t)got - take, take);
		length += take;
		text[length] = '\0';
	}
}

char *command_last_line(char *text)
{
	size_t length = strlen(text);
	char *line;

	while (length > 0 && (unsigned char)text[length - 1] <= ' ')
		text[--length] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	for (char *c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	return line;
}

/* ---- in the parent ---- */

static void finish(struct command *command)
{
	char log[LOG_SIZE] = "";
	cleanup_free char *output = command->output_fd >= 0 ? calloc(1, OUTPUT_SIZE) : NULL;

	/* What crun forked may hold the pipes open: what is there now is all that is waited for. */
	(void)command_read_tail(command->log_fd, log, sizeof(log)); /* no log is an empty log */
	if (output)
		(void)command_read_tail(command->output_fd, output, OUTPUT_SIZE);
	command->result.log = command_last_line(log);
	command->result.output = output ? output : "";
	command->done(command->arg, &command->result);
}

static void set_timer(struct command *command, uint32_t ms, void (*fn)(void *arg))
{
	const struct baton_host *host = command->host;

	host->timer_free(host->host, command->timer);
	command->timer = fn ? host->timer_add(host->host, ms, fn, command) : NULL;
}

/* The processes that the killed crun left are this process's children now, and nobody else waits for them. */
static void on_reap(void *arg)
{
	struct command *command = arg;

	descendants_signal(&command->descendants, SIGKILL);
	if (!descendants_reap(&command->descendants) && ++command->reap_tries < REAP_TRIES) {
		set_timer(command, REAP_EVERY_MS, on_reap);
		if (command->timer)
			return;
	}
	descendants_release(&command->descendants);
	set_timer(command, 0, NULL);
	finish(command);
}

static void on_exit_ready(void *arg, uint32_t events)
{
	struct command *command = arg;
	const struct baton_host *host = command->host;
	siginfo_t info;

	(void)events;
	if (pidfd_reap(command->pidfd, &info) <= 0)
		return; /* spurious wake-up: level-triggered, so we are called again */
	command->reaped = true;
	host->watch_free(host->host, command->exited);
	command->exited = NULL;
	set_timer(command, 0, NULL);
	command->result.code = info.si_code == CLD_EXITED ? info.si_status : -1;
	command->result.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	if (command->result.timed_out)
		on_reap(command);
	else
		finish(command);
}

static void signal_all(struct command *command, int signal)
{
	descendants_collect(&command->descendants, command->pid);
	(void)pidfd_signal(command->pidfd, signal); /* ESRCH: its exit is coming */
	descendants_signal(&command->descendants, signal);
}

static void on_kill(void *arg)
{
	signal_all(arg, SIGKILL);
}

/* crun forks a child that does the work and would go on alone: all of them get the signal. */
static void on_deadline(void *arg)
{
	struct command *command = arg;

	command->result.timed_out = true;
	signal_all(command, SIGTERM);
	set_timer(command, KILL_AFTER_MS, on_kill);
	if (!command->timer)
		signal_all(command, SIGKILL);
}

/* Only the end that stays here is O_NONBLOCK. */
static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = fds[0];
	*ret_write = fds[1];
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int spawn(struct command *command, const struct command_spec *spec)
{
	cleanup_close int log = -1;
	cleanup_close int output = -1;
	struct child child = { .spec = spec };
	int r = make_pipe(&command->log_fd, &log);

	if (r == 0 && spec->capture_output)
		r = make_pipe(&command->output_fd, &output);
	if (r < 0)
		return r;
	child.log_fd = log;
	child.output_fd = output;
	command->pid = pidfd_clone(&command->pidfd);
	if (command->pid == 0)
		run_child(&child);
	return command->pid < 0 ? -errno : 0;
}

int command_start(const struct baton_host *host, const struct command_spec *spec,
        struct command **ret_command, struct baton_error *err)
{
	struct command *command = calloc(1, sizeof(*command));
	int r;

	if (!command)
		return error_set(err, ENOMEM, "out of memory");
	command->host = host;
	command->pidfd = command->log_fd = command->output_fd = -1;
	command->done = spec->done;
	command->arg = spec->arg;
	r = spawn(command, spec);
	if (r < 0) {
		(void)error_errno(err, -r, "cannot start %s", spec->path);
		command_free(command);
		return r;
	}
	set_timer(command, spec->deadline_ms, on_deadline);
	command->exited =
	        host->watch_add(host->host, command->pidfd, BATON_WATCH_READ, on_exit_ready, command);
	if (!command->timer || !command->exited) {
		command_free(command);
		return error_set(err, ENOMEM, "out of memory");
	}
	*ret_command = command;
	return 0;
}

int command_take_log(struct command *command)
{
	return steal_fd(&command->log_fd);
}

void command_free(struct command *command)
{
	const struct baton_host *host;

	if (!command)
		return;
	host = command->host;
	host->watch_free(host->host, command->exited);
	host->timer_free(host->host, command->timer);
	if (command->pidfd >= 0 && !command->reaped) {
		signal_all(command, SIGKILL);
		pidfd_end(command->pidfd);
	}
	descendants_signal(&command->descendants, SIGKILL);
	(void)descendants_reap(&command->descendants); /* what is not dead yet is left to the host's end */
	descendants_release(&command->descendants);
	close_fd(&command->pidfd);
	close_fd(&command->log_fd);
	close_fd(&command->output_fd);
	free(command);
}
