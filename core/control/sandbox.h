/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What baton-control gives up before it reads the first byte from outside: descriptors, capabilities, new
 * privileges, most system calls (seccomp), most of the file system (Landlock). It parses what the network
 * sends, so this is what an attacker gets who takes it over.
 */
#ifndef BATON_CONTROL_SANDBOX_H
#define BATON_CONTROL_SANDBOX_H

#include <stdbool.h>

#include "core/base/error.h"

struct sandbox_spec {
	int keep_fd;             /* besides 0, 1 and 2; -1: none */
	const char *const *read; /* files and directories that may be read; NULL-terminated; absent is fine */
	const char *const *write; /* directories below which everything may be done but running programs */
};

/*
 * Irrevocable, for this process and its children. Refuses to run as root. 0, or negative errno with the step
 * in err. A kernel without Landlock (before 5.13, or not built in) leaves that part out; *ret_landlock says
 * whether it is on.
 */
int sandbox_enter(const struct sandbox_spec *spec, bool *ret_landlock, struct baton_error *err);

#endif
