/* SPDX-License-Identifier: Apache-2.0 */
/* The root file system of an instance: the image's layers and a writable one, stacked by overlayfs. */
#ifndef BATON_IMAGE_ROOTFS_H
#define BATON_IMAGE_ROOTFS_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/image/store.h"

/*
 * Mounts the image on the existing directory `target`, without device nodes. `upper_parent_fd` is an empty
 * directory of the caller for the writable layer: "upper" and "work" are made in it, -EEXIST if they are
 * there already. The overlay is volatile (no sync of the upper layer ever), so that directory must be removed
 * after umount and never be mounted again. With read_only no write is possible at all, and "upper" stays
 * empty. Needs /proc mounted and, before Linux 6.7, at most about 200 layers. All descriptors must have been
 * opened in the caller's present mount namespace. A few system calls, never waits.
 */
int image_rootfs_mount(int store_fd, const struct image *image, int upper_parent_fd, const char *target,
        bool read_only, struct baton_error *err);

#endif
