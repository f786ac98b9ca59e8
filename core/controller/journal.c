/* SPDX-License-Identifier: Apache-2.0 */
#include "core/controller/journal.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/log.h"

#define TERM_FILE    "controller.json"
#define APP_START    "app."
#define NODE_START   "node."
#define DOCUMENT_END ".json"
#define FILE_MODE    0600
/* JSON numbers are exact up to here; more comes from a damaged file. */
#define WATERMARK_MAX (1LL << 53)

static void revision_file(char name[static NAME_MAX], const char *app, const char *digest)
{
	(void)snprintf(name, NAME_MAX, "revision.%s.%s", app, digest);
}

static void document_file(char name[static NAME_MAX], const char *start, const char *of)
{
	(void)snprintf(name, NAME_MAX, "%s%s" DOCUMENT_END, start, of);
}

static int write_file(struct controller *controller, const char *name, const char *text, size_t length)
{
	int r = file_replace_at(controller->journal_fd, name, text, length, FILE_MODE, FILE_DURABLE);

	/* A disk that fails does so for every document and again and again: one line for all of it. */
	if (r < 0 && !controller->journal_failing)
		log_error("journal: cannot write %s: %s; tried again every %d s", name, strerrordesc_np(-r),
		        JOURNAL_RETRY_MS / 1000);
	controller->journal_failing = controller->journal_failing || r < 0;
	return r;
}

static void writes_again(struct controller *controller)
{
	if (controller->journal_failing)
		log_info("journal: it can be written again");
	controller->journal_failing = false;
}

static void remove_file(struct controller *controller, const char *name)
{
	if (unlinkat(controller->journal_fd, name, 0) < 0 && errno != ENOENT)
		log_error("journal: cannot remove %s: %s", name, strerrordesc_np(errno));
}

int journal_write_term(struct controller *controller, int64_t term)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "{\"term\":%lld}", (long long)term);

	int r = write_file(controller, TERM_FILE, text, (size_t)length);

	if (r == 0)
		writes_again(controller);
	return r;
}

int journal_write_revision(
        struct controller *controller, const char *app, const char *digest, const char *bytes, size_t length)
{
	char name[NAME_MAX];

	revision_file(name, app, digest);
	return write_file(controller, name, bytes, length);
}

int journal_read_revision(struct controller *controller, const char *app, const char *digest,
        char **ret_bytes, size_t *ret_length)
{
	char name[NAME_MAX];
	char actual[DIGEST_HEX_SIZE];
	cleanup_free char *bytes = NULL;
	size_t length;
	int r;

	revision_file(name, app, digest);
	r = file_read_at(controller->journal_fd, name, CONFIG_MAX_DOCUMENT_BYTES, &bytes, &length);
	if (r == 0)
		r = digest_sha256(bytes, length, actual);
	if (r < 0)
		return r;
	if (strcmp(actual, digest) != 0)
		return -EBADMSG;
	*ret_bytes = steal_ptr(bytes);
	*ret_length = length;
	return 0;
}

void journal_remove_revision(struct controller *controller, const char *app, const char *digest)
{
	char name[NAME_MAX];

	revision_file(name, app, digest);
	remove_file(controller, name);
}

void journal_remove_app(struct controller *controller, const char *app)
{
	char name[NAME_MAX];

	document_file(name, APP_START, app);
	remove_file(controller, name);
}

void journal_remove_node(struct controller *controller, const char *node)
{
	char name[NAME_MAX];

	document_file(name, NODE_START, node);
	remove_file(controller, name);
}

static json_t *encode_app(const struct app_entry *app)
{
	cleanup_json json_t *kept = json_array();
	cleanup_json json_t *scale = json_object();

	for (size_t i = 0; i < app->n_kept; i++) {
		if (app->kept[i].written && json_array_append_new(kept, json_string(app->kept[i].digest)) < 0)
			return NULL;
	}
	for (size_t i = 0; i < app->n_overrides; i++) {
		const struct scale_override *override = &app->overrides[i];

		if (json_object_set_new(scale, override->service, json_integer(override->replicas)) < 0)
			return NULL;
	}
	return json_pack("{s:s, s:s, s:b, s:O, s:O, s:I, s:s}", "document", app->document, "in_force",
	        app->in_force, "desired", app->has_document, "kept", kept, "scale", scale, "mark",
	        (json_int_t)app->mark, "before", app->before);
}

