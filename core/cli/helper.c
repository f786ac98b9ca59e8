/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/helper.h"

#include <stdio.h>

char *helper_path(const struct config *config, const char *name)
{
	char *path;

	return asprintf(&path, "%s/../%s", config->runtimes.directory, name) < 0 ? NULL : path;
}
