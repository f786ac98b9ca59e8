/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node needs to start everything with no network, below ROOT/control/agent:
 *
 *   desired.json             the assignment as it came; its (term, revision) is the highest that was accepted
 *   revisions/{digest}.json  the exact bytes of each revision that it refers to
 *
 * Order of writes: new revisions, then desired.json, then old revisions are removed, so that at any power cut
 * desired.json and what it refers to are there. Nothing is written while nothing changes.
 */
#ifndef BATON_AGENT_STORAGE_H
#define BATON_AGENT_STORAGE_H

#include "core/agent/agent-priv.h"

/* Makes and opens the directories. 0 or negative errno. */
int storage_open(struct agent *agent, struct baton_error *err);
void storage_close(struct agent *agent);

/* Reads desired.json and its revisions; what is damaged is logged and taken for absent. */
void storage_load(struct agent *agent);

/* Bytes whose sha256 is `digest`. 0 with *ret_text (free() it), -ENOENT, or -EIO after a log line. */
int storage_read_revision(struct agent *agent, const char *digest, char **ret_text, size_t *ret_length);

#define STORAGE_REASON_SIZE 128

/*
 * Whether the assignment can be kept: it is written already, or CONFIG_DISK_RESERVE_KIB are free. If not,
 * `reason` says so.
 */
bool storage_has_room(const struct agent *agent, char reason[static STORAGE_REASON_SIZE]);

/*
 * Something has to be written. Waits PERSIST_WAIT_MS for revisions that are on their way; agent_settle does
 * it at once when none is.
 */
void storage_want(struct agent *agent);
void storage_flush(struct agent *agent);

#endif
