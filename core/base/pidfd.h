/* SPDX-License-Identifier: Apache-2.0 */
/* Processes by descriptor: what Linux 5.4 has and glibc 2.36 has no functions for. */
#ifndef BATON_BASE_PIDFD_H
#define BATON_BASE_PIDFD_H

#include <signal.h>
#include <sys/types.h>

#define PIDFD_WAIT ((idtype_t)3) /* P_PIDFD of linux/wait.h, for waitid(2) */

/* As fork(2), with a pidfd in the parent. The child may call async-signal-safe functions only. -1 with errno.
 */
pid_t pidfd_clone(int *ret_pidfd);

/* pidfd_send_signal(2). 0 or negative errno; -ESRCH: it has ended. */
int pidfd_signal(int pidfd, int signal);

/* Takes the exit of a child that has ended. 1 with *ret_info, 0 while it runs, or negative errno. Never
 * blocks. */
int pidfd_reap(int pidfd, siginfo_t *ret_info);

/*
 * Kills and reaps a child that cannot be waited for on the loop. SIGKILL needs microseconds; a child that is
 * frozen or in uninterruptible sleep is given 100 ms, and left to whoever is its parent next. Takes -1.
 */
void pidfd_end(int pidfd);

#endif
