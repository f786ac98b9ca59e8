/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define BLOCK_BYTES 16384
#define RATE        CONFIG_LOG_FOLLOW_BYTES_PER_SECOND
/* While the broker is slow, or while dropping: few large messages instead of many with a marker each. */
#define OVERLOAD_WAIT_MS 250

struct follow {
	LIST_ENTRY(follow) next;
	struct agent *agent;
	char id[INSTANCE_ID_MAX + 1];
	int dir_fd;
	int file_fd; /* -1: nothing was written yet */
	bool placed; /* follow_from was called */
	ino_t inode;
	off_t offset;
	int64_t tokens; /* bytes that may be read now */
	int64_t tokens_ms;
	struct log_lines lines;
	int inotify_fd;
	int logs_wd; /* of the directory of all logs */
	struct event *changed;
	struct event *pump; /* collects lines before they are sent */
	struct event *lease;
};

static void follow_free(struct follow *follow)
{
	struct event *events[] = { follow->changed, follow->pump, follow->lease };

	for (size_t i = 0; i < array_size(events); i++) {
		if (events[i])
			event_free(events[i]);
	}
	LIST_REMOVE(follow, next);
	follow->agent->n_follows--;
	log_lines_release(&follow->lines);
	close_fd(&follow->inotify_fd);
	close_fd(&follow->file_fd);
	close_fd(&follow->dir_fd);
	free(follow);
}

void follow_free_all(struct agent *agent)
{
	while (!LIST_EMPTY(&agent->follows))
		follow_free(LIST_FIRST(&agent->follows));
}

static void send_lines(void *arg, json_t *lines, bool end)
{
	struct follow *follow = arg;
	cleanup_json json_t *document = json_pack(
	        "{s:b, s:s, s:O, s:b}", "ok", 1, "instance", follow->id, "lines", lines, "end", end);

	/* QoS 0, because it is lost with the connection anyway. libmosquitto queues that too: see on_pump. */
	agent_publish(follow->agent, TOPIC_NODE_LOGS, follow->id, document, false, 0);
}

/* ---- reading ---- */

static void refill(struct follow *follow)
{
	int64_t now = clock_boot_ms();

	follow->tokens += (now - follow->tokens_ms) * RATE / 1000;
	if (follow->tokens > RATE)
		follow->tokens = RATE;
	follow->tokens_ms = now;
}

/* Opens the file with this number if it is another one than ours. */
static bool open_file(struct follow *follow, unsigned index)
{
	char name[LOG_FILE_NAME_SIZE];
	cleanup_close int fd = -1;
	struct stat status;

	log_file_name(index, name);
	fd = file_open_beneath(follow->dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_ino == follow->inode)
		return false;
	close_fd(&follow->file_fd);
	follow->file_fd = steal_fd(&fd);
	follow->inode = status.st_ino;
	follow->offset = 0;
	return true;
}

