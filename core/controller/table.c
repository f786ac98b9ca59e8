/* SPDX-License-Identifier: Apache-2.0 */
#include "core/controller/table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16

static size_t position_of(const struct table *table, const char *name, bool *ret_found)
{
	size_t low = 0;
	size_t high = table->count;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(table->items[middle], name);

		if (order == 0) {
			*ret_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *table_find(const struct table *table, const char *name)
{
	bool found;
	size_t position = position_of(table, name, &found);

	return found ? table->items[position] : NULL;
}

int table_add(struct table *table, void *item)
{
	bool found;
	size_t position = position_of(table, item, &found);

	if (table->count >= table->max)
		return -ENOSPC;
	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : FIRST_CAPACITY;
		void **grown = reallocarray(table->items, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		table->items = grown;
		table->capacity = capacity;
	}
	memmove(table->items + position + 1, table->items + position,
	        (table->count - position) * sizeof(*table->items));
	table->items[position] = item;
	table->count++;
	return 0;
}

void table_remove(struct table *table, const char *name)
{
	bool found;
	size_t position = position_of(table, name, &found);

	if (!found)
		return;
	table->count--;
	memmove(table->items + position, table->items + position + 1,
	        (table->count - position) * sizeof(*table->items));
}
