/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the container's process between clone3(2) and execve(2). It carries a copy of the daemon's
 * memory, so it never allocates, is not dumpable, keeps no descriptor of the daemon, and leaves by _exit(2)
 * on every failure.
 */
#ifndef BATON_NATIVE_CHILD_H
#define BATON_NATIVE_CHILD_H

#include <linux/filter.h>
#include <stdint.h>

#include "core/base/error.h"
#include "plugins/native/spec.h"

/* One SOCK_SEQPACKET message from the child; after READY it waits for one byte, and end of file means: do not
 * run. */
struct child_report {
	int32_t code; /* 0: ready to be started; else a positive errno, and the child has ended */
	char message[ERROR_MESSAGE_MAX];
};

struct child {
	const struct spec *spec;
	const struct sock_fprog *seccomp; /* NULL: none */
	int sync_fd;
	int stdin_fd; /* all three open */
	int stdout_fd;
	int stderr_fd;
	const int *procs_fds; /* cgroup.procs files to join */
	size_t n_procs_fds;
	int netns_fd; /* -1: a new one or the host's, as the spec says */
};

_Noreturn void child_run(const struct child *child);

/* ---- steps; each 0 or negative errno with what failed in err ---- */

/* child_mounts.c: private propagation, every mount of the spec below the root, masks, then pivot_root. */
int child_mounts(const struct spec *spec, struct baton_error *err);

/* child_devices.c: default and extra nodes, links, and the null device in 0 to 2; `dev_fd` is the container's
 * /dev. */
int child_devices(const struct spec *spec, int dev_fd, struct baton_error *err);

/* child_protect.c: masked and read-only paths below the root. */
int child_protect(const struct spec *spec, int root_fd, struct baton_error *err);

/* child_sysctl.c: through the procfs that we mounted ourselves. */
int child_sysctls(const struct spec *spec, int proc_fd, struct baton_error *err);
int child_hostname(const struct spec *spec, struct baton_error *err);
int child_loopback(struct baton_error *err);

/* child_identity.c: limits, then users and capabilities; nothing privileged works afterwards. */
int child_limits(const struct spec *spec, struct baton_error *err);
int child_identity(const struct spec *spec, struct baton_error *err);

/* child_exec.c: execve(2) with a search of the container's own PATH. Returns only on failure. */
int child_exec(const struct spec *spec, struct baton_error *err);

/* ---- child_path.c: paths below the container's root ---- */

/*
 * O_PATH descriptor of a mount target below root_fd, made when it is missing (a directory, or an empty file).
 * Every step resolves inside the root, so neither the image nor a racing container can lead it out.
 */
int child_target(int root_fd, const char *path, int directory);

#endif
