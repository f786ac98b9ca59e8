/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t utf8_sequence(const char *text, size_t length)
{
	/* RFC 3629 section 4: the second byte has a range of its own after E0, ED, F0 and F4. */
	static const struct {
		uint8_t first_low, first_high, second_low, second_high;
		uint8_t length;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	const unsigned char *bytes = (const unsigned char *)text;

	for (size_t i = 0; length > 0 && i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (bytes[0] < forms[i].first_low || bytes[0] > forms[i].first_high)
			continue;
		if (forms[i].length > length)
			return 0;
		if (forms[i].length > 1 &&
		        (bytes[1] < forms[i].second_low || bytes[1] > forms[i].second_high))
			return 0;
		for (size_t k = 2; k < forms[i].length; k++) {
			if (bytes[k] < 0x80 || bytes[k] > 0xbf)
				return 0;
		}
		return forms[i].length;
	}
	return 0;
}

void utf8_copy(char *out, size_t size, const char *in)
{
	size_t left = in ? strlen(in) : 0;
	size_t used = 0;

	while (left > 0) {
		size_t step = utf8_sequence(in, left);

		if (used + (step > 0 ? step : 1) >= size)
			break;
		if (step > 0)
			memcpy(out + used, in, step);
		else
			out[used] = '?';
		used += step > 0 ? step : 1;
		in += step > 0 ? step : 1;
		left -= step > 0 ? step : 1;
	}
	out[used] = '\0';
}

size_t utf8_trim(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t start = length;
	size_t needed;

	while (start > 0 && length - start < 3 && (bytes[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return length;
	start--;
	needed = bytes[start] >= 0xf0 ? 4 : bytes[start] >= 0xe0 ? 3 : bytes[start] >= 0xc0 ? 2 : 1;
	return length - start < needed ? start : length;
}
