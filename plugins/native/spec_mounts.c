/* SPDX-License-Identifier: Apache-2.0 */
/* `mounts` of config.json: options become attributes of the new mount API, or data of the file system. */
#include "plugins/native/spec-priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"

enum option_kind { OPTION_SET, OPTION_CLEAR, OPTION_PROPAGATION, OPTION_BIND, OPTION_IGNORED };

/* mount(8), "filesystem-independent mount options". An "r" in front: for the whole tree (config.md). */
static const struct {
	const char *name;
	enum option_kind kind;
	uint64_t value;
	bool recursive;
} mount_options[] = {
	{ "ro", OPTION_SET, MOUNT_ATTR_RDONLY, false },
	{ "rro", OPTION_SET, MOUNT_ATTR_RDONLY, true },
	{ "rw", OPTION_CLEAR, MOUNT_ATTR_RDONLY, false },
	{ "nosuid", OPTION_SET, MOUNT_ATTR_NOSUID, false },
	{ "suid", OPTION_CLEAR, MOUNT_ATTR_NOSUID, false },
	{ "nodev", OPTION_SET, MOUNT_ATTR_NODEV, false },
	{ "dev", OPTION_CLEAR, MOUNT_ATTR_NODEV, false },
	{ "noexec", OPTION_SET, MOUNT_ATTR_NOEXEC, false },
	{ "exec", OPTION_CLEAR, MOUNT_ATTR_NOEXEC, false },
	{ "noatime", OPTION_SET, MOUNT_ATTR_NOATIME, false },
	{ "strictatime", OPTION_SET, MOUNT_ATTR_STRICTATIME, false },
	{ "nodiratime", OPTION_SET, MOUNT_ATTR_NODIRATIME, false },
	{ "relatime", OPTION_IGNORED, 0, false }, /* the kernel's default */
	{ "defaults", OPTION_IGNORED, 0, false },
	{ "bind", OPTION_BIND, 0, false },
	{ "rbind", OPTION_BIND, 0, true },
	{ "private", OPTION_PROPAGATION, MS_PRIVATE, false },
	{ "rprivate", OPTION_PROPAGATION, MS_PRIVATE, true },
	{ "slave", OPTION_PROPAGATION, MS_SLAVE, false },
	{ "rslave", OPTION_PROPAGATION, MS_SLAVE, true },
	{ "shared", OPTION_PROPAGATION, MS_SHARED, false },
	{ "rshared", OPTION_PROPAGATION, MS_SHARED, true },
	{ "unbindable", OPTION_PROPAGATION, MS_UNBINDABLE, false },
	{ "runbindable", OPTION_PROPAGATION, MS_UNBINDABLE, true },
};

/* File systems that a container may mount, all of the kernel itself: none reads a disk or talks to a server.
 */
static const char *const allowed_types[] = { "bind", "cgroup", "devpts", "mqueue", "none", "proc", "sysfs",
	"tmpfs" };

/* True when `name` is a generic option; then it is applied to *mount. */
static bool apply_option(const char *name, struct spec_mount *mount)
{
	for (size_t i = 0; i < array_size(mount_options); i++) {
		if (strcmp(mount_options[i].name, name) != 0)
			continue;
		switch (mount_options[i].kind) {
		case OPTION_SET: mount->attr_set |= mount_options[i].value; break;
		case OPTION_CLEAR: mount->attr_set &= ~mount_options[i].value; break;
		case OPTION_PROPAGATION: mount->propagation = mount_options[i].value; break;
		case OPTION_BIND: mount->bind = true; break;
		case OPTION_IGNORED: break;
		}
		mount->recursive = mount->recursive || mount_options[i].recursive;
		return true;
	}
	return false;
}

