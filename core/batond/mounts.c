/* SPDX-License-Identifier: Apache-2.0 */
/* Implementation of mounts.h. */
#include "core/batond/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define OWN_FILE "/proc/self/exe"

/* Whether the file is what seal_program() makes of it: the root of a read-only mount. */
static bool is_sealed(const char *path)
{
	struct statx file;
	struct statvfs mount;

	return statx(AT_FDCWD, path, 0, 0, &file) == 0 && (file.stx_attributes & STATX_ATTR_MOUNT_ROOT) &&
	       statvfs(path, &mount) == 0 && (mount.f_flag & ST_RDONLY);
}

static int own_namespace(struct baton_error *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(err, errno, "own mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_errno(err, errno, "mounts of the host as slaves");
	return 0;
}

/* By path, as the file that we run from belongs to the mounts of the other namespace. */
static int seal_program(const char *path, struct baton_error *err)
{
	if (mount(path, path, NULL, MS_BIND, NULL) < 0 ||
	        mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) < 0)
		return error_errno(err, errno, "mounting %s read-only over itself", path);
	/* Otherwise the program would run itself for ever. */
	if (!is_sealed(path))
		return error_set(err, ENOSYS, "%s is no read-only mount: Linux 5.8 or newer is needed", path);
	return 0;
}

int mounts_enter(char **argv, struct baton_error *err)
{
	char path[PATH_MAX];
	ssize_t length;
	int r;

	if (is_sealed(OWN_FILE))
		return 0;
	length = readlink(OWN_FILE, path, sizeof(path));
	if (length < 0 || (size_t)length >= sizeof(path))
		return error_errno(err, length < 0 ? errno : ENAMETOOLONG, "%s", OWN_FILE);
	path[length] = '\0';
	r = own_namespace(err);
	if (r == 0)
		r = seal_program(path, err);
	if (r < 0)
		return r;
	(void)execv(path, argv); /* returns only when it fails */
	return error_errno(err, errno, "running %s again", path);
}
