/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATE-DIR/ID: one line per container, so that a later process knows containers that this one made. The
 * line begins with the version of the format: a later plugin may meet containers of an earlier one.
 */
#ifndef BATON_NATIVE_STATE_H
#define BATON_NATIVE_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct state {
	int32_t pid;
	unsigned long long start_time; /* field 22 of /proc/PID/stat */
	bool started;                  /* the program was executed */
};

/*
 * All 0 or negative errno; -ENOENT without a record. Written by rename on a tmpfs. -EBADMSG from state_read
 * for a record that is not whole or of another version: nothing in it is believed.
 */
int state_write(int directory_fd, const char *id, const struct state *state);
int state_read(int directory_fd, const char *id, struct state *ret_state);
int state_remove(int directory_fd, const char *id);

#endif
