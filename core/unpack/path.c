/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/path.h"

#include <errno.h>
#include <string.h>

#include "core/image/layer.h"

int path_clean(const char *path, size_t max, char clean[static PATH_MAX], struct baton_error *err)
{
	size_t used = 0;
	int depth = 0;

	if (strlen(path) > max || max >= PATH_MAX)
		return error_set(
		        err, ENAMETOOLONG, "the path \"%.64s…\" is longer than %zu bytes", path, max);
	for (;;) {
		size_t length;

		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (length == 0)
			break;
		if (length == 2 && path[0] == '.' && path[1] == '.')
			return error_set(err, EINVAL, "the path leaves the image by \"..\"");
		if (length != 1 || path[0] != '.') {
			if (++depth > LAYER_DEPTH_MAX)
				return error_set(err, ENAMETOOLONG, "the path is more than %d levels deep",
				        LAYER_DEPTH_MAX);
			if (used > 0)
				clean[used++] = '/';
			memcpy(clean + used, path, length);
			used += length;
		}
		path += length;
	}
	clean[used] = '\0';
	return 0;
}

const char *path_name(const char *clean, size_t *ret_parent_length)
{
	const char *slash = strrchr(clean, '/');

	*ret_parent_length = slash ? (size_t)(slash - clean) : 0;
	return slash ? slash + 1 : clean;
}
