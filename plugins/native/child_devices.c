/* SPDX-License-Identifier: Apache-2.0 */
/* /dev: the default devices of the runtime specification (config-linux.md) and those the configuration lists.
 */
#include "plugins/native/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/base/cleanup.h"

static const struct {
	const char *name;
	unsigned minor;
	unsigned major;
} default_devices[] = {
	{ "null", 3, 1 },
	{ "zero", 5, 1 },
	{ "full", 7, 1 },
	{ "random", 8, 1 },
	{ "urandom", 9, 1 },
	{ "tty", 0, 5 },
};

static const struct {
	const char *name;
	const char *target;
} links[] = {
	{ "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};

/*
 * What is there already (a /dev of the image, when the configuration mounts no tmpfs) is only accepted when
 * it is exactly that device: an image's /dev/null may be anything (CVE-2025-31133).
 */
static int make_node(int dev_fd, const struct spec_device *device)
{
	struct stat status;

	if (mknodat(dev_fd, device->path, device->mode, device->device) == 0) {
		if (fchownat(dev_fd, device->path, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		return 0;
	}
	if (errno != EEXIST)
		return -errno;
	if (fstatat(dev_fd, device->path, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return (status.st_mode & S_IFMT) == (device->mode & S_IFMT) && status.st_rdev == device->device
	               ? 0
	               : -EEXIST;
}

static bool is_null(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

/*
 * The null device of the host that stands for "nothing" in 0, 1 and 2 gives way to the container's: whoever
 * is root in there may change the mode and owner of what /proc/self/fd/0 leads to.
 */
static int reopen_null(int dev_fd, struct baton_error *err)
{
	cleanup_close int fd = openat(dev_fd, "null", O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || !is_null(fd))
		return error_errno(err, fd < 0 ? errno : ENODEV, "device /dev/null");
	for (int i = 0; i < 3; i++) {
		if (is_null(i) && dup2(fd, i) < 0)
			return error_errno(err, errno, "standard descriptors");
	}
	return 0;
}

int child_devices(const struct spec *spec, int dev_fd, struct baton_error *err)
{
	int r;

	for (size_t i = 0; i < sizeof(default_devices) / sizeof(default_devices[0]); i++) {
		const struct spec_device device = {
			.path = default_devices[i].name,
			.mode = S_IFCHR | 0666,
			.device = makedev(default_devices[i].major, default_devices[i].minor),
		};

		r = make_node(dev_fd, &device);
		if (r < 0)
			return error_errno(err, -r, "device /dev/%s", device.path);
	}
	for (size_t i = 0; i < spec->n_devices; i++) {
		r = make_node(dev_fd, &spec->devices[i]);
		if (r < 0)
			return error_errno(err, -r, "device /dev/%s", spec->devices[i].path);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlinkat(links[i].target, dev_fd, links[i].name) < 0 && errno != EEXIST)
			return error_errno(err, errno, "link /dev/%s", links[i].name);
	}
	return reopen_null(dev_fd, err);
}