static int decode_options(
        const json_t *list, struct spec_mount *mount, const char *where, struct baton_error *err)
{
	char **options;
	size_t kept = 0;
	int r = spec_strings(list, where, SPEC_PATHS_MAX, &options, err);

	if (r < 0)
		return r;
	mount->data = options;
	for (char **option = options; *option; option++) {
		if (!apply_option(*option, mount))
			options[kept++] = *option;
	}
	options[kept] = NULL;
	if (mount->bind && kept > 0)
		return error_set(err, EINVAL, "%s: \"%s\" is no option of a bind mount", where, options[0]);
	return 0;
}

static bool type_allowed(const char *type)
{
	for (size_t i = 0; i < array_size(allowed_types); i++) {
		if (strcmp(allowed_types[i], type) == 0)
			return true;
	}
	return false;
}

/*
 * One way to write each target: "/./proc" and "//proc" are /proc for the kernel and would be something else
 * for the rules below. "/" itself is told apart later.
 */
static bool is_plain(const char *path)
{
	for (const char *next = path; (next = strchr(next, '/')); next++) {
		if (next[1] == '/' || (next[1] == '\0' && next != path))
			return false;
		if (next[1] == '.' && (next[2] == '/' || next[2] == '\0'))
			return false;
	}
	return true;
}

static int decode_mount(const json_t *item, struct spec_mount *mount, struct baton_error *err)
{
	const char *destination = json_get_string(item, "destination", "");
	const char *type = json_get_string(item, "type", "none");
	int r = spec_check_path(destination, "mounts: destination", err);

	if (r < 0)
		return r;
	if (!is_plain(destination))
		return error_set(err, EINVAL,
		        "mounts: destination \"%s\" must not have \".\", \"//\" or a \"/\" at the end",
		        destination);
	if (!spec_is_empty(json_object_get(item, "uidMappings")) ||
	        !spec_is_empty(json_object_get(item, "gidMappings")))
		return error_set(
		        err, EOPNOTSUPP, "mounts: %s: mappings of ids are not supported", destination);
	mount->destination = destination;
	mount->source = json_get_string(item, "source", "");
	mount->bind = strcmp(type, "bind") == 0;
	r = decode_options(json_object_get(item, "options"), mount, destination, err);
	if (r < 0)
		return r;
	if (!mount->bind && (!type_allowed(type) || strcmp(type, "none") == 0))
		return error_set(err, EOPNOTSUPP,
		        "mounts: %s: file system \"%s\" is not allowed in a container", destination, type);
	if (mount->bind && mount->source[0] != '/')
		return error_set(
		        err, EINVAL, "mounts: %s: the source of a bind must be absolute", destination);
	mount->cgroup = !mount->bind && strcmp(type, "cgroup") == 0;
	mount->type = mount->bind ? "bind" : mount->cgroup ? "cgroup2" : type;
	/* CVE-2019-16884 and its kin: nothing but the kernel's own procfs may ever appear at or below /proc.
	 */
	if (strncmp(destination, "/proc", 5) == 0 && (destination[5] == '\0' || destination[5] == '/') &&
	        !(destination[5] == '\0' && !mount->bind && strcmp(type, "proc") == 0))
		return error_set(err, EINVAL, "mounts: %s: nothing may be mounted over /proc", destination);
	if (strcmp(destination, "/") == 0)
		return error_set(err, EINVAL, "mounts: nothing may be mounted over the root");
	return 0;
}

int spec_decode_mounts(const json_t *mounts, struct spec *spec, struct baton_error *err)
{
	size_t count = json_array_size(mounts);

	if (count > SPEC_MOUNTS_MAX)
		return error_set(err, EINVAL, "mounts: %zu items, the limit is %d", count, SPEC_MOUNTS_MAX);
	spec->mounts = calloc(count + 1, sizeof(*spec->mounts));
	if (!spec->mounts)
		return error_set(err, ENOMEM, "out of memory");
	while (spec->n_mounts < count) {
		size_t index = spec->n_mounts++; /* counted first, so that a half-decoded one is released */
		int r = decode_mount(json_array_get(mounts, index), &spec->mounts[index], err);

		if (r < 0)
			return r;
	}
	return 0;
}
