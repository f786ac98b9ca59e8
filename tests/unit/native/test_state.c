/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/native/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

static char folder[] = "/tmp/baton-state-XXXXXX";
static int folder_fd = -1;

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(&folder_fd);
	return tree_remove_at(AT_FDCWD, folder);
}

static void put(const char *text, size_t length)
{
	assert_int_equal(file_replace_at(folder_fd, "c", text, length, 0600, FILE_VOLATILE), 0);
}

static void test_round_trip(void **state)
{
	static const struct state states[] = {
		{ .pid = 1, .start_time = 0, .started = false },
		{ .pid = 4194304, .start_time = 123456789, .started = true },
		{ .pid = INT32_MAX, .start_time = ULLONG_MAX, .started = true },
	};
	struct state in;
	struct stat status;

	(void)state;
	for (size_t i = 0; i < array_size(states); i++) {
		assert_int_equal(state_write(folder_fd, "c", &states[i]), 0);
		assert_int_equal(state_read(folder_fd, "c", &in), 0);
		assert_int_equal(in.pid, states[i].pid);
		assert_true(in.start_time == states[i].start_time);
		assert_int_equal(in.started, states[i].started);
	}
	assert_int_equal(fstatat(folder_fd, "c", &status, 0), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_missing(void **state)
{
	struct state in = { .pid = 77 };

	(void)state;
	assert_int_equal(state_read(folder_fd, "none", &in), -ENOENT);
	assert_int_equal(state_remove(folder_fd, "none"), -ENOENT);
	assert_int_equal(in.pid, 77);
}

static void test_remove(void **state)
{
	const struct state out = { .pid = 5 };
	struct state in;

	(void)state;
	assert_int_equal(state_write(folder_fd, "r", &out), 0);
	assert_int_equal(state_remove(folder_fd, "r"), 0);
	assert_int_equal(state_read(folder_fd, "r", &in), -ENOENT);
}

/* Nothing is written to disk that a power cut could tear, yet no part of a record passes for a whole one. */
static void test_every_truncation(void **state)
{
	const struct state out = { .pid = 1234, .start_time = 567890, .started = true };
	cleanup_free char *text = NULL;
	struct state in;
	size_t length;

	(void)state;
	assert_int_equal(state_write(folder_fd, "c", &out), 0);
	assert_int_equal(file_read_at(folder_fd, "c", 128, &text, &length), 0);
	for (size_t kept = 0; kept < length; kept++) {
		put(text, kept);
		assert_int_equal(state_read(folder_fd, "c", &in), -EBADMSG);
	}
}

static void test_garbage(void **state)
{
	static const char *const broken[] = {
		"garbage\n",
		"1234 567890 1\n",   /* no version: the format before it had one */
		"2 1234 567890 1\n", /* a later version */
		"0 1234 567890 1\n",
		"11 1234 567890 1\n",
		"1 0 567890 1\n",
		"1 -1 567890 1\n",
		"1 +5 567890 1\n",
		"1 2147483648 567890 1\n",
		"1 4294967297 567890 1\n",
		"1 1234 18446744073709551616 1\n",
		"1 1234 -1 1\n",
		"1 1234 567890 2\n",
		"1 1234 567890 1\n1 1 1 1\n",
		"1 1234 567890 1 \n",
		"1  1234 567890 1\n",
		" 1 1234 567890 1\n",
		"1 0x4 567890 1\n",
	};
	struct state in = { .pid = 77 };

	(void)state;
	for (size_t i = 0; i < array_size(broken); i++) {
		put(broken[i], strlen(broken[i]));
		assert_int_equal(state_read(folder_fd, "c", &in), -EBADMSG);
	}
	put("1 5 6 1\n\0x", 10);
	assert_int_equal(state_read(folder_fd, "c", &in), -EBADMSG);
	assert_int_equal(in.pid, 77);
}

static void test_too_large(void **state)
{
	char text[4096];
	struct state in;

	(void)state;
	memset(text, '1', sizeof(text));
	put(text, sizeof(text));
	assert_int_equal(state_read(folder_fd, "c", &in), -EBADMSG);
}

/* A record that is replaced by something else is no way to another file. */
static void test_link_and_directory(void **state)
{
	const struct state out = { .pid = 5 };
	struct state in;

	(void)state;
	assert_int_equal(mkdirat(folder_fd, "d", 0700), 0);
	assert_true(state_read(folder_fd, "d", &in) < 0);
	assert_true(state_write(folder_fd, "d", &out) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_link_and_directory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
