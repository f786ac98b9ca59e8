/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "plugins/crun/crun-priv.h"

#define CONFIG_MAX   ((size_t)4 * 1024 * 1024)
#define CONFIG_DEPTH 64

static int load(const char *bundle, json_t **ret_config, struct baton_error *err)
{
	const struct json_limits limits = { .bytes = CONFIG_MAX, .depth = CONFIG_DEPTH };
	cleanup_close int bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	size_t length = 0;
	int r;

	if (bundle_fd < 0)
		return error_errno(err, errno, "bundle %s", bundle);
	r = file_read_at(bundle_fd, "config.json", CONFIG_MAX, &text, &length);
	if (r < 0)
		return error_errno(err, -r, "%s/config.json", bundle);
	r = json_parse(text ? text : "", length, limits, ret_config, err);
	return r < 0 ? error_prefix(err, "%s/config.json", bundle) : 0;
}

/* Real directories or nothing: what crun makes and mounts there must not go where a link leads. */
static int check_directories(int root_fd, struct baton_error *err)
{
	static const char *const names[] = { "proc", "sys", "dev" };
	struct stat status;

	for (size_t i = 0; i < array_size(names); i++) {
		if (fstatat(root_fd, names[i], &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(status.st_mode))
			return error_set(
			        err, ENOTDIR, "the image's /%s is no directory: not run by crun", names[i]);
	}
	return 0;
}

/* Devices or nothing: crun takes what has the name, and sends standard output to what is called null. */
static int check_devices(int root_fd, struct baton_error *err)
{
	static const struct {
		const char *path;
		unsigned major;
		unsigned minor;
	} devices[] = {
		{ "dev/null", 1, 3 },
		{ "dev/zero", 1, 5 },
		{ "dev/full", 1, 7 },
		{ "dev/random", 1, 8 },
		{ "dev/urandom", 1, 9 },
		{ "dev/tty", 5, 0 },
	};
	struct stat status;

	for (size_t i = 0; i < array_size(devices); i++) {
		if (fstatat(root_fd, devices[i].path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		        (!S_ISCHR(status.st_mode) ||
		                status.st_rdev != makedev(devices[i].major, devices[i].minor)))
			return error_set(err, EEXIST, "the image's /%s is not that device: not run by crun",
			        devices[i].path);
	}
	return 0;
}

static bool mounts_on_dev(const json_t *config)
{
	const json_t *mount;
	size_t i;

	json_array_foreach(json_object_get(config, "mounts"), i, mount) {
		if (strcmp(json_get_string(mount, "destination", ""), "/dev") == 0)
			return true;
	}
	return false;
}

int config_check_root(const char *bundle, struct baton_error *err)
{
	cleanup_json json_t *config = NULL;
	cleanup_close int bundle_fd = -1;
	cleanup_close int root_fd = -1;
	const char *path;
	int r = load(bundle, &config, err);

	if (r < 0)
		return r;
	path = json_get_string(json_object_get(config, "root"), "path", "rootfs");
	bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	root_fd = openat(bundle_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return error_errno(err, errno, "root %s", path);
	r = check_directories(root_fd, err);
	return r < 0 || mounts_on_dev(config) ? r : check_devices(root_fd, err);
}

int config_without_network(const char *bundle, int state_fd, const char *name, struct baton_error *err)
{
	cleanup_json json_t *config = NULL;
	cleanup_free char *changed = NULL;
	json_t *namespaces;
	int r = load(bundle, &config, err);

	if (r < 0)
		return r;
	namespaces = json_object_get(json_object_get(config, "linux"), "namespaces");
	for (size_t i = json_array_size(namespaces); i-- > 0;) {
		if (strcmp(json_get_string(json_array_get(namespaces, i), "type", ""), "network") == 0)
			(void)json_array_remove(namespaces, i);
	}
	changed = json_text(config);
	if (!changed)
		return error_set(err, ENOMEM, "out of memory");
	r = file_replace_at(state_fd, name, changed, strlen(changed), 0600, FILE_VOLATILE);
	return r < 0 ? error_errno(err, -r, "changed config.json") : 0;
}
