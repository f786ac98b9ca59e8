/* SPDX-License-Identifier: Apache-2.0 */
/* The applications: manifests in, verdicts, revision in force, removal. */
#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/controller/controller-priv.h"
#include "core/controller/journal.h"

void app_entry_free(struct app_entry *app)
{
	if (!app)
		return;
	while (app->n_placements > 0)
		placement_remove(app, app->n_placements - 1);
	json_decref(app->errors);
	json_decref(app->warnings);
	revision_free(app->revision);
	revisions_free_replayed(app);
	free(app->pending);
	free(app->kept);
	free(app->overrides);
	free(app->placements);
	free(app->status);
	free(app);
}

struct app_entry *apps_find(struct controller *controller, const char *name)
{
	return table_find(&controller->apps, name);
}

struct app_entry *apps_take(struct controller *controller, const char *name)
{
	struct app_entry *app = apps_find(controller, name);

	if (app)
		return app;
	app = calloc(1, sizeof(*app));
	if (!app)
		return NULL;
	(void)snprintf(app->name, sizeof(app->name), "%s", name);
	if (table_add(&controller->apps, app) < 0) {
		free(app);
		return NULL;
	}
	tombstone_take(controller, app);
	board_forget(&controller->strangers, name, "");
	return app;
}

void apps_mark_unplaced(struct controller *controller)
{
	struct app_entry *app;

	TABLE_FOREACH(app, &controller->apps)
		app->plan = app->plan || app->unplaced;
}

static struct scale_override *find_override(const struct app_entry *app, const char *service)
{
	for (size_t i = 0; i < app->n_overrides; i++) {
		if (strcmp(app->overrides[i].service, service) == 0)
			return &app->overrides[i];
	}
	return NULL;
}

uint32_t app_replicas(const struct app_entry *app, const struct service *service)
{
	const struct scale_override *override = find_override(app, service->name);

	return override ? override->replicas : service->replicas;
}

