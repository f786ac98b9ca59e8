/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted table of pointers to structs that begin with their name as a char array. */
#ifndef BATON_CONTROLLER_TABLE_H
#define BATON_CONTROLLER_TABLE_H

#include <stddef.h>

struct table {
	void **items; /* sorted by name */
	size_t count;
	size_t capacity;
	size_t max;
};

void *table_find(const struct table *table, const char *name); /* NULL without */

/* 0; -ENOSPC at max; -ENOMEM. The name must not be in the table yet. */
int table_add(struct table *table, void *item);
void table_remove(struct table *table, const char *name); /* frees nothing of the item */

/* `item` is a pointer of the caller, of the type of the items. The body must not add or remove items. */
#define TABLE_FOREACH(item, table)                                                                           \
	for (size_t item##_i = 0; item##_i < (table)->count && ((item) = (table)->items[item##_i]);          \
	        item##_i++)

#endif
