/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, shell words and signals: the string forms of Compose values. */
#include "core/model/compose_values.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/strv.h"

#define FRACTION_DIGITS 9 /* whole * unit / 10^9 stays below 2^63 for units up to an hour in µs and a GiB */
#define WORD_MAX        (1U << 20)
#define CPU_EPSILON     1e-6 /* 0.29 * 1000 is 289.99999999999994 */

/* A decimal number without an exponent. */
struct decimal {
	uint64_t whole;
	uint64_t fraction; /* of `divisor` */
	uint64_t divisor;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Moves *text behind the number. -EINVAL without a digit, -ERANGE when the whole part passes INT64_MAX. */
static int take_decimal(const char **text, struct decimal *ret_decimal)
{
	struct decimal decimal = { .divisor = 1 };
	const char *next = *text;
	size_t kept = 0;

	if (!is_digit(*next))
		return -EINVAL;
	for (; is_digit(*next); next++) {
		uint64_t digit = (uint64_t)(*next - '0');

		if (decimal.whole > (INT64_MAX - digit) / 10)
			return -ERANGE;
		decimal.whole = decimal.whole * 10 + digit;
	}
	if (*next == '.') {
		next++;
		if (!is_digit(*next))
			return -EINVAL;
		for (; is_digit(*next); next++) {
			if (kept++ >= FRACTION_DIGITS)
				continue;
			decimal.fraction = decimal.fraction * 10 + (uint64_t)(*next - '0');
			decimal.divisor *= 10;
		}
	}
	*text = next;
	*ret_decimal = decimal;
	return 0;
}

static int scale(const struct decimal *decimal, uint64_t unit, int64_t max, int64_t *ret_value)
{
	uint64_t value;

	if (decimal->whole > (uint64_t)max / unit)
		return -ERANGE;
	value = decimal->whole * unit + decimal->fraction * unit / decimal->divisor;
	if (value > (uint64_t)max)
		return -ERANGE;
	*ret_value = (int64_t)value;
	return 0;
}

int value_integer(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
	bool negative = text[0] == '-';
	const char *next = negative ? text + 1 : text;
	struct decimal decimal;
	int64_t value;
	int r;

	if (strspn(next, "0123456789") != strlen(next))
		return -EINVAL;
	r = take_decimal(&next, &decimal);
	if (r < 0)
		return r;
	value = negative ? -(int64_t)decimal.whole : (int64_t)decimal.whole;
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int value_octal(const char *text, int64_t max, int64_t *ret_value)
{
	int64_t value = 0;

	if (text[0] == '\0' || strspn(text, "01234567") != strlen(text))
		return -EINVAL;
	for (; *text; text++) {
		value = value * 8 + (*text - '0');
		if (value > max)
			return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

int value_duration_ms(const char *text, int64_t max, int64_t *ret_ms)
{
	static const struct {
		const char *name;
		uint64_t us;
	} units[] = {
		/* "ms" before "m": the first that fits is taken */
		{ "us", 1 },
		{ "ms", 1000 },
		{ "s", 1000000 },
		{ "m", 60000000 },
		{ "h", 3600000000 },
	};
	const int64_t max_us = max > INT64_MAX / 1000 ? INT64_MAX : max * 1000;
	int64_t sum = 0;

	if (strcmp(text, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	do {
		struct decimal decimal;
		size_t unit = 0;
		int64_t part = 0;
		int r = take_decimal(&text, &decimal);

		while (r == 0 && unit < array_size(units) &&
		        strncmp(text, units[unit].name, strlen(units[unit].name)) != 0)
			unit++;
		if (r == 0 && unit == array_size(units))
			r = -EINVAL;
		if (r == 0)
			r = scale(&decimal, units[unit].us, max_us - sum, &part);
		if (r < 0)
			return r;
		sum += part;
		text += strlen(units[unit].name);
	} while (*text);
	*ret_ms = sum / 1000 + (sum % 1000 > 0);
	return 0;
}

int value_bytes(const char *text, int64_t max, int64_t *ret_bytes)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {
		{ "", 1 },
		{ "b", 1 },
		{ "k", 1U << 10 },
		{ "kb", 1U << 10 },
		{ "m", 1U << 20 },
		{ "mb", 1U << 20 },
		{ "g", 1U << 30 },
		{ "gb", 1U << 30 },
	};
	struct decimal decimal;
	int r = take_decimal(&text, &decimal);

	if (r < 0)
		return r;
	for (size_t i = 0; i < array_size(units); i++) {
		if (strcasecmp(text, units[i].name) == 0)
			return scale(&decimal, units[i].bytes, max, ret_bytes);
	}
	return -EINVAL;
}

int value_cpus(const char *text, int64_t max, int64_t *ret_thousandths)
{
	struct decimal decimal;
	int r = take_decimal(&text, &decimal);

	if (r < 0)
		return r;
	return *text ? -EINVAL : scale(&decimal, 1000, max, ret_thousandths);
}

int value_cpus_real(double number, int64_t max, int64_t *ret_thousandths)
{
	if (!(number >= 0))
		return -EINVAL;
	if (number * 1000.0 > (double)max)
		return -ERANGE;
	*ret_thousandths = (int64_t)(number * 1000.0 + CPU_EPSILON);
	return 0;
}

/* ---- shell words ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* The quoted part behind the opening quote. Returns what is behind the closing one, NULL without it. */
static const char *take_single(const char *text, struct buf *word, int *error)
{
	const char *end = strchr(text, '\'');

	if (!end)
		return NULL;
	*error = buf_append(word, text, (size_t)(end - text));
	return end + 1;
}

static const char *take_double(const char *text, struct buf *word, int *error)
{
	for (; *text && *text != '"' && *error == 0; text++) {
		if (text[0] == '\\' && text[1] == '\n') {
			text++; /* a line continuation, gone */
			continue;
		}
		if (text[0] == '\\' && text[1] && strchr("$`\"\\", text[1]))
			text++;
		*error = buf_append(word, text, 1);
	}
	return *text == '"' ? text + 1 : NULL;
}

/* Appends one word to the buffer and returns what is behind it, NULL for an open quote or backslash. */
static const char *take_word(const char *text, struct buf *word, int *error)
{
	while (text && *text && !is_blank(*text) && *error == 0) {
		if (*text == '\'') {
			text = take_single(text + 1, word, error);
		} else if (*text == '"') {
			text = take_double(text + 1, word, error);
		} else if (text[0] == '\\') {
			if (!text[1])
				return NULL;
			if (text[1] != '\n')
				*error = buf_append(word, text + 1, 1);
			text += 2;
		} else {
			*error = buf_append(word, text, 1);
			text++;
		}
	}
	return text;
}

int value_words(const char *text, size_t max_words, char ***ret_words)
{
	cleanup_strv char **words = NULL;
	cleanup_buf struct buf word = { .data = NULL };
	size_t count = 0;

	buf_init(&word, WORD_MAX);
	for (;;) {
		int error = 0;

		while (is_blank(*text) || (text[0] == '\\' && text[1] == '\n'))
			text += is_blank(*text) ? 1 : 2;
		if (!*text)
			break;
		if (count++ >= max_words)
			return -E2BIG;
		buf_reset(&word);
		text = take_word(text, &word, &error);
		if (error < 0)
			return error;
		if (!text)
			return -EINVAL;
		if (strv_append(&words, word.data ? word.data : "") < 0)
			return -ENOMEM;
	}
	*ret_words = steal_ptr(words);
	return 0;
}

/* ---- signals ---- */

static int realtime_signal(int64_t offset, char ret_name[static SIGNAL_NAME_SIZE])
{
	if (offset == 0)
		(void)snprintf(ret_name, SIGNAL_NAME_SIZE, "SIGRTMIN");
	else
		(void)snprintf(ret_name, SIGNAL_NAME_SIZE, "SIGRTMIN+%d", (int)offset);
	return 0;
}

int value_signal(const char *text, char ret_name[static SIGNAL_NAME_SIZE])
{
	const int64_t realtime_max = SIGRTMAX - SIGRTMIN;
	int64_t number = 0;

	if (value_integer(text, 1, SIGRTMAX, &number) < 0) {
		if (strncasecmp(text, "SIG", 3) == 0)
			text += 3;
		if (strcasecmp(text, "RTMIN") == 0)
			return realtime_signal(0, ret_name);
		if (strncasecmp(text, "RTMIN+", 6) == 0)
			return value_integer(text + 6, 0, realtime_max, &number) == 0
			               ? realtime_signal(number, ret_name)
			               : -EINVAL;
	}
	if (number >= SIGRTMIN)
		return realtime_signal(number - SIGRTMIN, ret_name);
	for (int i = 1; i < NSIG; i++) {
		const char *known = sigabbrev_np(i);

		if (known && (number > 0 ? number == i : strcasecmp(known, text) == 0)) {
			(void)snprintf(ret_name, SIGNAL_NAME_SIZE, "SIG%s", known);
			return 0;
		}
	}
	return -EINVAL;
}
