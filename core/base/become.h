/* SPDX-License-Identifier: Apache-2.0 */
/* A child of root becomes an ordinary user for good, between clone and exec. */
#ifndef BATON_BASE_BECOME_H
#define BATON_BASE_BECOME_H

#include <sys/types.h>

struct become {
	uid_t uid;
	gid_t gid;
	pid_t parent;            /* who must be alive: getpid() before process_spawn() */
	int parent_death_signal; /* 0: none */
};

/*
 * For process_spec.prepare, with a struct become: no capabilities in any set, no supplementary groups, user
 * and group changed, no_new_privs, a negative oom_score_adj set to 0, and then PR_SET_PDEATHSIG, which a
 * change of user takes back (prctl(2)): the one of process_spec would not last. Async-signal-safe. 0 or
 * negative errno.
 */
int become_prepare(void *become);

#endif
