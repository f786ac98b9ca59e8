/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/agent/revision.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/log.h"

#define DESIRED_NAME     "desired.json"
#define SUFFIX           ".json"
#define FILE_NAME_SIZE   (DIGEST_HEX_SIZE + sizeof(SUFFIX))
#define REVISION_WAIT_MS 500   /* one write for an assignment and the revisions that follow it */
#define RETRY_MS         10000 /* full or failing disk */

static void file_name(const char *digest, char name[static FILE_NAME_SIZE])
{
	(void)snprintf(name, FILE_NAME_SIZE, "%s" SUFFIX, digest);
}

/* ---- reading ---- */

int storage_read_revision(struct agent *agent, const char *digest, char **ret_text, size_t *ret_length)
{
	cleanup_free char *text = NULL;
	char name[FILE_NAME_SIZE];
	char hex[DIGEST_HEX_SIZE];
	size_t length = 0;
	int r;

	file_name(digest, name);
	r = file_read_at(agent->revisions_fd, name, CONFIG_MAX_DOCUMENT_BYTES, &text, &length);
	if (r == -ENOENT)
		return r;
	if (r == 0)
		r = digest_sha256(text, length, hex);
	if (r == 0 && strcmp(hex, digest) != 0)
		r = -EBADMSG;
	if (r < 0) {
		log_error("revisions/%s on disk is damaged (%s); asking the broker for it", name,
		        strerrordesc_np(-r));
		return -EIO;
	}
	*ret_text = steal_ptr(text);
	*ret_length = length;
	return 0;
}

static int read_desired(struct agent *agent, struct assignment *ret_assignment, struct baton_error *err)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	cleanup_free char *text = NULL;
	cleanup_json json_t *document = NULL;
	size_t length = 0;
	int r = file_read_at(agent->dir_fd, DESIRED_NAME, CONFIG_MAX_DOCUMENT_BYTES, &text, &length);

	if (r < 0)
		return error_errno(err, -r, "cannot be read");
	r = json_parse(text, length, limits, &document, err);
	return r < 0 ? r : assignment_decode(document, ret_assignment, err);
}

static bool is_referred(const struct agent *agent, const char *name)
{
	const struct revision *revision;
	char wanted[FILE_NAME_SIZE];

	LIST_FOREACH(revision, &agent->revisions, next)
	{
		file_name(revision->digest, wanted);
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

/* Whatever else lies there was left by a power cut, or is a revision that nothing refers to any more. */
static void remove_others(struct agent *agent)
{
	int fd = openat(agent->revisions_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!directory) {
		if (fd >= 0)
			(void)close(fd); /* only read */
		return;                  /* the next write tries again */
	}
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		        is_referred(agent, entry->d_name))
			continue;
		(void)unlinkat(agent->revisions_fd, entry->d_name, 0); /* the next write tries again */
	}
}

void storage_load(struct agent *agent)
{
	struct baton_error err;
	int r = read_desired(agent, &agent->desired, &err);

	if (r == 0) {
		agent->has_desired = true;
		agent->plan_wanted = true;
		if (revision_refer(agent) < 0)
			log_error("out of memory while reading revisions");
		remove_others(agent);
	} else if (err.code != ENOENT) {
		log_error("%s on disk is damaged: %s; waiting for the controller", DESIRED_NAME, err.message);
	}
}

/* ---- writing ---- */

static int save_revision(struct agent *agent, struct revision *revision)
{
	char name[FILE_NAME_SIZE];
	int r;

	if (!revision->unsaved)
		return 0;
	file_name(revision->digest, name);
	r = file_replace_at(
	        agent->revisions_fd, name, revision->unsaved, revision->unsaved_length, 0600, FILE_DURABLE);
	if (r < 0)
		return r;
	free(steal_ptr(revision->unsaved));
	return 0;
}

static int save_desired(struct agent *agent)
{
	cleanup_json json_t *document = assignment_encode(&agent->desired);
	cleanup_free char *text = document ? json_text(document) : NULL;

	if (!text)
		return -ENOMEM;
	return file_replace_at(agent->dir_fd, DESIRED_NAME, text, strlen(text), 0600, FILE_DURABLE);
}

bool storage_has_room(const struct agent *agent, char reason[static STORAGE_REASON_SIZE])
{
	int64_t room = agent->desired_unsaved ? file_system_room(agent->dir_fd) : -1;

	if (room < 0 || room >= CONFIG_DISK_RESERVE_KIB * INT64_C(1024))
		return true;
	(void)snprintf(reason, STORAGE_REASON_SIZE,
	        "the disk has %lld KiB left, %d KiB are needed to take on anything new",
	        (long long)(room / 1024), CONFIG_DISK_RESERVE_KIB);
	return false;
}

static int save(struct agent *agent)
{
	struct revision *revision;
	char reason[STORAGE_REASON_SIZE];
	int r = storage_has_room(agent, reason) ? 0 : -ENOSPC;

	if (r < 0)
		return r;

	LIST_FOREACH(revision, &agent->revisions, next)
	{
		r = save_revision(agent, revision);
		if (r < 0)
			return r;
	}
	if (agent->desired_unsaved)
		r = save_desired(agent);
	if (r < 0)
		return r;
	agent->desired_unsaved = false;
	remove_others(agent);
	return 0;
}

void storage_flush(struct agent *agent)
{
	int r = save(agent);

	agent->save_wanted = r < 0;
	agent_timer_set(agent->save_timer, r < 0 ? RETRY_MS : -1);
	if (r == 0) {
		agent->save_failed = false;
	} else if (!agent->save_failed) {
		char reason[ERROR_MESSAGE_MAX];

		agent->save_failed = true;
		(void)snprintf(reason, sizeof(reason),
		        "the assignment cannot be written (%s); a reboot without the broker would start an "
		        "older one",
		        strerrordesc_np(-r));
		log_error("%s", reason);
		agent_event(agent, "storage.failed", NULL, NULL, reason);
	}
}

static void on_save_timer(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)fd;
	(void)what;
	storage_flush(agent);
	agent->plan_wanted = agent->plan_wanted || agent->held;
	agent_settle(agent);
}

void storage_want(struct agent *agent)
{
	if (!agent->save_wanted)
		agent_timer_set(agent->save_timer, REVISION_WAIT_MS);
	agent->save_wanted = true;
	agent->save_due = !revision_any_missing(agent);
}

/* ---- life ---- */

int storage_open(struct agent *agent, struct baton_error *err)
{
	agent->dir_fd = dir_open_make_at(agent->config->state_dir_fd, "agent", 0700);
	if (agent->dir_fd < 0)
		return error_errno(err, -agent->dir_fd, "state directory agent");
	agent->revisions_fd = dir_open_make_at(agent->dir_fd, "revisions", 0700);
	if (agent->revisions_fd < 0)
		return error_errno(err, -agent->revisions_fd, "state directory agent/revisions");
	agent->save_timer = agent_timer(agent, on_save_timer, agent);
	return agent->save_timer ? 0 : error_set(err, ENOMEM, "out of memory");
}

void storage_close(struct agent *agent)
{
	if (agent->save_wanted && agent->save_timer)
		storage_flush(agent);
	if (agent->save_timer)
		event_free(agent->save_timer);
	close_fd(&agent->revisions_fd);
	close_fd(&agent->dir_fd);
}
