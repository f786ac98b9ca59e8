/* SPDX-License-Identifier: Apache-2.0 */
/* Names that come from outside and become file names and arguments. */
#ifndef BATON_BASE_NAME_H
#define BATON_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True for 1 to `max` characters of [A-Za-z0-9._-], the first a letter or digit: never hidden, never "..",
 * never an option. `name` need not end with a NUL.
 */
bool name_valid(const char *name, size_t length, size_t max);

#endif
