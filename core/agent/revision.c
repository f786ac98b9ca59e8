/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/revision.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/storage.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/utf8.h"
#include "core/model/compose.h"

struct revision *revision_find(const struct agent *agent, const char *app, const char *digest)
{
	struct revision *revision;

	LIST_FOREACH(revision, &agent->revisions, next)
	{
		if (strcmp(revision->digest, digest) == 0 && strcmp(revision->app, app) == 0)
			return revision;
	}
	return NULL;
}

bool revision_any_missing(const struct agent *agent)
{
	const struct revision *revision;

	LIST_FOREACH(revision, &agent->revisions, next)
	{
		if (revision->state == REVISION_MISSING)
			return true;
	}
	return false;
}

/* ---- the broker's copy ---- */

static void watch(struct agent *agent, const struct revision *revision, bool on)
{
	const struct agent_handler *handler = agent->config->handler;
	char topic[TOPIC_MAX];
	int r = topic_format(
	        topic, agent->config->prefix, TOPIC_APP_REVISION, revision->app, revision->digest);

	if (r == 0)
		r = on ? handler->subscribe(agent->config->arg, topic)
		       : handler->unsubscribe(agent->config->arg, topic);
	if (r < 0 && on)
		log_error("revision %.12s of app %s cannot be asked for: %s", revision->digest, revision->app,
		        strerrordesc_np(-r));
}

/* ---- decoding ---- */

/* What was hashed is what was accepted by the controller: errors here mean a newer controller, or damage that
 * has the right digest. */
static void decode(struct revision *revision, const char *text, size_t length)
{
	struct verdict verdict;
	struct baton_error err;
	int r;

	verdict_init(&verdict);
	r = compose_decode(text, length, revision->app, &revision->decoded, &verdict);
	if (r == 0) {
		revision->state = REVISION_READY;
	} else {
		revision->state = REVISION_BROKEN;
		if (verdict.n_errors > 0)
			(void)error_set(&err, EINVAL, "revision %.12s cannot be used on this node: %s: %s",
			        revision->digest, verdict.errors[0].path, verdict.errors[0].reason);
		else
			(void)error_errno(&err, -r, "revision %.12s", revision->digest);
		utf8_copy(revision->reason, sizeof(revision->reason), err.message);
		log_error("app %s: %s", revision->app, revision->reason);
	}
	verdict_release(&verdict);
}

/* ---- the list ---- */

static void release(struct revision *revision)
{
	LIST_REMOVE(revision, next);
	app_release(&revision->decoded);
	free(revision->unsaved);
	free(revision);
}

static void read_from_disk(struct agent *agent, struct revision *revision)
{
	cleanup_free char *text = NULL;
	size_t length;

	if (storage_read_revision(agent, revision->digest, &text, &length) == 0)
		decode(revision, text, length);
}

static int refer_one(struct agent *agent, const struct assignment_ref *ref)
{
	struct revision *revision = revision_find(agent, ref->app, ref->digest);

	if (revision) {
		revision->marked = true;
		return 0;
	}
	revision = calloc(1, sizeof(*revision));
	if (!revision)
		return -ENOMEM;
	memcpy(revision->app, ref->app, sizeof(revision->app));
	memcpy(revision->digest, ref->digest, sizeof(revision->digest));
	revision->marked = true;
	LIST_INSERT_HEAD(&agent->revisions, revision, next);
	read_from_disk(agent, revision); /* after a start, or of another app with the same bytes */
	if (revision->state == REVISION_MISSING)
		watch(agent, revision, true);
	return 0;
}

int revision_refer(struct agent *agent)
{
	struct revision *revision;
	struct revision *following;
	int r = 0;

	LIST_FOREACH(revision, &agent->revisions, next)
	revision->marked = false;
	for (size_t i = 0; i < agent->desired.n_refs; i++) {
		int one = refer_one(agent, &agent->desired.refs[i]);

		if (one < 0)
			r = one;
	}
	for (revision = LIST_FIRST(&agent->revisions); revision; revision = following) {
		following = LIST_NEXT(revision, next);
		if (revision->marked)
			continue;
		if (revision->state == REVISION_MISSING)
			watch(agent, revision, false);
		release(revision); /* its file goes with the next write of the assignment */
	}
	return r;
}

void revision_free_all(struct agent *agent)
{
	while (!LIST_EMPTY(&agent->revisions))
		release(LIST_FIRST(&agent->revisions));
}

/* ---- arrival ---- */

/* NULL when the payload is the revision that its topic names. */
static const char *check(const struct revision *revision, const struct session_message *message)
{
	char hex[DIGEST_HEX_SIZE];

	if (message->too_large || message->length > CONFIG_MAX_DOCUMENT_BYTES)
		return "the revision is larger than the limit";
	if (digest_sha256(message->payload, message->length, hex) < 0)
		return "out of memory";
	if (strcmp(hex, revision->digest) != 0)
		return "the sha256 of these bytes is not the digest in the topic";
	return NULL;
}

void revision_message(struct agent *agent, const struct topic *topic, const struct session_message *message)
{
	struct revision *revision = revision_find(agent, topic->first, topic->second);
	const char *wrong;

	if (!revision || revision->state != REVISION_MISSING || message->length == 0)
		return;
	wrong = check(revision, message);
	if (wrong) {
		char limit[32];

		(void)snprintf(limit, sizeof(limit), "%d bytes", CONFIG_MAX_DOCUMENT_BYTES);
		agent_reject(agent, message->topic, "$", wrong, message->too_large ? limit : "");
		return;
	}
	revision->unsaved = malloc(message->length);
	if (!revision->unsaved) {
		log_error("revision %.12s of app %s: out of memory", revision->digest, revision->app);
		return; /* still subscribed: the next connection brings it again */
	}
	memcpy(revision->unsaved, message->payload, message->length);
	revision->unsaved_length = message->length;
	decode(revision, message->payload, message->length);
	watch(agent, revision, false);
	agent->plan_wanted = true;
	storage_want(agent);
	agent_settle(agent);
}
