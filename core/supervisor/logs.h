/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output and error of one instance: two FIFOs, read into bounded, rotated files below RUN/logs/ID.
 *
 * The container holds each FIFO open for reading and writing, so it never gets SIGPIPE: while batond is down
 * its output waits in the pipe (64 KiB, then the writer blocks) and the next batond reads it by the FIFO's
 * name. Half a line is held back for a second at most: kill -9 of batond loses no more than that.
 */
#ifndef BATON_SUPERVISOR_LOGS_H
#define BATON_SUPERVISOR_LOGS_H

#include <event2/event.h>
#include <stdint.h>

#include "core/base/error.h"

enum log_stream { LOG_STDOUT, LOG_STDERR, LOG_STREAMS };

struct logs;

struct logs_config {
	int instance_fd; /* RUN/containers/ID, where the FIFOs are; borrowed during the call */
	int logs_fd;     /* RUN/logs; borrowed during the call */
	const char *id;
	uint64_t file_max;  /* bytes of one file */
	uint32_t files_max; /* 1: the file is emptied when it is full */
	uint32_t gid;       /* group that may read */
};

/* Makes what is missing (FIFOs, directory, file) and starts reading. 0 and *ret_logs, or negative errno. */
int logs_open(struct event_base *base, const struct logs_config *config, struct logs **ret_logs,
        struct baton_error *err);

/* Gives a FIFO to the container's user, or opening /dev/stdout would fail there. 0 or negative errno. */
int logs_chown(struct logs *logs, uint32_t uid, uint32_t gid);

/* Descriptor to hand to the container, opened for reading and writing; the caller closes it. Or negative
 * errno. */
int logs_container_fd(const struct logs *logs, enum log_stream stream);

/* Reads what is left after the container has ended, completes a last line without newline, stops reading,
 * frees. */
void logs_close(struct logs *logs); /* takes NULL */

/* Stops reading and frees: half a line goes to the file marked P, the FIFOs are left for the next process.
 * Takes NULL. */
void logs_abandon(struct logs *logs);

#endif
