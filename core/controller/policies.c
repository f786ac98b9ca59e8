/* SPDX-License-Identifier: Apache-2.0 */
#include "core/controller/policies.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/controller/board.h"
#include "core/model/text.h"

#define TYPE_PLACEMENT "placement"
#define SPREAD         "spread"

struct published {
	char name[NAME_SIZE]; /* first: key of the table */
	char *source;
	size_t length;
	char digest[DIGEST_HEX_SIZE];
	struct policy *policy; /* NULL: not loaded, or out */
	unsigned failures;     /* in a row */
	struct baton_error error;
	char limit[32]; /* that the rejected text has passed, "" without */
	bool rejected;
	bool seen; /* since the last connect */
};

struct builtin {
	char name[NAME_SIZE]; /* first: key of the table */
	struct policy *policy;
};

struct policies {
	struct table published;
	struct table builtins;
	struct board board;
};

int policies_new(struct policies **ret_policies)
{
	struct policies *policies = calloc(1, sizeof(*policies));

	if (!policies)
		return -ENOMEM;
	if (board_init(&policies->board, TOPIC_POLICY_STATUS) < 0) {
		policies_free(policies);
		return -ENOMEM;
	}
	policies->published.max = CONFIG_POLICIES_MAX;
	policies->builtins.max = CONFIG_POLICIES_MAX;
	*ret_policies = policies;
	return 0;
}

static void published_free(struct published *entry)
{
	policy_free(entry->policy);
	free(entry->source);
	free(entry);
}

void policies_free(struct policies *policies)
{
	struct published *entry;
	struct builtin *builtin;

	if (!policies)
		return;
	TABLE_FOREACH(entry, &policies->published)
		published_free(entry);
	TABLE_FOREACH(builtin, &policies->builtins) {
		policy_free(builtin->policy);
		free(builtin);
	}
	free(policies->published.items);
	free(policies->builtins.items);
	board_release(&policies->board);
	free(policies);
}

struct policy_verdict {
	const char *type;
	const char *name;
	const char *state;
	const char *digest; /* NULL: it was not looked at */
	const char *reason; /* NULL: no error */
	const char *limit;
};

static void show(struct controller *controller, const struct policy_verdict *verdict)
{
	cleanup_json json_t *errors = json_array();

	if (verdict->reason &&
	        json_array_append_new(
	                errors, json_pack("{s:s, s:o, s:s*}", "path", "$", "reason",
	                                document_any_text(verdict->reason), "limit", verdict->limit)) < 0)
		return;
	board_show(controller, &controller->policies->board, verdict->type, verdict->name,
	        json_pack("{s:s, s:s, s:s, s:s?, s:O}", "policy", verdict->name, "type", verdict->type,
	                "state", verdict->state, "digest", verdict->digest, "errors", errors));
}

static void refuse(
        struct controller *controller, const struct topic *topic, const char *reason, const char *limit)
{
	const struct policy_verdict verdict = { .type = topic->first,
		.name = topic->second,
		.state = "rejected",
		.reason = reason,
		.limit = limit };

	show(controller, &verdict);
	if (controller->synced)
		event_emit(controller, "policy.rejected", NULL, "%s: %s", topic->second, reason);
}

static void show_entry(struct controller *controller, const struct published *entry)
{
	struct policy_verdict verdict = { .type = TYPE_PLACEMENT,
		.name = entry->name,
		.digest = entry->digest[0] ? entry->digest : NULL,
		.limit = entry->limit[0] ? entry->limit : NULL };

	if (entry->rejected)
		verdict.state = "rejected";
	else if (entry->failures >= CONFIG_POLICY_FAILURES_MAX)
		verdict.state = "failed";
	else
		verdict.state = entry->failures > 0 ? "failing" : "active";
	if (entry->error.code)
		verdict.reason = entry->error.message;
	show(controller, &verdict);
}

static void load(struct published *entry)
{
	struct baton_error err = { 0 };

	policy_free(steal_ptr(entry->policy));
	entry->rejected = policy_load(entry->name, entry->source, entry->length, policy_default_limits(),
	                          &entry->policy, &err) < 0;
	if (entry->rejected)
		entry->error = err;
}