int app_set_override(struct app_entry *app, const char *service, uint32_t replicas)
{
	struct scale_override *override = find_override(app, service);

	if (!override) {
		struct scale_override *grown =
		        reallocarray(app->overrides, app->n_overrides + 1, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		app->overrides = grown;
		override = &grown[app->n_overrides++];
		(void)snprintf(override->service, sizeof(override->service), "%s", service);
	}
	override->replicas = replicas;
	return 0;
}

static void clear_overrides(struct app_entry *app)
{
	free(app->overrides);
	app->overrides = NULL;
	app->n_overrides = 0;
}

static void take_removal(struct controller *controller, struct app_entry *app)
{
	app->unsettled = false;
	if (!app->has_document)
		return;
	event_emit(controller, "app.removed", app->name, "its manifest was removed");
	app->has_document = false;
	app->judged = false;
	app->rejected = false;
	app->truncated = false;
	app->document[0] = '\0';
	app->in_force[0] = '\0';
	json_decref(steal_ptr(app->errors));
	json_decref(steal_ptr(app->warnings));
	revision_free(steal_ptr(app->revision));
	clear_overrides(app);
	app->plan = true;
	app->show = true;
	app->journal = true;
}

static void put_in_force(struct app_entry *app, struct revision *revision)
{
	if (strcmp(app->in_force, revision->digest) != 0) {
		clear_overrides(app);
		memcpy(app->in_force, revision->digest, sizeof(app->in_force));
	}
	revision_free(app->revision);
	app->revision = revision;
}

/* Replaces the verdict on the document. */
static void set_verdict(struct app_entry *app, const struct verdict *verdict, bool rejected)
{
	json_decref(app->errors);
	json_decref(app->warnings);
	app->errors = verdict_errors_json(verdict);
	app->warnings = verdict_warnings_json(verdict);
	app->truncated = verdict->truncated;
	app->rejected = rejected;
	app->judged = true;
}

/* What is in force already is on the disk. */
static bool has_room(const struct controller *controller, struct app_entry *app,
        const struct revision *revision, struct verdict *verdict)
{
	int64_t room = file_system_room(controller->journal_fd);
	char limit[32];

	if (revisions_find(app, revision->digest) || room < 0 ||
	        room >= CONFIG_DISK_RESERVE_KIB * INT64_C(1024))
		return true;
	(void)snprintf(limit, sizeof(limit), "%d KiB", CONFIG_DISK_RESERVE_KIB);
	verdict_error(verdict, "$", limit,
	        "the controller cannot keep it: its disk has %lld KiB left; make room and publish it again",
	        (long long)(room / 1024));
	return false;
}

static void judge(struct controller *controller, struct app_entry *app, const char *bytes, size_t length,
        struct verdict *verdict)
{
	struct revision *revision = NULL;
	char limit[32];
	int r = -EINVAL;

	(void)snprintf(limit, sizeof(limit), "%d bytes", CONFIG_MAX_DOCUMENT_BYTES);
	if (!bytes)
		verdict_error(verdict, "$", limit, "document is too large");
	else
		r = revision_new(app->name, bytes, length, verdict, &revision);
	if (r == -ENOMEM)
		verdict_error(verdict, "$", NULL, "the controller is out of memory");
	app->no_room = r == 0 && !has_room(controller, app, revision, verdict);
	if (app->no_room) {
		revision_free(steal_ptr(revision));
	} else if (r == 0 && revisions_keep(app, revision->digest) < 0) {
		verdict_error(verdict, "$", NULL, "the controller is out of memory");
		revision_free(steal_ptr(revision));
	}
	set_verdict(app, verdict, !revision);
	if (revision)
		put_in_force(app, revision);
}

/* bytes NULL: too large. */
static void take_document(
        struct controller *controller, struct app_entry *app, const char *bytes, size_t length)
{
	struct verdict verdict;
	char digest[DIGEST_HEX_SIZE] = "";
	bool news;

	app->unsettled = false;
	if (bytes && digest_sha256(bytes, length, digest) < 0)
		digest[0] = '\0';
	news = !app->has_document || strcmp(app->document, digest) != 0 || !bytes;
	if (!news && app->judged && !app->no_room)
		return;
	app->has_document = true;
	memcpy(app->document, digest, sizeof(digest));
	verdict_init(&verdict);
	judge(controller, app, bytes, length, &verdict);
	if (news && app->rejected)
		event_emit(controller, "app.rejected", app->name, "%zu errors, the first at %s: %s",
		        verdict.n_errors, verdict.n_errors ? verdict.errors[0].path : "$",
		        verdict.n_errors ? verdict.errors[0].reason : "");
	else if (news)
		event_emit(
		        controller, "app.accepted", app->name, "revision %.12s is in force", app->in_force);
	verdict_release(&verdict);
	app->plan = true;
	app->show = true;
	app->journal = app->journal || news;
}

char *apps_hold(struct controller *controller, const struct session_message *message)
{
	const size_t most = CONFIG_REPLAY_MAX_KIB * (size_t)1024;
	char limit[64];
	char *copy;

	if (message->length > most - controller->held_bytes) {
		(void)snprintf(limit, sizeof(limit), "%d KiB", CONFIG_REPLAY_MAX_KIB);
		event_bad_payload(controller, message->topic, "$",
		        "all documents that arrive at the start are together larger than the controller can "
		        "keep",
		        limit);
		return NULL;
	}
	copy = bytes_copy(message->payload, message->length);
	if (copy)
		controller->held_bytes += message->length;
	return copy;
}

static void drop_pending(struct controller *controller, struct app_entry *app)
{
	if (app->pending)
		controller->held_bytes -= app->pending_length;
	free(steal_ptr(app->pending));
	app->arrived = ARRIVED_NOTHING;
}

/* What was judged, or can be read from the journal: after a restart that is nearly all. */
static bool is_known(
        struct controller *controller, struct app_entry *app, const struct session_message *message)
{
	cleanup_free char *bytes = NULL;
	char digest[DIGEST_HEX_SIZE];
	size_t length;

	if (!app->has_document || digest_sha256(message->payload, message->length, digest) < 0 ||
	        strcmp(digest, app->document) != 0)
		return false;
	return (app->judged && !app->no_room) ||
	       revisions_bytes(controller, app, digest, &bytes, &length) == 0;
}

static void keep_pending(
        struct controller *controller, struct app_entry *app, const struct session_message *message)
{
	drop_pending(controller, app);
	if (message->length == 0 && !message->too_large)
		return;
	app->arrived = ARRIVED_TOO_LARGE;
	if (message->too_large)
		return;
	app->arrived = ARRIVED_KNOWN;
	if (is_known(controller, app, message))
		return;
	app->pending = apps_hold(controller, message);
	app->pending_length = message->length;
	app->arrived = app->pending ? ARRIVED_TEXT : ARRIVED_UNKNOWN;
}

static void refuse_app(struct controller *controller, const char *name, const struct session_message *message)
{
	static const char reason[] = "the fleet has no room for another application";
	char digest[DIGEST_HEX_SIZE] = "";
	char limit[32];

	if (!message->too_large && digest_sha256(message->payload, message->length, digest) < 0)
		digest[0] = '\0';
	(void)snprintf(limit, sizeof(limit), "%d applications", CONFIG_MAX_APPS);
	status_show_refusal(controller, name, digest, reason, limit);
	if (controller->synced)
		event_emit(controller, "app.rejected", name, "%s (limit: %s)", reason, limit);
}

static void desired_message(
        struct controller *controller, const char *name, const struct session_message *message)
{
	bool empty = message->length == 0 && !message->too_large;
	struct app_entry *app = empty ? apps_find(controller, name) : apps_take(controller, name);

	if (!app) {
		if (!empty)
			refuse_app(controller, name, message);
		else /* the verdict of one that was refused goes with it */
			board_clear(controller, &controller->strangers, name, "");
		return;
	}
	if (controller->synced && empty)
		take_removal(controller, app);
	else if (controller->synced)
		take_document(controller, app, message->too_large ? NULL : message->payload, message->length);
	else
		keep_pending(controller, app, message);
}

void apps_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	struct app_entry *app;

	if (!topic_name_valid(topic->first)) {
		event_bad_payload(controller, message->topic, "$",
		        "the topic has no valid name of an application", NULL);
		return;
	}
	switch (topic->kind) {
	case TOPIC_APP_DESIRED: desired_message(controller, topic->first, message); break;
	case TOPIC_APP_STATUS: status_message(controller, topic, message); break;
	case TOPIC_APP_COMMAND: commands_message(controller, topic, message); break;
	case TOPIC_APP_REVISION:
		/* Before the first sync a revision may be all that is left of an application: it is cleaned
		 * up. */
		app = controller->term == 0 && message->length > 0 && digest_is_valid(topic->second)
		              ? apps_take(controller, topic->first)
		              : apps_find(controller, topic->first);
		if (app)
			revisions_message(controller, app, topic->second, message);
		/* A late echo of an application that was removed is nobody's fault. */
		else if ((message->length > 0 || message->too_large) &&
		         !tombstone_is_there(controller, topic->first))
			event_bad_payload(controller, message->topic, "$",
			        "only the controller writes revisions", NULL);
		break;
	default: break;
	}
}

