/* SPDX-License-Identifier: Apache-2.0 */
/* One line a message on standard error, with the priority prefix of sd-daemon(3). Ranks 0 and 1 never call
 * this. */
#ifndef BATON_BASE_LOG_H
#define BATON_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `program` must outlive the process. With journal set (JOURNAL_STREAM), lines start with <priority>. */
void log_open(const char *program, enum log_level level);

/* 0 and *ret_level, or -EINVAL for a name that is none of error, warning, info, debug. */
int log_level_parse(const char *name, enum log_level *ret_level);

/* Control characters of the formatted text are replaced by '?': a hostile name cannot forge a line. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
