/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of `volumes` and `tmpfs` of a service, short and long forms. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/model/compose-priv.h"
#include "core/model/compose_values.h"

static void mount_release(struct container_mount *mount)
{
	free(mount->source);
	free(mount->target);
}

static void mount_draft_release(struct mount_draft *draft)
{
	free(draft->type);
	free(draft->source);
	free(draft->target);
}

/* One "/" between the levels and none at the end, so that "/a//b/" and "/a/b" are one target. */
static void normalise_path(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		if (*from != '/' || (from[1] != '/' && from[1] != '\0'))
			*to++ = *from;
	}
	*to = '\0';
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static const char *check_target(char *target, const struct container_spec *spec)
{
	const char *fault = target ? value_check_path(target) : "needs a target";

	if (fault)
		return fault;
	normalise_path(target);
	if (target[0] == '\0')
		return "must not have \"/\" as its target";
	if (is_below(target, "/proc"))
		return "must not have a target in /proc (CVE-2023-27561)";
	if (strcmp(target, "/dev") == 0)
		return "must not have \"/dev\" as its target: the container's devices are made there";
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (strcmp(spec->mounts[i].target, target) == 0)
			return "has the same target as another mount";
	}
	return NULL;
}

static const char *check_source(struct decoder *decoder, struct container_mount *mount)
{
	if (mount->type == MOUNT_BIND) {
		const char *fault = value_check_path(mount->source);

		if (!fault && strspn(mount->source, "/") < strlen(mount->source))
			normalise_path(mount->source);
		return fault;
	}
	if (mount->type == MOUNT_TMPFS || mount->source[0] == '\0')
		return NULL;
	if (value_check_name(mount->source))
		return "must have a volume's name or an absolute path as its source: relative paths mean "
		       "nothing on a node";
	if (!strv_contains(decoder->app.volumes, mount->source))
		return "names a volume that the top-level \"volumes\" does not declare";
	return NULL;
}

/* Takes over the strings of *mount. */
static void add_mount(struct decoder *decoder, const struct place *place, struct container_spec *spec,
        struct container_mount *mount)
{
	struct container_mount *grown;
	const char *fault;

	if (spec->n_mounts >= CONFIG_MAX_MOUNTS) {
		compose_error_limit(decoder, place, CONFIG_MAX_MOUNTS, " mounts", "is one mount too many");
		return;
	}
	if (!mount->source)
		compose_assign(decoder, &mount->source, "");
	if (decoder->out_of_memory)
		return;
	fault = check_target(mount->target, spec);
	if (!fault)
		fault = check_source(decoder, mount);
	if (fault) {
		compose_error(decoder, place, NULL, "%s", fault);
		return;
	}
	grown = reallocarray(spec->mounts, spec->n_mounts + 1, sizeof(*grown));
	if (!grown) {
		decoder->out_of_memory = true;
		return;
	}
	spec->mounts = grown;
	grown[spec->n_mounts++] = *mount;
	mount->source = NULL;
	mount->target = NULL;
}

/* Cuts the next field off *rest at a separator; NULL when nothing is left. */
static char *next_field(char **rest, char separator)
{
	char *field = *rest;
	char *end = field ? strchr(field, separator) : NULL;

	if (end)
		*end++ = '\0';
	*rest = end;
	return field;
}

/* ---- tmpfs ---- */

static void set_tmpfs_mode(struct container_mount *mount, int64_t mode)
{
	mount->tmpfs_mode = (uint32_t)mode;
	mount->tmpfs_mode_zero = mode == 0;
}

static const char *tmpfs_option(const char *option, struct container_mount *mount)
{
	int64_t number;

	if (strncmp(option, "size=", 5) == 0) {
		if (value_bytes(option + 5, BYTES_MAX, &number) < 0 || number == 0)
			return "must have a size of bytes like \"64m\"";
		mount->tmpfs_size = (uint64_t)number;
		return NULL;
	}
	if (strncmp(option, "mode=", 5) == 0) {
		if (value_octal(option + 5, 07777, &number) < 0)
			return "must have a mode in octal digits like \"1777\"";
		set_tmpfs_mode(mount, number);
		return NULL;
	}
	return "has an option that is not supported yet: only size= and mode= are";
}

static void add_tmpfs(
        struct decoder *decoder, const struct place *place, const json_t *value, struct container_spec *spec)
{
	cleanup_with(mount_release) struct container_mount mount = { .type = MOUNT_TMPFS };
	const char *text = compose_text(decoder, place, value, 1, CONFIG_MAX_STRING_BYTES);
	cleanup_free char *copy = text ? strdup(text) : NULL;
	char *rest = copy;
	char *options;
	const char *fault = NULL;

	if (!copy) {
		decoder->out_of_memory = decoder->out_of_memory || text;
		return;
	}
	compose_assign(decoder, &mount.target, next_field(&rest, ':'));
	options = rest;
	while (!fault && options)
		fault = tmpfs_option(next_field(&options, ','), &mount);
	if (fault)
		compose_error(decoder, place, NULL, "%s", fault);
	else
		add_mount(decoder, place, spec, &mount);
}

void decode_tmpfs(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	struct container_spec *spec = &((struct service_draft *)target)->service.container;
	const json_t *item;
	size_t index;

	(void)attribute; /* the only one of its kind */
	if (json_is_string(value))
		add_tmpfs(decoder, place, value, spec);
	json_array_foreach(value, index, item) {
		const struct place here = { place, NULL, index };

		add_tmpfs(decoder, &here, item, spec);
	}
}

/* ---- volumes, short form: [SOURCE:]TARGET[:OPTION,...] ---- */

