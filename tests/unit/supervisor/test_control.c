/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts in the place of baton-control: one that talks, one that lies, one that hangs, one that is not
 * there. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/supervisor/control.h"

#define WAIT_MS 10000

/* The supervisor as control.c sees it. */
struct supervisor {
	struct channel *channel;
	unsigned channels; /* that were handed over */
	unsigned messages;
	uint32_t type;
};

void supervisor_set_channel(struct supervisor *supervisor, struct channel *channel)
{
	supervisor->channel = channel;
	supervisor->channels += channel != NULL;
}

void supervisor_message(struct supervisor *supervisor, struct ipc_message *message)
{
	supervisor->messages++;
	supervisor->type = message->type;
}

struct fixture {
	struct event_base *base;
	struct event *tick;
	struct supervisor supervisor;
	struct config config;
	struct control_spec spec;
	struct control *control;
	char user[16];
	char directory[64];
	char program[96];
	unsigned stopped;
};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg; /* only so that event_base_loop() returns now and then */
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct timeval interval = { .tv_usec = 5000 };

	assert_non_null(fixture);
	log_open("test", LOG_LEVEL_ERROR);
	(void)snprintf(fixture->user, sizeof(fixture->user), "61236");
	(void)snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/baton-test-control-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	assert_int_equal(chmod(fixture->directory, 0755), 0);
	(void)snprintf(fixture->program, sizeof(fixture->program), "%s/control", fixture->directory);
	fixture->base = event_base_new();
	fixture->tick = event_new(fixture->base, -1, EV_PERSIST, on_tick, NULL);
	assert_int_equal(event_add(fixture->tick, &interval), 0);
	fixture->config.user = fixture->user;
	fixture->spec = (struct control_spec){ fixture->program, "/nonexistent.conf", &fixture->config,
		&fixture->supervisor };
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	control_free(fixture->control);
	event_free(fixture->tick);
	event_base_free(fixture->base);
	assert_int_equal(tree_remove_at(AT_FDCWD, fixture->directory), 0);
	free(fixture);
	return 0;
}

static void start(struct fixture *fixture, const char *script)
{
	cleanup_close int fd = open(fixture->program, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	struct baton_error err;

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, script, strlen(script)), 0);
	close_fd(&fd); /* before it is executed, or ETXTBSY */
	assert_int_equal(control_new(fixture->base, &fixture->spec, &fixture->control, &err), 0);
}

/* Runs the loop until *value has reached `wanted`. */
static void until(struct fixture *fixture, const unsigned *value, unsigned wanted)
{
	int64_t end = clock_boot_ms() + WAIT_MS;

	while (*value < wanted) {
		assert_true(clock_boot_ms() < end);
		assert_int_equal(event_base_loop(fixture->base, EVLOOP_ONCE), 0);
	}
}

static void on_stopped(void *arg)
{
	struct fixture *fixture = arg;

	fixture->stopped++;
}

static void stop(struct fixture *fixture)
{
	control_stop(fixture->control, on_stopped, fixture);
	until(fixture, &fixture->stopped, 1);
	assert_null(fixture->supervisor.channel);
	control_free(fixture->control);
	fixture->control = NULL;
	(void)event_base_loop(fixture->base, EVLOOP_NONBLOCK); /* nothing may be left that calls back */
	assert_int_equal(fixture->stopped, 1);
}

static void test_message_arrives(void **state)
{
	struct fixture *fixture = *state;

	/* BROKER_SAVE with sequence number 1 */
	start(fixture, "#!/bin/sh\nprintf '\\006\\000\\000\\000\\001\\000\\000\\000' >&3\nexec sleep 60\n");
	until(fixture, &fixture->supervisor.messages, 1);
	assert_int_equal(fixture->supervisor.type, IPC_BROKER_SAVE);
	assert_non_null(fixture->supervisor.channel);
	stop(fixture);
	assert_int_equal(fixture->supervisor.channels, 1);
}

static void test_arguments(void **state)
{
	struct fixture *fixture = *state;

	/* Only with exactly these arguments, an empty environment but for what sh makes itself, and fd 3 the
	 * last. */
	start(fixture, "#!/bin/sh\n[ \"$*\" = '--config /nonexistent.conf --channel 3' ] || exit 1\n"
	               "[ -z \"$HOME$USER\" ] || exit 1\n[ -e /proc/self/fd/3 ] && [ ! -e /proc/self/fd/4 ] "
	               "|| exit 1\n"
	               "printf '\\006\\000\\000\\000\\001\\000\\000\\000' >&3\nexec sleep 60\n");
	until(fixture, &fixture->supervisor.messages, 1);
	stop(fixture);
}

static void test_liar_is_killed_and_started_again(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "#!/bin/sh\nprintf 'this is no message' >&3\nexec sleep 60\n");
	until(fixture, &fixture->supervisor.channels, 3);
	assert_int_equal(fixture->supervisor.messages, 0);
	stop(fixture);
}

static void test_end_is_followed_by_a_start(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "#!/bin/sh\nexit 0\n");
	until(fixture, &fixture->supervisor.channels, 3);
	stop(fixture);
}

static void test_missing_program_is_tried_again(void **state)
{
	struct fixture *fixture = *state;
	struct baton_error err;

	assert_int_equal(control_new(fixture->base, &fixture->spec, &fixture->control, &err), 0);
	assert_null(fixture->supervisor.channel);
	control_stop(fixture->control, on_stopped, fixture);
	until(fixture, &fixture->stopped, 1);
}

static void test_deaf_one_is_killed_at_the_end(void **state)
{
	struct fixture *fixture = *state;
	int64_t begun;

	start(fixture, "#!/bin/sh\ntrap '' TERM\nprintf '\\006\\000\\000\\000\\001\\000\\000\\000' >&3\n"
	               "while :; do sleep 1; done\n");
	until(fixture, &fixture->supervisor.messages, 1);
	begun = clock_boot_ms();
	stop(fixture);
	assert_in_range(clock_boot_ms() - begun, 4500, 9000);
}

static void test_stop_between_two_lives(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "#!/bin/sh\nexit 1\n");
	while (fixture->supervisor.channel)
		assert_int_equal(event_base_loop(fixture->base, EVLOOP_ONCE), 0);
	stop(fixture);
}

static void test_user_must_exist(void **state)
{
	struct fixture *fixture = *state;
	struct baton_error err;

	(void)snprintf(fixture->user, sizeof(fixture->user), "no-such-user");
	assert_int_equal(control_new(fixture->base, &fixture->spec, &fixture->control, &err), -ENOENT);
	assert_null(fixture->control);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_message_arrives),
		TEST(test_arguments),
		TEST(test_liar_is_killed_and_started_again),
		TEST(test_end_is_followed_by_a_start),
		TEST(test_missing_program_is_tried_again),
		TEST(test_deaf_one_is_killed_at_the_end),
		TEST(test_stop_between_two_lives),
		TEST(test_user_must_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
