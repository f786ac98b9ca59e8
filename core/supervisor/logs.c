/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/timeval.h"

#define CURRENT_NAME "current"
#define READ_BYTES   16384
#define LINE_FULL    'F'
#define LINE_PART    'P'
#define PREFIX_MAX   64         /* time, stream and flag before the text of a line */
#define DRAIN_MAX    (1U << 20) /* a FIFO holds 64 KiB; a stray writer must not keep us here */

/* Half a line goes to the file after this while, marked P: what is in memory only is lost with this process.
 */
#define UNFINISHED_MS 1000

struct stream {
	struct logs *logs;
	const char *name;
	int fifo_fd; /* what we read from */
	struct event *readable;
	struct event *unfinished; /* timer: `partial` has waited long enough */
	struct buf partial;       /* bytes of a line whose end has not come yet */
	bool begun;               /* the last line of the file is marked P: its end is to come */
};

struct logs {
	struct stream streams[LOG_STREAMS];
	int fifo_dir_fd;
	int dir_fd;
	int file_fd;
	uint64_t file_size;
	uint64_t file_max;
	uint32_t files_max;
	uint32_t gid;
};

static const char *const stream_names[LOG_STREAMS] = { [LOG_STDOUT] = "stdout", [LOG_STDERR] = "stderr" };

/* ---- files ---- */

static int open_current(struct logs *logs)
{
	struct stat status;
	int fd = openat(
	        logs->dir_fd, CURRENT_NAME, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	if (fchown(fd, (uid_t)-1, logs->gid) < 0 || fstat(fd, &status) < 0) {
		int r = -errno;

		(void)close(fd); /* the first error counts */
		return r;
	}
	logs->file_size = (uint64_t)status.st_size;
	close_fd(&logs->file_fd);
	logs->file_fd = fd;
	return 0;
}

static void file_name(uint32_t index, char name[static 32])
{
	if (index == 0)
		(void)snprintf(name, 32, CURRENT_NAME);
	else
		(void)snprintf(name, 32, CURRENT_NAME ".%u", index);
}

/* current -> current.1 -> ... ; the oldest goes. A failure leaves a file that is larger than asked, never no
 * file. */
static int rotate(struct logs *logs)
{
	char from[32];
	char to[32];

	if (logs->files_max <= 1) {
		if (ftruncate(logs->file_fd, 0) < 0)
			return -errno;
		logs->file_size = 0;
		return 0;
	}
	for (uint32_t i = logs->files_max - 1; i > 0; i--) {
		file_name(i - 1, from);
		file_name(i, to);
		if (renameat(logs->dir_fd, from, logs->dir_fd, to) < 0 && errno != ENOENT)
			return -errno;
	}
	return open_current(logs);
}

/* tmpfs may be full: then this output is lost, but the container must not block on its pipe for ever. */
static void write_lines(struct logs *logs, const struct buf *lines)
{
	if (lines->length == 0)
		return;
	if (logs->file_size > 0 && logs->file_size + lines->length > logs->file_max)
		(void)rotate(logs); /* writing on into a too large file beats losing lines */
	if (file_write_all(logs->file_fd, lines->data, lines->length) == 0)
		logs->file_size += lines->length;
}

/* ---- lines ---- */

static void format_prefix(char prefix[static PREFIX_MAX], const char *stream, char flag)
{
	char seconds[CLOCK_TEXT_SIZE];
	int64_t now = clock_wall_ns();

	clock_format(now / 1000000, seconds);
	seconds[strcspn(seconds, ".")] = '\0';
	(void)snprintf(prefix, PREFIX_MAX, "%s.%09dZ %s %c ", seconds, (int)(now % 1000000000), stream, flag);
}

static int append_line(
        struct stream *stream, struct buf *lines, const char *prefix, const char *text, size_t length)
{
	int r = buf_append(lines, prefix, strlen(prefix));

	if (r == 0)
		r = buf_append(lines, stream->partial.data, stream->partial.length);
	if (r == 0)
		r = buf_append(lines, text, length);
	if (r == 0)
		r = buf_append(lines, "\n", 1);
	buf_reset(&stream->partial);
	(void)event_del(stream->unfinished); /* fails only without a base */
	return r;
}

/* Splits a chunk into lines; the rest waits in `partial`, or goes out marked P when it grows too long. */
static int take_chunk(struct stream *stream, struct buf *lines, const char *chunk, size_t length)
{
	char full[PREFIX_MAX];
	char part[PREFIX_MAX];
	int r = 0;

	format_prefix(full, stream->name, LINE_FULL);
	format_prefix(part, stream->name, LINE_PART);
	while (r == 0 && length > 0) {
		size_t room = CONFIG_LOG_LINE_MAX - stream->partial.length;
		const char *newline = memchr(chunk, '\n', length < room ? length : room);
		size_t take;

		if (newline) {
			take = (size_t)(newline - chunk);
			r = append_line(stream, lines, full, chunk, take);
			stream->begun = false;
			take++;
		} else if (length >= room) {
			take = room;
			r = append_line(stream, lines, part, chunk, take);
			stream->begun = true;
		} else {
			take = length;
			r = buf_append(&stream->partial, chunk, take);
		}
		chunk += take;
		length -= take;
	}
	return r;
}

/* One read. Bytes read, 0 when the FIFO is empty for now, or negative errno. */
static ssize_t read_some(struct stream *stream)
{
	/* Worst case: every byte a newline, each with its own prefix. */
	cleanup_buf struct buf lines = { .max = (size_t)READ_BYTES * (PREFIX_MAX + 1) + CONFIG_LOG_LINE_MAX +
		                                PREFIX_MAX };
	char chunk[READ_BYTES];
	ssize_t got = read(stream->fifo_fd, chunk, sizeof(chunk));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	(void)take_chunk(
	        stream, &lines, chunk, (size_t)got); /* out of memory: this output is lost, the pipe is not */
	write_lines(stream->logs, &lines);
	return got;
}

/* What waits for its end goes out as it is. */
static void flush(struct stream *stream, char flag)
{
	cleanup_buf struct buf lines = { .max = CONFIG_LOG_LINE_MAX + PREFIX_MAX + 1 };
	char prefix[PREFIX_MAX];

	format_prefix(prefix, stream->name, flag);
	(void)append_line(stream, &lines, prefix, "", 0); /* out of memory: the last half line is lost */
	write_lines(stream->logs, &lines);
	stream->begun = flag == LINE_PART;
}

static void on_unfinished(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg, LINE_PART);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval wait = timeval_of_ms(UNFINISHED_MS);
	struct stream *stream = arg;

	(void)fd;
	(void)what;
	if (read_some(stream) < 0)
		(void)event_del(stream->readable); /* a FIFO cannot fail to be read; do not spin if it does */
	if (stream->partial.length > 0 && !evtimer_pending(stream->unfinished, NULL))
		(void)event_add(stream->unfinished, &wait); /* out of memory: it waits for its end */
}

