/* SPDX-License-Identifier: Apache-2.0 */
/* Text of mosquitto.conf(5) for the embedded broker. */
#ifndef BATON_BROKER_EMBEDDED_SETTINGS_H
#define BATON_BROKER_EMBEDDED_SETTINGS_H

#include <stdint.h>

#include "core/base/buf.h"

/* Paths hold no control characters (core/config checks that), so a line is a line. 0, -ENOMEM or -EMSGSIZE.
 */
int embedded_settings(struct buf *out, const char *socket, const char *database, int64_t tcp_port);

#endif
