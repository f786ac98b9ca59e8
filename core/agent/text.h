/* SPDX-License-Identifier: Apache-2.0 */
/* Text from containers and from other processes, made fit for JSON. */
#ifndef BATON_AGENT_TEXT_H
#define BATON_AGENT_TEXT_H

#include <stddef.h>

/* Length of the UTF-8 sequence (RFC 3629) at the start of `length` bytes: 1 to 4, or 0 when it is none. */
size_t text_sequence(const char *text, size_t length);

/*
 * Copies into `out` of `size` bytes, which is always NUL-terminated: bytes that are not UTF-8 become "?", and
 * what does not fit is cut at the end of a character. `in` may be NULL.
 */
void text_set(char *out, size_t size, const char *in);

#endif
