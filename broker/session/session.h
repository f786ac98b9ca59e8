/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MQTT 5 connection (libmosquitto) on the event loop: connect, back-off with jitter, resubscribe,
 * barrier. Used by baton-control and by the command line. PLATFORM section 5 lists the traps of libmosquitto
 * that are closed here. Never blocks: host names are resolved by a short-lived child.
 */
#ifndef BATON_BROKER_SESSION_H
#define BATON_BROKER_SESSION_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct session;

struct session_config {   /* borrowed until session_free */
	const char *host; /* name or address; ignored when socket is set */
	uint16_t port;
	const char *socket; /* path of a Unix socket, or NULL */
	const char *client_id;
	const char *username; /* NULL: none */
	const char *password;
	const char *ca_file;   /* NULL: no TLS */
	const char *cert_file; /* client certificate, or NULL */
	const char *key_file;
	unsigned keepalive_s;    /* 5 or more */
	unsigned backoff_min_ms; /* first wait after a lost connection; doubled up to backoff_max_ms; full
	                            jitter */
	unsigned backoff_max_ms;
	size_t payload_max;     /* larger payloads are handed over with `too_large` and no data */
	const char *will_topic; /* NULL: no will. Retained, QoS 1 */
};

struct session_message { /* borrowed during the call */
	const char *topic;
	const char *payload; /* not NUL-terminated */
	size_t length;       /* the real length, also when too_large */
	bool too_large;
	bool retained;              /* sent because of a subscription, not live */
	const char *response_topic; /* NULL: none (MQTT 5 section 3.3.2.3.5) */
	const void *correlation;    /* NULL: none */
	size_t correlation_length;
};

struct session_handler {
	/*
	 * A connection is up and the subscriptions are sent; the session's publications may go out now.
	 * Called for every connection: publish retained state anew here.
	 */
	void (*connected)(void *arg);
	/* All retained messages of the subscriptions have been handed over (barrier of DESIGN section 8.3).
	 */
	void (*synced)(void *arg);
	/* `reason` for people. `permanent`: the broker refused us (bad password, not authorised); retried all
	 * the same. */
	void (*disconnected)(void *arg, const char *reason, bool permanent);
	void (*message)(void *arg, const struct session_message *message);
};

/* 0 and *ret_session (nothing is connected yet), or -EINVAL, -ENOMEM with the reason in err. */
int session_new(struct event_base *base, const struct session_config *config,
        const struct session_handler *handler, void *arg, struct session **ret_session,
        struct baton_error *err);

/*
 * Sends DISCONNECT when connected (so the will is not sent), then frees. May be called inside of any handler;
 * no handler is called afterwards. Waits up to 50 ms for the broker to read DISCONNECT, never otherwise.
 * Takes NULL.
 */
void session_free(struct session *session);

/* Topic filters to subscribe to at every connection, QoS 1; call before session_open or at any time. 0 or
 * -ENOMEM. */
int session_subscribe(struct session *session, const char *filter);
int session_unsubscribe(struct session *session, const char *filter);

/* The will of the next connections; copied. Call before session_open, or from `disconnected`. */
int session_set_will(struct session *session, const void *payload, size_t length);

/*
 * Starts connecting; goes on for ever, until session_free. `barrier_topic` is sync/{client}: the session
 * subscribes to it, publishes a nonce to itself and calls `synced` when it returns. NULL: no barrier.
 */
int session_open(struct session *session, const char *barrier_topic);

bool session_is_connected(const struct session *session);

struct session_publish {
	const char *topic;
	const void *payload;
	size_t length;
	int qos; /* 0 or 1 */
	bool retain;
	const char *response_topic; /* NULL: none */
	const void *correlation;
	size_t correlation_length;
	uint32_t expiry_s; /* 0: none (MQTT 5 message expiry) */
};

/*
 * 0; -ENOTCONN while offline (nothing is queued: publish state again in `connected`); -EMSGSIZE; -ENOMEM.
 * What the broker has not taken waits in memory, QoS 0 too; beyond CONFIG_SESSION_QUEUE_MAX publications or
 * CONFIG_SESSION_QUEUE_MAX_KIB the connection is given up, and this fails with -ENOTCONN.
 */
int session_publish(struct session *session, const struct session_publish *publish);

/*
 * True when the broker has left out a message of this connection: its queue was too short, or the message
 * larger than CONFIG_SESSION_PACKET_MAX. Asked in `synced`, it tells that what is absent may be there all the
 * same.
 */
bool session_has_gap(const struct session *session);

/* Much waits already: who can drop what it would publish, or put it off, should. False while offline. */
bool session_is_congested(const struct session *session);

/* Calls `done` once, when every QoS 1 publication made so far was acknowledged. -ENOTCONN while offline. */
int session_flush(struct session *session, void (*done)(void *arg), void *arg);

#endif
