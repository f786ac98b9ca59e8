/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's side of clone3(2). */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/process.h"
#include "plugins/native/child.h"
#include "plugins/native/native-priv.h"

static uint64_t namespace_flags(const struct spec *spec)
{
	static const uint64_t flags[NS_KINDS] = {
		[NS_MOUNT] = CLONE_NEWNS,
		[NS_PID] = CLONE_NEWPID,
		[NS_IPC] = CLONE_NEWIPC,
		[NS_UTS] = CLONE_NEWUTS,
		[NS_NETWORK] = CLONE_NEWNET,
		[NS_CGROUP] = 0, /* later: its root is the group that the process is in by then */
	};
	uint64_t wanted = 0;

	for (size_t i = 0; i < NS_KINDS; i++)
		wanted |= spec->new_namespace[i] ? flags[i] : 0;
	return wanted;
}

static pid_t clone_child(const struct making *making, const struct baton_cgroup *cgroup, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | namespace_flags(&making->spec),
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	if (making->spec.namespace_path[NS_NETWORK])
		args.flags &= ~(uint64_t)CLONE_NEWNET;
	if (cgroup && cgroup->dir_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (__u64)(unsigned)cgroup->dir_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int native_clone(struct making *making, const struct baton_create *request, const struct sock_fprog *seccomp,
        struct baton_error *err)
{
	const struct baton_cgroup *cgroup = request->cgroup;
	struct child child = {
		.spec = &making->spec,
		.seccomp = seccomp,
		.stdin_fd = request->stdin_fd >= 0 ? request->stdin_fd : making->native->null_fd,
		.stdout_fd = request->stdout_fd >= 0 ? request->stdout_fd : making->native->null_fd,
		.stderr_fd = request->stderr_fd >= 0 ? request->stderr_fd : making->native->null_fd,
		.procs_fds = cgroup ? cgroup->procs_fds : NULL,
		.n_procs_fds = cgroup ? cgroup->n_procs_fds : 0,
		.netns_fd = request->netns_fd,
	};
	cleanup_close int child_end = -1;
	int ends[2];
	pid_t pid;
	int r;

	if (request->netns_fd >= 0)
		making->spec.new_namespace[NS_NETWORK] = false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(err, errno, "socketpair");
	making->sync_fd = ends[0];
	child_end = ends[1];
	child.sync_fd = child_end;
	pid = clone_child(making, cgroup, &making->pidfd);
	if (pid == 0)
		child_run(&child);
	if (pid < 0)
		return error_errno(err, errno, "clone3");
	making->state.pid = pid;
	/* Our child cannot be reaped behind our back: the number still names it. */
	r = process_start_time(pid, &making->state.start_time);
	return r < 0 ? error_errno(err, -r, "process %d", (int)pid) : 0;
}
