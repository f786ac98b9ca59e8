/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

static char folder[] = "/tmp/baton-record-XXXXXX";
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

static void test_round_trip(void **state)
{
	struct record out = { .phase = RECORD_STOPPING,
		.boot = "boot",
		.generation = 7,
		.attempts = 3,
		.pid = 1234,
		.start_time = 99999999999,
		.started_ns = 5,
		.ended_ns = 6,
		.limit_unenforced = true,
		.has_exit_code = true,
		.exit_code = 137,
		.signal = 9,
		.oom_killed = true,
		.reason = "out of memory",
		.image_digest = "sha256:0" };
	struct record in;
	struct baton_error err = { 0 };

	(void)state;
	out.spec.id = strdup("a.b.1.c");
	out.spec.app = strdup("a");
	out.spec.stop_signal = strdup("SIGINT");
	out.spec.stop_grace_ms = 2500;
	assert_int_equal(record_write(folder_fd, &out), 0);
	assert_int_equal(record_read(folder_fd, &in, &err), 0);
	assert_int_equal(in.phase, RECORD_STOPPING);
	assert_int_equal(in.start_time, out.start_time);
	assert_int_equal(in.exit_code, 137);
	assert_int_equal(in.attempts, 3);
	assert_int_equal(in.ended_ns, 6);
	assert_true(in.oom_killed && in.limit_unenforced && !in.never_ran);
	assert_string_equal(in.reason, out.reason);
	assert_string_equal(in.spec.stop_signal, "SIGINT");
	assert_null(in.spec.service);
	assert_int_equal(in.spec.stop_grace_ms, 2500);
	record_release(&in);
	record_release(&out);
}

static void test_reason_that_is_not_utf8_does_not_lose_the_record(void **state)
{
	struct record out = { .phase = RECORD_ENDED, .reason = "path \xff\xfe" };
	struct record in;
	struct baton_error err = { 0 };

	(void)state;
	out.spec.id = strdup("x");
	assert_int_equal(record_write(folder_fd, &out), 0);
	assert_int_equal(record_read(folder_fd, &in, &err), 0);
	record_release(&in);
	record_release(&out);
}

/* What a batond of before has written is no reason to lose its containers. */
static void test_record_of_an_earlier_version(void **state)
{
	struct record out = { .phase = RECORD_RUNNING, .boot = "boot", .attempts = 3, .ended_ns = 6 };
	struct record in;
	struct baton_error err = { 0 };
	json_t *document;
	char path[PATH_MAX];

	(void)state;
	out.spec.id = strdup("x");
	assert_int_equal(record_write(folder_fd, &out), 0);
	(void)snprintf(path, sizeof(path), "%s/record.json", folder);
	document = json_load_file(path, 0, NULL);
	assert_non_null(document);
	assert_int_equal(json_object_del(document, "attempts"), 0);
	assert_int_equal(json_object_del(document, "ended_ns"), 0);
	assert_int_equal(json_dump_file(document, path, 0), 0);
	json_decref(document);
	assert_int_equal(record_read(folder_fd, &in, &err), 0);
	assert_int_equal(in.attempts, 0);
	assert_int_equal(in.ended_ns, 0);
	record_release(&in);
	record_release(&out);
}

static void test_broken_records_are_refused(void **state)
{
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"{\"phase\": 9, \"id\": \"x\"}",
		"{\"phase\": \"running\"}",
		"{\"phase\":1,\"boot\":\"0123456789012345678901234567890123456789\"}",
	};
	struct record in;
	struct baton_error err;

	(void)state;
	for (size_t i = 0; i < array_size(broken); i++) {
		assert_int_equal(file_replace_at(folder_fd, "record.json", broken[i], strlen(broken[i]), 0600,
		                         FILE_VOLATILE),
		        0);
		err.code = 0;
		assert_true(record_read(folder_fd, &in, &err) < 0);
		assert_true(err.code > 0);
	}
	assert_int_equal(unlinkat(folder_fd, "record.json", 0), 0);
	assert_int_equal(record_read(folder_fd, &in, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_reason_that_is_not_utf8_does_not_lose_the_record),
		cmocka_unit_test(test_record_of_an_earlier_version),
		cmocka_unit_test(test_broken_records_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
