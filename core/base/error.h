/* SPDX-License-Identifier: Apache-2.0 */
/* The error record that travels up from where something failed to where it is decided and logged. */
#ifndef BATON_BASE_ERROR_H
#define BATON_BASE_ERROR_H

#include <stddef.h>

#define ERROR_MESSAGE_MAX 384

/*
 * Owned by the caller, filled by the callee, untouched on success. No allocation anywhere, so it works
 * between clone and exec. `code` is a positive errno value; functions that fill a record return the same
 * value negated.
 */
struct baton_error {
	int code;
	char message[ERROR_MESSAGE_MAX];
};

/* Fills *err (which may be NULL) and returns -code. A message too long is cut at a byte that ends a
 * character. */
int error_set(struct baton_error *err, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Same, with ": " and the text of errno value `code` at the end. */
int error_errno(struct baton_error *err, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Puts context and ": " before the message on the way up. Returns -err->code (or -EIO when err is NULL). */
int error_prefix(struct baton_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
