/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/cleanup.h"

#define DECIMAL "0123456789"
#define OCTAL   "01234567"
#define HEX     DECIMAL "abcdefABCDEF"

struct word {
	const char *lower; /* also as "Word" and "WORD", nothing between */
	json_type type;
};

static const struct word words[] = {
	{ "~", JSON_NULL },
	{ "null", JSON_NULL },
	{ "true", JSON_TRUE },
	{ "false", JSON_FALSE },
};

static bool is_word(const char *text, const char *lower)
{
	size_t length = strlen(lower);
	size_t capitals = 0;

	if (strcasecmp(text, lower) != 0)
		return false;
	for (const char *c = text; *c; c++)
		capitals += *c >= 'A' && *c <= 'Z';
	return capitals == 0 || (capitals == 1 && text[0] != lower[0]) || capitals == length;
}

static bool only(const char *text, const char *digits)
{
	return *text != '\0' && text[strspn(text, digits)] == '\0';
}

/* The base of an integer; 0 when it is none. *ret_digits lies behind sign and prefix. */
static int integer_base(const char *text, const char **ret_digits)
{
	const char *digits = text + (*text == '-' || *text == '+');

	*ret_digits = digits;
	if (strncmp(text, "0o", 2) == 0 || strncmp(text, "0x", 2) == 0) {
		*ret_digits = text + 2;
		return text[1] == 'o' ? (only(text + 2, OCTAL) ? 8 : 0) : (only(text + 2, HEX) ? 16 : 0);
	}
	if (digits[0] == '0' && digits[1] != '\0' && only(digits, OCTAL))
		return 8;
	return only(digits, DECIMAL) ? 10 : 0;
}

static bool is_real(const char *text)
{
	const char *at = text + (*text == '-' || *text == '+');
	size_t before = strspn(at, DECIMAL);
	size_t after = 0;

	at += before;
	if (*at == '.') {
		after = strspn(at + 1, DECIMAL);
		at += 1 + after;
	}
	if (before + after == 0)
		return false;
	if (*at == 'e' || *at == 'E') {
		at++;
		at += *at == '-' || *at == '+';
		return only(at, DECIMAL);
	}
	return *at == '\0';
}

/* Infinity with a sign, "not a number" without. */
static bool is_no_number(const char *text)
{
	static const char *const infinities[] = { ".inf", ".Inf", ".INF" };
	static const char *const nans[] = { ".nan", ".NaN", ".NAN" };
	const char *behind_sign = text + (*text == '-' || *text == '+');

	for (size_t i = 0; i < array_size(infinities); i++) {
		if (strcmp(behind_sign, infinities[i]) == 0 || strcmp(text, nans[i]) == 0)
			return true;
	}
	return false;
}

static json_t *integer(const char *text, const char *digits, int base, struct baton_error *err)
{
	unsigned long long number;

	errno = 0;
	number = strtoull(digits, NULL, base);
	if (errno == 0 && *text == '-' && number == (unsigned long long)INT64_MAX + 1)
		return json_integer(INT64_MIN);
	if (errno != 0 || number > INT64_MAX) {
		(void)error_set(
		        err, ERANGE, "the number %s does not fit into 64 bits; in quotes it is text", text);
		return NULL;
	}
	return json_integer(*text == '-' ? -(json_int_t)number : (json_int_t)number);
}

json_t *scalar_resolve(const char *text, struct baton_error *err)
{
	const char *digits;
	double real;
	int base;

	if (*text == '\0')
		return json_null();
	for (size_t i = 0; i < array_size(words); i++) {
		if (is_word(text, words[i].lower))
			return words[i].type == JSON_NULL ? json_null()
			                                  : json_boolean(words[i].type == JSON_TRUE);
	}
	base = integer_base(text, &digits);
	if (base != 0)
		return integer(text, digits, base, err);
	real = is_real(text) ? strtod(text, NULL) : 0;
	if (is_no_number(text) || !isfinite(real)) {
		(void)error_set(err, ERANGE, "JSON has no number for %s; in quotes it is text", text);
		return NULL;
	}
	return is_real(text) ? json_real(real) : json_string(text);
}
