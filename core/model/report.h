/* SPDX-License-Identifier: Apache-2.0 */
/* nodes/{node}/reported: what an agent sees of its instances. Also what `plan` compares with the assignment.
 */
#ifndef BATON_MODEL_REPORT_H
#define BATON_MODEL_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/model/assignment.h"

enum instance_state {
	INSTANCE_PENDING,  /* waits for something: image, revision, another instance of the slot (reason says
	                      which) */
	INSTANCE_STARTING, /* the supervisor was asked */
	INSTANCE_RUNNING,
	INSTANCE_BACKOFF,  /* ended, will be started again */
	INSTANCE_STOPPING, /* got its stop signal */
	INSTANCE_EXITED,   /* ended and will not be started again (restart policy) */
	INSTANCE_FAILED,   /* can not be started on this node: reason says why; retried when something changes
	                    */
	INSTANCE_STATES
};

const char *instance_state_name(enum instance_state state); /* lower-case word of the documents */
int instance_state_parse(const char *name, enum instance_state *ret_state);

#define EXIT_CODE_UNKNOWN                                                                                    \
	(-1) /* null in the document: nobody could wait for it. Signals are 128 + number.                    \
	      */

struct report_instance {
	struct assignment_ref ref;
	enum instance_state state;
	char reason[256]; /* one sentence, always set */
	int64_t since_ms; /* wall clock, for people */
	uint32_t restarts;
	bool has_exit;         /* it has ended at least once */
	int exit_code;         /* of the last end, or EXIT_CODE_UNKNOWN */
	bool oom_killed;       /* the last end was the kernel's OOM killer */
	char image_digest[80]; /* "sha256:…" of the image that runs, or "" */
	char runtime[33];
	int32_t pid;           /* 0 unless running */
	bool limit_unenforced; /* a limit of the manifest that this kernel cannot hold; reason of it in
	                          info.features */
};

struct report {
	char node[64];
	char boot[40];
	int64_t term; /* of the assignment that was applied */
	int64_t revision;
	struct report_instance *instances; /* sorted by ref.id */
	size_t n_instances;
};

void report_release(struct report *report);

/*
 * At most CONFIG_MAX_DOCUMENT_BYTES of text: with many instances reasons are shortened, then image digests,
 * runtimes and pids are left out. NULL when out of memory, or when it is too large even so: that takes more
 * than CONFIG_MAX_ASSIGNED_INSTANCES of them.
 */
json_t *report_encode(const struct report *report);
int report_decode(const json_t *document, struct report *ret_report, struct baton_error *err);

#endif
