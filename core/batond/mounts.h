/* SPDX-License-Identifier: Apache-2.0 */
/* The mount namespace in which batond and the first instants of every container live. */
#ifndef BATON_BATOND_MOUNTS_H
#define BATON_BATOND_MOUNTS_H

#include "core/base/error.h"

/*
 * Moves the process into a mount namespace of its own, fed by the host's: mounts of containers are never seen
 * outside, and those that a killed batond left vanish with its last child in that namespace.
 *
 * There its program file is mounted read-only over itself, and run again from that mount: a container is
 * cloned from batond, so /proc/self/exe can lead it to the program file of the host, which it must not be
 * able to write (CVE-2019-5736). So the call happens before anything is opened or started, and returns only
 * when nothing is left to do; pid, arguments and environment stay. `argv` ends with NULL. 0 or negative
 * errno.
 */
int mounts_enter(char **argv, struct baton_error *err);

#endif
