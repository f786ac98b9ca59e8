/* SPDX-License-Identifier: Apache-2.0 */
/* How alike two words are, for "did you mean". */
#ifndef BATON_BASE_DISTANCE_H
#define BATON_BASE_DISTANCE_H

#include <stddef.h>

/* Edit distance (optimal string alignment) of two words, or `bound` when it is at least that, or when one of
 * them has more than 64 bytes. */
size_t edit_distance(const char *a, const char *b, size_t bound);

#endif
