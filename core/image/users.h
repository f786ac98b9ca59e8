/* SPDX-License-Identifier: Apache-2.0 */
/* The user of a container, from the image's own /etc/passwd and /etc/group; never from the node's, never by
 * NSS. */
#ifndef BATON_IMAGE_USERS_H
#define BATON_IMAGE_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct image_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t *groups; /* the caller's array of max_groups */
	size_t max_groups;
	size_t n_groups;
};

/*
 * `user` as in an image or manifest: "", "uid", "name", "uid:gid", "name:group"; "" is uid 0. Digits are
 * always a number, at most 2^31-1, and need no entry in the files; a name does. `groups` receives what
 * setgroups(2) takes, the primary group first (CVE-2022-36109), then, unless `user` names a group, every
 * group of /etc/group that lists the user. 0; -ENOENT for an unknown name; -EINVAL for a malformed `user`;
 * -E2BIG for more than max_groups groups or a file above 1 MiB. Symbolic links in the tree stay inside it;
 * only regular files are read.
 */
int image_user_resolve(int rootfs_fd, const char *user, struct image_user *ret_user, struct baton_error *err);

#endif
