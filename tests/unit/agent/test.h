/* SPDX-License-Identifier: Apache-2.0 */
/* What every test of the agent includes. */
#ifndef BATON_TEST_AGENT_TEST_H
#define BATON_TEST_AGENT_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "rig.h"

#endif