void apps_connected(struct controller *controller)
{
	struct app_entry *app;

	board_connected(&controller->strangers);
	TABLE_FOREACH(app, &controller->apps) {
		for (size_t i = 0; i < app->n_kept; i++)
			app->kept[i].retained = false;
		drop_pending(controller, app);
		app->status_retained = false;
		app->status_differs = false;
		if (controller->term == 0)
			revisions_drop_replayed(controller, app);
	}
}

/* digest "": of no bytes that we know. */
static bool was_in_force(struct app_entry *app, const char *digest)
{
	return digest[0] && (revisions_find(app, digest) || strcmp(digest, app->before) == 0);
}

/*
 * The manifest that the operator published is gone, or an older one stands there. If the broker has our
 * revision and our watermark, the operator did that; otherwise it was rolled back, and what it forgot is
 * published again.
 */
static bool broker_forgot(const struct controller *controller, struct app_entry *app, const char *digest)
{
	const struct kept_revision *in_force = revisions_find(app, app->in_force);

	if (!in_force || (in_force->retained && !rollback_happened(controller, app)))
		return false;
	return app->arrived == ARRIVED_NOTHING ||
	       (strcmp(digest, app->document) != 0 && was_in_force(app, digest));
}

/* The same for the removal of a manifest. */
static bool broker_forgot_removal(
        const struct controller *controller, struct app_entry *app, const char *digest)
{
	return app->buried && rollback_happened(controller, app) && was_in_force(app, digest);
}

/* The broker has left out messages: what looks removed or rolled back may be among them, and the watermark
 * too. */
static bool is_doubtful(const struct controller *controller, struct app_entry *app, const char *digest)
{
	return (app->has_document && app->arrived == ARRIVED_NOTHING) ||
	       broker_forgot(controller, app, digest) || broker_forgot_removal(controller, app, digest);
}

