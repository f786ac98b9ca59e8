/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/descriptors.h"
#include "core/base/files.h"
#include "core/base/pidfd.h"
#include "core/base/signals.h"
#include "core/base/timeval.h"

#define KILL_AFTER_MS 1000
#define KEEP_FDS_MAX  16

struct process {
	pid_t pid;
	int pidfd;
	struct event *exited;
	struct event *deadline;
	bool timed_out;
	bool reaped;
	process_exit_fn on_exit;
	void *arg;
};

struct child_failure {
	int code;
	char step[16];
};

/* ---- in the child: async-signal-safe calls only ---- */

static _Noreturn void child_fail(int report_fd, int code, const char *step)
{
	struct child_failure failure = { .code = code };

	for (size_t i = 0; step[i] && i + 1 < sizeof(failure.step); i++)
		failure.step[i] = step[i];
	(void)!write(report_fd, &failure,
	        sizeof(failure)); /* the parent sees EOF otherwise: success, then exit 127 */
	_exit(127);
}

static int place_fds(const struct process_spec *spec, int *report_fd)
{
	int kept[KEEP_FDS_MAX + 4];
	size_t count = 0;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r;

	kept[count++] = spec->stdin_fd >= 0 ? spec->stdin_fd : null_fd;
	kept[count++] = spec->stdout_fd >= 0 ? spec->stdout_fd : null_fd;
	kept[count++] = spec->stderr_fd >= 0 ? spec->stderr_fd : STDERR_FILENO;
	for (size_t i = 0; i < spec->n_keep_fds; i++)
		kept[count++] = spec->keep_fds[i];
	kept[count++] = *report_fd;
	r = descriptors_place(kept, count, true);
	if (r == 0)
		*report_fd = (int)count - 1;
	return r;
}

/*
 * The user that `prepare` has made of root may not get to the program by its path, as below /root; by a
 * descriptor of before, it does. The name comes first, because the kernel names the process after a
 * descriptor's number until Linux 6.14.
 */
static int execute(const struct process_spec *spec, int program_fd)
{
	static char *const empty[] = { NULL };
	char *const *envp = spec->envp ? spec->envp : empty;

	(void)execve(spec->path, spec->argv, envp);
	if (errno == EACCES && program_fd >= 0)
		(void)syscall(SYS_execveat, program_fd, "", spec->argv, envp, AT_EMPTY_PATH);
	return -errno;
}

static _Noreturn void run_child(const struct process_spec *spec, pid_t parent, int report_fd)
{
	int program_fd;
	int r;

	signals_reset();
	(void)setsid(); /* fails only for a group leader, which a new child is not */
	if (spec->parent_death_signal != 0) {
		if (prctl(PR_SET_PDEATHSIG, spec->parent_death_signal) < 0)
			child_fail(report_fd, errno, "PDEATHSIG");
		if (getppid() != parent)
			_exit(127); /* the parent died before the signal was armed */
	}
	r = place_fds(spec, &report_fd);
	if (r < 0)
		child_fail(report_fd, -r, "descriptors");
	program_fd = open(spec->path, O_PATH | O_CLOEXEC); /* when it fails, execve tells why */
	r = spec->prepare ? spec->prepare(spec->prepare_arg) : 0;
	if (r < 0)
		child_fail(report_fd, -r, "prepare");
	child_fail(report_fd, -execute(spec, program_fd), "execve");
}

/* ---- in the parent ---- */

