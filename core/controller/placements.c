/* SPDX-License-Identifier: Apache-2.0 */
/* Which slot is on which node: kept by application and by node at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/controller/controller-priv.h"

static int compare(const struct placement *placement, const char *service, uint32_t slot)
{
	int order = strcmp(placement->ref.service, service);

	if (order != 0)
		return order;
	return placement->ref.slot < slot ? -1 : placement->ref.slot > slot;
}

/* First position that is not before (service, slot). */
static size_t lower_bound(const struct app_entry *app, const char *service, uint32_t slot)
{
	size_t low = 0;
	size_t high = app->n_placements;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(app->placements[middle], service, slot) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct placement *placement_find(const struct app_entry *app, const char *service, uint32_t slot)
{
	size_t position = lower_bound(app, service, slot);

	if (position == app->n_placements || compare(app->placements[position], service, slot) != 0)
		return NULL;
	return app->placements[position];
}

void placement_set_service(struct placement *placement, const struct service *service)
{
	int64_t cpu = service ? service->reserve_cpu : 0;
	int64_t memory = service ? service->reserve_memory : 0;

	placement->node->cpu_reserved += cpu - placement->cpu;
	placement->node->memory_reserved += memory - placement->memory;
	placement->cpu = cpu;
	placement->memory = memory;
}

/* Room for one more pointer; capacity is the next power of two. */
static int grow(struct placement ***list, size_t count)
{
	struct placement **grown;

	if (count > 0 && (count & (count - 1)) != 0)
		return 0;
	grown = reallocarray(*list, count > 0 ? count * 2 : 1, sizeof(struct placement *));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	return 0;
}

int placement_add(struct app_entry *app, const struct assignment_ref *ref, struct fleet_node *node,
        const struct service *service)
{
	size_t position = lower_bound(app, ref->service, ref->slot);
	struct placement *placement;

	if (position < app->n_placements && compare(app->placements[position], ref->service, ref->slot) == 0)
		return -EEXIST;
	if (grow(&app->placements, app->n_placements) < 0 || grow(&node->placements, node->n_placements) < 0)
		return -ENOMEM;
	placement = calloc(1, sizeof(*placement));
	if (!placement)
		return -ENOMEM;
	placement->ref = *ref;
	placement->node = node;
	placement->since_ms = clock_wall_ms();
	placement_set_service(placement, service);
	memmove(app->placements + position + 1, app->placements + position,
	        (app->n_placements - position) * sizeof(struct placement *));
	app->placements[position] = placement;
	app->n_placements++;
	node->placements[node->n_placements++] = placement;
	node->changed = true;
	app->show = true;
	return 0;
}

void placement_remove(struct app_entry *app, size_t index)
{
	struct placement *placement = app->placements[index];
	struct fleet_node *node = placement->node;

	placement_set_service(placement, NULL);
	for (size_t i = 0; i < node->n_placements; i++) {
		if (node->placements[i] == placement) {
			node->placements[i] = node->placements[--node->n_placements];
			break;
		}
	}
	node->changed = true;
	app->n_placements--;
	memmove(app->placements + index, app->placements + index + 1,
	        (app->n_placements - index) * sizeof(struct placement *));
	app->show = true;
	free(placement);
}
