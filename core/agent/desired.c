/* SPDX-License-Identifier: Apache-2.0 */
/* nodes/{node}/desired: decode, fence, take over. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/agent-priv.h"
#include "core/agent/revision.h"
#include "core/agent/storage.h"
#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/log.h"

static bool same_content(const struct assignment *a, const struct assignment *b)
{
	if (a->n_refs != b->n_refs)
		return false;
	for (size_t i = 0; i < a->n_refs; i++) {
		const struct assignment_ref *x = &a->refs[i];
		const struct assignment_ref *y = &b->refs[i];

		if (strcmp(x->id, y->id) != 0 || strcmp(x->digest, y->digest) != 0 || x->slot != y->slot ||
		        strcmp(x->app, y->app) != 0 || strcmp(x->service, y->service) != 0)
			return false;
	}
	return true;
}

/*
 * DESIGN section 8.5: a predecessor that does not know yet that it lost leadership must not undo what its
 * successor decided. True when the document is to be taken over.
 */
static bool fence(struct agent *agent, const struct assignment *received)
{
	const struct assignment *held = &agent->desired;
	char reason[256];
	int order;

	if (!agent->has_desired)
		return true;
	order = assignment_compare(received, held);
	if (order > 0)
		return true;
	if (order == 0 && same_content(received, held))
		return false; /* the retained document, once more */
	(void)snprintf(reason, sizeof(reason),
	        "term %" PRId64 " revision %" PRId64 " %s; this node holds term %" PRId64
	        " revision %" PRId64,
	        received->term, received->revision,
	        order < 0 ? "is an older assignment" : "was used for another assignment", held->term,
	        held->revision);
	log_warning("assignment refused: %s", reason);
	agent_event(agent, "desired.refused", NULL, NULL, reason);
	return false;
}

/* 0, or -EINVAL with the reason in err and the limit that was passed, if any, in `limit`. */
static int decode(const struct session_message *message, struct assignment *ret_assignment,
        char limit[static 64], struct baton_error *err)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	cleanup_json json_t *document = NULL;
	int r;

	if (message->too_large) {
		(void)snprintf(limit, 64, "%d bytes", CONFIG_MAX_DOCUMENT_BYTES);
		return error_set(err, EMSGSIZE, "the document has %zu bytes", message->length);
	}
	r = json_parse(message->payload, message->length, limits, &document, err);
	return r < 0 ? r : assignment_decode(document, ret_assignment, err);
}

void agent_take_desired(struct agent *agent, const struct session_message *message)
{
	struct assignment received = { 0 };
	struct baton_error err;
	char limit[64] = "";

	/* Somebody removed the retained document, or the broker lost it. Only a document takes work away. */
	if (message->length == 0)
		return;
	if (decode(message, &received, limit, &err) < 0) {
		agent_reject(agent, message->topic, "$", err.message, limit);
		return;
	}
	if (!fence(agent, &received)) {
		assignment_release(&received);
		return;
	}
	log_info("assignment of term %" PRId64 " revision %" PRId64 ": %zu instances", received.term,
	        received.revision, received.n_refs);
	assignment_release(&agent->desired);
	agent->desired = received;
	agent->has_desired = true;
	agent->desired_unsaved = true;
	agent->plan_wanted = true;
	if (revision_refer(agent) < 0)
		log_error("out of memory: some instances of this assignment wait for the next one");
	storage_want(agent);
	report_changed(agent);
	agent_settle(agent);
}
