/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller's own copy of what a broker may forget. One file a document in one directory:
 * controller.json (the term), app.NAME.json, node.NAME.json (the assignment as published),
 * revision.NAME.DIGEST. A changed document is one atomic durable write, made after the messages of the same
 * turn are on their way, a few of them at a time.
 */
#ifndef BATON_CONTROLLER_JOURNAL_H
#define BATON_CONTROLLER_JOURNAL_H

#include "core/controller/controller-priv.h"

/* Fills nodes, apps and highest_term. 0, -ENOMEM, or the failure to read the directory. */
int journal_load(struct controller *controller, struct baton_error *err);

/* Durable when it returns 0. */
int journal_write_term(struct controller *controller, int64_t term);

/* Documents of one turn: each costs two fsync(2), and nothing else happens meanwhile. */
#define JOURNAL_BATCH    8
#define JOURNAL_RETRY_MS 10000

/* Something is marked that was not tried in vain since the last journal_retry. */
bool journal_is_due(const struct controller *controller);

/*
 * Writes at most `most` of the documents that are due. What fails is logged once and stays marked; it is not
 * due again before journal_retry. True when there are more.
 */
bool journal_flush(struct controller *controller, size_t most);
void journal_retry(struct controller *controller);

int journal_write_revision(
        struct controller *controller, const char *app, const char *digest, const char *bytes, size_t length);
int journal_read_revision(struct controller *controller, const char *app, const char *digest,
        char **ret_bytes, size_t *ret_length);
void journal_remove_revision(struct controller *controller, const char *app, const char *digest);
void journal_remove_app(struct controller *controller, const char *app);
void journal_remove_node(struct controller *controller, const char *node);

#endif
