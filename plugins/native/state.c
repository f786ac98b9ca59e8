/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/native/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define STATE_BYTES_MAX 128

int state_write(int directory_fd, const char *id, const struct state *state)
{
	char text[STATE_BYTES_MAX];

	(void)snprintf(
	        text, sizeof(text), "%d %llu %d\n", (int)state->pid, state->start_time, state->started);
	return file_replace_at(directory_fd, id, text, strlen(text), 0600, FILE_VOLATILE);
}

int state_read(int directory_fd, const char *id, struct state *ret_state)
{
	cleanup_free char *text = NULL;
	struct state state;
	int pid;
	int started;
	int r = file_read_at(directory_fd, id, STATE_BYTES_MAX, &text, NULL);

	if (r < 0)
		return r;
	if (!text || sscanf(text, "%d %llu %d", &pid, &state.start_time, &started) != 3 || pid <= 0)
		return -EIO;
	state.pid = pid;
	state.started = started != 0;
	*ret_state = state;
	return 0;
}

int state_remove(int directory_fd, const char *id)
{
	return unlinkat(directory_fd, id, 0) < 0 ? -errno : 0;
}
