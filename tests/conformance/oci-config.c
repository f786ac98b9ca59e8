/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci-config ROOTFS <manifest.json: the config.json that the supervisor makes of each service, as one JSON
 * object by service name. Volumes and binds are taken from below SOURCES (second argument) by the name of
 * their target's last component. No daemon, no image: the root file system is the caller's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/model/compose.h"
#include "core/supervisor/bundle.h"
#include "core/supervisor/seccomp_default.h"

#define MANIFEST_MAX (1U << 20)

struct places {
	const char *rootfs;
	const char *sources;
};

/* Numbers only: names are looked up in the image, which has tests of its own. */
static void set_user(struct bundle *bundle)
{
	const char *user = bundle->spec->user;
	char *end = NULL;

	bundle->uid = user ? (uint32_t)strtoul(user, &end, 10) : 0;
	bundle->gid = end && *end == ':' ? (uint32_t)strtoul(end + 1, NULL, 10) : bundle->uid;
}

static json_t *config_of(const struct service *service, const struct places *places, json_t *seccomp)
{
	const struct container_spec *spec = &service->container;
	struct image image = { .working_dir = (char[]){ "" } };
	struct bundle_mount mounts[64] = { 0 };
	cleanup_strv char **sources = NULL;
	struct bundle bundle = {
		.spec = spec,
		.image = &image,
		.rootfs = places->rootfs,
		.hostname = spec->hostname ? spec->hostname : service->name,
		.mounts = mounts,
		.n_mounts = spec->n_mounts,
		.seccomp = seccomp,
		.init_path = spec->init ? "/bin/true" : NULL,
	};
	struct baton_error err;
	json_t *config;

	if (spec->n_mounts > array_size(mounts))
		return NULL;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *name = strrchr(spec->mounts[i].target, '/');

		if (strv_appendf(&sources, "%s%s", places->sources, name ? name : "/") < 0)
			return NULL;
		mounts[i].mount = &spec->mounts[i];
		mounts[i].source = spec->mounts[i].type == MOUNT_TMPFS ? NULL : sources[i];
	}
	set_user(&bundle);
	config = bundle_config(&bundle, &err);
	if (!config)
		(void)fprintf(stderr, "%s: %s\n", service->name, err.message);
	return config;
}

static int print_configs(const struct app *app, const struct places *places)
{
	cleanup_json json_t *seccomp = json_loads(seccomp_default_json(), 0, NULL);
	cleanup_json json_t *all = json_object();

	for (size_t i = 0; i < app->n_services; i++) {
		json_t *config = config_of(&app->services[i], places, seccomp);

		if (!config || json_object_set_new(all, app->services[i].name, config) < 0)
			return -EINVAL;
	}
	return json_dumpf(all, stdout, JSON_COMPACT) < 0 ? -EIO : 0;
}

static int run(const char *text, size_t length, const struct places *places)
{
	struct verdict verdict;
	struct app app;
	int r;

	verdict_init(&verdict);
	r = compose_decode(text, length, NULL, &app, &verdict);
	for (size_t i = 0; i < verdict.n_errors; i++)
		(void)fprintf(stderr, "%s: %s\n", verdict.errors[i].path, verdict.errors[i].reason);
	verdict_release(&verdict);
	if (r < 0)
		return r;
	r = print_configs(&app, places);
	app_release(&app);
	return r;
}

int main(int argc, char **argv)
{
	const struct places places = { .rootfs = argc == 3 ? argv[1] : "",
		.sources = argc == 3 ? argv[2] : "" };
	cleanup_free char *text = NULL;
	size_t length = 0;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: oci-config ROOTFS SOURCES <manifest.json\n");
		return 2;
	}
	if (file_read_fd(STDIN_FILENO, MANIFEST_MAX, &text, &length) < 0)
		return EXIT_FAILURE;
	return run(text, length, &places) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
