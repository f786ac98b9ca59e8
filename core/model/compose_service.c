/* SPDX-License-Identifier: Apache-2.0 */
/* One service: defaults, then its attributes, then what only two attributes together can get wrong. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/model/assignment.h"
#include "core/model/compose-priv.h"
#include "core/model/compose_values.h"

#define STOP_GRACE_DEFAULT_MS 10000 /* the Specification */

/* Upper bounds of what core/ipc adds to a string, to a mount or ulimit, and to a spec. */
#define BYTES_PER_STRING 16
#define BYTES_PER_RECORD 128
#define BYTES_PER_SPEC   2048

static_assert(CONFIG_MAX_SERVICE_BYTES + BYTES_PER_SPEC <= CONFIG_IPC_MESSAGE_MAX,
        "a service that the decoder accepts must fit into a message to batond");

static size_t strings_bytes(char *const *vector)
{
	size_t bytes = 0;

	for (size_t i = 0; vector && vector[i]; i++)
		bytes += strlen(vector[i]) + BYTES_PER_STRING;
	return bytes;
}

static size_t spec_bytes(const struct container_spec *spec)
{
	char *const *const lists[] = { spec->entrypoint, spec->command, spec->environment, spec->labels,
		spec->cap_add, spec->cap_drop, spec->sysctls };
	size_t bytes =
	        (spec->working_dir ? strlen(spec->working_dir) : 0) + spec->n_ulimits * BYTES_PER_RECORD;

	for (size_t i = 0; i < array_size(lists); i++)
		bytes += strings_bytes(lists[i]);
	for (size_t i = 0; i < spec->n_mounts; i++)
		bytes += BYTES_PER_RECORD + strlen(spec->mounts[i].source) + strlen(spec->mounts[i].target);
	return bytes;
}

/*
 * "app.service.slot.hash" must stay below the limit for every slot that a later scale can ask for, or that
 * scale would fail long after the manifest was accepted.
 */
static void check_id(struct decoder *decoder, const struct place *place, const struct container_spec *spec)
{
	int digits = snprintf(NULL, 0, "%d", CONFIG_MAX_REPLICAS);
	size_t length =
	        strlen(spec->app) + 1 + strlen(spec->service) + 1 + (size_t)digits + 1 + INSTANCE_HASH_LENGTH;

	if (length > INSTANCE_ID_MAX)
		compose_error_limit(decoder, place, INSTANCE_ID_MAX, " bytes of an instance id",
		        "the names of application and service are too long together");
}

/* The one of two attributes that say the same thing; `unset` when none does. */
static int64_t agree(struct decoder *decoder, const struct place *place, const char *names, const int64_t a,
        const int64_t b, int64_t unset)
{
	if (a != unset && b != unset && a != b)
		compose_error(decoder, place, NULL, "%s contradict each other", names);
	return a != unset ? a : b;
}

static void check_reservation(struct decoder *decoder, const struct place *place, const char *name,
        int64_t reservation, int64_t limit)
{
	if (limit > 0 && reservation > limit)
		compose_error(
		        decoder, place, NULL, "deploy.resources.reservations.%s is above the limit", name);
}

static void finish_resources(struct decoder *decoder, const struct place *place, struct service_draft *draft)
{
	struct service *service = &draft->service;
	struct container_spec *spec = &service->container;
	int64_t replicas =
	        agree(decoder, place, "scale and deploy.replicas", draft->scale, draft->replicas, -1);

	service->replicas = replicas < 0 ? 1 : (uint32_t)replicas;
	spec->memory_limit = agree(decoder, place, "mem_limit and deploy.resources.limits.memory",
	        draft->memory, draft->deploy_memory, 0);
	spec->cpu_limit = agree(
	        decoder, place, "cpus and deploy.resources.limits.cpus", draft->cpu, draft->deploy_cpu, 0);
	spec->pids_limit = agree(decoder, place, "pids_limit and deploy.resources.limits.pids", draft->pids,
	        draft->deploy_pids, 0);
	check_reservation(decoder, place, "memory", service->reserve_memory, spec->memory_limit);
	check_reservation(decoder, place, "cpus", service->reserve_cpu, spec->cpu_limit);
}

static void finish_network(
        struct decoder *decoder, const struct place *place, const struct service_draft *draft)
{
	const struct container_spec *spec = &draft->service.container;
	char **sysctl;

	if (!draft->has_network)
		compose_warning(decoder, place, "no network yet: isolated with a loopback");
	if (spec->network != NETWORK_HOST)
		return;
	STRV_FOREACH(sysctl, spec->sysctls) {
		const struct place here = { place, "sysctls", 0 };

		if (strncmp(*sysctl, "net.", 4) == 0)
			compose_error(decoder, &here, NULL,
			        "net.* would change the node with network_mode \"host\"");
	}
}

void compose_service(struct decoder *decoder, const struct place *place, json_t *object, const char *name,
        struct service *ret_service)
{
	struct service_draft draft = { .scale = -1, .replicas = -1, .stop_grace_ms = STOP_GRACE_DEFAULT_MS };
	struct service *service = &draft.service;
	struct container_spec *spec = &service->container;
	const char *fault = value_check_name(name);

	if (fault)
		compose_error(decoder, place, NULL, "the name of a service %s", fault);
	compose_assign(decoder, &service->name, name);
	compose_assign(decoder, &spec->service, name);
	compose_assign(decoder, &spec->app, decoder->app.name ? decoder->app.name : "");
	compose_walk(decoder, place, &section_service, object, &draft);
	if (!json_object_get(object, "image"))
		compose_error(decoder, place, NULL, "needs an \"image\"");
	finish_resources(decoder, place, &draft);
	finish_network(decoder, place, &draft);
	spec->stop_grace_ms = (uint32_t)draft.stop_grace_ms;
	spec->log_max_size = (uint64_t)draft.log_max_size;
	spec->log_max_files = (uint32_t)draft.log_max_files;
	if (!decoder->out_of_memory) {
		if (!fault && decoder->app.name)
			check_id(decoder, place, spec);
		if (spec_bytes(spec) > CONFIG_MAX_SERVICE_BYTES)
			compose_error_limit(decoder, place, CONFIG_MAX_SERVICE_BYTES, " bytes",
			        "all strings of the service together are too long");
	}
	*ret_service = draft.service;
}