static int write_in_force(struct controller *controller, struct app_entry *app)
{
	const struct revision *revision = app->revision;
	struct kept_revision *kept = revision ? revisions_find(app, revision->digest) : NULL;
	int r;

	if (!kept || kept->written)
		return 0;
	r = journal_write_revision(controller, app->name, kept->digest, revision->bytes, revision->length);
	kept->written = r == 0;
	return r;
}

static int write_app(struct controller *controller, const struct app_entry *app)
{
	cleanup_json json_t *document = encode_app(app);
	cleanup_free char *text = document ? json_text(document) : NULL;
	char name[NAME_MAX];

	document_file(name, APP_START, app->name);
	return text ? write_file(controller, name, text, strlen(text)) : -ENOMEM;
}

static void flush_app(struct controller *controller, struct app_entry *app)
{
	int64_t before = app->mark;
	/* The bytes first: the document must not name a revision that is not there. */
	int r = write_in_force(controller, app);

	if (r == 0) {
		app->mark = controller->watermark + 1;
		r = write_app(controller, app);
	}
	app->journal_failed = r < 0;
	if (r < 0) {
		app->mark = before;
		return; /* still marked */
	}
	controller->watermark = app->mark;
	app->journal = false;
	app->buried = !app->has_document;
}

static void flush_node(struct controller *controller, struct fleet_node *node)
{
	char name[NAME_MAX];

	document_file(name, NODE_START, node->name);
	node->journal_failed = write_file(controller, name, node->text, strlen(node->text)) < 0;
	node->journal = node->journal_failed;
}

static bool app_is_due(const struct app_entry *app)
{
	return app->journal && !app->journal_failed;
}

static bool node_is_due(const struct fleet_node *node)
{
	return node->journal && node->text && !node->journal_failed;
}

bool journal_is_due(const struct controller *controller)
{
	const struct app_entry *app;
	const struct fleet_node *node;

	TABLE_FOREACH(app, &controller->apps) {
		if (app_is_due(app))
			return true;
	}
	TABLE_FOREACH(node, &controller->nodes) {
		if (node_is_due(node))
			return true;
	}
	return false;
}

static bool something_failed(const struct controller *controller)
{
	const struct app_entry *app;
	const struct fleet_node *node;

	TABLE_FOREACH(app, &controller->apps) {
		if (app->journal_failed)
			return true;
	}
	TABLE_FOREACH(node, &controller->nodes) {
		if (node->journal_failed)
			return true;
	}
	return false;
}

bool journal_flush(struct controller *controller, size_t most)
{
	size_t tried = 0;
	struct app_entry *app;
	struct fleet_node *node;

	TABLE_FOREACH(app, &controller->apps) {
		if (!app_is_due(app) || tried == most)
			continue;
		tried++;
		flush_app(controller, app);
	}
	TABLE_FOREACH(node, &controller->nodes) {
		if (!node_is_due(node) || tried == most)
			continue;
		tried++;
		flush_node(controller, node);
	}
	if (tried > 0 && !something_failed(controller))
		writes_again(controller);
	return journal_is_due(controller);
}

void journal_retry(struct controller *controller)
{
	struct app_entry *app;
	struct fleet_node *node;

	TABLE_FOREACH(app, &controller->apps)
		app->journal_failed = false;
	TABLE_FOREACH(node, &controller->nodes)
		node->journal_failed = false;
}

static int parse(const char *text, size_t length, json_t **ret_document, struct baton_error *err)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };

	return json_parse(text, length, limits, ret_document, err);
}

/* Our own may be above what others are believed: a lie of theirs brought it there. */
static void note_own_term(struct controller *controller, int64_t term)
{
	if (term > controller->highest_term)
		controller->highest_term = term;
}

static int load_term(struct controller *controller, const char *name, const char *text, size_t length)
{
	cleanup_json json_t *document = NULL;
	struct baton_error err = { 0 };
	int64_t term;
	int r = parse(text, length, &document, &err);

	(void)name;
	if (r == 0)
		r = json_need_int(document, "term", 0, TERM_MAX, &term, &err);
	if (r == 0)
		note_own_term(controller, term);
	return r;
}

static int load_kept(struct app_entry *app, const json_t *kept)
{
	const json_t *item;
	size_t i;

	json_array_foreach(kept, i, item) {
		if (!json_is_string(item) || !digest_is_valid(json_string_value(item)))
			return -EINVAL;
		if (revisions_keep(app, json_string_value(item)) < 0)
			return -ENOMEM;
		app->kept[app->n_kept - 1].written = true;
	}
	return 0;
}