static const char *access_options(char *options, struct container_mount *mount)
{
	static const struct {
		const char *name;
		bool read_only;
		bool is_access;
	} known[] = {
		{ "ro", true, true },
		{ "rw", false, true },
		/* labels of SELinux, which the Specification lets a platform without it ignore */
		{ "z", false, false },
		{ "Z", false, false },
	};
	bool has_access = false;

	while (options) {
		const char *option = next_field(&options, ',');
		size_t i = 0;

		while (i < array_size(known) && strcmp(known[i].name, option) != 0)
			i++;
		if (i == array_size(known))
			return "has an access mode that is not one of ro, rw, z, Z";
		if (known[i].is_access && has_access)
			return "has both ro and rw";
		if (known[i].is_access)
			mount->read_only = known[i].read_only;
		has_access = has_access || known[i].is_access;
	}
	return NULL;
}

static void add_short(
        struct decoder *decoder, const struct place *place, const json_t *value, struct container_spec *spec)
{
	cleanup_with(mount_release) struct container_mount mount = { .type = MOUNT_VOLUME };
	const char *text = compose_text(decoder, place, value, 1, CONFIG_MAX_STRING_BYTES);
	cleanup_free char *copy = text ? strdup(text) : NULL;
	char *rest = copy;
	char *first;
	char *second;
	const char *fault;

	if (!copy) {
		decoder->out_of_memory = decoder->out_of_memory || text;
		return;
	}
	first = next_field(&rest, ':');
	second = next_field(&rest, ':');
	fault = access_options(rest, &mount);
	if (!fault && second && first[0] == '\0')
		fault = "must not have an empty source";
	if (fault) {
		compose_error(decoder, place, NULL, "%s", fault);
		return;
	}
	mount.type = second && first[0] == '/' ? MOUNT_BIND : MOUNT_VOLUME;
	mount.create_host_path = mount.type == MOUNT_BIND;
	compose_assign(decoder, &mount.source, second ? first : "");
	compose_assign(decoder, &mount.target, second ? second : first);
	add_mount(decoder, place, spec, &mount);
}

/* ---- volumes, long form ---- */

void decode_mount_bind(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	((struct mount_draft *)target)->has_bind = true;
	decode_section(decoder, place, attribute, value, target);
}

void decode_mount_volume(struct decoder *decoder, const struct place *place,
        const struct attribute *attribute, json_t *value, void *target)
{
	((struct mount_draft *)target)->has_volume = true;
	decode_section(decoder, place, attribute, value, target);
}

void decode_mount_tmpfs(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	((struct mount_draft *)target)->has_tmpfs = true;
	decode_section(decoder, place, attribute, value, target);
}

static const char *check_long(const struct mount_draft *draft, enum mount_type *ret_type)
{
	if (!draft->type)
		return "needs a type: volume, bind or tmpfs";
	if (strcmp(draft->type, "volume") == 0)
		*ret_type = MOUNT_VOLUME;
	else if (strcmp(draft->type, "bind") == 0)
		*ret_type = MOUNT_BIND;
	else if (strcmp(draft->type, "tmpfs") == 0)
		*ret_type = MOUNT_TMPFS;
	else
		return "has a type that is not supported yet: only volume, bind and tmpfs are";
	if ((draft->has_bind && *ret_type != MOUNT_BIND) ||
	        (draft->has_volume && *ret_type != MOUNT_VOLUME) ||
	        (draft->has_tmpfs && *ret_type != MOUNT_TMPFS))
		return "has options of another type";
	if (*ret_type == MOUNT_BIND && !draft->source)
		return "needs a source: an absolute path of the node";
	if (*ret_type == MOUNT_TMPFS && draft->source)
		return "of type tmpfs must not have a source";
	return NULL;
}

static void add_long(
        struct decoder *decoder, const struct place *place, json_t *value, struct container_spec *spec)
{
	cleanup_with(mount_draft_release) struct mount_draft draft = { .create_host_path = true,
		.tmpfs_mode = TMPFS_MODE_UNSET };
	cleanup_with(mount_release) struct container_mount mount = { .type = MOUNT_VOLUME };
	bool failed_before = decoder->failed;
	const char *fault;

	decoder->failed = false;
	compose_walk(decoder, place, &section_mount, value, &draft);
	if (decoder->failed || decoder->out_of_memory)
		return; /* said already; what follows from it is noise */
	decoder->failed = failed_before;
	fault = check_long(&draft, &mount.type);
	if (fault) {
		compose_error(decoder, place, NULL, "%s", fault);
		return;
	}
	mount.source = steal_ptr(draft.source);
	mount.target = steal_ptr(draft.target);
	mount.read_only = draft.read_only;
	mount.nocopy = draft.nocopy;
	mount.create_host_path = draft.create_host_path && mount.type == MOUNT_BIND;
	mount.tmpfs_size = (uint64_t)draft.tmpfs_size;
	if (draft.tmpfs_mode != TMPFS_MODE_UNSET)
		set_tmpfs_mode(&mount, draft.tmpfs_mode);
	add_mount(decoder, place, spec, &mount);
}

void decode_mounts(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	struct container_spec *spec = &((struct service_draft *)target)->service.container;
	json_t *item;
	size_t index;

	(void)attribute; /* the only one of its kind */
	json_array_foreach(value, index, item) {
		const struct place here = { place, NULL, index };

		if (json_is_object(item))
			add_long(decoder, &here, item, spec);
		else if (compose_check_type(decoder, &here, item, TYPE_STRING | TYPE_OBJECT))
			add_short(decoder, &here, item, spec);
	}
}
