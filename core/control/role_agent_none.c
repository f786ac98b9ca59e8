/* SPDX-License-Identifier: Apache-2.0 */
/* For a build without the agent role. */
#include <stddef.h>

#include "core/control/daemon.h"

const struct role *role_agent(void)
{
	return NULL;
}