static int load_app(struct controller *controller, const char *name, const char *text, size_t length)
{
	cleanup_json json_t *document = NULL;
	struct baton_error err = { 0 };
	const char *digest = NULL;
	const char *in_force = NULL;
	struct app_entry *app;
	const char *service;
	json_t *replicas;
	int r = parse(text, length, &document, &err);

	if (r == 0)
		r = json_need_string(document, "document", DIGEST_HEX_LENGTH, &digest, &err);
	if (r == 0)
		r = json_need_string(document, "in_force", DIGEST_HEX_LENGTH, &in_force, &err);
	if (r < 0)
		return r;
	app = apps_take(controller, name);
	if (!app)
		return -ENOMEM;
	(void)snprintf(app->document, sizeof(app->document), "%s", digest);
	(void)snprintf(app->in_force, sizeof(app->in_force), "%s", in_force);
	app->has_document = json_get_bool(document, "desired", false);
	app->buried = !app->has_document;
	(void)snprintf(app->before, sizeof(app->before), "%s", json_get_string(document, "before", ""));
	app->mark = json_get_int(document, "mark", 0);
	if (app->mark > controller->watermark && app->mark <= WATERMARK_MAX)
		controller->watermark = app->mark;
	json_object_foreach(json_object_get(document, "scale"), service, replicas) {
		if (json_integer_value(replicas) >= 0 &&
		        json_integer_value(replicas) <= CONFIG_MAX_REPLICAS &&
		        app_set_override(app, service, (uint32_t)json_integer_value(replicas)) < 0)
			return -ENOMEM;
	}
	return load_kept(app, json_object_get(document, "kept"));
}

static int load_node(struct controller *controller, const char *name, const char *text, size_t length)
{
	struct baton_error err = { 0 };
	struct fleet_node *node = fleet_take_node(controller, name);
	int r = node ? assign_set_text(node, text, length, &err) : -ENOMEM;

	if (r == 0)
		note_own_term(controller, node->term);
	return r;
}

static const struct {
	const char *start;
	int (*load)(struct controller *controller, const char *name, const char *text, size_t length);
} loaders[] = {
	{ "controller", load_term },
	{ APP_START, load_app },
	{ NODE_START, load_node },
};

static void set_aside(struct controller *controller, const char *file, int error)
{
	char damaged[NAME_MAX];

	log_error("journal: %s is damaged (%s) and set aside", file, strerrordesc_np(-error));
	if ((size_t)snprintf(damaged, sizeof(damaged), "damaged.%s", file) >= sizeof(damaged))
		return;
	/* Kept for people; if even that fails, the next write replaces it. */
	(void)renameat(controller->journal_fd, file, controller->journal_fd, damaged);
}

static int load_file(struct controller *controller, const char *file)
{
	char name[NAME_MAX + 1];
	cleanup_free char *text = NULL;
	size_t length = strlen(file);
	size_t text_length;

	if (length <= strlen(DOCUMENT_END) || strcmp(file + length - strlen(DOCUMENT_END), DOCUMENT_END) != 0)
		return 0;
	for (size_t i = 0; i < array_size(loaders); i++) {
		size_t start = strlen(loaders[i].start);
		int r;

		if (strncmp(file, loaders[i].start, start) != 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s", file + start);
		name[length - start - strlen(DOCUMENT_END)] = '\0';
		if (name[0] != '\0' && !topic_name_valid(name))
			return 0;
		r = file_read_at(
		        controller->journal_fd, file, CONFIG_MAX_DOCUMENT_BYTES, &text, &text_length);
		if (r == 0)
			r = loaders[i].load(controller, name, text, text_length);
		if (r < 0 && r != -ENOMEM)
			set_aside(controller, file, r);
		return r == -ENOMEM ? r : 0;
	}
	return 0;
}

int journal_load(struct controller *controller, struct baton_error *err)
{
	int fd = openat(controller->journal_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!directory) {
		int code = errno;

		close_fd(&fd);
		return error_errno(err, code, "cannot read the controller's journal");
	}
	while ((entry = readdir(directory))) {
		/* Hidden files are temporaries that a power cut left; the next write of their target takes
		 * them. */
		if (entry->d_name[0] != '.' && load_file(controller, entry->d_name) < 0)
			return error_set(err, ENOMEM, "no room for the documents of the journal");
	}
	return 0;
}
