/* SPDX-License-Identifier: Apache-2.0 */
#include "core/model/container.h"

#include <stdlib.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"

void container_spec_release(struct container_spec *spec)
{
	char *const texts[] = { spec->id, spec->app, spec->service, spec->runtime, spec->image,
		spec->working_dir, spec->user, spec->hostname, spec->stop_signal };
	char **const lists[] = { spec->entrypoint, spec->command, spec->environment, spec->labels,
		spec->cap_add, spec->cap_drop, spec->sysctls };

	for (size_t i = 0; i < array_size(texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < array_size(lists); i++)
		strv_free(lists[i]);
	for (size_t i = 0; i < spec->n_ulimits; i++)
		free(spec->ulimits[i].name);
	free(spec->ulimits);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		free(spec->mounts[i].source);
		free(spec->mounts[i].target);
	}
	free(spec->mounts);
	*spec = (struct container_spec){ 0 };
}