/* ---- life ---- */

static int open_stream(struct event_base *base, struct logs *logs, enum log_stream which)
{
	struct stream *stream = &logs->streams[which];

	stream->logs = logs;
	stream->name = stream_names[which];
	buf_init(&stream->partial, CONFIG_LOG_LINE_MAX);
	if (mkfifoat(logs->fifo_dir_fd, stream->name, 0600) < 0 && errno != EEXIST)
		return -errno;
	/*
	 * Never blocks, and O_NONBLOCK is ours alone: the container opens its own file description. For
	 * writing too, or a program that closes its output (2>/dev/null) would leave a FIFO without a writer,
	 * which is readable (EOF) for ever.
	 */
	stream->fifo_fd =
	        openat(logs->fifo_dir_fd, stream->name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (stream->fifo_fd < 0)
		return -errno;
	stream->readable = event_new(base, stream->fifo_fd, EV_READ | EV_PERSIST, on_readable, stream);
	stream->unfinished = evtimer_new(base, on_unfinished, stream);
	return stream->readable && stream->unfinished ? 0 : -ENOMEM;
}

static int open_files(struct event_base *base, const struct logs_config *config, struct logs *logs)
{
	int r = 0;

	logs->fifo_dir_fd = openat(config->instance_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (logs->fifo_dir_fd < 0)
		return -errno;
	logs->dir_fd = dir_open_make_at(config->logs_fd, config->id, 0750);
	if (logs->dir_fd < 0)
		return logs->dir_fd;
	if (fchown(logs->dir_fd, (uid_t)-1, config->gid) < 0)
		return -errno;
	r = open_current(logs);
	for (enum log_stream i = LOG_STDOUT; r == 0 && i < LOG_STREAMS; i++)
		r = open_stream(base, logs, i);
	return r;
}

int logs_open(struct event_base *base, const struct logs_config *config, struct logs **ret_logs,
        struct baton_error *err)
{
	struct logs *logs = calloc(1, sizeof(*logs));
	int r;

	if (!logs)
		return error_set(err, ENOMEM, "out of memory");
	logs->fifo_dir_fd = logs->dir_fd = logs->file_fd = -1;
	for (enum log_stream i = LOG_STDOUT; i < LOG_STREAMS; i++)
		logs->streams[i].fifo_fd = -1;
	logs->file_max = config->file_max;
	logs->files_max = config->files_max;
	logs->gid = config->gid;
	r = open_files(base, config, logs);
	if (r < 0) {
		logs_abandon(logs);
		return error_errno(err, -r, "log of %s", config->id);
	}
	for (enum log_stream i = LOG_STDOUT; i < LOG_STREAMS; i++)
		(void)event_add(logs->streams[i].readable, NULL);
	*ret_logs = logs;
	return 0;
}

int logs_chown(struct logs *logs, uint32_t uid, uint32_t gid)
{
	for (enum log_stream i = LOG_STDOUT; i < LOG_STREAMS; i++) {
		if (fchown(logs->streams[i].fifo_fd, uid, gid) < 0)
			return -errno;
	}
	return 0;
}

int logs_container_fd(const struct logs *logs, enum log_stream stream)
{
	int fd = openat(logs->fifo_dir_fd, stream_names[stream], O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void logs_close(struct logs *logs)
{
	if (!logs)
		return;
	for (enum log_stream i = LOG_STDOUT; i < LOG_STREAMS; i++) {
		ssize_t got = 0;

		for (size_t drained = 0; drained < DRAIN_MAX; drained += (size_t)got) {
			got = read_some(&logs->streams[i]);
			if (got <= 0)
				break;
		}
		if (logs->streams[i].partial.length > 0 || logs->streams[i].begun)
			flush(&logs->streams[i], LINE_FULL);
	}
	logs_abandon(logs);
}

void logs_abandon(struct logs *logs)
{
	if (!logs)
		return;
	for (enum log_stream i = LOG_STDOUT; i < LOG_STREAMS; i++) {
		struct stream *stream = &logs->streams[i];

		if (stream->partial.length > 0)
			flush(stream, LINE_PART);
		if (stream->readable)
			event_free(stream->readable);
		if (stream->unfinished)
			event_free(stream->unfinished);
		close_fd(&stream->fifo_fd);
		buf_release(&stream->partial);
	}
	close_fd(&logs->file_fd);
	close_fd(&logs->dir_fd);
	close_fd(&logs->fifo_dir_fd);
	free(logs);
}
