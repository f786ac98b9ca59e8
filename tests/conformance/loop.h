/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services of struct baton_host on epoll and the boot clock, for runtime-host. Nothing of Baton but its
 * plugin ABI is needed, so that it can be built and taken apart by authors of other plugins.
 */
#ifndef BATON_TEST_LOOP_H
#define BATON_TEST_LOOP_H

#include <baton/runtime.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOP_SETTINGS_MAX 16

struct loop {
	int epoll_fd;
	struct baton_timer *timers;
	size_t n_timers;
	size_t n_watches;
	const char *settings[LOOP_SETTINGS_MAX]; /* KEY=VALUE */
	size_t n_settings;
};

int64_t loop_now_ms(void);

/* Fills the table; `loop` is its first argument. Exits the program when there is no epoll. */
void loop_init(struct loop *loop, struct baton_host *host);

/* Handles one timer or one descriptor, or waits until `until` (boot clock, ms) for that. False when it is
 * later than `until`. */
bool loop_once(struct loop *loop, int64_t until);

void loop_release(struct loop *loop);

#endif
