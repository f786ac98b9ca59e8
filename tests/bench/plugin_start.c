/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A runtime plugin's start as the supervisor asks for it: from the create request to the first instruction of
 * the program, with the supervisor's own configuration, seccomp profile included. One round: create, start,
 * kill, delete.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/strv.h"
#include "core/supervisor/bundle.h"
#include "core/supervisor/plugin.h"
#include "core/supervisor/seccomp_default.h"
#include "tests/bench/measure.h"

#define DEADLINE_MS 10000

struct round {
	struct event_base *base;
	struct plugin *plugin;
	const char *folder;
	int32_t pid;
	int pidfd;
	bool failed;
};

static void on_done(void *arg, const struct baton_runtime_error *error)
{
	struct round *round = arg;

	if (error)
		(void)fprintf(stderr, "%s\n", error->message);
	round->failed = round->failed || error;
	(void)event_base_loopbreak(round->base);
}

static void on_created(void *arg, const struct baton_runtime_error *error, int32_t pid, int pidfd)
{
	struct round *round = arg;
	struct baton_runtime_error failure = { 0 };

	round->pid = pid;
	round->pidfd = pidfd;
	if (error || round->plugin->runtime->start(
	                     round->plugin->instance, "bench", DEADLINE_MS, on_done, round, &failure) < 0)
		on_done(round, error ? error : &failure);
}

static double once(struct round *round)
{
	struct baton_runtime_error failure = { 0 };
	int out[2];
	struct baton_create request = { .struct_size = sizeof(request),
		.id = "bench",
		.bundle = round->folder,
		.stdin_fd = -1,
		.stderr_fd = -1,
		.netns_fd = -1 };
	int64_t began;
	int64_t stamp;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -1;
	request.stdout_fd = out[1];
	began = clock_boot_ns();
	if (round->plugin->runtime->create(
	            round->plugin->instance, &request, DEADLINE_MS, on_created, round, &failure) < 0)
		on_done(round, &failure);
	else
		(void)event_base_dispatch(round->base);
	(void)close(out[1]);
	stamp = round->failed ? 0 : bench_read_stamp(out[0]);
	(void)close(out[0]);
	if (round->failed)
		return -1;
	(void)kill(round->pid, SIGKILL);
	(void)waitpid(round->pid, NULL, 0);
	(void)close(round->pidfd);
	if (round->plugin->runtime->delete_(
	            round->plugin->instance, "bench", DEADLINE_MS, on_done, round, &failure) == 0)
		(void)event_base_dispatch(round->base);
	return stamp > 0 ? (double)(stamp - began) / 1e6 : -1;
}

static int write_config(const char *folder)
{
	char rootfs[96];
	char command[] = "/stamp";
	char *args[] = { command, NULL };
	char empty[] = "";
	struct container_spec spec = { .command = args, .has_command = true, .slot = 1 };
	struct image image = { .working_dir = empty, .user = empty };
	struct bundle bundle = { .spec = &spec, .image = &image, .rootfs = rootfs, .hostname = "bench" };
	cleanup_close int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_json json_t *config = NULL;
	cleanup_free char *text = NULL;
	struct baton_error err;
	int r = -1;

	(void)snprintf(rootfs, sizeof(rootfs), "%s/rootfs", folder);
	bundle.seccomp = json_loads(seccomp_default_json(), 0, NULL);
	config = bundle_config(&bundle, &err);
	text = config ? json_text(config) : NULL;
	if (text)
		r = file_replace_at(folder_fd, "config.json", text, strlen(text), 0600, FILE_VOLATILE);
	json_decref(bundle.seccomp);
	return r;
}

static int run(struct round *round)
{
	static double values[BENCH_ROUNDS];

	for (int i = -BENCH_WARMUP; i < BENCH_ROUNDS; i++) {
		double value = once(round);

		if (value < 0)
			return EXIT_FAILURE;
		if (i >= 0)
			values[i] = value;
	}
	bench_print(values, BENCH_ROUNDS);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	char folder[64];
	char directory[512];
	struct round round = { .base = event_base_new(), .folder = folder };
	struct plugin_place place = {
		.directory = directory, .run = folder, .root = folder, .crun_path = "/usr/bin/crun"
	};
	struct baton_error err = { 0 };
	int status = EXIT_FAILURE;

	if (argc != 4 || bench_prepare(argv[1], folder) < 0 || write_config(folder) < 0) {
		(void)fprintf(stderr, "usage: %s STAMP-PROGRAM PLUGIN-DIRECTORY NAME (as root)\n", argv[0]);
		return EXIT_FAILURE;
	}
	(void)snprintf(directory, sizeof(directory), "%s", argv[2]);
	if (plugin_load(round.base, argv[3], &place, &round.plugin, &err) < 0)
		(void)fprintf(stderr, "%s\n", err.message);
	else
		status = run(&round);
	plugin_free(round.plugin);
	event_base_free(round.base);
	bench_clean(folder);
	return status;
}