static void on_child_exit(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;
	struct process_exit exit = { .code = -1, .timed_out = process->timed_out };
	siginfo_t info;

	(void)fd;
	(void)what;
	if (pidfd_reap(process->pidfd, &info) <= 0)
		return; /* spurious wake-up: level-triggered, so we are called again */
	process->reaped = true;
	(void)event_del(process->exited);
	if (process->deadline)
		(void)event_del(process->deadline);
	if (info.si_code == CLD_EXITED)
		exit.code = info.si_status;
	else
		exit.signal = info.si_status;
	process->on_exit(process, &exit, process->arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;
	struct timeval grace = timeval_of_ms(KILL_AFTER_MS);

	(void)fd;
	(void)what;
	(void)process_signal(
	        process, process->timed_out ? SIGKILL : SIGTERM); /* ESRCH: its exit is on the way */
	if (!process->timed_out)
		(void)event_add(process->deadline, &grace);
	process->timed_out = true;
}

static int watch(struct event_base *base, const struct process_spec *spec, struct process *process)
{
	struct timeval limit = timeval_of_ms(spec->deadline_ms);

	process->exited = event_new(base, process->pidfd, EV_READ | EV_PERSIST, on_child_exit, process);
	if (!process->exited || event_add(process->exited, NULL) < 0)
		return -ENOMEM;
	if (spec->deadline_ms == 0)
		return 0;
	process->deadline = evtimer_new(base, on_deadline, process);
	if (!process->deadline || event_add(process->deadline, &limit) < 0)
		return -ENOMEM;
	return 0;
}

static int read_failure(int fd, const char *path, struct baton_error *err)
{
	struct child_failure failure;
	ssize_t length;

	do {
		length = read(fd, &failure, sizeof(failure));
	} while (length < 0 && errno == EINTR);
	if (length != (ssize_t)sizeof(failure))
		return 0; /* the write end was closed by a successful execve */
	failure.step[sizeof(failure.step) - 1] = '\0';
	return error_errno(err, failure.code, "cannot start \"%s\": %s", path, failure.step);
}

int process_spawn(struct event_base *base, const struct process_spec *spec, struct process **ret_process,
        struct baton_error *err)
{
	pid_t parent = getpid();
	int report[2];
	struct process *process;
	int r;

	if (spec->n_keep_fds > KEEP_FDS_MAX)
		return error_set(
		        err, EINVAL, "more than %d descriptors for \"%s\"", KEEP_FDS_MAX, spec->path);
	process = calloc(1, sizeof(*process));
	if (!process)
		return error_set(err, ENOMEM, "out of memory");
	process->pidfd = -1;
	process->on_exit = spec->on_exit;
	process->arg = spec->arg;
	if (pipe2(report, O_CLOEXEC) < 0) {
		r = error_errno(err, errno, "cannot start \"%s\": pipe", spec->path);
		goto fail;
	}
	process->pid = pidfd_clone(&process->pidfd);
	if (process->pid == 0)
		run_child(spec, parent, report[1]);
	r = process->pid < 0 ? -errno : 0;
	(void)close(report[1]);
	if (r == 0)
		r = read_failure(report[0], spec->path, err);
	else
		(void)error_errno(err, -r, "cannot start \"%s\": clone3", spec->path);
	(void)close(report[0]);
	if (r == 0)
		r = watch(base, spec, process);
	if (r < 0)
		goto fail;
	*ret_process = process;
	return 0;
fail:
	process_free(process);
	return r;
}

pid_t process_pid(const struct process *process)
{
	return process->pid;
}

int process_pidfd(const struct process *process)
{
	return process->pidfd;
}

int process_signal(struct process *process, int signal)
{
	if (process->reaped)
		return -ESRCH;
	return pidfd_signal(process->pidfd, signal);
}

void process_free(struct process *process)
{
	if (!process)
		return;
	if (process->exited)
		event_free(process->exited);
	if (process->deadline)
		event_free(process->deadline);
	if (process->pidfd >= 0 && !process->reaped)
		pidfd_end(process->pidfd);
	close_fd(&process->pidfd);
	free(process);
}

int process_start_time(pid_t pid, unsigned long long *ret_ticks)
{
	char path[64];
	cleanup_free char *text = NULL;
	char *next;
	char *end;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = file_read_at(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return r;
	/* proc(5): field 2 is the name in parentheses and may hold anything, so count from the last ")". */
	next = strrchr(text, ')');
	for (int field = 2; next && field < 22; field++)
		next = strchr(next + 1, ' ');
	if (!next)
		return -EIO;
	errno = 0;
	*ret_ticks = strtoull(next + 1, &end, 10);
	return errno == 0 && end != next + 1 ? 0 : -EIO;
}
