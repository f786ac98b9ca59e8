/* SPDX-License-Identifier: Apache-2.0 */
/* `linux` of config.json. linux.resources is the host's: it made the control group. */
#include "plugins/native/spec-priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/strv.h"

static const struct {
	const char *name;
	enum spec_namespace kind;
	bool may_join;
} namespace_names[] = {
	{ "mount", NS_MOUNT, false },
	{ "pid", NS_PID, false },
	{ "ipc", NS_IPC, false },
	{ "uts", NS_UTS, false },
	{ "network", NS_NETWORK, true },
	{ "cgroup", NS_CGROUP, false },
};

/* The name spaces of a sysctl and what isolates it (PLATFORM section 4; CVE-2022-0811 for the characters). */
static const struct {
	const char *prefix; /* a trailing '.' means: and everything below */
	enum spec_namespace isolated_by;
} sysctl_names[] = {
	{ "fs.mqueue.", NS_IPC },
	{ "kernel.msgmax", NS_IPC },
	{ "kernel.msgmnb", NS_IPC },
	{ "kernel.msgmni", NS_IPC },
	{ "kernel.sem", NS_IPC },
	{ "kernel.shmall", NS_IPC },
	{ "kernel.shmmax", NS_IPC },
	{ "kernel.shmmni", NS_IPC },
	{ "kernel.shm_rmid_forced", NS_IPC },
	{ "kernel.domainname", NS_UTS },
	{ "net.", NS_NETWORK },
};

static int decode_namespace(const json_t *item, struct spec *spec, unsigned *seen, struct baton_error *err)
{
	const char *type = json_get_string(item, "type", "");
	const char *path = json_get_string(item, "path", NULL);

	for (size_t i = 0; i < array_size(namespace_names); i++) {
		if (strcmp(namespace_names[i].name, type) != 0)
			continue;
		if (*seen & (1U << i))
			return error_set(err, EINVAL, "linux.namespaces: \"%s\" is there twice", type);
		*seen |= 1U << i;
		if (path && !namespace_names[i].may_join)
			return error_set(err, EOPNOTSUPP,
			        "linux.namespaces: joining a %s namespace is not supported", type);
		spec->new_namespace[namespace_names[i].kind] = !path;
		spec->namespace_path[namespace_names[i].kind] = path;
		return 0;
	}
	return error_set(err, EOPNOTSUPP, "linux.namespaces: \"%s\" is not supported", type);
}

static int decode_namespaces(const json_t *object, struct spec *spec, struct baton_error *err)
{
	const json_t *list;
	unsigned seen = 0; /* bit i: namespace_names[i] */
	size_t index;
	json_t *item;
	int r = spec_member(object, "namespaces", JSON_ARRAY, &list, err);

	if (r < 0)
		return r;
	json_array_foreach(list, index, item) {
		r = decode_namespace(item, spec, &seen, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool sysctl_allowed(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < array_size(sysctl_names); i++) {
		size_t length = strlen(sysctl_names[i].prefix);
		bool below = sysctl_names[i].prefix[length - 1] == '.';

		if (below ? strncmp(name, sysctl_names[i].prefix, length) == 0
		          : strcmp(name, sysctl_names[i].prefix) == 0)
			return spec->new_namespace[sysctl_names[i].isolated_by];
	}
	return false;
}

static int decode_sysctls(const json_t *object, struct spec *spec, struct baton_error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value) {
		const char *text = json_is_string(value) ? json_string_value(value) : NULL;
		char *assignment;

		if (!text || strpbrk(text, "\n\r") ||
		        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		                     "0123456789._-") != strlen(name) ||
		        strstr(name, "..") || !sysctl_allowed(spec, name))
			return error_set(err, EINVAL,
			        "linux.sysctl: \"%s\" is not a setting of the container's own namespaces",
			        name);
		if (strv_appendf(&spec->sysctls, "%s=%s", name, text) < 0)
			return error_set(err, ENOMEM, "out of memory");
		assignment = spec->sysctls[strv_length(spec->sysctls) - 1];
		for (size_t i = 0; assignment[i] != '='; i++) {
			if (assignment[i] == '.')
				assignment[i] = '/';
		}
	}
	return 0;
}

