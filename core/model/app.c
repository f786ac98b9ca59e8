/* SPDX-License-Identifier: Apache-2.0 */
/* Release and look-up of an application. */
#include "core/model/app.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/strv.h"

void app_release(struct app *app)
{
	for (size_t i = 0; i < app->n_services; i++) {
		free(app->services[i].name);
		free(app->services[i].placement_policy);
		container_spec_release(&app->services[i].container);
	}
	free(app->services);
	free(app->name);
	strv_free(app->volumes);
	*app = (struct app){ 0 };
}

static int compare_name(const void *name, const void *service)
{
	return strcmp(name, ((const struct service *)service)->name);
}

const struct service *app_find_service(const struct app *app, const char *name)
{
	if (app->n_services == 0)
		return NULL;
	return bsearch(name, app->services, app->n_services, sizeof(*app->services), compare_name);
}
