/* SPDX-License-Identifier: Apache-2.0 */
/* The words and numbers of the Compose Specification that are written as strings. Pure; no allocation unless
 * said. */
#ifndef BATON_MODEL_COMPOSE_VALUES_H
#define BATON_MODEL_COMPOSE_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNAL_NAME_SIZE 16

/* All: 0, -EINVAL for another grammar, -ERANGE for a value above `max`. Outputs only on success. */

/* Digits with an optional "-" in front. Also -ERANGE below `min`. */
int value_integer(const char *text, int64_t min, int64_t max, int64_t *ret_value);

/* Octal digits, as in chmod(1). */
int value_octal(const char *text, int64_t max, int64_t *ret_value);

/* "1m30s", "1.5h", "0": numbers with h, m, s, ms, us. Milliseconds, rounded up. */
int value_duration_ms(const char *text, int64_t max, int64_t *ret_ms);

/* "64m", "1.5gb", "4096": a number with b, k, kb, m, mb, g, gb in either case; a k is 1024. */
int value_bytes(const char *text, int64_t max, int64_t *ret_bytes);

/* "0.5": thousandths of a CPU, rounded down. */
int value_cpus(const char *text, int64_t max, int64_t *ret_thousandths);

/* A JSON real to the same thousandths. */
int value_cpus_real(double number, int64_t max, int64_t *ret_thousandths);

/*
 * Splits as a POSIX shell splits words (XCU 2.2, 2.3): blanks, '...', "...", backslash. Nothing is expanded,
 * and operators such as ";" are ordinary characters. *ret_words is NULL for no words (strv_free it). -EINVAL
 * for a quote that is not closed or a backslash at the end, -E2BIG for more than max_words, -ENOMEM.
 */
int value_words(const char *text, size_t max_words, char ***ret_words);

/* "term", "SIGTERM", "15", "SIGRTMIN+3" to "SIGTERM", "SIGRTMIN+3". -EINVAL for anything else. */
int value_signal(const char *text, char ret_name[static SIGNAL_NAME_SIZE]);

/* The upper-case name without CAP_ of a capability that Linux has, or "ALL"; NULL for another word. */
const char *value_capability(const char *text);

/* True for a resource of getrlimit(2), lower case, without RLIMIT_. */
bool value_is_rlimit(const char *name);

enum sysctl_scope {
	SYSCTL_REFUSED,
	SYSCTL_ALLOWED,
	SYSCTL_OF_NETWORK, /* only in a network namespace of its own */
};

/* Which namespace keeps the setting inside the container (PLATFORM section 4). */
enum sysctl_scope value_sysctl(const char *name);

/* NULL when right, else what the text must be. */
const char *value_check_name(const char *text);
const char *value_check_runtime(const char *text);
const char *value_check_hostname(const char *text); /* RFC 1123 section 2.1 and the kernel's 64 bytes */
const char *value_check_user(const char *text);
const char *value_check_image(const char *text); /* characters only; the store knows the grammar */
const char *value_check_path(const char *text);  /* absolute, without "." and ".." */

#endif
