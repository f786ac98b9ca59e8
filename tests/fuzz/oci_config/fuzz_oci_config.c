/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json as the native runtime reads it. What is accepted keeps the promises of spec.h, because the
 * child believes them between clone and exec, where nothing can be checked again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/cleanup.h"
#include "plugins/native/seccomp.h"
#include "plugins/native/spec.h"

#define RULES_MAX 8 /* libseccomp takes milliseconds for many, which would be all that is tested */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool promise)
{
	if (!promise)
		abort();
}

static bool has_dots(const char *path)
{
	cleanup_free char *copy = strdup(path);
	char *state = NULL;

	need(copy);
	for (char *level = strtok_r(copy, "/", &state); level; level = strtok_r(NULL, "/", &state)) {
		if (strcmp(level, "..") == 0)
			return true;
	}
	return false;
}

static void check_path(const char *path)
{
	need(path && path[0] == '/' && !has_dots(path));
}

static void check_mounts(const struct spec *spec)
{
	need(spec->n_mounts <= SPEC_MOUNTS_MAX);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *mount = &spec->mounts[i];

		check_path(mount->destination);
		need(mount->destination[1] != '\0' && !strstr(mount->destination, "//"));
		need(mount->type && mount->source && mount->data);
		need(!mount->bind || (mount->source[0] == '/' && !mount->data[0]));
		if (strncmp(mount->destination, "/proc", 5) == 0 && strchr("/", mount->destination[5]))
			need(strcmp(mount->destination, "/proc") == 0 && strcmp(mount->type, "proc") == 0);
	}
}

static void check_lists(const struct spec *spec)
{
	need(spec->n_groups <= SPEC_GROUPS_MAX && spec->n_devices <= SPEC_DEVICES_MAX);
	need(spec->uid <= INT32_MAX && spec->gid <= INT32_MAX && spec->umask <= 0777);
	for (size_t i = 0; i < spec->n_devices; i++) {
		const struct spec_device *device = &spec->devices[i];

		need(device->path && *device->path && !strchr(device->path, '/'));
		need(strcmp(device->path, ".") != 0 && strcmp(device->path, "..") != 0);
		need(S_ISCHR(device->mode) || S_ISBLK(device->mode) || S_ISFIFO(device->mode));
	}
	for (char **path = spec->masked_paths; *path; path++)
		check_path(*path);
	for (char **path = spec->readonly_paths; *path; path++)
		check_path(*path);
	for (char **item = spec->sysctls; item && *item; item++) {
		const char *slashes = strstr(*item, "//");

		need(strchr(*item, '=') && !strchr(*item, '\n'));
		need(!slashes || slashes > strchr(*item, '=')); /* the value may have them */
	}
	for (size_t i = 0; i < spec->n_rlimits; i++)
		need(spec->rlimits[i].name != NULL);
}

static void compile(const json_t *profile)
{
	struct baton_error err = { 0 };
	struct sock_filter *filters = NULL;
	const json_t *rule;
	size_t count = 0;
	size_t index;

	if (json_array_size(json_object_get(profile, "syscalls")) > RULES_MAX)
		return;
	json_array_foreach(json_object_get(profile, "syscalls"), index, rule) {
		if (json_array_size(json_object_get(rule, "names")) > RULES_MAX)
			return;
	}
	if (seccomp_compile(profile, &filters, &count, &err) == 0)
		need(filters && count > 0 && count <= BPF_MAXINSNS);
	else
		need(err.code > 0 && *err.message);
	free(filters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct baton_error err = { 0 };
	struct spec spec;

	if (spec_parse((const char *)data, size, "/bundle", &spec, &err) < 0) {
		need(err.code > 0 && *err.message);
		return 0;
	}
	need(spec.args && spec.args[0] && spec.env && spec.rootfs[0] == '/');
	need(spec.new_namespace[NS_MOUNT] && !spec.namespace_path[NS_PID]);
	need((spec.effective & ~spec.permitted) == 0 && (spec.ambient & ~spec.inheritable) == 0);
	check_path(spec.cwd);
	check_mounts(&spec);
	check_lists(&spec);
	if (spec.seccomp)
		compile(spec.seccomp);
	spec_release(&spec);
	return 0;
}
