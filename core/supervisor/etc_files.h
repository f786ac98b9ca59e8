/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/hostname, /etc/hosts and /etc/resolv.conf of a container. */
#ifndef BATON_SUPERVISOR_ETC_FILES_H
#define BATON_SUPERVISOR_ETC_FILES_H

#include <stdbool.h>

#include "core/base/error.h"

struct etc_files {
	const char *hostname;
	bool host_network; /* take over the host's resolv.conf */
};

/*
 * Written into the fresh writable layer before anything of the image runs. Whatever the image has in these
 * places (links, FIFOs, devices) is replaced, never opened. 0 or negative errno.
 */
int etc_files_write(int rootfs_fd, const struct etc_files *files, struct baton_error *err);

#endif
