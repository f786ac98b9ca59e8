/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/bundle_mounts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"

#define OPTIONS_MAX 8

struct fixed_mount {
	const char *destination;
	const char *type;
	const char *source;
	const char *options[OPTIONS_MAX];
};

static const struct fixed_mount default_mounts[] = {
	{ "/proc", "proc", "proc", { "nosuid", "noexec", "nodev" } },
	{ "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ "/dev/pts", "devpts", "devpts",
	        { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
};

static const struct fixed_mount cgroup_mount = { "/sys/fs/cgroup", "cgroup", "cgroup",
	{ "nosuid", "noexec", "nodev", "relatime", "ro" } };

void bundle_append(json_t **list, json_t *item)
{
	if (json_array_append_new(*list, item) == 0) /* takes NULL for both */
		return;
	json_decref(*list);
	*list = NULL;
}

static json_t *mount_json(
        const char *destination, const char *type, const char *source, const char *const *options)
{
	json_t *list = json_array();

	for (size_t i = 0; options[i]; i++)
		bundle_append(&list, json_string(options[i]));
	return json_pack("{s:s, s:s, s:s, s:o}", "destination", destination, "type", type, "source", source,
	        "options", list);
}

static json_t *fixed_json(const struct fixed_mount *mount)
{
	return mount_json(mount->destination, mount->type, mount->source, mount->options);
}

static json_t *tmpfs_json(const struct container_mount *mount)
{
	char size[40];
	char mode[24];
	const char *options[OPTIONS_MAX] = { "nosuid", "nodev", "noexec" };
	size_t count = 3;

	if (mount->tmpfs_size > 0) {
		(void)snprintf(size, sizeof(size), "size=%" PRIu64, mount->tmpfs_size);
		options[count++] = size;
	}
	(void)snprintf(mode, sizeof(mode), "mode=%o",
	        mount->tmpfs_mode == 0 && !mount->tmpfs_mode_zero ? 01777U : mount->tmpfs_mode);
	options[count++] = mode;
	if (mount->read_only)
		options[count++] = "ro";
	return mount_json(mount->target, "tmpfs", "tmpfs", options);
}

/* rprivate: nothing that is mounted below it later, on either side, passes to the other. */
static json_t *bind_json(const struct bundle_mount *mount)
{
	const char *const options[] = { "rbind", "rprivate", "nosuid", "nodev",
		mount->mount->read_only ? "ro" : "rw", NULL };

	return mount_json(mount->mount->target, "bind", mount->source, options);
}

json_t *bundle_mounts_json(
        const struct bundle_mounts_options *options, const struct bundle_mount *mounts, size_t n_mounts)
{
	json_t *array = json_array();

	for (size_t i = 0; i < array_size(default_mounts); i++)
		bundle_append(&array, fixed_json(&default_mounts[i]));
	if (options->cgroup2)
		bundle_append(&array, fixed_json(&cgroup_mount));
	if (options->init_path) {
		static const char *const init_options[] = { "bind", "ro", "nosuid", "nodev", NULL };

		bundle_append(
		        &array, mount_json(options->init_target, "bind", options->init_path, init_options));
	}
	for (size_t i = 0; i < n_mounts; i++) {
		bool tmpfs = mounts[i].mount->type == MOUNT_TMPFS;

		bundle_append(&array, tmpfs ? tmpfs_json(mounts[i].mount) : bind_json(&mounts[i]));
	}
	return array;
}
