/* SPDX-License-Identifier: Apache-2.0 */
/* NULL-terminated vectors of strings, as execve(2) takes them. A NULL vector is an empty one. */
#ifndef BATON_BASE_STRV_H
#define BATON_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

/* `item` is a char ** of the caller. */
#define STRV_FOREACH(item, vector) for ((item) = (vector); (item) && *(item); (item)++)

size_t strv_length(char *const *vector);
void strv_free(char **vector); /* takes NULL */

/* Appends a copy of `text` to *vector, which may be NULL. 0 or -ENOMEM, with *vector unchanged. */
int strv_append(char ***vector, const char *text);

/* As strv_append, of a formatted string. */
int strv_appendf(char ***vector, const char *format, ...) __attribute__((format(printf, 2, 3)));

int strv_copy(char *const *vector, char ***ret_copy); /* 0 or -ENOMEM; copy of NULL is NULL */
bool strv_contains(char *const *vector, const char *text);

static inline void cleanup_strv_(char ***vector)
{
	strv_free(*vector);
}
#define cleanup_strv __attribute__((cleanup(cleanup_strv_)))

#endif
