/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/native/child.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *find_path(char *const *environment)
{
	for (; *environment; environment++) {
		if (strncmp(*environment, "PATH=", 5) == 0)
			return *environment + 5;
	}
	return DEFAULT_PATH;
}

/* execvp(3) with the container's PATH instead of the daemon's. Returns the errno that tells most. */
static int search(const struct spec *spec)
{
	const char *name = spec->args[0];
	const char *path = find_path(spec->env);
	char candidate[PATH_MAX];
	int result = ENOENT;

	while (*path) {
		size_t length = strcspn(path, ":");

		if (length > 0 && length + strlen(name) + 2 <= sizeof(candidate)) {
			memcpy(candidate, path, length);
			candidate[length] = '/';
			memcpy(candidate + length + 1, name, strlen(name) + 1);
			(void)execve(candidate, spec->args, spec->env);
			if (errno != ENOENT && errno != ENOTDIR)
				result = errno;
		}
		path += length;
		path += *path == ':';
	}
	return result;
}

int child_exec(const struct spec *spec, struct baton_error *err)
{
	const char *name = spec->args[0];
	int code;

	if (strchr(name, '/')) {
		(void)execve(name, spec->args, spec->env);
		code = errno;
	} else {
		code = search(spec);
	}
	/* These words are what podman and users of runc look for. */
	if (code == ENOENT && !strchr(name, '/'))
		return error_set(err, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
	if (code == ENOENT)
		return error_set(err, ENOENT, "exec: \"%s\": no such file or directory", name);
	if (code == EACCES)
		return error_set(err, EACCES, "exec: \"%s\": permission denied", name);
	return error_errno(err, code, "exec: \"%s\"", name);
}
