/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/etc_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define RESOLV_CONF_MAX 4096

static int write_one(int etc_fd, const char *name, const char *text, size_t length)
{
	cleanup_close int fd = -1;

	if (unlinkat(etc_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	/* O_EXCL: what is opened is the file made here, not something that waits in its place. */
	fd = openat(etc_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return -errno;
	return file_write_all(fd, text, length);
}

int etc_hostname(const struct container_spec *spec, char ret_hostname[static HOSTNAME_SIZE])
{
	if (spec->hostname)
		return snprintf(ret_hostname, HOSTNAME_SIZE, "%s", spec->hostname) < HOSTNAME_SIZE
		               ? 0
		               : -ENAMETOOLONG;
	(void)snprintf(ret_hostname, HOSTNAME_SIZE, "%.50s-%u", spec->service, spec->slot);
	for (char *c = ret_hostname; *c; c++) {
		if (*c == '_' || *c == '.') /* a service's name may have them, one label of a host name not */
			*c = '-';
	}
	return 0;
}

int etc_files_write(int rootfs_fd, const struct etc_files *files, struct baton_error *err)
{
	cleanup_close int etc_fd = -1;
	cleanup_free char *resolv = NULL;
	size_t resolv_length = 0;
	char hostname[80];
	char hosts[256];
	int r;

	if (mkdirat(rootfs_fd, "etc", 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "/etc of the container");
	etc_fd = file_open_in_root(rootfs_fd, "etc", O_RDONLY | O_DIRECTORY, 0);
	if (etc_fd < 0)
		return error_errno(err, -etc_fd, "/etc of the container");
	(void)snprintf(hostname, sizeof(hostname), "%s\n", files->hostname);
	(void)snprintf(hosts, sizeof(hosts),
	        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t%s\n",
	        files->hostname);
	r = write_one(etc_fd, "hostname", hostname, strlen(hostname));
	if (r == 0)
		r = write_one(etc_fd, "hosts", hosts, strlen(hosts));
	/* A node without the file has no name server to hand on; the container then has an empty file too. */
	if (r == 0 && files->host_network)
		(void)file_read_at(AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_MAX, &resolv, &resolv_length);
	if (r == 0)
		r = write_one(etc_fd, "resolv.conf", resolv ? resolv : "", resolv_length);
	return r < 0 ? error_errno(err, -r, "/etc of the container") : 0;
}