static void remove_policy(struct controller *controller, const char *name)
{
	struct published *entry = table_find(&controller->policies->published, name);

	board_clear(controller, &controller->policies->board, TYPE_PLACEMENT, name);
	if (!entry)
		return;
	table_remove(&controller->policies->published, name);
	published_free(entry); /* last: `name` may be the entry's own */
}

static struct published *take_entry(struct controller *controller, const char *name)
{
	struct published *entry = table_find(&controller->policies->published, name);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	(void)snprintf(entry->name, sizeof(entry->name), "%.63s", name);
	if (table_add(&controller->policies->published, entry) < 0) {
		free(entry);
		return NULL;
	}
	return entry;
}

/* A text that is too large replaces what was there, as one that does not compile does. */
static void reject_size(struct published *entry)
{
	policy_free(steal_ptr(entry->policy));
	free(steal_ptr(entry->source));
	entry->length = 0;
	entry->digest[0] = '\0';
	entry->failures = 0;
	entry->rejected = true;
	(void)error_set(&entry->error, EMSGSIZE, "policy is too large");
	(void)snprintf(entry->limit, sizeof(entry->limit), "%d bytes", CONFIG_POLICY_SOURCE_MAX);
}

/* 1: it is another text than before; 0: it is the same, or there is no memory to look. */
static int take_source(struct published *entry, const struct session_message *message)
{
	char digest[DIGEST_HEX_SIZE];
	char *source;

	if (digest_sha256(message->payload, message->length, digest) < 0 ||
	        strcmp(digest, entry->digest) == 0)
		return 0; /* what it did so far still counts */
	source = bytes_copy(message->payload, message->length);
	if (!source)
		return 0;
	free(entry->source);
	entry->source = source;
	entry->length = message->length;
	memcpy(entry->digest, digest, sizeof(digest));
	entry->failures = 0;
	entry->error = (struct baton_error){ 0 };
	entry->limit[0] = '\0';
	load(entry);
	return 1;
}

static void replace_policy(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	const char *name = topic->second;
	struct published *entry = take_entry(controller, name);
	char limit[32];

	(void)snprintf(limit, sizeof(limit), "%d policies", CONFIG_POLICIES_MAX);
	if (!entry) {
		refuse(controller, topic, "the fleet has no room for another policy", limit);
		return;
	}
	entry->seen = true;
	if (message->too_large || message->length > CONFIG_POLICY_SOURCE_MAX)
		reject_size(entry);
	else if (take_source(entry, message) == 0)
		return;
	if (controller->synced) {
		show_entry(controller, entry);
		event_emit(controller, entry->rejected ? "policy.rejected" : "policy.accepted", NULL,
		        "%s: %.200s", name,
		        entry->rejected ? entry->error.message : "in use from the next placement on");
	}
	apps_mark_unplaced(controller);
}

void policies_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	struct board *board = &controller->policies->board;
	bool is_placement = strcmp(topic->first, TYPE_PLACEMENT) == 0;
	bool is_empty = message->length == 0 && !message->too_large;

	if (!topic_name_valid(topic->first) || !topic_name_valid(topic->second)) {
		event_bad_payload(
		        controller, message->topic, "$", "the topic has no valid name of a policy", NULL);
		return;
	}
	if (topic->kind == TOPIC_POLICY_STATUS)
		board_message(board, topic, message);
	else if (!is_placement && is_empty)
		board_clear(controller, board, topic->first, topic->second);
	else if (!is_placement)
		refuse(controller, topic, "policies of this type are not supported yet; known: placement",
		        NULL);
	else if (is_empty)
		remove_policy(controller, topic->second);
	else
		replace_policy(controller, topic, message);
}

void policies_connected(struct controller *controller)
{
	struct published *entry;

	TABLE_FOREACH(entry, &controller->policies->published)
		entry->seen = false;
	board_connected(&controller->policies->board);
}

void policies_synced(struct controller *controller)
{
	struct policies *policies = controller->policies;

	for (size_t i = policies->published.count; i-- > 0;) {
		struct published *entry = policies->published.items[i];

		if (entry->seen || controller->incomplete)
			show_entry(controller, entry);
		else
			remove_policy(controller, entry->name);
	}
	policies_tick(controller);
}

void policies_tick(struct controller *controller)
{
	board_settle(controller, &controller->policies->board);
}

