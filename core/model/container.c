/* SPDX-License-Identifier: Apache-2.0 */
/* Release and deep copy of a container spec, from tables of its owned members. */
#include "core/model/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"

static const size_t text_members[] = {
	offsetof(struct container_spec, id),
	offsetof(struct container_spec, app),
	offsetof(struct container_spec, service),
	offsetof(struct container_spec, runtime),
	offsetof(struct container_spec, image),
	offsetof(struct container_spec, working_dir),
	offsetof(struct container_spec, user),
	offsetof(struct container_spec, hostname),
	offsetof(struct container_spec, stop_signal),
};

static const size_t list_members[] = {
	offsetof(struct container_spec, entrypoint),
	offsetof(struct container_spec, command),
	offsetof(struct container_spec, environment),
	offsetof(struct container_spec, labels),
	offsetof(struct container_spec, cap_add),
	offsetof(struct container_spec, cap_drop),
	offsetof(struct container_spec, sysctls),
};

static char **text_at(struct container_spec *spec, size_t offset)
{
	return (char **)(void *)((char *)spec + offset);
}

static char ***list_at(struct container_spec *spec, size_t offset)
{
	return (char ***)(void *)((char *)spec + offset);
}

static char *text_of(const struct container_spec *spec, size_t offset)
{
	return *(char *const *)(const void *)((const char *)spec + offset);
}

static char **list_of(const struct container_spec *spec, size_t offset)
{
	return *(char **const *)(const void *)((const char *)spec + offset);
}

void container_spec_release(struct container_spec *spec)
{
	for (size_t i = 0; i < array_size(text_members); i++)
		free(*text_at(spec, text_members[i]));
	for (size_t i = 0; i < array_size(list_members); i++)
		strv_free(*list_at(spec, list_members[i]));
	for (size_t i = 0; i < spec->n_ulimits; i++)
		free(spec->ulimits[i].name);
	free(spec->ulimits);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		free(spec->mounts[i].source);
		free(spec->mounts[i].target);
	}
	free(spec->mounts);
	*spec = (struct container_spec){ 0 };
}

static int copy_text(const char *text, char **ret_copy)
{
	char *copy = NULL;

	if (text) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

static int copy_ulimits(const struct container_spec *spec, struct container_spec *copy)
{
	if (spec->n_ulimits == 0)
		return 0;
	copy->ulimits = calloc(spec->n_ulimits, sizeof(*copy->ulimits));
	if (!copy->ulimits)
		return -ENOMEM;
	for (; copy->n_ulimits < spec->n_ulimits; copy->n_ulimits++) {
		const struct container_ulimit *from = &spec->ulimits[copy->n_ulimits];
		struct container_ulimit *to = &copy->ulimits[copy->n_ulimits];

		*to = *from;
		if (copy_text(from->name, &to->name) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int copy_mounts(const struct container_spec *spec, struct container_spec *copy)
{
	if (spec->n_mounts == 0)
		return 0;
	copy->mounts = calloc(spec->n_mounts, sizeof(*copy->mounts));
	if (!copy->mounts)
		return -ENOMEM;
	for (; copy->n_mounts < spec->n_mounts; copy->n_mounts++) {
		const struct container_mount *from = &spec->mounts[copy->n_mounts];
		struct container_mount *to = &copy->mounts[copy->n_mounts];
		cleanup_free char *source = NULL;

		*to = *from;
		if (copy_text(from->source, &source) < 0 || copy_text(from->target, &to->target) < 0)
			return -ENOMEM;
		to->source = steal_ptr(source);
	}
	return 0;
}

/* `copy` owns nothing yet; after a failure it can be released. */
static int copy_members(const struct container_spec *spec, struct container_spec *copy)
{
	int r = 0;

	for (size_t i = 0; i < array_size(text_members) && r == 0; i++)
		r = copy_text(text_of(spec, text_members[i]), text_at(copy, text_members[i]));
	for (size_t i = 0; i < array_size(list_members) && r == 0; i++)
		r = strv_copy(list_of(spec, list_members[i]), list_at(copy, list_members[i]));
	if (r == 0)
		r = copy_ulimits(spec, copy);
	if (r == 0)
		r = copy_mounts(spec, copy);
	return r;
}

int container_spec_copy(const struct container_spec *spec, struct container_spec *ret_copy)
{
	struct container_spec copy = *spec;
	int r;

	for (size_t i = 0; i < array_size(text_members); i++)
		*text_at(&copy, text_members[i]) = NULL;
	for (size_t i = 0; i < array_size(list_members); i++)
		*list_at(&copy, list_members[i]) = NULL;
	copy.ulimits = NULL;
	copy.n_ulimits = 0;
	copy.mounts = NULL;
	copy.n_mounts = 0;
	r = copy_members(spec, &copy);
	if (r < 0) {
		container_spec_release(&copy);
		return r;
	}
	*ret_copy = copy;
	return 0;
}
