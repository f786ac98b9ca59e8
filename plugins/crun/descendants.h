/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that crun has forked, for the case that crun itself is killed. */
#ifndef BATON_CRUN_DESCENDANTS_H
#define BATON_CRUN_DESCENDANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DESCENDANTS_MAX 16 /* crun has at most three; hooks run one after the other */

struct descendants {
	int pidfds[DESCENDANTS_MAX];
	size_t count;
};

/* Adds the descendants of `pid`, a child of this process that has not been reaped, as far as there is room.
 * Needs CONFIG_PROC_CHILDREN; without it nothing is found. */
void descendants_collect(struct descendants *descendants, pid_t pid);

void descendants_signal(const struct descendants *descendants, int signal);

/* Reaps those that have ended and are children of this process by now. True when none is left. */
bool descendants_reap(struct descendants *descendants);

void descendants_release(struct descendants *descendants);

#endif
