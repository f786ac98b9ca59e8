/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned tables for people, and small pieces of text. */
#ifndef BATON_CLI_TABLE_H
#define BATON_CLI_TABLE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 10
#define AGE_TEXT_SIZE     24

struct table; /* rows are kept until table_write */

/* Column titles, NULL-terminated. NULL when out of memory; the other functions take NULL then. */
struct table *table_new(const char *const *titles);

/* As many texts as titles; NULL counts as "-". Control characters become '?'. */
void table_add(struct table *table, const char *const *texts);

/* Columns two spaces apart, the last one not padded. Frees the table. */
void table_write(struct table *table, FILE *out);

/* One line of compact JSON; returns 0 or -EIO. */
int json_write(const json_t *value, FILE *out);

/* "12s", "5m", "3h", "4d" since an RFC 3339 time; "-" when it cannot be read or lies ahead. */
void age_format(const char *time, int64_t now_ms, char text[static AGE_TEXT_SIZE]);

/* RFC 3339 in UTC or with offset to milliseconds since 1970. 0 or -EINVAL. */
int time_parse(const char *text, int64_t *ret_ms);

/* "90", "90s", "10m", "1h30m", "2d" to milliseconds. 0 or -EINVAL. */
int duration_parse(const char *text, int64_t *ret_ms);

#endif
