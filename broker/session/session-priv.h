/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the MQTT session: the state machine of session.c and the libmosquitto handle of client.c. */
#ifndef BATON_BROKER_SESSION_PRIV_H
#define BATON_BROKER_SESSION_PRIV_H

#include <mosquitto.h>
#include <stdint.h>
#include <sys/queue.h>

#include "broker/session/resolve.h"
#include "broker/session/session.h"
#include "broker/session/tls.h"

#define SESSION_REASON_MAX 256
#define SESSION_NONCE_SIZE 33

enum session_state {
	SESSION_CLOSED,     /* before session_open */
	SESSION_WAITING,    /* back-off before the next attempt */
	SESSION_RESOLVING,  /* a child looks the host name up */
	SESSION_CONNECTING, /* TCP, TLS, CONNECT sent; no CONNACK yet */
	SESSION_ONLINE,
};

struct subscription {
	char *filter;
	int mid; /* of its last SUBSCRIBE, 0: none */
};

/* A publication on its way: QoS 0 until it is written, QoS 1 until it is acknowledged. */
struct outgoing {
	STAILQ_ENTRY(outgoing) next;
	int mid;
	size_t bytes;
};

struct flush {
	struct flush *next;
	int mid; /* the publication it waits for; 0: acknowledged */
	void (*done)(void *arg);
	void *arg;
};

struct session {
	struct event_base *base;
	const struct session_config *config;
	const struct session_handler *handler;
	void *arg;
	enum session_state state;

	/* One handle per connection. A handle that is used again would send what it had not sent before (and
	 * so overwrite newer documents), and may keep flags of a failed TLS handshake. */
	struct mosquitto *client;
	struct event *readable;
	struct event *writable;
	struct event *timer; /* back-off, connect deadline, or tick of one second, by state */
	struct event *kick;  /* work that must not run inside a call of the owner */

	struct resolver *resolver;
	struct resolved addresses;
	size_t next_address;
	unsigned failures; /* attempts and short connections in a row */
	int64_t online_since_ms;
	int64_t heard_ms; /* last message before the barrier */

	struct subscription *subscriptions;
	size_t n_subscriptions;
	struct subscription barrier; /* filter NULL: none */
	char nonce[SESSION_NONCE_SIZE];
	int nonce_mid;
	bool synced;
	size_t numbered; /* messages with a packet identifier that this connection has brought */
	bool has_gap;    /* one was left out */

	void *will;
	size_t will_length;

	int last_mid; /* of the newest unacknowledged QoS 1 publication, 0: all acknowledged */
	STAILQ_HEAD(, outgoing) outgoing; /* oldest first */
	size_t n_outgoing;
	size_t outgoing_bytes;
	struct flush *flushes; /* oldest first */

	/* What the callbacks of libmosquitto found out; session.c acts on it after the call has returned. */
	bool connack;
	bool lost;
	bool permanent;
	char reason[SESSION_REASON_MAX]; /* the first one of a connection is the cause */
	struct tls_state tls;
	char tls_error[SESSION_REASON_MAX];

	unsigned depth; /* calls of libmosquitto and of handlers on the stack */
	bool dying;     /* session_free was called at depth > 0 */
};

/* A new handle with all options, callbacks, will and TLS set. 0 or negative errno with the reason in err. */
int client_new(struct session *session, struct baton_error *err);

/* Records why the connection ends, unless a reason is known already, and that it has to end. */
void session_fail(struct session *session, bool permanent, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* After every call of libmosquitto: nothing else tells us that it has something left to send. */
void session_arm_write(struct session *session);

/* Sends the SUBSCRIBE of one filter. 0 or -ENOTCONN. */
int client_subscribe(struct session *session, struct subscription *subscription);

/* Takes one off the list: it was written, acknowledged, or refused by libmosquitto. */
void outgoing_drop(struct session *session, struct outgoing *item);
void outgoing_drop_all(struct session *session);

/* The MQTT 5 properties of a publication, for mosquitto_property_free_all. A MOSQ_ERR_* code. */
int client_properties(const struct session_publish *publish, mosquitto_property **properties);

#endif
