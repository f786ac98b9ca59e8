/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/native/state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define STATE_VERSION   1ULL
#define STATE_BYTES_MAX 128

int state_write(int directory_fd, const char *id, const struct state *state)
{
	char text[STATE_BYTES_MAX];

	(void)snprintf(text, sizeof(text), "%llu %d %llu %d\n", STATE_VERSION, (int)state->pid,
	        state->start_time, state->started);
	return file_replace_at(directory_fd, id, text, strlen(text), 0600, FILE_VOLATILE);
}

/* Digits and the character after them; sscanf(3) would take signs, blanks and numbers that wrap round. */
static bool next_number(const char **text, char after, unsigned long long max, unsigned long long *ret_number)
{
	const char *next = *text;
	unsigned long long number = 0;

	while (*next >= '0' && *next <= '9') {
		unsigned digit = (unsigned)(*next++ - '0');

		if (digit > max || number > (max - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	if (next == *text || *next != after)
		return false;
	*text = next + 1;
	*ret_number = number;
	return true;
}

int state_read(int directory_fd, const char *id, struct state *ret_state)
{
	cleanup_free char *text = NULL;
	unsigned long long version;
	unsigned long long pid;
	unsigned long long start_time;
	unsigned long long started;
	size_t length = 0;
	int r = file_read_at(directory_fd, id, STATE_BYTES_MAX, &text, &length);
	const char *next = text;

	if (r == -EFBIG)
		return -EBADMSG;
	if (r < 0)
		return r;
	if (!text || !next_number(&next, ' ', STATE_VERSION, &version) || version != STATE_VERSION ||
	        !next_number(&next, ' ', INT32_MAX, &pid) || pid == 0 ||
	        !next_number(&next, ' ', ULLONG_MAX, &start_time) || !next_number(&next, '\n', 1, &started) ||
	        next != text + length)
		return -EBADMSG;
	*ret_state = (struct state){ .pid = (int32_t)pid, .start_time = start_time, .started = started == 1 };
	return 0;
}

int state_remove(int directory_fd, const char *id)
{
	return unlinkat(directory_fd, id, 0) < 0 ? -errno : 0;
}
