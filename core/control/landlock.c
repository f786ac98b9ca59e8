/* SPDX-License-Identifier: Apache-2.0 */
/* File system access by Landlock (landlock(7)): an allow list of directories, on top of ordinary permissions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/control/sandbox-priv.h"

/* The headers of Debian 12 are those of Linux 6.1: names of later versions of the interface. */
#define ACCESS_TRUNCATE     (1ULL << 14) /* version 3, Linux 6.2 */
#define ACCESS_IOCTL_DEV    (1ULL << 15) /* version 5, Linux 6.10 */
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)  /* version 6, Linux 6.12 */
#define SCOPE_SIGNAL        (1ULL << 1)

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                                         \
	(ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                       \
	        LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
	        LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE)
#define ACCESS_ALL_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* struct landlock_ruleset_attr of version 6; the kernel takes a shorter one from older callers. */
struct ruleset {
	uint64_t access_fs;
	uint64_t access_net;
	uint64_t scoped;
};

static struct ruleset make_ruleset(long version, size_t *ret_size)
{
	struct ruleset ruleset = { .access_fs = ACCESS_ALL_1 };

	if (version >= 2)
		ruleset.access_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		ruleset.access_fs |= ACCESS_TRUNCATE;
	if (version >= 5)
		ruleset.access_fs |= ACCESS_IOCTL_DEV;
	if (version >= 6)
		ruleset.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	*ret_size = version >= 6   ? sizeof(ruleset)
	            : version >= 4 ? offsetof(struct ruleset, scoped)
	                           : offsetof(struct ruleset, access_net);
	return ruleset;
}

/* A path that is not there, or that this user cannot reach, needs no rule. */
static int allow(int ruleset_fd, const char *path, uint64_t access)
{
	cleanup_close int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .parent_fd = fd, .allowed_access = access };
	struct stat status;

	if (fd < 0)
		return errno == ENOENT || errno == EACCES ? 0 : -errno;
	if (fstat(fd, &status) < 0)
		return -errno;
	/* Rights of directories are refused for anything else. */
	if (!S_ISDIR(status.st_mode))
		rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
	return syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno
	                                                                                            : 0;
}

static int allow_all(int ruleset_fd, const char *const *paths, uint64_t access, struct baton_error *err)
{
	for (; paths && *paths; paths++) {
		int r = allow(ruleset_fd, *paths, access);

		if (r < 0)
			return error_errno(err, -r, "landlock: \"%s\"", *paths);
	}
	return 0;
}

int sandbox_landlock(const struct sandbox_spec *spec, struct baton_error *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t size;
	struct ruleset ruleset = make_ruleset(version, &size);
	cleanup_close int fd = -1;
	int r;

	if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	if (version < 0)
		return error_errno(err, errno, "landlock");
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
	if (fd < 0)
		return error_errno(err, errno, "landlock");
	r = allow_all(fd, spec->read, ACCESS_READ & ruleset.access_fs, err);
	if (r == 0)
		r = allow_all(fd, spec->write, ACCESS_WRITE & ruleset.access_fs, err);
	if (r < 0)
		return r;
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return error_errno(err, errno, "landlock");
	return 1;
}
