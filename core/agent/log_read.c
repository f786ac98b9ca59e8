/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/log_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define BLOCK_BYTES  16384
#define BUDGET_BYTES ((off_t)CONFIG_LOG_ANSWER_MAX_KIB << 10)

/* One file, and the whole lines of it that are wanted. */
struct source {
	int fd;
	ino_t inode;
	off_t size;
	off_t start;
	off_t end;
};

void log_file_name(unsigned index, char name[static LOG_FILE_NAME_SIZE])
{
	if (index == 0)
		(void)snprintf(name, LOG_FILE_NAME_SIZE, "current");
	else
		(void)snprintf(name, LOG_FILE_NAME_SIZE, "current.%u", index);
}

int log_open_directory(const char *logs_path, const char *instance)
{
	cleanup_close int logs_fd = open(logs_path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (logs_fd < 0)
		return -errno;
	return file_open_beneath(logs_fd, instance, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

static void close_sources(struct source *sources, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close_fd(&sources[i].fd);
}

/*
 * Newest first. A rotation meanwhile makes the file that was just opened appear once more under the next name
 * (same inode): it is skipped. What was opened stays readable, whatever is renamed or removed.
 */
static int open_sources(int dir_fd, struct source *sources, unsigned *ret_count)
{
	unsigned count = 0;

	for (unsigned i = 0; i < LOG_FILES_LIMIT; i++) {
		char name[LOG_FILE_NAME_SIZE];
		cleanup_close int fd = -1;
		struct stat status;

		log_file_name(i, name);
		fd = file_open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
		if (fd == -ENOENT)
			break;
		if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
			close_sources(sources, count);
			return fd < 0 ? fd : -EINVAL;
		}
		if (count > 0 && sources[count - 1].inode == status.st_ino)
			continue;
		sources[count++] =
		        (struct source){ .fd = fd, .inode = status.st_ino, .size = status.st_size };
		fd = -1;
	}
	*ret_count = count;
	return 0;
}

/*
 * Finds the newest `lines` whole lines, within `budget` bytes, by searching newlines backwards. Returns how
 * many there are.
 */
static unsigned find_lines(struct source *source, unsigned lines, off_t budget)
{
	char block[BLOCK_BYTES];
	off_t low = source->size > budget ? source->size - budget : 0;
	off_t position = source->size;
	unsigned found = 0;

	source->start = source->end = 0;
	while (position > low && found < lines) {
		size_t wanted = position - low < BLOCK_BYTES ? (size_t)(position - low) : (size_t)BLOCK_BYTES;

		if (pread(source->fd, block, wanted, position - (off_t)wanted) != (ssize_t)wanted)
			break; /* truncated meanwhile */
		position -= (off_t)wanted;
		for (size_t i = wanted; i-- > 0 && found < lines;) {
			off_t behind = position + (off_t)i + 1;

			if (block[i] != '\n')
				continue;
			if (source->end == 0) {
				source->end = source->start = behind;
			} else {
				source->start = behind;
				found++;
			}
		}
	}
	if (position == 0 && source->end > 0 && found < lines) {
		source->start = 0; /* the first line of a file has no newline before it */
		found++;
	}
	return found;
}

static void feed(const struct source *source, struct log_lines *lines)
{
	char block[BLOCK_BYTES];
	off_t position = source->start;

	while (position < source->end) {
		off_t left = source->end - position;
		ssize_t got = pread(
		        source->fd, block, left < BLOCK_BYTES ? (size_t)left : (size_t)BLOCK_BYTES, position);

		if (got <= 0)
			return; /* truncated meanwhile */
		log_lines_feed(lines, block, (size_t)got);
		position += got;
	}
}

static unsigned choose(struct source *sources, unsigned count, unsigned lines)
{
	off_t budget = BUDGET_BYTES;
	unsigned used = 0;

	while (used < count && lines > 0 && budget > 0) {
		lines -= find_lines(&sources[used], lines, budget);
		budget -= sources[used].end - sources[used].start;
		used++;
	}
	return used;
}

int log_read(const struct log_query *query, log_lines_fn send, void *arg, struct log_position *ret_position,
        struct baton_error *err)
{
	struct source sources[LOG_FILES_LIMIT];
	struct log_position position = { 0 };
	struct log_lines lines;
	unsigned count = 0;
	unsigned used;
	cleanup_close int dir_fd = log_open_directory(query->logs_path, query->instance);
	int r = dir_fd == -ENOENT ? 0 : dir_fd; /* nothing was ever written */

	if (dir_fd >= 0)
		r = open_sources(dir_fd, sources, &count);
	if (r < 0)
		return error_errno(err, -r, "its log cannot be read");
	used = choose(sources, count, query->lines);
	log_lines_init(&lines, query->since_ms, send, arg);
	while (used-- > 0)
		feed(&sources[used], &lines);
	log_lines_flush(&lines, true);
	log_lines_release(&lines);
	if (count > 0)
		position = (struct log_position){ sources[0].inode, sources[0].size };
	close_sources(sources, count);
	*ret_position = position;
	return 0;
}
