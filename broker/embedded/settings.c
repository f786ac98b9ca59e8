/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/embedded/settings.h"

#include <inttypes.h>

static const char always[] =
        "allow_anonymous true\n" /* the directory of the socket lets only root and the group of `user` in */
        "persistence true\n"
        "persistence_file mosquitto.db\n"
        "autosave_interval 0\n" /* SIGUSR1 and the end save: nothing is written while nothing changes */
        /* The default of 1000 drops retained messages of a large subscription; 0, said to be no limit, makes
         * mosquitto 2.0.11 close the connection of whoever publishes what it rejects. */
        "max_queued_messages 100000\n"
        "max_inflight_messages 1000\n" /* default 20: one round trip for so many retained messages */
        "sys_interval 0\n"             /* $SYS is read by nobody; its updates wake the processor every 10 s */
        "connection_messages false\n"
        "log_dest stderr\n"
        "log_timestamp false\n"
        "log_type error\n"
        "log_type warning\n";

int embedded_settings(struct buf *out, const char *socket, const char *database, int64_t tcp_port)
{
	int r = buf_appendf(out, "# Written by batond at every start.\nlistener 0 %s\n", socket);

	/* Without socket_domain the listener binds the IPv6 wildcard too, whatever address is named. */
	if (r == 0 && tcp_port != 0)
		r = buf_appendf(out, "listener %" PRId64 " 127.0.0.1\nsocket_domain ipv4\n", tcp_port);
	if (r == 0)
		r = buf_appendf(out, "persistence_location %s/\n", database);
	if (r == 0)
		r = buf_append(out, always, sizeof(always) - 1);
	return r;
}
