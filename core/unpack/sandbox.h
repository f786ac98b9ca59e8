/* SPDX-License-Identifier: Apache-2.0 */
/* The confinement of baton-unpack. */
#ifndef BATON_UNPACK_SANDBOX_H
#define BATON_UNPACK_SANDBOX_H

#include "core/base/error.h"

/*
 * Gives up everything but reading `*source_fd` and writing below `*work_fd`, for ever: own mount, network,
 * IPC, UTS and cgroup namespaces, the work directory as root, resource limits, five capabilities,
 * no_new_privs, and a system call filter. Both descriptors are replaced by ones that lead nowhere else: ".."
 * of a directory stays in it. 0, or negative errno, and then the process must end.
 */
int sandbox_enter(int *source_fd, int *work_fd, struct baton_error *err);

#endif
