/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/native/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/descriptors.h"
#include "core/base/files.h"
#include "core/base/signals.h"

#define SYNC_FD 3

static _Noreturn void fail(int sync_fd, const struct baton_error *err)
{
	struct child_report report = { .code = err->code > 0 ? err->code : EIO };

	memcpy(report.message, err->message, sizeof(report.message));
	/* Nobody listens when the daemon has died; the container does not run either way. */
	(void)send(sync_fd, &report, sizeof(report), MSG_NOSIGNAL);
	_exit(127);
}

static int join_cgroups(const struct child *child, struct baton_error *err)
{
	for (size_t i = 0; i < child->n_procs_fds; i++) {
		if (write(child->procs_fds[i], "0", 1) != 1)
			return error_errno(err, errno, "joining the control group");
	}
	return 0;
}

static int join_network(const struct child *child, struct baton_error *err)
{
	const char *path = child->spec->namespace_path[NS_NETWORK];
	int fd = child->netns_fd;

	if (fd < 0 && path)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return path ? error_errno(err, errno, "network namespace %s", path) : 0;
	return setns(fd, CLONE_NEWNET) < 0 ? error_errno(err, errno, "joining the network namespace") : 0;
}

static int keep_out_of_oom(const struct spec *spec, struct baton_error *err)
{
	char text[16];
	int r;

	if (!spec->has_oom_score_adj)
		return 0;
	(void)snprintf(text, sizeof(text), "%d", spec->oom_score_adj);
	r = file_write_text_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
	return r < 0 ? error_errno(err, -r, "oom_score_adj %d", spec->oom_score_adj) : 0;
}

/* 0, 1, 2 and the socket at SYNC_FD; everything else of the daemon is closed (CVE-2024-21626). */
static int place_descriptors(const struct child *child, struct baton_error *err)
{
	int fds[] = { child->stdin_fd, child->stdout_fd, child->stderr_fd, child->sync_fd };
	int r = descriptors_place(fds, SYNC_FD + 1, true);

	return r < 0 ? error_errno(err, -r, "standard descriptors") : 0;
}

static int leave_daemon(const struct child *child, struct baton_error *err)
{
	int r;

	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(err, errno, "PR_SET_DUMPABLE");
	signals_reset();
	(void)setsid(); /* fails only for a group leader, which a new process is not */
	r = join_cgroups(child, err);
	if (r == 0)
		r = join_network(child, err);
	if (r == 0)
		r = keep_out_of_oom(child->spec, err);
	/* After joining: the namespace's root is the group that the process is in (cgroup_namespaces(7)). */
	if (r == 0 && child->spec->new_namespace[NS_CGROUP] && unshare(CLONE_NEWCGROUP) < 0)
		r = error_errno(err, errno, "cgroup namespace");
	/* The keys of the daemon's session are not the container's; a kernel without keyrings has none to
	 * leak. */
	if (r == 0 && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0 && errno != ENOSYS)
		r = error_errno(err, errno, "session keyring");
	return r;
}

static int enter_cwd(const struct spec *spec, struct baton_error *err)
{
	char path[4096];

	if (chdir(spec->cwd) < 0)
		return error_errno(err, errno, "working directory %s", spec->cwd);
	/* CVE-2024-21626: a directory of the host shows as "(unreachable)…". The raw call tells, glibc hides
	 * it. */
	if (syscall(SYS_getcwd, path, sizeof(path)) < 0 || path[0] != '/')
		return error_set(err, EPERM, "working directory %s is outside of the container", spec->cwd);
	return 0;
}

static int load_seccomp(const struct child *child, struct baton_error *err)
{
	if (child->seccomp && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, child->seccomp) < 0)
		return error_errno(err, errno, "loading the seccomp filter");
	return 0;
}

static int set_up(const struct child *child, struct baton_error *err)
{
	const struct spec *spec = child->spec;
	int r = child_hostname(spec, err);

	if (r == 0 && spec->new_namespace[NS_NETWORK])
		r = child_loopback(err);
	if (r == 0)
		r = child_mounts(spec, err);
	if (r == 0)
		r = child_limits(spec, err);
	/* Without no_new_privs the filter needs CAP_SYS_ADMIN, so it must come before the identity. */
	if (r == 0 && !spec->no_new_privileges)
		r = load_seccomp(child, err);
	if (r == 0)
		r = child_identity(spec, err);
	(void)umask(spec->umask);
	if (r == 0)
		r = enter_cwd(spec, err);
	if (r == 0 && spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = error_errno(err, errno, "no_new_privs");
	return r;
}

static void wait_for_start(void)
{
	const struct child_report ready = { .code = 0 };
	char byte;
	ssize_t got;

	if (send(SYNC_FD, &ready, sizeof(ready), MSG_NOSIGNAL) != (ssize_t)sizeof(ready))
		_exit(127);
	do {
		got = recv(SYNC_FD, &byte, 1, 0);
	} while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(127); /* the daemon died: a container that nobody knows must not run */
}

void child_run(const struct child *child)
{
	struct baton_error err = { 0 };

	if (leave_daemon(child, &err) < 0 || place_descriptors(child, &err) < 0)
		fail(child->sync_fd, &err);
	if (set_up(child, &err) < 0)
		fail(SYNC_FD, &err);
	wait_for_start();
	if (child->spec->no_new_privileges && load_seccomp(child, &err) < 0)
		fail(SYNC_FD, &err);
	(void)child_exec(child->spec, &err);
	fail(SYNC_FD, &err);
}