static bool restore(struct controller *controller, struct app_entry *app)
{
	cleanup_free char *bytes = NULL;
	size_t length;

	if (revisions_bytes(controller, app, app->in_force, &bytes, &length) < 0 ||
	        controller_retain(controller, TOPIC_APP_DESIRED, app->name, NULL, bytes, length) < 0)
		return false;
	event_emit(controller, "app.restored", app->name, "the broker had lost its manifest");
	take_document(controller, app, bytes, length);
	return true;
}

static void take_known(struct controller *controller, struct app_entry *app)
{
	cleanup_free char *bytes = NULL;
	size_t length;

	app->unsettled = false;
	if (app->judged && !app->no_room)
		return;
	if (revisions_bytes(controller, app, app->document, &bytes, &length) == 0)
		take_document(controller, app, bytes, length);
	else
		app->unsettled = true; /* it was readable a moment ago */
}

static void sync_app(struct controller *controller, struct app_entry *app)
{
	char digest[DIGEST_HEX_SIZE] = "";

	revisions_adopt(controller, app);
	if (app->arrived == ARRIVED_KNOWN)
		memcpy(digest, app->document, sizeof(digest));
	else if (app->pending && digest_sha256(app->pending, app->pending_length, digest) < 0)
		digest[0] = '\0';
	/* What fails here changes nothing: taking the broker's word would stop or start what nobody asked
	 * for. */
	if (app->arrived == ARRIVED_UNKNOWN ||
	        (controller->incomplete && is_doubtful(controller, app, digest)))
		app->unsettled = true;
	else if (app->has_document && broker_forgot(controller, app, digest))
		app->unsettled = !restore(controller, app);
	else if (!app->has_document && broker_forgot_removal(controller, app, digest))
		app->unsettled = controller_retain(controller, TOPIC_APP_DESIRED, app->name, NULL, "", 0) < 0;
	else if (app->arrived == ARRIVED_NOTHING)
		take_removal(controller, app);
	else if (app->arrived == ARRIVED_KNOWN)
		take_known(controller, app);
	else
		take_document(controller, app, app->pending, app->pending_length);
	drop_pending(controller, app);
	app->plan = true;
	app->show = true;
}

void apps_synced(struct controller *controller)
{
	struct app_entry *app;

	TABLE_FOREACH(app, &controller->apps)
		sync_app(controller, app);
	board_settle(controller, &controller->strangers);
}

/* A rejected manifest leaves the revision before it in force: found in the journal, else in the assignments.
 */
static void find_in_force(struct controller *controller, struct app_entry *app)
{
	cleanup_free char *bytes = NULL;
	struct verdict verdict;
	struct revision *revision = NULL;
	size_t length;

	if (app->in_force[0] == '\0' && app->n_placements > 0)
		memcpy(app->in_force, app->placements[0]->ref.digest, sizeof(app->in_force));
	if (app->in_force[0] == '\0')
		return;
	verdict_init(&verdict);
	if (revisions_bytes(controller, app, app->in_force, &bytes, &length) < 0 ||
	        revision_new(app->name, bytes, length, &verdict, &revision) < 0) {
		/* It stays in force: a node that has it runs on. */
		log_error("%s: revision %.12s in force can not be read any more", app->name, app->in_force);
	}
	verdict_release(&verdict);
	app->revision = revision;
}

void apps_adopted(struct controller *controller)
{
	struct app_entry *app;

	TABLE_FOREACH(app, &controller->apps) {
		if (app->has_document && !app->revision)
			find_in_force(controller, app);
		revisions_drop_replayed(controller, app);
	}
}

bool app_is_gone(struct controller *controller, struct app_entry *app)
{
	struct fleet_node *node;

	if (app->has_document || app->n_placements > 0)
		return false;
	if (app->unsettled) {
		(void)snprintf(app->reason, sizeof(app->reason),
		        "the broker brought its manifest back, which has to be removed again");
		return false;
	}
	TABLE_FOREACH(node, &controller->nodes) {
		size_t count;
		const struct report_instance *instances = fleet_reported_of(node, app->name, &count);

		for (size_t i = 0; i < count; i++) {
			char trouble[REASON_SIZE];

			if (strcmp(instances[i].ref.app, app->name) != 0)
				continue;
			(void)snprintf(app->reason, sizeof(app->reason), "%.300s",
			        fleet_node_trouble(node, trouble) ? trouble : "instances are being stopped");
			return false;
		}
	}
	return true;
}
