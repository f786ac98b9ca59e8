/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATON_BASE_DESCRIPTORS_H
#define BATON_BASE_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * For a child between clone and exec, async-signal-safe: fds[n] becomes descriptor n, and every descriptor
 * from `count` on is closed. They survive the exec; the last one does not when `last_closes`. The numbers in
 * `fds` are used up. 0 or negative errno.
 */
int descriptors_place(int *fds, size_t count, bool last_closes);

#endif
