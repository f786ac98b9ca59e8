/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/cli/terminal.h"

struct table {
	char **cells; /* n_rows * columns, the titles first */
	size_t columns;
	size_t n_rows;
	size_t width[TABLE_COLUMNS_MAX];
};

/* Code points, not bytes: names and reasons may hold any UTF-8. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xC0U) != 0x80U;
	return width;
}

static void table_free(struct table *table)
{
	for (size_t i = 0; i < table->n_rows * table->columns; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

struct table *table_new(const char *const *titles)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	while (titles[table->columns])
		table->columns++;
	table_add(table, titles);
	return table;
}

static char *clean_copy(const char *text)
{
	char *copy = strdup(text && text[0] ? text : "-");

	if (copy)
		terminal_clean(copy, "");
	return copy;
}

void table_add(struct table *table, const char *const *texts)
{
	size_t used;
	char **grown;

	if (!table)
		return;
	used = table->n_rows * table->columns;
	grown = reallocarray(table->cells, used + table->columns, sizeof(*grown));
	if (!grown)
		return;
	table->cells = grown;
	for (size_t i = 0; i < table->columns; i++) {
		size_t width;

		grown[used + i] = clean_copy(texts[i]);
		width = grown[used + i] ? text_width(grown[used + i]) : 0;
		if (width > table->width[i])
			table->width[i] = width;
	}
	table->n_rows++;
}

void table_write(struct table *table, FILE *out)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_rows * table->columns; i++) {
		size_t column = i % table->columns;
		const char *cell = table->cells[i] ? table->cells[i] : "";
		size_t padding = table->width[column] - text_width(cell);

		if (column + 1 == table->columns)
			(void)fprintf(out, "%s\n", cell);
		else
			(void)fprintf(out, "%s%*s", cell, (int)padding + 2, "");
	}
	table_free(table);
}

int json_write(const json_t *value, FILE *out)
{
	size_t flags = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY;

	/* JSON escapes what is below 20 only, and a terminal obeys more than that. */
	if (isatty(fileno(out)) == 1)
		flags |= JSON_ENSURE_ASCII;
	if (!value || json_dumpf(value, out, flags) < 0 || fputc('\n', out) == EOF || fflush(out) == EOF)
		return -EIO;
	return 0;
}

/* ---- time ---- */

/* One more number of 32 bits of days, and the milliseconds are still in range. */
#define DURATION_S_MAX (INT64_MAX / 4000)

/* `count` digits at *text; -1 when there are fewer. */
static int take_digits(const char **text, int count)
{
	int value = 0;

	for (int i = 0; i < count; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return -1;
		value = value * 10 + (**text - '0');
	}
	return value;
}

/* Days since 1970 of a proleptic Gregorian date: years begin in March, so that the leap day is the last. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = month <= 2 ? month + 9 : month - 3;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int take_offset(const char *text, int64_t *ret_minutes)
{
	int sign = text[0] == '-' ? -1 : 1;
	int hours;
	int minutes;

	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
		*ret_minutes = 0;
		return 0;
	}
	if (text[0] != '+' && text[0] != '-')
		return -EINVAL;
	text++;
	hours = take_digits(&text, 2);
	if (hours < 0 || hours > 23 || *text++ != ':')
		return -EINVAL;
	minutes = take_digits(&text, 2);
	if (minutes < 0 || minutes > 59 || *text != '\0')
		return -EINVAL;
	*ret_minutes = sign * (hours * 60 + minutes);
	return 0;
}

int time_parse(const char *text, int64_t *ret_ms)
{
	static const struct {
		int digits, min, max;
		char end;
	} parts[] = { { 4, 0, 9999, '-' }, { 2, 1, 12, '-' }, { 2, 1, 31, 'T' }, { 2, 0, 23, ':' },
		{ 2, 0, 59, ':' }, { 2, 0, 60, '\0' } };
	int value[array_size(parts)];
	int64_t offset;
	int64_t ms = 0;

	for (size_t i = 0; i < array_size(parts); i++) {
		value[i] = take_digits(&text, parts[i].digits);
		if (value[i] < parts[i].min || value[i] > parts[i].max)
			return -EINVAL;
		if (parts[i].end && (*text == 't' || *text == ' ' ? 'T' : *text) != parts[i].end)
			return -EINVAL;
		if (parts[i].end)
			text++;
	}
	if (*text == '.') {
		text++;
		for (int64_t weight = 100; *text >= '0' && *text <= '9'; text++, weight /= 10)
			ms += (*text - '0') * weight;
	}
	if (take_offset(text, &offset) < 0)
		return -EINVAL;
	*ret_ms = ((days_of(value[0], value[1], value[2]) * 24 + value[3]) * 60 + value[4] - offset) * 60000 +
	          value[5] * 1000 + ms;
	return 0;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	int64_t total = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		int64_t seconds = 0;
		char *end;
		long number;

		if (*text < '0' || *text > '9')
			return -EINVAL;
		errno = 0;
		number = strtol(text, &end, 10);
		if (errno != 0 || number > INT32_MAX)
			return -EINVAL;
		for (size_t i = 0; i < array_size(units); i++) {
			if (*end == units[i].unit)
				seconds = units[i].seconds;
		}
		if (*end == '\0' && total == 0)
			seconds = 1; /* a bare number */
		if (seconds == 0 || total > DURATION_S_MAX)
			return -EINVAL;
		total += number * seconds;
		text = *end ? end + 1 : end;
	}
	*ret_ms = total * 1000;
	return 0;
}

void age_format(const char *time, int64_t now_ms, char text[static AGE_TEXT_SIZE])
{
	static const struct {
		int64_t below;
		int64_t divisor;
		char unit;
	} steps[] = { { 120, 1, 's' }, { 7200, 60, 'm' }, { 172800, 3600, 'h' }, { INT64_MAX, 86400, 'd' } };
	int64_t then;
	int64_t seconds;

	(void)snprintf(text, AGE_TEXT_SIZE, "-");
	if (!time || time_parse(time, &then) < 0 || then > now_ms)
		return;
	seconds = (now_ms - then) / 1000;
	for (size_t i = 0; i < array_size(steps); i++) {
		if (seconds >= steps[i].below)
			continue;
		(void)snprintf(text, AGE_TEXT_SIZE, "%lld%c", (long long)(seconds / steps[i].divisor),
		        steps[i].unit);
		return;
	}
}
