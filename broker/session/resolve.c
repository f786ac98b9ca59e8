/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/session/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/signals.h"
#include "core/base/timeval.h"

#define CHILD_PIPE_FD 3
#define ANSWER_MAX    1024 /* RESOLVE_MAX lines; far below the size of a pipe, so the child never blocks */
#define FAILURE_MARK  '!'
/* glibc 2.36 has no name for it; linux/wait.h, since Linux 5.4 */
#define WAIT_PIDFD ((idtype_t)3)

struct resolver {
	int pidfd;
	int pipe_fd;
	struct event *exited;
	struct event *deadline;
	bool reaped;
	resolve_fn done;
	void *arg;
};

bool resolve_is_numeric(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	/* "fe80::1%eth0" is numeric too, but inet_pton does not know scopes. */
	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1 ||
	       (strchr(host, ':') && strchr(host, '%'));
}

/* ---- in the child ---- */

static int look_up(const char *host, char *answer, size_t size)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	char text[RESOLVE_TEXT_SIZE];
	size_t used = 0;
	unsigned count = 0;
	int r = getaddrinfo(host, NULL, &hints, &list);

	if (r != 0)
		return snprintf(answer, size, "%c%s", FAILURE_MARK,
		        r == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(r));
	for (struct addrinfo *item = list; item && count < RESOLVE_MAX; item = item->ai_next) {
		if (getnameinfo(item->ai_addr, item->ai_addrlen, text, sizeof(text), NULL, 0,
		            NI_NUMERICHOST) != 0)
			continue;
		used += (size_t)snprintf(answer + used, size - used, "%s\n", text);
		count++;
	}
	freeaddrinfo(list);
	return (int)used;
}

static _Noreturn void run_child(const char *host, pid_t parent, int pipe_fd)
{
	char answer[ANSWER_MAX];
	int length;

	/* The owner's handlers would write into the owner's signal pipe, which a fork shares. */
	signals_reset();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* always accepted for a valid signal */
	if (getppid() != parent)
		_exit(EXIT_FAILURE); /* the parent died before the signal was armed */
	if (dup2(pipe_fd, CHILD_PIPE_FD) < 0)
		_exit(EXIT_FAILURE);
	/* A connection or a lock of the owner must not live on in a child that waits for a name server. */
	(void)close_range(CHILD_PIPE_FD + 1, ~0U, 0);
	length = look_up(host, answer, sizeof(answer));
	_exit(file_write_all(CHILD_PIPE_FD, answer, (size_t)length) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- in the parent ---- */

static void parse_answer(char *answer, struct resolved *resolved)
{
	char *next = answer;
	char *line;

	while ((line = strsep(&next, "\n")) && resolved->count < RESOLVE_MAX) {
		size_t length = strlen(line);

		if (length == 0 || length >= RESOLVE_TEXT_SIZE)
			continue;
		memcpy(resolved->address[resolved->count++], line, length + 1);
	}
}

static void on_child_exit(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *resolver = arg;
	struct resolved resolved = { 0 };
	cleanup_free char *answer = NULL;
	siginfo_t info = { 0 };

	(void)fd;
	(void)what;
	if (waitid(WAIT_PIDFD, (id_t)resolver->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return; /* spurious wake-up: level-triggered, so we are called again */
	resolver->reaped = true;
	(void)event_del(resolver->exited);
	(void)event_del(resolver->deadline);
	/* The child has exited, so the pipe holds everything and then ends: this read cannot block. */
	if (file_read_fd(resolver->pipe_fd, ANSWER_MAX, &answer, NULL) < 0 || !answer)
		resolver->done(resolver->arg, NULL, "the resolver process failed");
	else if (answer[0] == FAILURE_MARK)
		resolver->done(resolver->arg, NULL, answer + 1);
	else {
		parse_answer(answer, &resolved);
		if (resolved.count > 0)
			resolver->done(resolver->arg, &resolved, NULL);
		else
			resolver->done(resolver->arg, NULL, "no address");
	}
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *resolver = arg;

	(void)fd;
	(void)what;
	(void)event_del(resolver->exited); /* resolver_free kills and reaps */
	resolver->done(resolver->arg, NULL, "the name server does not answer");
}

static int watch(struct event_base *base, unsigned deadline_ms, struct resolver *resolver)
{
	struct timeval limit = timeval_of_ms(deadline_ms);

	resolver->exited = event_new(base, resolver->pidfd, EV_READ | EV_PERSIST, on_child_exit, resolver);
	resolver->deadline = evtimer_new(base, on_deadline, resolver);
	if (!resolver->exited || !resolver->deadline || event_add(resolver->exited, NULL) < 0 ||
	        event_add(resolver->deadline, &limit) < 0)
		return -ENOMEM;
	return 0;
}

int resolver_new(struct event_base *base, const struct resolve_request *request,
        struct resolver **ret_resolver, struct baton_error *err)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	pid_t parent = getpid();
	int ends[2];
	pid_t pid;
	int r;

	if (!resolver)
		return error_set(err, ENOMEM, "out of memory");
	resolver->pidfd = -1;
	resolver->pipe_fd = -1;
	resolver->done = request->done;
	resolver->arg = request->arg;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		r = error_errno(err, errno, "cannot resolve \"%s\": pipe", request->host);
		goto fail;
	}
	resolver->pipe_fd = ends[0];
	pid = fork();
	if (pid == 0)
		run_child(request->host, parent, ends[1]);
	(void)close(ends[1]);
	if (pid < 0) {
		r = error_errno(err, errno, "cannot resolve \"%s\": fork", request->host);
		goto fail;
	}
	/* Nobody else waits for our children, so the number cannot have been used again yet. */
	resolver->pidfd = pidfd_open(pid, 0);
	if (resolver->pidfd < 0) {
		r = error_errno(err, errno, "cannot resolve \"%s\": pidfd_open", request->host);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		goto fail;
	}
	if (watch(base, request->deadline_ms, resolver) < 0) {
		r = error_set(err, ENOMEM, "out of memory");
		goto fail;
	}
	*ret_resolver = resolver;
	return 0;
fail:
	resolver_free(resolver);
	return r;
}

void resolver_free(struct resolver *resolver)
{
	if (!resolver)
		return;
	if (resolver->exited)
		event_free(resolver->exited);
	if (resolver->deadline)
		event_free(resolver->deadline);
	if (resolver->pidfd >= 0 && !resolver->reaped) {
		(void)pidfd_send_signal(
		        resolver->pidfd, SIGKILL, NULL, 0); /* ESRCH: it is a zombie already */
		(void)waitid(WAIT_PIDFD, (id_t)resolver->pidfd, NULL, WEXITED);
	}
	close_fd(&resolver->pidfd);
	close_fd(&resolver->pipe_fd);
	free(resolver);
}
