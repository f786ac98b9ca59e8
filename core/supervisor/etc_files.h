/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/hostname, /etc/hosts and /etc/resolv.conf of a container. */
#ifndef BATON_SUPERVISOR_ETC_FILES_H
#define BATON_SUPERVISOR_ETC_FILES_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/model/container.h"

#define HOSTNAME_SIZE 65 /* sethostname(2): 64 bytes, and the NUL */

struct etc_files {
	const char *hostname;
	bool host_network; /* take over the host's resolv.conf */
};

/* The name that the spec gives, as it is, or one made of service and slot. 0, or -ENAMETOOLONG. */
int etc_hostname(const struct container_spec *spec, char ret_hostname[static HOSTNAME_SIZE]);

/*
 * Written into the fresh writable layer before anything of the image runs. Whatever the image has in these
 * places (links, FIFOs, devices) is replaced, never opened. 0 or negative errno.
 */
int etc_files_write(int rootfs_fd, const struct etc_files *files, struct baton_error *err);

#endif
