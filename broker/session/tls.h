/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of a session through an SSL_CTX of our own. libmosquitto checks the certificate against the host it
 * connects to; that is a number here, since names are resolved beforehand, so the check against the name is
 * ours. tls_none.c stands in when CONFIG_MQTT_TLS is off.
 */
#ifndef BATON_BROKER_TLS_H
#define BATON_BROKER_TLS_H

#include <mosquitto.h>
#include <stdbool.h>

#include "broker/session/session.h"

/* Written by the callbacks of OpenSSL; must live as long as `client`. */
struct tls_state {
	const char *host;         /* borrowed from the configuration */
	const char *verify_error; /* why the broker's certificate was refused (static text), or NULL */
};

/*
 * Loads the files of `config` and gives them to `client`: TLS 1.2 or newer, the broker's certificate must be
 * signed by ca_file and be valid for config->host. Read anew for each connection, so that renewed files need
 * no restart. 0, or negative errno with the file in err.
 */
int tls_attach(struct mosquitto *client, const struct session_config *config, struct tls_state *state,
        struct baton_error *err);

/* The handshake is not over: libmosquitto goes on with it only inside mosquitto_loop_read. */
bool tls_in_handshake(struct mosquitto *client);

/* The handshake waits for the socket to become writable. */
bool tls_wants_write(struct mosquitto *client);

/* OpenSSL holds decrypted bytes, for which the socket will not become readable. */
bool tls_has_pending(struct mosquitto *client);

#endif
