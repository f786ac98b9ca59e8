/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/process.h"

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

#include "core/base/become.h"
#include "core/base/cleanup.h"

struct result {
	struct event_base *base;
	struct process_exit exit;
	unsigned calls;
};

static void on_end(struct process *process, const struct process_exit *exit, void *arg)
{
	struct result *result = arg;

	(void)process;
	result->exit = *exit;
	result->calls++;
	(void)event_base_loopbreak(result->base);
}

static void run(const char *script, unsigned deadline_ms, int out, struct result *result)
{
	char *const argv[] = { strdup("sh"), strdup("-c"), strdup(script), NULL };
	const struct process_spec spec = { .path = "/bin/sh",
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = out,
		.stderr_fd = -1,
		.deadline_ms = deadline_ms,
		.on_exit = on_end,
		.arg = result };
	struct process *process = NULL;
	struct baton_error err = { 0 };

	*result = (struct result){ .base = event_base_new() };
	assert_int_equal(process_spawn(result->base, &spec, &process, &err), 0);
	assert_int_equal(event_base_dispatch(result->base), 0);
	assert_int_equal(result->calls, 1);
	process_free(process);
	event_base_free(result->base);
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
}

static void test_exit_codes_and_signals(void **state)
{
	struct result result;

	(void)state;
	run("exit 7", 0, -1, &result);
	assert_int_equal(result.exit.code, 7);
	run("kill -TERM $$", 0, -1, &result);
	assert_int_equal(result.exit.code, -1);
	assert_int_equal(result.exit.signal, SIGTERM);
}

static void test_deadline_kills_what_ignores_term(void **state)
{
	struct result result;

	(void)state;
	run("trap '' TERM; while :; do sleep 0.05; done", 50, -1, &result);
	assert_true(result.exit.timed_out);
	assert_int_equal(result.exit.signal, SIGKILL);
}

static void test_only_named_descriptors_arrive(void **state)
{
	int leak = open("/etc/passwd", O_RDONLY); /* deliberately without O_CLOEXEC */
	int pipe_fds[2];
	char text[64] = "";
	struct result result;

	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	run("cd /proc/self/fd && echo *", 0, pipe_fds[1], &result);
	assert_true(read(pipe_fds[0], text, sizeof(text) - 1) > 0);
	assert_true(strncmp(text, "0 1 2", 5) == 0);
	assert_null(strstr(text, "4"));
	(void)close(leak);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

static void test_a_failed_execve_names_the_step(void **state)
{
	char *const argv[] = { NULL };
	const struct process_spec spec = { .path = "/nonexistent",
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.on_exit = on_end };
	struct event_base *base = event_base_new();
	struct process *process = NULL;
	struct baton_error err = { 0 };

	(void)state;
	assert_int_equal(process_spawn(base, &spec, &process, &err), -ENOENT);
	assert_non_null(strstr(err.message, "execve"));
	assert_null(process);
	event_base_free(base);
}

/* As baton-control in a checkout below /root. */
static void test_program_below_a_closed_directory(void **state)
{
	char folder[] = "/tmp/baton-test-process-XXXXXX";
	char program[sizeof(folder) + 8];
	char copy[sizeof(folder) + 64];
	struct become nobody = { .uid = 65534, .gid = 65534 };
	char name[] = "sh";
	char option[] = "-c";
	char script[] = "test $(id -u) = 65534 && exit 7";
	char *const argv[] = { name, option, script, NULL };
	char path[] = "PATH=/usr/bin:/bin";
	char *const envp[] = { path, NULL };
	struct result result;
	const struct process_spec spec = { .path = program,
		.argv = argv,
		.envp = envp,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.prepare = become_prepare,
		.prepare_arg = &nobody,
		.on_exit = on_end,
		.arg = &result };
	struct process *process = NULL;
	struct baton_error err = { 0 };
	struct stat found;

	(void)state;
	assert_non_null(mkdtemp(folder)); /* with mode 0700 */
	(void)snprintf(program, sizeof(program), "%s/sh", folder);
	(void)snprintf(copy, sizeof(copy), "cp /bin/sh %s", program);
	run(copy, 0, -1, &result);
	assert_int_equal(stat(program, &found), 0);
	result = (struct result){ .base = event_base_new() };
	assert_int_equal(process_spawn(result.base, &spec, &process, &err), 0);
	assert_int_equal(event_base_dispatch(result.base), 0);
	assert_int_equal(result.exit.code, 7);
	process_free(process);
	event_base_free(result.base);
	assert_int_equal(unlink(program), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void test_start_time(void **state)
{
	unsigned long long one;
	unsigned long long two;

	(void)state;
	assert_int_equal(process_start_time(getpid(), &one), 0);
	assert_int_equal(process_start_time(getpid(), &two), 0);
	assert_true(one == two && one > 0);
	assert_true(process_start_time(0x7FFFFFF0, &one) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_codes_and_signals),
		cmocka_unit_test(test_deadline_kills_what_ignores_term),
		cmocka_unit_test(test_only_named_descriptors_arrive),
		cmocka_unit_test(test_a_failed_execve_names_the_step),
		cmocka_unit_test(test_program_below_a_closed_directory),
		cmocka_unit_test(test_start_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