static int score_in_c(void *arg, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, double *ret_score, struct baton_error *err)
{
	(void)arg;
	(void)service;
	(void)seed;
	(void)err;
	*ret_score = -(double)node->instances_of_service * 1000 - (double)node->instances;
	return 0;
}

static int filter_in_lua(void *arg, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, bool *ret_fits, struct baton_error *err)
{
	return policy_filter(arg, node, service, seed, ret_fits, err);
}

static int score_in_lua(void *arg, const struct policy_node *node, const struct policy_service *service,
        uint64_t seed, double *ret_score, struct baton_error *err)
{
	return policy_score(arg, node, service, seed, ret_score, err);
}

static struct policy *published_policy(struct controller *controller, const char *name)
{
	struct published *entry = table_find(&controller->policies->published, name);

	if (!entry || entry->rejected || entry->failures >= CONFIG_POLICY_FAILURES_MAX)
		return NULL;
	if (!entry->policy) /* it failed before and has another try: the state after a failure is not reused
	                     */
		load(entry);
	return entry->policy;
}

static struct policy *builtin_policy(struct controller *controller, const char *name)
{
	struct builtin *builtin = table_find(&controller->policies->builtins, name);
	struct baton_error err = { 0 };
	size_t length;
	const char *source = policy_builtin(name, &length);

	if (!source)
		return NULL;
	if (!builtin) {
		builtin = calloc(1, sizeof(*builtin));
		if (!builtin)
			return NULL;
		(void)snprintf(builtin->name, sizeof(builtin->name), "%.63s", name);
		if (table_add(&controller->policies->builtins, builtin) < 0) {
			free(builtin);
			return NULL;
		}
	}
	/* Can only fail for want of memory or time: the next level takes over. */
	if (!builtin->policy)
		(void)policy_load(name, source, length, policy_default_limits(), &builtin->policy, &err);
	return builtin->policy;
}

bool policies_scorer(
        struct controller *controller, const char *name, enum policy_level level, struct scorer *ret_scorer)
{
	struct policy *policy = NULL;

	switch (level) {
	case POLICY_PUBLISHED: policy = published_policy(controller, name); break;
	case POLICY_BUILTIN: policy = builtin_policy(controller, name); break;
	case POLICY_SPREAD: policy = builtin_policy(controller, SPREAD); break;
	default: *ret_scorer = (struct scorer){ .score = score_in_c }; return true;
	}
	*ret_scorer = (struct scorer){ filter_in_lua, score_in_lua, policy, CONFIG_POLICY_DECISION_MS };
	return policy != NULL;
}

void policies_failed(struct controller *controller, const char *name, enum policy_level level,
        const struct baton_error *err)
{
	struct published *entry;
	struct builtin *builtin;

	if (level != POLICY_PUBLISHED) {
		builtin =
		        table_find(&controller->policies->builtins, level == POLICY_BUILTIN ? name : SPREAD);
		if (builtin)
			policy_free(steal_ptr(builtin->policy));
		return;
	}
	entry = table_find(&controller->policies->published, name);
	if (!entry)
		return;
	policy_free(steal_ptr(entry->policy));
	entry->failures++;
	entry->error = *err;
	show_entry(controller, entry);
	event_emit(controller, "policy.failed", NULL, "%s: %.300s", name, err->message);
}

void policies_succeeded(struct controller *controller, const char *name, enum policy_level level)
{
	struct published *entry;

	if (level != POLICY_PUBLISHED)
		return;
	entry = table_find(&controller->policies->published, name);
	if (!entry || entry->failures == 0)
		return;
	entry->failures = 0;
	entry->error = (struct baton_error){ 0 };
	show_entry(controller, entry);
}

void policies_note(struct controller *controller, const char *name, char text[static REASON_SIZE])
{
	const struct published *entry = table_find(&controller->policies->published, name);
	size_t length;

	text[0] = '\0';
	if (entry && entry->error.code)
		(void)snprintf(text, REASON_SIZE, "policy %s %s, the built-in %s is used: %.200s", name,
		        entry->rejected ? "was rejected" : "failed",
		        policy_builtin(name, &length) ? name : SPREAD, entry->error.message);
	else if (!entry && !policy_builtin(name, &length))
		(void)snprintf(
		        text, REASON_SIZE, "policy %s is not known, the built-in spread is used", name);
}
