/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUN/containers/ID/record.json: what another batond needs to take a container back. Two phases: `creating`
 * is written before anything is cloned, so a crash in between is found; the end is written before anyone is
 * told.
 */
#ifndef BATON_SUPERVISOR_RECORD_H
#define BATON_SUPERVISOR_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/model/container.h"

enum record_phase { RECORD_CREATING, RECORD_RUNNING, RECORD_STOPPING, RECORD_ENDED };

struct record {
	enum record_phase phase;
	char boot[BOOT_ID_SIZE];
	uint64_t generation;
	uint32_t attempts;
	int32_t pid;                   /* 0 while creating */
	unsigned long long start_time; /* of pid, clock ticks since boot */
	uint64_t started_ns;
	uint64_t ended_ns; /* ENDED; of an end that nobody saw: when it was found */
	bool limit_unenforced;
	bool has_exit_code; /* ENDED */
	int32_t exit_code;
	int32_t signal;
	bool oom_killed;
	bool never_ran;
	char reason[ERROR_MESSAGE_MAX];
	char image_digest[80];
	struct container_spec spec; /* only what is needed after the start, see record.c */
};

void record_release(struct record *record);

/* Atomic replacement below the instance's directory (tmpfs: no fsync). 0 or negative errno. */
int record_write(int instance_fd, const struct record *record);

/* Whether DIRECTORY/id has a record, readable or not. */
bool record_exists(int dir_fd, const char *id);

/* 0 and *ret_record; -ENOENT without one; -EINVAL for one that is not whole. */
int record_read(int instance_fd, struct record *ret_record, struct baton_error *err);

#endif
