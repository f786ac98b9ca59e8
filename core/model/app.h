/* SPDX-License-Identifier: Apache-2.0 */
/* An application: the decoded Compose document. Data only. */
#ifndef BATON_MODEL_APP_H
#define BATON_MODEL_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/container.h"

enum restart_condition { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };

struct restart_policy {
	enum restart_condition
	        condition;     /* restart: always and unless-stopped = ALWAYS; no = NEVER; absent = ALWAYS */
	uint32_t max_attempts; /* 0: no limit */
};

struct service {
	char *name;
	struct container_spec container; /* id, slot unset; app and service set */
	uint32_t replicas;
	struct restart_policy restart;
	char *placement_policy; /* NULL: the controller's default ("spread") */
	int64_t reserve_memory; /* bytes, 0: none */
	int64_t reserve_cpu;    /* thousandths of a CPU */
};

struct app {
	char *name;
	struct service *services; /* sorted by name */
	size_t n_services;
	char **volumes; /* declared named volumes */
};

void app_release(struct app *app);
const struct service *app_find_service(const struct app *app, const char *name); /* NULL without */

#endif
