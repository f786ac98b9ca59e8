/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/strv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"

size_t strv_length(char *const *vector)
{
	size_t length = 0;

	while (vector && vector[length])
		length++;
	return length;
}

void strv_free(char **vector)
{
	char **item;

	STRV_FOREACH(item, vector)
		free(*item);
	free(vector);
}

int strv_append(char ***vector, const char *text)
{
	size_t length = strv_length(*vector);
	cleanup_free char *copy = strdup(text);
	char **grown;

	if (!copy)
		return -ENOMEM;
	grown = reallocarray(*vector, length + 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[length] = steal_ptr(copy);
	grown[length + 1] = NULL;
	*vector = grown;
	return 0;
}

int strv_appendf(char ***vector, const char *format, ...)
{
	cleanup_free char *text = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		text = NULL; /* undefined after a failure, see asprintf(3) */
		return -ENOMEM;
	}
	return strv_append(vector, text);
}

int strv_copy(char *const *vector, char ***ret_copy)
{
	cleanup_strv char **copy = NULL;

	for (size_t i = 0; vector && vector[i]; i++) {
		if (strv_append(&copy, vector[i]) < 0)
			return -ENOMEM;
	}
	*ret_copy = steal_ptr(copy);
	return 0;
}

bool strv_contains(char *const *vector, const char *text)
{
	for (size_t i = 0; vector && vector[i]; i++) {
		if (strcmp(vector[i], text) == 0)
			return true;
	}
	return false;
}