/* Our file is read to its end: was it rotated? Then the next newer one follows. */
static bool next_file(struct follow *follow)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < LOG_FILES_LIMIT; i++) {
		char name[LOG_FILE_NAME_SIZE];
		struct stat status;

		log_file_name(i, name);
		if (fstatat(follow->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			break;
		if (status.st_ino == follow->inode)
			return i > 0 && open_file(follow, i - 1);
		oldest = i;
	}
	return open_file(follow, oldest); /* ours is gone: rotated away while we were not looking */
}

/* Returns whether bytes had to be dropped. */
static bool skip_backlog(struct follow *follow)
{
	struct stat status;
	char note[64];
	int64_t excess;

	if (fstat(follow->file_fd, &status) < 0)
		return false;
	if (status.st_size < follow->offset) {
		follow->offset = 0; /* the only file of its log: it starts anew when it is full */
		log_lines_skip(&follow->lines);
		follow->lines.skipping = false;
	}
	excess = status.st_size - follow->offset - follow->tokens;
	if (excess <= 0)
		return false;
	follow->offset += excess;
	log_lines_skip(&follow->lines);
	(void)snprintf(note, sizeof(note), "dropped %" PRId64 " bytes", excess);
	log_lines_note(&follow->lines, note);
	return true;
}

/* Returns whether bytes had to be dropped. */
static bool read_file(struct follow *follow)
{
	char block[BLOCK_BYTES];
	bool dropped = skip_backlog(follow);

	while (follow->tokens > 0) {
		size_t wanted = follow->tokens < BLOCK_BYTES ? (size_t)follow->tokens : (size_t)BLOCK_BYTES;
		ssize_t got = pread(follow->file_fd, block, wanted, follow->offset);

		if (got <= 0)
			break;
		log_lines_feed(&follow->lines, block, (size_t)got);
		follow->offset += got;
		follow->tokens -= got;
	}
	return dropped;
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
	struct follow *follow = arg;
	const struct agent_config *config = follow->agent->config;
	bool dropped = false;

	(void)fd;
	(void)what;
	/* The log is where it can wait; of what is too much by then, skip_backlog tells. */
	if (config->handler->congested(config->arg)) {
		agent_timer_set(follow->pump, OVERLOAD_WAIT_MS);
		return;
	}
	refill(follow);
	if (follow->file_fd >= 0)
		dropped = read_file(follow);
	for (unsigned i = 0; i < LOG_FILES_LIMIT && next_file(follow); i++) {
		if (read_file(follow))
			dropped = true;
	}
	log_lines_flush(&follow->lines, false);
	if (dropped)
		agent_timer_set(follow->pump, OVERLOAD_WAIT_MS);
	else if (event_add(follow->changed, NULL) < 0)
		follow_free(follow); /* out of memory: who follows asks again */
}

/* The log is removed with its instance. */
static void on_gone(struct follow *follow)
{
	refill(follow);
	if (follow->file_fd >= 0)
		(void)read_file(follow);
	log_lines_flush(&follow->lines, true);
	follow_free(follow);
}

static void on_changed(evutil_socket_t fd, short what, void *arg)
{
	struct follow *follow = arg;
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool gone = false;
	bool wrote = false;
	ssize_t got;

	(void)what;
	while ((got = read(fd, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + got;) {
			const struct inotify_event *event = (const struct inotify_event *)(void *)at;

			if (event->mask & IN_IGNORED)
				gone = true;
			else if (event->wd != follow->logs_wd)
				wrote = true;
			else if (event->len > 0 && strcmp(event->name, follow->id) == 0)
				gone = true;
			at += sizeof(*event) + event->len;
		}
	}
	if (gone) {
		on_gone(follow);
		return;
	}
	if (!wrote)
		return; /* the log of another instance was removed */
	/* Every write of the container wakes us; one look per pump is enough. */
	(void)event_del(follow->changed); /* cannot fail for an event of a base */
	agent_timer_set(follow->pump, CONFIG_LOG_FOLLOW_COALESCE_MS);
}

static void on_lease_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	follow_free(arg);
}

/* ---- life ---- */

static int watch(struct follow *follow)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s", follow->agent->config->logs_path, follow->id);

	if (length < 0 || (size_t)length >= sizeof(path))
		return -ENAMETOOLONG;
	follow->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (follow->inotify_fd < 0)
		return -errno;
	/*
	 * IN_DELETE_SELF of a directory comes when its last descriptor is closed, and we hold one: only the
	 * directory above tells when it is removed. Watched first, or a removal could be missed.
	 */
	follow->logs_wd = inotify_add_watch(
	        follow->inotify_fd, follow->agent->config->logs_path, IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR);
	if (follow->logs_wd < 0)
		return -errno;
	follow->dir_fd = log_open_directory(follow->agent->config->logs_path, follow->id);
	if (follow->dir_fd < 0)
		return follow->dir_fd;
	if (inotify_add_watch(follow->inotify_fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return -errno;
	follow->changed = event_new(
	        follow->agent->config->base, follow->inotify_fd, EV_READ | EV_PERSIST, on_changed, follow);
	follow->pump = agent_timer(follow->agent, on_pump, follow);
	follow->lease = agent_timer(follow->agent, on_lease_over, follow);
	return follow->changed && follow->pump && follow->lease ? 0 : -ENOMEM;
}

static struct follow *find(const struct agent *agent, const char *instance)
{
	struct follow *follow;

	LIST_FOREACH(follow, &agent->follows, next)
	{
		if (strcmp(follow->id, instance) == 0)
			return follow;
	}
	return NULL;
}

int follow_start(struct agent *agent, const char *instance, struct baton_error *err)
{
	struct follow *follow = find(agent, instance);
	int r;

	if (follow) {
		agent_timer_set(follow->lease, CONFIG_LOG_FOLLOW_LEASE_MS);
		return 0;
	}
	if (agent->n_follows >= CONFIG_LOG_FOLLOW_MAX)
		return error_set(
		        err, EBUSY, "the logs of %d instances are followed already", CONFIG_LOG_FOLLOW_MAX);
	follow = calloc(1, sizeof(*follow));
	if (!follow)
		return error_set(err, ENOMEM, "out of memory");
	follow->agent = agent;
	follow->dir_fd = follow->file_fd = follow->inotify_fd = -1;
	follow->tokens = RATE;
	follow->tokens_ms = clock_boot_ms();
	(void)snprintf(follow->id, sizeof(follow->id), "%s", instance);
	log_lines_init(&follow->lines, 0, send_lines, follow);
	LIST_INSERT_HEAD(&agent->follows, follow, next);
	agent->n_follows++;
	r = watch(follow);
	if (r < 0) {
		follow_free(follow);
		return error_errno(err, -r, "its log cannot be followed");
	}
	agent_timer_set(follow->lease, CONFIG_LOG_FOLLOW_LEASE_MS);
	return 0;
}

/* If the file was rotated meanwhile, next_file finds its successor. */
void follow_from(struct agent *agent, const char *instance, const struct log_position *position)
{
	struct follow *follow = find(agent, instance);

	if (!follow || follow->placed)
		return;
	follow->placed = true;
	for (unsigned i = 0; position->inode != 0 && i < LOG_FILES_LIMIT; i++) {
		if (open_file(follow, i) && follow->inode == position->inode) {
			follow->offset = position->offset;
			break;
		}
	}
	agent_timer_set(follow->pump, CONFIG_LOG_FOLLOW_COALESCE_MS); /* what was written meanwhile */
}