static int decode_device(const json_t *item, struct spec_device *device, struct baton_error *err)
{
	const char *path = json_get_string(item, "path", "");
	const char *type = json_get_string(item, "type", "");
	uint64_t major_number;
	uint64_t minor_number;
	uint64_t mode;
	uint64_t uid;
	uint64_t gid;
	int r = spec_check_path(path, "linux.devices", err);

	if (r < 0)
		return r;
	if (strncmp(path, "/dev/", 5) != 0 || path[5] == '\0' || strcmp(path + 5, ".") == 0 ||
	        strchr(path + 5, '/'))
		return error_set(err, EINVAL, "linux.devices: \"%s\" must lie directly below /dev", path);
	if (spec_number(item, "major", 4095, 0, &major_number, err) < 0 ||
	        spec_number(item, "minor", 1048575, 0, &minor_number, err) < 0 ||
	        spec_number(item, "fileMode", 0777, 0666, &mode, err) < 0 ||
	        spec_number(item, "uid", INT32_MAX, 0, &uid, err) < 0 ||
	        spec_number(item, "gid", INT32_MAX, 0, &gid, err) < 0)
		return error_prefix(err, "linux.devices: %s", path);
	if (type[0] == '\0' || type[1] != '\0' || !strchr("cubp", type[0]))
		return error_set(err, EINVAL, "linux.devices: %s: type must be c, u, b or p", path);
	device->path = path + 5;
	device->mode = (mode_t)mode | (type[0] == 'b' ? S_IFBLK : type[0] == 'p' ? S_IFIFO : S_IFCHR);
	device->device = makedev((unsigned)major_number, (unsigned)minor_number);
	device->uid = (uint32_t)uid;
	device->gid = (uint32_t)gid;
	return 0;
}

static int decode_devices(const json_t *list, struct spec *spec, struct baton_error *err)
{
	size_t count = json_array_size(list);

	if (count > SPEC_DEVICES_MAX)
		return error_set(
		        err, EINVAL, "linux.devices: %zu items, the limit is %d", count, SPEC_DEVICES_MAX);
	spec->devices = calloc(count + 1, sizeof(*spec->devices));
	if (!spec->devices)
		return error_set(err, ENOMEM, "out of memory");
	for (; spec->n_devices < count; spec->n_devices++) {
		int r = decode_device(
		        json_array_get(list, spec->n_devices), &spec->devices[spec->n_devices], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_paths(char *const *paths, const char *where, struct baton_error *err)
{
	int r = 0;

	for (; r == 0 && *paths; paths++)
		r = spec_check_path(*paths, where, err);
	return r;
}

static int decode_paths(const json_t *object, struct spec *spec, struct baton_error *err)
{
	int r = spec_strings(json_object_get(object, "maskedPaths"), "linux.maskedPaths", SPEC_PATHS_MAX,
	        &spec->masked_paths, err);

	if (r == 0)
		r = spec_strings(json_object_get(object, "readonlyPaths"), "linux.readonlyPaths",
		        SPEC_PATHS_MAX, &spec->readonly_paths, err);
	if (r == 0)
		r = check_paths(spec->masked_paths, "linux.maskedPaths", err);
	if (r == 0)
		r = check_paths(spec->readonly_paths, "linux.readonlyPaths", err);
	return r;
}

static int check_propagation(const json_t *object, struct baton_error *err)
{
	const char *text = json_get_string(object, "rootfsPropagation", "private");

	/* Anything shared would carry mounts of the container to the host. */
	if (strcmp(text, "private") != 0 && strcmp(text, "rprivate") != 0 && *text != '\0')
		return error_set(err, EOPNOTSUPP, "linux.rootfsPropagation: only \"private\" is supported");
	return 0;
}

int spec_decode_linux(const json_t *linux_member, struct spec *spec, struct baton_error *err)
{
	static const char *const refused[] = { "uidMappings", "gidMappings", "intelRdt", "timeOffsets",
		"personality", "mountLabel" };
	const json_t *sysctls = NULL;
	const json_t *devices = NULL;
	int r;

	for (size_t i = 0; i < array_size(refused); i++) {
		if (!spec_is_empty(json_object_get(linux_member, refused[i])))
			return error_set(err, EOPNOTSUPP, "linux.%s is not supported", refused[i]);
	}
	r = decode_namespaces(linux_member, spec, err);
	if (r < 0)
		return r;
	/* Without its own mount namespace the mounts would be the host's. */
	if (!spec->new_namespace[NS_MOUNT])
		return error_set(err, EOPNOTSUPP, "linux.namespaces: a new mount namespace is required");
	if ((spec->hostname || spec->domainname) && !spec->new_namespace[NS_UTS])
		return error_set(err, EINVAL, "hostname and domainname need a new uts namespace");
	r = spec_member(linux_member, "seccomp", JSON_OBJECT, &spec->seccomp, err);
	if (r == 0)
		r = spec_member(linux_member, "sysctl", JSON_OBJECT, &sysctls, err);
	if (r == 0)
		r = spec_member(linux_member, "devices", JSON_ARRAY, &devices, err);
	if (r == 0)
		r = check_propagation(linux_member, err);
	if (r == 0)
		r = decode_sysctls(sysctls, spec, err);
	if (r == 0)
		r = decode_devices(devices, spec, err);
	if (r == 0)
		r = decode_paths(linux_member, spec, err);
	return r;
}
