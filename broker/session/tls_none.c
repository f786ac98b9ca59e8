/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for tls.c when CONFIG_MQTT_TLS is off: asking for TLS is an error, never a silent plain
 * connection. */
#include "broker/session/tls.h"

#include <errno.h>

int tls_attach(struct mosquitto *client, const struct session_config *config, struct tls_state *state,
        struct baton_error *err)
{
	(void)state;
	(void)client;
	(void)config;
	return error_set(err, ENOTSUP, "this build has no TLS (CONFIG_MQTT_TLS)");
}

bool tls_in_handshake(struct mosquitto *client)
{
	(void)client;
	return false;
}

bool tls_wants_write(struct mosquitto *client)
{
	(void)client;
	return false;
}

bool tls_has_pending(struct mosquitto *client)
{
	(void)client;
	return false;
}
