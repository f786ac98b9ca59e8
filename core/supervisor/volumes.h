/* SPDX-License-Identifier: Apache-2.0 */
/* Host side of a container's mounts: named volumes below ROOT/volumes, binds that the node allows. */
#ifndef BATON_SUPERVISOR_VOLUMES_H
#define BATON_SUPERVISOR_VOLUMES_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/supervisor/bundle.h"

struct volumes_place {
	const char *root;     /* ROOT: volumes are ROOT/volumes/APP/NAME */
	int volumes_fd;       /* ROOT/volumes */
	int instance_fd;      /* RUN/containers/ID: checked binds are attached at binds/N there */
	const char *instance; /* its path */
	char *const *allowed; /* bind mounts must lie below one of these paths; NULL: none */
};

struct volumes {
	struct bundle_mount *mounts; /* as the spec's, with sources */
	char **sources;
	size_t n_mounts;
	size_t copy_next; /* volumes before this one need no copy */
};

void volumes_release(struct volumes *volumes);

/* Checks the spec's mounts against what the node allows, before anything is made. 0 or -EPERM with the limit
 * in err. */
int volumes_check(const struct container_spec *spec, char *const *allowed, struct baton_error *err);

/* Makes named volumes and attaches binds. 0 and *ret_volumes or negative errno with the mount in err. */
int volumes_make(const struct volumes_place *place, const struct container_spec *spec,
        struct volumes *ret_volumes, struct baton_error *err);

/*
 * The next named volume that was just made and is still to be filled from the image: descriptors of the
 * image's directory and of the volume. 1 with both (caller closes), 0 when there is none (left), or negative
 * errno.
 */
int volumes_next_copy(struct volumes *volumes, const struct volumes_place *place, int rootfs_fd,
        const struct container_spec *spec, int ret_fds[static 2], struct baton_error *err);

/* The volume named by the last volumes_next_copy is whole now, and its content on the disk. */
int volumes_copied(
        struct volumes *volumes, const struct volumes_place *place, const struct container_spec *spec);

/* Detaches binds again (the container has its own). */
void volumes_detach(const char *instance, size_t n_mounts);

#endif
