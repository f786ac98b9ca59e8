/* SPDX-License-Identifier: Apache-2.0 */
/* The image library as a command, for tests/integration/test_image_import.py. Answers in JSON on one line. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/image/import.h"
#include "core/image/record.h"
#include "core/image/rootfs.h"
#include "core/image/store.h"
#include "core/image/users.h"

#define GROUPS_MAX 32

typedef int (*verb_fn)(char **argv, struct baton_error *err);

static int run_import(char **argv, struct baton_error *err)
{
	struct image_import result = { 0 };
	int r = image_import(
	        argv[0], argv[1], strcmp(argv[2], "-") == 0 ? NULL : argv[2], argv[3], &result, err);

	if (r == 0)
		(void)printf("{\"ref\":\"%s\",\"digest\":\"%s\",\"xattrs\":%" PRIu64 "}\n", result.ref,
		        result.digest, result.dropped_xattrs);
	return r;
}

static int run_list(char **argv, struct baton_error *err)
{
	cleanup_close int store = image_store_open(argv[0], err);
	cleanup_free struct image_entry *entries = NULL;
	size_t count = 0;
	int r = store < 0 ? store : image_list(store, &entries, &count, err);

	if (r < 0)
		return r;
	(void)printf("[");
	for (size_t i = 0; i < count; i++)
		(void)printf("%s{\"ref\":\"%s\",\"digest\":\"%s\",\"size\":%" PRIu64 "}", i > 0 ? "," : "",
		        entries[i].ref, entries[i].digest, entries[i].size);
	(void)printf("]\n");
	return 0;
}

static int run_lookup(char **argv, struct baton_error *err)
{
	cleanup_close int store = image_store_open(argv[0], err);
	cleanup_with(image_release) struct image image = { .size = 0 };
	cleanup_free char *text = NULL;
	int r = store < 0 ? store : image_lookup(store, argv[1], &image, err);

	if (r < 0)
		return r;
	text = image_record_text(&image);
	(void)printf("%s\n", text ? text : "");
	return 0;
}

struct removal {
	int store_fd;
	char **argv;
};

/* A container that starts now would have looked the image up before, or does not find it. */
static int used(void *arg, char ***layers, struct baton_error *err)
{
	const struct removal *removal = arg;
	struct image image;

	if (image_lookup(removal->store_fd, removal->argv[1], &image, err) != -ENOENT)
		return error_set(err, EEXIST, "the name is still there");
	return strv_append(layers, removal->argv[2]);
}

/* ROOT REF KEEP|- */
static int run_remove(char **argv, struct baton_error *err)
{
	cleanup_close int store = image_store_open(argv[0], err);
	struct removal removal = { store, argv };
	image_used_fn keep = strcmp(argv[2], "-") == 0 ? NULL : used;
	uint64_t freed = 0;
	int r = store < 0 ? store : image_remove(store, argv[1], keep, &removal, &freed, err);

	if (r == 0)
		(void)printf("{\"freed\":%" PRIu64 "}\n", freed);
	return r;
}

/* ROOT REF UPPER TARGET rw|ro: prints how long the mount took. */
static int run_mount(char **argv, struct baton_error *err)
{
	cleanup_close int store = image_store_open(argv[0], err);
	cleanup_close int upper = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(image_release) struct image image = { .size = 0 };
	struct timespec begin;
	struct timespec end;
	int r = store < 0 ? store : image_lookup(store, argv[1], &image, err);

	if (r < 0)
		return r;
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	r = image_rootfs_mount(store, &image, upper, argv[3], strcmp(argv[4], "ro") == 0, err);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	if (r == 0)
		(void)printf("{\"us\":%lld}\n", (long long)((end.tv_sec - begin.tv_sec) * 1000000 +
		                                            (end.tv_nsec - begin.tv_nsec) / 1000));
	return r;
}

static int run_user(char **argv, struct baton_error *err)
{
	cleanup_close int root = open(argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t groups[GROUPS_MAX];
	struct image_user user = { .groups = groups, .max_groups = GROUPS_MAX };
	int r = image_user_resolve(root, argv[1], &user, err);

	if (r < 0)
		return r;
	(void)printf("{\"uid\":%u,\"gid\":%u,\"groups\":[", user.uid, user.gid);
	for (size_t i = 0; i < user.n_groups; i++)
		(void)printf("%s%u", i > 0 ? "," : "", groups[i]);
	(void)printf("]}\n");
	return 0;
}

static const struct {
	const char *name;
	int arguments;
	verb_fn run;
} verbs[] = {
	{ "import", 4, run_import },
	{ "list", 1, run_list },
	{ "lookup", 2, run_lookup },
	{ "remove", 3, run_remove },
	{ "mount", 5, run_mount },
	{ "user", 2, run_user },
};

int main(int argc, char **argv)
{
	struct baton_error err = { 0 };

	for (size_t i = 0; argc > 1 && i < array_size(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0 || argc - 2 != verbs[i].arguments)
			continue;
		if (verbs[i].run(argv + 2, &err) == 0)
			return EXIT_SUCCESS;
		(void)fprintf(stderr, "%d %s\n", err.code, err.message);
		return EXIT_FAILURE;
	}
	(void)fprintf(stderr, "usage: %s VERB ARGUMENTS\n", argv[0]);
	return 2;
}
