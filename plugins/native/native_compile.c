/* SPDX-License-Identifier: Apache-2.0 */
/* Creates whose seccomp profile was never compiled here: they wait for a child that does it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "core/base/cleanup.h"
#include "core/base/pidfd.h"
#include "plugins/native/native-priv.h"

/* What a create needs of its request when the verb has returned: the host's descriptors, duplicated. */
struct kept {
	struct baton_create request;
	struct baton_cgroup cgroup;
	size_t n_fds;
	int fds[]; /* stdin, stdout, stderr, network, control group, cgroup.procs files */
};

enum { KEPT_STDIN, KEPT_STDOUT, KEPT_STDERR, KEPT_NETNS, KEPT_CGROUP, KEPT_PROCS };

static void kept_free(struct kept *kept)
{
	for (size_t i = 0; kept && i < kept->n_fds; i++)
		close_fd(&kept->fds[i]);
	free(kept);
}

static int add_fd(struct kept *kept, int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0 && copy < 0)
		return -errno;
	kept->fds[kept->n_fds++] = copy;
	return 0;
}

static int kept_new(const struct baton_create *request, struct kept **ret_kept)
{
	const struct baton_cgroup *cgroup = request->cgroup;
	const int fds[KEPT_PROCS] = { request->stdin_fd, request->stdout_fd, request->stderr_fd,
		request->netns_fd, cgroup ? cgroup->dir_fd : -1 };
	size_t n_procs = cgroup ? cgroup->n_procs_fds : 0;
	struct kept *kept = calloc(1, sizeof(*kept) + (KEPT_PROCS + n_procs) * sizeof(kept->fds[0]));
	int r = kept ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < KEPT_PROCS; i++)
		r = add_fd(kept, fds[i]);
	for (size_t i = 0; r == 0 && i < n_procs; i++)
		r = add_fd(kept, cgroup->procs_fds[i]);
	if (r < 0) {
		kept_free(kept);
		return r;
	}
	kept->cgroup = (struct baton_cgroup){
		.struct_size = sizeof(kept->cgroup),
		.dir_fd = kept->fds[KEPT_CGROUP],
		.procs_fds = kept->fds + KEPT_PROCS,
		.n_procs_fds = n_procs,
	};
	kept->request = (struct baton_create){
		.struct_size = sizeof(kept->request),
		.stdin_fd = kept->fds[KEPT_STDIN],
		.stdout_fd = kept->fds[KEPT_STDOUT],
		.stderr_fd = kept->fds[KEPT_STDERR],
		.cgroup = cgroup ? &kept->cgroup : NULL,
		.netns_fd = kept->fds[KEPT_NETNS],
	};
	*ret_kept = kept;
	return 0;
}

static void on_job(void *arg, uint32_t events);

static int start_job(struct making *making, struct baton_error *err)
{
	struct native *native = making->native;
	const struct baton_host *host = native->host;
	int r = seccomp_job_start(native->seccomp, making->spec.seccomp, &native->job, err);

	if (r < 0)
		return r;
	native->job_watch =
	        host->watch_add(host->host, seccomp_job_pidfd(native->job), BATON_WATCH_READ, on_job, native);
	if (!native->job_watch) {
		seccomp_job_cancel(steal_ptr(native->job));
		return error_set(err, ENOMEM, "out of memory");
	}
	native->job_owner = making;
	return 0;
}

static void launch(struct making *making, const struct sock_fprog *program)
{
	struct kept *kept = steal_ptr(making->kept);
	struct baton_error err;

	if (making_launch(making, &kept->request, program, &err) < 0)
		making_fail(making, &err);
	kept_free(kept);
}

/* Launches one that need not wait any more. False when there is none. */
static bool launch_ready(struct native *native)
{
	for (struct making *making = native->making; making; making = making->next) {
		const struct sock_fprog *program;

		if (making->kept && seccomp_find(native->seccomp, making->spec.seccomp, &program) == 0) {
			launch(making, program);
			return true;
		}
	}
	return false;
}

static struct making *first_waiting(const struct native *native)
{
	struct making *making = native->making;

	while (making && !making->kept)
		making = making->next;
	return making;
}

/* One at a time and from the start again: a failure calls back, and the host may call any verb from there. */
static void go_on(struct native *native)
{
	struct making *making;
	struct baton_error err;

	while (launch_ready(native))
		;
	while (!native->job && (making = first_waiting(native))) {
		if (start_job(making, &err) < 0)
			making_fail(making, &err);
	}
}

static void on_job(void *arg, uint32_t events)
{
	struct native *native = arg;
	const struct baton_host *host = native->host;
	struct making *owner = native->job_owner;
	struct baton_error err;
	int r;

	(void)events;
	host->watch_free(host->host, steal_ptr(native->job_watch));
	r = seccomp_job_finish(steal_ptr(native->job), &err);
	native->job_owner = NULL;
	if (r < 0 && owner)
		making_fail(owner, &err);
	go_on(native);
}

int compile_wait(struct making *making, const struct baton_create *request, struct baton_error *err)
{
	int r = kept_new(request, &making->kept);

	if (r < 0)
		return error_errno(err, -r, "descriptors");
	return making->native->job ? 0 : start_job(making, err);
}

void compile_leave(struct making *making)
{
	struct native *native = making->native;

	kept_free(steal_ptr(making->kept));
	if (native->job_owner != making)
		return;
	/* A profile that takes longer than its create may; others that wait for the same start anew. */
	native->job_owner = NULL;
	(void)pidfd_signal(seccomp_job_pidfd(native->job), SIGKILL); /* ESRCH: it has ended */
}

void compile_close(struct native *native)
{
	native->host->watch_free(native->host->host, native->job_watch);
	seccomp_job_cancel(native->job);
}
