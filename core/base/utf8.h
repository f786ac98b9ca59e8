/* SPDX-License-Identifier: Apache-2.0 */
/* Text of any origin, made fit for JSON: UTF-8 as in RFC 3629. Nothing here allocates. */
#ifndef BATON_BASE_UTF8_H
#define BATON_BASE_UTF8_H

#include <stddef.h>

/* Length of the sequence at the start of `length` bytes: 1 to 4, or 0 when it is none. */
size_t utf8_sequence(const char *text, size_t length);

/*
 * Copies into `out` of `size` bytes, which is always NUL-terminated: bytes that are not UTF-8 become "?", and
 * what does not fit is cut at the end of a character. `in` may be NULL.
 */
void utf8_copy(char *out, size_t size, const char *in);

/* How much of a text that was cut at `length` bytes does not end with a part of a character. */
size_t utf8_trim(const char *text, size_t length);

#endif
