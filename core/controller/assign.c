/* SPDX-License-Identifier: Apache-2.0 */
/* nodes/{node}/desired: written when the placements of a node changed, adopted when the controller starts. */
#include <baton/kconfig.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/controller/controller-priv.h"

static int compare_refs(const void *a, const void *b)
{
	return strcmp(((const struct assignment_ref *)a)->id, ((const struct assignment_ref *)b)->id);
}

static int decode(const char *text, size_t length, struct assignment *ret_assignment, struct baton_error *err)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	cleanup_json json_t *document = NULL;
	int r = json_parse(text, length, limits, &document, err);

	return r < 0 ? r : assignment_decode(document, ret_assignment, err);
}

int assign_set_text(struct fleet_node *node, const char *text, size_t length, struct baton_error *err)
{
	cleanup_with(assignment_release) struct assignment assignment = { 0 };
	cleanup_free char *copy = NULL;
	int r = decode(text, length, &assignment, err);

	if (r < 0)
		return r;
	copy = strndup(text, length);
	if (!copy)
		return -ENOMEM;
	free(node->text);
	node->text = steal_ptr(copy);
	node->term = assignment.term;
	node->revision = assignment.revision;
	return 0;
}

static bool is_newer(const struct assignment *assignment, const struct fleet_node *node)
{
	const struct assignment ours = { .term = node->term, .revision = node->revision };

	return !node->text || assignment_compare(assignment, &ours) > 0;
}

static int decode_message(struct controller *controller, const struct session_message *message,
        struct assignment *ret_assignment, struct baton_error *err)
{
	int r = message->too_large ? error_set(err, EFBIG, "document is too large")
	                           : decode(message->payload, message->length, ret_assignment, err);

	return r < 0 ? r : controller_note_term(controller, ret_assignment->term, err);
}

/*
 * What agents would prefer to ours needs a higher term: raise_term takes one, not more often than is good for
 * two controllers on one broker. Other content under our own numbers needs other numbers. An older document
 * may be an echo of ours, and the newest echo comes last: what still stands there at the next tick is
 * replaced.
 */
static void answer_foreign(
        struct controller *controller, struct fleet_node *node, const struct assignment *assignment)
{
	const struct assignment ours = { .term = node->term, .revision = node->revision };
	int order = node->text ? assignment_compare(assignment, &ours) : 1;

	if (order < 0)
		return;
	node->renew = true;
	if (order > 0 && controller->highest_term == controller->term)
		controller->highest_term++;
}

/*
 * Before the first plan the newest of journal and broker is what the predecessor wanted. Afterwards ours is.
 */
void assign_replayed(
        struct controller *controller, struct fleet_node *node, const struct session_message *message)
{
	cleanup_with(assignment_release) struct assignment assignment = { 0 };
	struct baton_error err = { 0 };

	if (message->length == 0) {
		node->retained_same = false;
		node->changed = node->changed || (controller->synced && node->text);
		return;
	}
	if (decode_message(controller, message, &assignment, &err) < 0) {
		event_bad_document(controller, message->topic, &err);
		node->changed = node->changed || controller->synced;
		node->retained_same = false;
		return;
	}
	if (controller->term == 0 && is_newer(&assignment, node)) {
		/* Decoded a moment ago: only memory can fail, and then the journal's document stands. */
		(void)assign_set_text(node, message->payload, message->length, &err);
		node->journal = true;
	}
	node->retained_same = node->text && strlen(node->text) == message->length &&
	                      memcmp(node->text, message->payload, message->length) == 0;
	if (controller->term > 0 && !node->retained_same)
		answer_foreign(controller, node, &assignment);
}

void assign_tick(struct controller *controller)
{
	struct fleet_node *node;

	TABLE_FOREACH(node, &controller->nodes)
		node->changed = node->changed || (node->text && !node->retained_same);
}

/* 0, -EEXIST, -ENOENT, -ENOMEM. */
static int adopt_ref(struct controller *controller, struct fleet_node *node, const struct assignment_ref *ref)
{
	struct app_entry *app = apps_find(controller, ref->app);
	const struct service *service;

	if (!app || !app->has_document)
		return -ENOENT;
	service = app->revision ? app_find_service(&app->revision->app, ref->service) : NULL;
	return placement_add(app, ref, node, service);
}

int assign_adopt(struct controller *controller, struct fleet_node *node)
{
	cleanup_with(assignment_release) struct assignment assignment = { 0 };
	cleanup_json json_t *document = NULL;
	struct baton_error err = { 0 };
	bool complete = true;
	int r = node->text ? decode(node->text, strlen(node->text), &assignment, &err) : 0;

	for (size_t i = 0; r == 0 && i < assignment.n_refs; i++) {
		const struct assignment_ref *ref = &assignment.refs[i];

		r = adopt_ref(controller, node, ref);
		if (r == -EEXIST || r == -ENOENT) {
			log_warning("node %s: %s goes: %s", node->name, ref->id,
			        r == -EEXIST ? "another node has that slot"
			                     : "its application is not desired");
			complete = false;
			r = 0;
		}
	}
	if (r < 0)
		return r;
	document = complete && node->text ? assignment_encode(&assignment) : NULL;
	node->instances = document ? json_text(json_object_get(document, "instances")) : NULL;
	node->changed = !complete;
	return 0;
}

/* New reference to the list of instances; NULL when out of memory. */
static json_t *encode(const struct controller *controller, const struct fleet_node *node)
{
	struct assignment assignment = { .term = controller->term, .revision = controller->revision + 1 };
	json_t *document;

	assignment.refs = calloc(node->n_placements + 1, sizeof(*assignment.refs));
	if (!assignment.refs)
		return NULL;
	for (size_t i = 0; i < node->n_placements; i++)
		assignment.refs[assignment.n_refs++] = node->placements[i]->ref;
	qsort(assignment.refs, assignment.n_refs, sizeof(*assignment.refs), compare_refs);
	document = assignment_encode(&assignment);
	assignment_release(&assignment);
	return document;
}

/* Makes node->text of the placements. 1: another document; 0: the one we stand for is right; -ENOMEM. */
static int renew(struct controller *controller, struct fleet_node *node)
{
	cleanup_json json_t *document = encode(controller, node);
	cleanup_free char *instances = document ? json_text(json_object_get(document, "instances")) : NULL;
	char *text;

	if (!instances)
		return -ENOMEM;
	if (!node->renew && node->text && node->instances && strcmp(node->instances, instances) == 0)
		return 0;
	text = json_text(document);
	if (!text)
		return -ENOMEM;
	free(node->text);
	free(node->instances);
	node->text = text;
	node->instances = steal_ptr(instances);
	node->term = controller->term;
	node->revision = ++controller->revision;
	node->retained_same = false;
	node->renew = false;
	node->journal = true;
	return 1;
}

void assign_publish(struct controller *controller, struct fleet_node *node)
{
	int r = 0;

	/* Where nothing was ever assigned nothing is published, but against what somebody else assigned. */
	if (node->text || node->n_placements > 0 || node->renew)
		r = renew(controller, node);
	if (r >= 0 && node->text && !node->retained_same) {
		r = controller_retain(
		        controller, TOPIC_NODE_DESIRED, node->name, NULL, node->text, strlen(node->text));
		node->retained_same = r == 0;
	}
	node->changed = r < 0;
}
