/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be written to a terminal. Texts of containers, controllers and nodes come over the network, and a
 * terminal obeys control characters (ECMA-48): C0, DEL, and C1, which UTF-8 encodes as C2 80 to C2 9F (C2 9B
 * is CSI). A bare byte 80 to 9F, which is no UTF-8, is one for a terminal of 8 bits.
 */
#ifndef BATON_CLI_TERMINAL_H
#define BATON_CLI_TERMINAL_H

#include <stdio.h>

/* Replaces each control character by '?', in place. Those in `keep` stay: "", "\n" or "\t". */
void terminal_clean(char *text, const char *keep);

/* Writes the text as terminal_clean would leave it. */
void terminal_write(const char *text, const char *keep, FILE *out);

/* Formats, cleans all but newlines, and writes. */
void terminal_printf(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
