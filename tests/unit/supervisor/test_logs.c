/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/logs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

struct fixture {
	char path[64];
	int dir_fd;
	int instance_fd;
	int logs_fd;
	struct event_base *base;
	struct logs *logs;
	int out;
	int errors;
};

static void open_logs(struct fixture *fixture, uint64_t file_max, uint32_t files_max)
{
	const struct logs_config config = {
		.instance_fd = fixture->instance_fd,
		.logs_fd = fixture->logs_fd,
		.id = "a.b.1.c",
		.file_max = file_max,
		.files_max = files_max,
		.gid = getgid(),
	};
	struct baton_error err = { 0 };

	assert_int_equal(logs_open(fixture->base, &config, &fixture->logs, &err), 0);
	fixture->out = logs_container_fd(fixture->logs, LOG_STDOUT);
	fixture->errors = logs_container_fd(fixture->logs, LOG_STDERR);
	assert_true(fixture->out >= 0 && fixture->errors >= 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/baton-logs-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->dir_fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture->instance_fd = dir_open_make_at(fixture->dir_fd, "instance", 0700);
	fixture->logs_fd = dir_open_make_at(fixture->dir_fd, "logs", 0700);
	fixture->base = event_base_new();
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	logs_abandon(fixture->logs);
	close_fd(&fixture->out);
	close_fd(&fixture->errors);
	event_base_free(fixture->base);
	close_fd(&fixture->instance_fd);
	close_fd(&fixture->logs_fd);
	close_fd(&fixture->dir_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, fixture->path), 0);
	free(fixture);
	return 0;
}

