/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the sandbox. */
#ifndef BATON_CONTROL_SANDBOX_PRIV_H
#define BATON_CONTROL_SANDBOX_PRIV_H

#include "core/control/sandbox.h"

/* Loads the system call filter. 0 or negative errno. */
int sandbox_seccomp(struct baton_error *err);

/* 1 when it is on, 0 when the kernel has none, or negative errno. */
int sandbox_landlock(const struct sandbox_spec *spec, struct baton_error *err);

#endif
