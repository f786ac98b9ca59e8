/* SPDX-License-Identifier: Apache-2.0 */
/* The newest lines of an instance's log files. */
#ifndef BATON_AGENT_LOG_READ_H
#define BATON_AGENT_LOG_READ_H

#include <stdint.h>
#include <sys/types.h>

#include "core/agent/log_lines.h"
#include "core/base/error.h"

struct log_query {
	const char *logs_path; /* RUN/logs */
	const char *instance;  /* one of ours: its name is safe in a path */
	unsigned lines;
	int64_t since_ms; /* wall clock; 0: no limit */
};

/* Where the lines ended: following goes on from there. */
struct log_position {
	ino_t inode; /* of the file "current"; 0: there was none */
	off_t offset;
};

/*
 * Calls `send` for the newest lines, oldest first, with `end` on the last call (there always is one). At most
 * CONFIG_LOG_ANSWER_MAX_KIB are read. An instance that never wrote has no lines. 0 and *ret_position, or
 * negative errno with nothing sent.
 */
int log_read(const struct log_query *query, log_lines_fn send, void *arg, struct log_position *ret_position,
        struct baton_error *err);

/* Name of the file with number `index`, 0 for the newest: "current", "current.1". */
#define LOG_FILE_NAME_SIZE 32
void log_file_name(unsigned index, char name[static LOG_FILE_NAME_SIZE]);

/* More files than any configuration keeps. */
#define LOG_FILES_LIMIT 16

/* Opens RUN/logs/ID. Descriptor or negative errno. */
int log_open_directory(const char *logs_path, const char *instance);

#endif