static void turn(struct fixture *fixture)
{
	for (int i = 0; i < 20; i++)
		(void)event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

static char *file_text(struct fixture *fixture, const char *name)
{
	cleanup_close int dir = openat(fixture->logs_fd, "a.b.1.c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *text = NULL;

	assert_int_equal(file_read_at(dir, name, 1 << 20, &text, NULL), 0);
	return text ? text : strdup("");
}

static void test_lines_get_time_stream_and_flag(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *text = NULL;

	open_logs(fixture, 65536, 2);
	assert_int_equal(write(fixture->out, "one\ntw", 6), 6);
	turn(fixture);
	assert_int_equal(write(fixture->out, "o\n", 2), 2);
	assert_int_equal(write(fixture->errors, "bad\n", 4), 4);
	turn(fixture);
	text = file_text(fixture, "current");
	assert_non_null(strstr(text, "Z stdout F one\n"));
	assert_non_null(strstr(text, "Z stdout F two\n"));
	assert_non_null(strstr(text, "Z stderr F bad\n"));
	assert_int_equal(text[4], '-');  /* year first */
	assert_int_equal(text[29], 'Z'); /* nine digits of nanoseconds */
}

static void test_long_line_is_split_and_marked(void **state)
{
	struct fixture *fixture = *state;
	char line[CONFIG_LOG_LINE_MAX + 2];
	cleanup_free char *text = NULL;

	open_logs(fixture, 65536, 2);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	assert_int_equal(write(fixture->out, line, sizeof(line)), sizeof(line));
	turn(fixture);
	text = file_text(fixture, "current");
	assert_non_null(strstr(text, "Z stdout P xxx"));
	assert_non_null(strstr(text, "Z stdout F x\n"));
}

static void test_files_are_rotated_and_bounded(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *current = NULL;
	cleanup_free char *previous = NULL;
	char line[128];

	open_logs(fixture, 4096, 2);
	for (int i = 0; i < 200; i++) {
		int length = snprintf(line, sizeof(line), "line-%04d %064d\n", i, 0);

		assert_int_equal(write(fixture->out, line, (size_t)length), length);
		turn(fixture);
	}
	current = file_text(fixture, "current");
	previous = file_text(fixture, "current.1");
	assert_true(strlen(current) <= 4096 && strlen(previous) <= 4096);
	assert_non_null(strstr(current, "line-0199"));
	assert_int_equal(faccessat(fixture->logs_fd, "a.b.1.c/current.2", F_OK, 0), -1);
}

static void test_close_drains_and_completes_the_last_line(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *text = NULL;

	open_logs(fixture, 65536, 2);
	assert_int_equal(write(fixture->out, "no newline", 10), 10);
	logs_close(fixture->logs); /* a very short container: nothing was read yet */
	fixture->logs = NULL;
	text = file_text(fixture, "current");
	assert_non_null(strstr(text, "Z stdout F no newline\n"));
}

static void test_nothing_is_lost_over_a_restart(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *text = NULL;

	open_logs(fixture, 65536, 2);
	assert_int_equal(write(fixture->out, "before\n", 7), 7);
	turn(fixture);
	logs_abandon(fixture->logs); /* what kill -9 of batond does */
	fixture->logs = NULL;
	assert_int_equal(write(fixture->out, "meanwhile\n", 10), 10);
	close_fd(&fixture->errors);
	int held = fixture->out;
	open_logs(fixture, 65536, 2);
	assert_int_equal(write(held, "after\n", 6), 6);
	turn(fixture);
	(void)close(held);
	text = file_text(fixture, "current");
	assert_non_null(strstr(text, "before\n"));
	assert_non_null(strstr(text, "meanwhile\n"));
	assert_non_null(strstr(text, "after\n"));
}

/* What the loop has to do in a while, as processor time. */
static long idle_cost_ms(struct fixture *fixture, long ms)
{
	const struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	struct timespec before;
	struct timespec after;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	(void)event_base_loopexit(fixture->base, &wait);
	(void)event_base_loop(fixture->base, 0);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	return (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
}

/* `exec app 2>/dev/null`: the last writer has gone, the container lives. */
static void test_a_closed_stream_costs_nothing(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *text = NULL;

	open_logs(fixture, 65536, 2);
	assert_int_equal(write(fixture->out, "last\n", 5), 5);
	close_fd(&fixture->out);
	close_fd(&fixture->errors);
	assert_in_range(idle_cost_ms(fixture, 300), 0, 100);
	text = file_text(fixture, "current");
	assert_non_null(strstr(text, "Z stdout F last\n"));
	/* Who opens /dev/stdout again is heard. */
	fixture->out = logs_container_fd(fixture->logs, LOG_STDOUT);
	assert_int_equal(write(fixture->out, "again\n", 6), 6);
	turn(fixture);
	free(text);
	text = file_text(fixture, "current");
	assert_non_null(strstr(text, "Z stdout F again\n"));
}

static void test_half_a_line_survives_a_restart(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *text = NULL;
	int held;

	open_logs(fixture, 65536, 2);
	assert_int_equal(write(fixture->out, "abc", 3), 3);
	turn(fixture);
	logs_abandon(fixture->logs);
	fixture->logs = NULL;
	close_fd(&fixture->errors);
	held = fixture->out;
	open_logs(fixture, 65536, 2);
	assert_int_equal(write(held, "def\n", 4), 4);
	turn(fixture);
	(void)close(held);
	text = file_text(fixture, "current");
	assert_non_null(strstr(text, "Z stdout P abc\n"));
	assert_non_null(strstr(text, "Z stdout F def\n"));
}

/* kill -9 of batond takes what is in its memory: half a line does not wait there for long. */
static void test_half_a_line_waits_a_second_at_most(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *soon = NULL;
	cleanup_free char *later = NULL;
	cleanup_free char *end = NULL;

	open_logs(fixture, 65536, 2);
	assert_int_equal(write(fixture->out, "abc", 3), 3);
	(void)idle_cost_ms(fixture, 200);
	soon = file_text(fixture, "current");
	assert_string_equal(soon, "");
	(void)idle_cost_ms(fixture, 1200);
	later = file_text(fixture, "current");
	assert_non_null(strstr(later, "Z stdout P abc\n"));
	logs_close(fixture->logs); /* a line that was begun is ended */
	fixture->logs = NULL;
	end = file_text(fixture, "current");
	assert_non_null(strstr(end, "Z stdout F \n"));
	assert_null(strstr(end, "stderr"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines_get_time_stream_and_flag, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_line_is_split_and_marked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_files_are_rotated_and_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        test_close_drains_and_completes_the_last_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_is_lost_over_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_closed_stream_costs_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_a_line_survives_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_a_line_waits_a_second_at_most, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
