/* SPDX-License-Identifier: Apache-2.0 */
/* Placement policies in Lua 5.4 inside a sandbox: DESIGN section 6, PLATFORM section 7. One Lua state a
 * policy. */
#ifndef BATON_LUA_POLICY_H
#define BATON_LUA_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct policy;

struct policy_limits {
	size_t source_max;  /* bytes of text */
	size_t heap_max;    /* bytes */
	unsigned budget_us; /* of one call, CPU time of the thread; the load is a call too */
};

/* Limits of Kconfig (CONFIG_POLICY_*). */
struct policy_limits policy_default_limits(void);

/* What a policy sees of a node: fields of the read-only table `node`. Strings are borrowed during the call.
 */
struct policy_node {
	const char *name;
	const char *architecture;
	char *const *labels; /* "name=value", becomes node.labels[name] */
	int64_t cpu;         /* capacity, thousandths of a CPU */
	int64_t memory;      /* capacity, bytes */
	int64_t cpu_reserved;
	int64_t memory_reserved;
	int64_t instances;            /* of all apps on this node */
	int64_t instances_of_service; /* of the service being placed */
};

struct policy_service {
	const char *app;
	const char *name;
	const char *image;
	int64_t cpu; /* reservation, else limit, else 0 */
	int64_t memory;
	uint32_t replicas;
	char *const *labels;
};

/*
 * Compiles `source` (text chunk, UTF-8 not required) as chunk `name` and runs it inside the sandbox; it must
 * return a table with a function `score` and optionally `filter`. 0 and *ret_policy (policy_free it), or
 * -EINVAL, -EMSGSIZE, -ENOMEM, -ETIME with the Lua message and traceback in err.
 */
int policy_load(const char *name, const char *source, size_t length, struct policy_limits limits,
        struct policy **ret_policy, struct baton_error *err);
void policy_free(struct policy *policy); /* takes NULL */

/*
 * filter(node, service): absent means true. 0 and *ret_fits. score(node, service): a finite number, higher
 * wins; 0 and *ret_score. `seed` seeds math.random for this call, so a decision can be replayed. Errors as
 * policy_load; after -ETIME or -ENOMEM the policy must be freed.
 */
int policy_filter(struct policy *policy, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, bool *ret_fits, struct baton_error *err);
int policy_score(struct policy *policy, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, double *ret_score, struct baton_error *err);

/* Text of the built-in policy lua/policies/placement/NAME.lua, compiled in; NULL when there is none. */
const char *policy_builtin(const char *name, size_t *ret_length);

#endif
