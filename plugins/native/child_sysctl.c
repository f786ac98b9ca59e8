/* SPDX-License-Identifier: Apache-2.0 */
/* Names and settings of the new namespaces. */
#include "plugins/native/child.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

int child_sysctls(const struct spec *spec, int proc_fd, struct baton_error *err)
{
	if (spec->sysctls && proc_fd < 0)
		return error_set(err, EINVAL, "linux.sysctl needs a mount of proc");
	for (char **item = spec->sysctls; item && *item; item++) {
		size_t length = strcspn(*item, "=");
		cleanup_close int fd = -1;
		char path[512];

		if ((size_t)snprintf(path, sizeof(path), "sys/%.*s", (int)length, *item) >= sizeof(path))
			return error_set(err, ENAMETOOLONG, "sysctl %s", *item);
		/* By descriptor of the procfs that we mounted: no path of the image is involved. */
		fd = file_open_beneath(proc_fd, path, O_WRONLY, 0);
		if (fd < 0 || write(fd, *item + length + 1, strlen(*item + length + 1)) < 0)
			return error_errno(err, fd < 0 ? -fd : errno, "sysctl %s", *item);
	}
	return 0;
}

int child_hostname(const struct spec *spec, struct baton_error *err)
{
	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return error_errno(err, errno, "hostname %s", spec->hostname);
	if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return error_errno(err, errno, "domainname %s", spec->domainname);
	return 0;
}

int child_loopback(struct baton_error *err)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return error_errno(err, errno, "loopback interface");
	return 0;
}
