/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/native/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

/* Makes one component below an open parent. A race that made it first is welcome: it is opened like any
 * other. */
static int make_component(int parent_fd, const char *name, int directory)
{
	int r = directory ? mkdirat(parent_fd, name, 0755) : mknodat(parent_fd, name, S_IFREG | 0644, 0);

	return r < 0 && errno != EEXIST ? -errno : 0;
}

int child_target(int root_fd, const char *path, int directory)
{
	char prefix[PATH_MAX];
	size_t length = strlen(path);
	size_t done = 0;
	int fd = file_open_in_root(root_fd, path, O_PATH, 0);

	if (fd != -ENOENT)
		return fd;
	if (length >= sizeof(prefix))
		return -ENAMETOOLONG;
	/* Level by level, each opened inside the root again: symbolic links on the way stay inside it. */
	while (done < length) {
		cleanup_close int parent = -1;
		size_t next = done + strspn(path + done, "/");
		size_t end = next + strcspn(path + next, "/");
		int is_last = path[end + strspn(path + end, "/")] == '\0';
		char name[NAME_MAX + 1];
		int r;

		if (end == next)
			break;
		if (end - next > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(prefix, path, next);
		prefix[next] = '\0';
		memcpy(name, path + next, end - next);
		name[end - next] = '\0';
		parent = file_open_in_root(root_fd, next > 0 ? prefix : "/", O_PATH | O_DIRECTORY, 0);
		if (parent < 0)
			return parent;
		r = make_component(parent, name, directory || !is_last);
		if (r < 0)
			return r;
		done = end;
	}
	return file_open_in_root(root_fd, path, O_PATH, 0);
}
