/* SPDX-License-Identifier: Apache-2.0 */
/* Variables in the values of a manifest: Compose Specification, "Interpolation". */
#ifndef BATON_CLI_INTERPOLATE_H
#define BATON_CLI_INTERPOLATE_H

#include <jansson.h>

#include "core/base/error.h"

/* NULL when the variable is not set. */
typedef const char *(*variable_fn)(void *arg, const char *name);

/* Called for a variable that is not set and has no default: it counts as empty. */
typedef void (*unset_fn)(void *arg, const char *name);

struct variables {
	variable_fn value;
	unset_fn unset;
	void *arg;
};

/*
 * $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?error}, ${NAME?error}, ${NAME:+other},
 * ${NAME+other},
 * $$ for a dollar sign; defaults may hold variables again. 0 and *ret_text (free() it), or -EINVAL,
 * -EMSGSIZE, -ENOMEM.
 */
int interpolate_text(
        const char *text, const struct variables *variables, char **ret_text, struct baton_error *err);

/* Every string value below `value`, in place; keys stay as they are. Errors begin with the JSON path. */
int interpolate_tree(json_t *value, const struct variables *variables, struct baton_error *err);

#endif
