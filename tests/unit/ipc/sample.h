/* SPDX-License-Identifier: Apache-2.0 */
/* A container spec with every member set, for the tests of core/ipc. */
#ifndef BATON_TEST_IPC_SAMPLE_H
#define BATON_TEST_IPC_SAMPLE_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/strv.h"
#include "core/model/container.h"

static inline char *sample_text(const char *text)
{
	char *copy = strdup(text);

	assert(copy);
	return copy;
}

static inline char **sample_list(const char *first, const char *second)
{
	char **list = NULL;
	int r = strv_append(&list, first) < 0 || (second && strv_append(&list, second) < 0);

	assert(r == 0);
	return list;
}

static inline void sample_arrays(struct container_spec *spec)
{
	spec->n_ulimits = 1;
	spec->ulimits = calloc(1, sizeof(*spec->ulimits));
	spec->n_mounts = 2;
	spec->mounts = calloc(2, sizeof(*spec->mounts));
	assert(spec->ulimits && spec->mounts);
	spec->ulimits[0] = (struct container_ulimit){ sample_text("nofile"), 1024, UINT64_MAX };
	spec->mounts[0] = (struct container_mount){ .type = MOUNT_VOLUME,
		.source = sample_text("data"),
		.target = sample_text("/data"),
		.read_only = true,
		.nocopy = true };
	spec->mounts[1] = (struct container_mount){ .type = MOUNT_TMPFS,
		.source = sample_text(""),
		.target = sample_text("/tmp"),
		.create_host_path = true,
		.tmpfs_size = 1ULL << 40,
		.tmpfs_mode = 01777 };
}

static inline struct container_spec sample_spec(void)
{
	struct container_spec spec = {
		.id = sample_text("shop.cart.1.0123456789"),
		.app = sample_text("shop"),
		.service = sample_text("cart"),
		.slot = 1,
		.runtime = sample_text("native"),
		.image = sample_text("registry.local/cart:2"),
		.entrypoint = sample_list("/entry", NULL),
		.command = sample_list("serve", ""),
		.has_entrypoint = true,
		.has_command = true,
		.environment = sample_list("A=1", "B=two words"),
		.working_dir = sample_text("/srv"),
		.user = sample_text("1000:1000"),
		.hostname = sample_text("cart-1"),
		.labels = sample_list("a=b", NULL),
		.cap_add = sample_list("NET_ADMIN", NULL),
		.cap_drop = sample_list("ALL", NULL),
		.sysctls = sample_list("net.core.somaxconn=1024", NULL),
		.network = NETWORK_HOST,
		.init = true,
		.read_only = true,
		.memory_limit = 64 << 20,
		.cpu_limit = 500,
		.pids_limit = -1,
		.stop_signal = sample_text("SIGINT"),
		.stop_grace_ms = 5000,
		.log_max_size = 1 << 20,
		.log_max_files = 3,
	};

	sample_arrays(&spec);
	return spec;
}

#endif
