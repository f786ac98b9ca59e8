/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a policy from outside: load, filter and score with a small budget. */
#include <stddef.h>
#include <stdint.h>

#include "lua/host/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char label[] = "site=oslo";
	static char *labels[] = { label, NULL };
	const struct policy_limits limits = { .source_max = 4096, .heap_max = 256 << 10, .budget_us = 2000 };
	const struct policy_node node = {
		.name = "n1", .architecture = "x86_64", .labels = labels, .cpu = 1000, .memory = 1 << 20
	};
	const struct policy_service service = {
		.app = "shop", .name = "cart", .image = "cart:1", .replicas = 1
	};
	struct policy *policy = NULL;
	struct baton_error err;
	double score;
	bool fits;

	if (policy_load("fuzz", (const char *)data, size, limits, &policy, &err) < 0)
		return 0;
	if (policy_filter(policy, &node, &service, 1, &fits, &err) == 0)
		(void)policy_score(policy, &node, &service, 1, &score, &err); /* any outcome is fine */
	policy_free(policy);
	return 0;
}
