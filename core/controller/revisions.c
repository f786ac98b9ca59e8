/* SPDX-License-Identifier: Apache-2.0 */
/* apps/{app}/revisions/{digest}: the exact bytes of accepted manifests. */
#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/controller/controller-priv.h"
#include "core/controller/journal.h"
#include "core/ipc/identity.h"
#include "core/model/compose.h"

/* The kept ones, and some that a predecessor had not removed yet. */
#define REPLAYED_MAX (2 * CONFIG_REVISIONS_KEPT + 2)

char *bytes_copy(const char *bytes, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

void revision_free(struct revision *revision)
{
	if (!revision)
		return;
	app_release(&revision->app);
	free(revision->services);
	free(revision->bytes);
	free(revision);
}

static void cleanup_revision_(struct revision **revision)
{
	revision_free(*revision);
}

static int hash_services(struct revision *revision, struct verdict *verdict)
{
	revision->services = calloc(revision->app.n_services + 1, sizeof(*revision->services));
	if (!revision->services)
		return -ENOMEM;
	for (size_t i = 0; i < revision->app.n_services; i++) {
		const struct service *service = &revision->app.services[i];
		char path[VERDICT_TEXT_MAX];
		char id[INSTANCE_ID_MAX + 1];
		int r = identity_hash(&service->container, revision->services[i].hash);

		/* The highest slot has the longest id. */
		if (r == 0)
			r = identity_format(revision->app.name, service->name, CONFIG_MAX_REPLICAS,
			        revision->services[i].hash, id);
		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			(void)snprintf(path, sizeof(path), "$.services.%s", service->name);
			verdict_error(verdict, path, NULL,
			        "name of the application and the service together, or the service as a "
			        "whole, are too long");
			return -EINVAL;
		}
	}
	return 0;
}

int revision_new(const char *app, const char *bytes, size_t length, struct verdict *verdict,
        struct revision **ret_revision)
{
	cleanup_with(cleanup_revision_) struct revision *revision = calloc(1, sizeof(*revision));
	int r;

	if (!revision)
		return -ENOMEM;
	r = digest_sha256(bytes, length, revision->digest);
	if (r == 0)
		r = compose_decode(bytes, length, app, &revision->app, verdict);
	if (r == 0)
		r = hash_services(revision, verdict);
	if (r < 0)
		return r;
	revision->bytes = bytes_copy(bytes, length);
	if (!revision->bytes)
		return -ENOMEM;
	revision->length = length;
	*ret_revision = steal_ptr(revision);
	return 0;
}

struct kept_revision *revisions_find(struct app_entry *app, const char *digest)
{
	for (size_t i = 0; i < app->n_kept; i++) {
		if (strcmp(app->kept[i].digest, digest) == 0)
			return &app->kept[i];
	}
	return NULL;
}

static void remove_kept(struct app_entry *app, size_t index)
{
	app->n_kept--;
	memmove(app->kept + index, app->kept + index + 1, (app->n_kept - index) * sizeof(*app->kept));
}

