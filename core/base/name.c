/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/name.h"

/* By hand: the functions of ctype.h follow the locale. */
static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_valid(const char *name, size_t length, size_t max)
{
	if (length == 0 || length > max || !is_alphanumeric(name[0]))
		return false;
	for (size_t i = 1; i < length; i++) {
		char c = name[i];

		if (!is_alphanumeric(c) && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}
