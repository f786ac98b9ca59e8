/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char *helper_path(const struct config *config, const char *name)
{
	char *path;

	return asprintf(&path, "%s/../%s", config->runtimes.directory, name) < 0 ? NULL : path;
}

char *helper_unpack(const struct config *config)
{
	char *path = helper_path(config, "baton-unpack-formats");

	if (path && access(path, X_OK) == 0)
		return path;
	free(path);
	return helper_path(config, "baton-unpack");
}