static int insert_kept(struct app_entry *app, size_t index, const struct kept_revision *kept)
{
	struct kept_revision *grown = reallocarray(app->kept, app->n_kept + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	app->kept = grown;
	memmove(grown + index + 1, grown + index, (app->n_kept - index) * sizeof(*grown));
	grown[index] = *kept;
	app->n_kept++;
	return 0;
}

int revisions_keep(struct app_entry *app, const char *digest)
{
	struct kept_revision *known = revisions_find(app, digest);
	struct kept_revision kept = { .retained = false };

	(void)snprintf(kept.digest, sizeof(kept.digest), "%s", digest);
	if (known) {
		kept = *known;
		remove_kept(app, (size_t)(known - app->kept));
	}
	return insert_kept(app, app->n_kept, &kept);
}

int revisions_bytes(struct controller *controller, const struct app_entry *app, const char *digest,
        char **ret_bytes, size_t *ret_length)
{
	const struct revision *revision = app->revision;
	const char *bytes = NULL;
	size_t length = 0;
	char *copy;

	if (revision && strcmp(revision->digest, digest) == 0) {
		bytes = revision->bytes;
		length = revision->length;
	}
	for (size_t i = 0; !bytes && i < app->n_replayed; i++) {
		if (strcmp(app->replayed[i].digest, digest) == 0) {
			bytes = app->replayed[i].bytes;
			length = app->replayed[i].length;
		}
	}
	if (!bytes)
		return journal_read_revision(controller, app->name, digest, ret_bytes, ret_length);
	copy = bytes_copy(bytes, length);
	if (!copy)
		return -ENOMEM;
	*ret_bytes = copy;
	*ret_length = length;
	return 0;
}

void revisions_drop_replayed(struct controller *controller, struct app_entry *app)
{
	for (size_t i = 0; i < app->n_replayed; i++)
		controller->held_bytes -= app->replayed[i].length;
	revisions_free_replayed(app);
}

void revisions_free_replayed(struct app_entry *app)
{
	for (size_t i = 0; i < app->n_replayed; i++)
		free(app->replayed[i].bytes);
	free(app->replayed);
	app->replayed = NULL;
	app->n_replayed = 0;
}

static void remember_replayed(struct controller *controller, struct app_entry *app, const char *digest,
        const struct session_message *message)
{
	struct revision_text *grown;
	char limit[32];
	char *bytes;

	if (app->n_replayed >= REPLAYED_MAX) {
		(void)snprintf(limit, sizeof(limit), "%d revisions", REPLAYED_MAX);
		event_bad_payload(
		        controller, message->topic, "$", "the application has too many revisions", limit);
		return;
	}
	grown = reallocarray(app->replayed, app->n_replayed + 1, sizeof(*grown));
	if (!grown)
		return;
	app->replayed = grown;
	bytes = apps_hold(controller, message);
	if (!bytes)
		return;
	grown += app->n_replayed++;
	(void)snprintf(grown->digest, sizeof(grown->digest), "%s", digest);
	grown->bytes = bytes;
	grown->length = message->length;
}

void revisions_message(struct controller *controller, struct app_entry *app, const char *digest,
        const struct session_message *message)
{
	struct kept_revision *kept = revisions_find(app, digest);
	char actual[DIGEST_HEX_SIZE] = "";

	if (message->length == 0) {
		/* Our own removals are not in the list any more; anybody else's is made good in the next
		 * turn. */
		if (kept) {
			kept->retained = false;
			app->plan = true;
		}
		return;
	}
	if (message->too_large || digest_sha256(message->payload, message->length, actual) < 0 ||
	        strcmp(actual, digest) != 0) {
		event_bad_payload(controller, message->topic, "$",
		        "the bytes do not have the digest of the topic", NULL);
		if (kept) {
			kept->retained = false;
			app->plan = true;
		}
		return;
	}
	if (kept)
		kept->retained = true;
	else if (controller->term == 0)
		remember_replayed(controller, app, digest, message);
	else if (controller->synced)
		event_bad_payload(
		        controller, message->topic, "$", "only the controller writes revisions", NULL);
}

void revisions_adopt(struct controller *controller, struct app_entry *app)
{
	for (size_t i = 0; i < app->n_replayed; i++) {
		const struct revision_text *text = &app->replayed[i];
		struct kept_revision kept = { .retained = true };

		if (revisions_find(app, text->digest))
			continue;
		(void)snprintf(kept.digest, sizeof(kept.digest), "%s", text->digest);
		kept.written = journal_write_revision(
		                       controller, app->name, text->digest, text->bytes, text->length) == 0;
		if (insert_kept(app, 0, &kept) == 0)
			app->journal = true;
	}
}

void revisions_publish(struct controller *controller, struct app_entry *app)
{
	for (size_t i = 0; i < app->n_kept; i++) {
		cleanup_free char *bytes = NULL;
		size_t length;

		if (app->kept[i].retained ||
		        revisions_bytes(controller, app, app->kept[i].digest, &bytes, &length) < 0)
			continue;
		app->kept[i].retained = controller_retain(controller, TOPIC_APP_REVISION, app->name,
		                                app->kept[i].digest, bytes, length) == 0;
	}
}

static bool is_used(const struct app_entry *app, const char *digest)
{
	if (strcmp(app->in_force, digest) == 0)
		return true;
	for (size_t i = 0; i < app->n_placements; i++) {
		if (strcmp(app->placements[i]->ref.digest, digest) == 0)
			return true;
	}
	return false;
}

void revisions_trim(struct controller *controller, struct app_entry *app, size_t keep)
{
	size_t older = app->n_kept > keep ? app->n_kept - keep : 0;

	for (size_t i = 0; older > 0; older--) {
		char digest[DIGEST_HEX_SIZE];

		memcpy(digest, app->kept[i].digest, sizeof(digest));
		if (is_used(app, digest) ||
		        (app->kept[i].retained && controller_retain(controller, TOPIC_APP_REVISION, app->name,
		                                          digest, "", 0) < 0)) {
			i++;
			continue;
		}
		remove_kept(app, i);
		journal_remove_revision(controller, app->name, digest);
		app->journal = true;
	}
}
