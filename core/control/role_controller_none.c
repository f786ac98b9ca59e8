/* SPDX-License-Identifier: Apache-2.0 */
/* For a build without the controller role. */
#include <stddef.h>

#include "core/control/daemon.h"

const struct role *role_controller(void)
{
	return NULL;
}
