/* SPDX-License-Identifier: Apache-2.0 */
/* The table that lua/host/embed.cmake generates from lua/policies/placement. */
#ifndef BATON_LUA_BUILTIN_H
#define BATON_LUA_BUILTIN_H

#include <stddef.h>

struct builtin_policy {
	const char *name;
	const char *source; /* NUL-terminated */
	size_t length;      /* without the NUL */
};

extern const struct builtin_policy builtin_policies[]; /* sorted by name, ends with a NULL name */

#endif
