/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in policies by name. */
#include "lua/host/builtin.h"

#include <string.h>

#include "lua/host/policy.h"

const char *policy_builtin(const char *name, size_t *ret_length)
{
	for (const struct builtin_policy *policy = builtin_policies; policy->name; policy++) {
		if (strcmp(policy->name, name) == 0) {
			*ret_length = policy->length;
			return policy->source;
		}
	}
	return NULL;
}
