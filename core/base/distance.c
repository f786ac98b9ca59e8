/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/distance.h"

#include <string.h>

#define DISTANCE_MAX 64

static size_t min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t edit_distance(const char *a, const char *b, size_t bound)
{
	size_t rows[3][DISTANCE_MAX + 1]; /* of the matrix: i - 2, i - 1, i, modulo 3 */
	size_t a_length = strnlen(a, DISTANCE_MAX + 1);
	size_t b_length = strnlen(b, DISTANCE_MAX + 1);

	if (a_length > DISTANCE_MAX || b_length > DISTANCE_MAX)
		return bound;
	if (a_length >= b_length + bound || b_length >= a_length + bound)
		return bound;
	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		const size_t *before = rows[(i + 2) % 3];
		size_t *row = rows[i % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = min_of(before[j], row[j - 1]) + 1;
			row[j] = min_of(row[j], before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min_of(row[j], rows[(i + 1) % 3][j - 2] + 1);
		}
	}
	return min_of(rows[a_length % 3][b_length], bound);
}
