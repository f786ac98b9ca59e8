/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine of an MQTT session on the event loop. Each call of libmosquitto is followed by settle(),
 * which looks at what the call left behind: return codes alone do not tell (a failed TLS handshake closes the
 * socket without any callback), and callbacks alone do not either.
 */
#include "broker/session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <baton/kconfig.h>
#include "broker/session/session-priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/timeval.h"

#define TICK_MS       1000 /* mosquitto_loop_misc, which counts the keep-alive time in seconds */
#define READ_BATCH    64   /* packets per turn of the loop, so that a flood leaves time for the rest */
#define GOODBYE_MS    50   /* at most, in session_free */
#define KEEPALIVE_MIN 5    /* libmosquitto refuses less */

static void settle(struct session *session);

static const char *const state_names[] = {
	[SESSION_CLOSED] = "closed",
	[SESSION_WAITING] = "waiting",
	[SESSION_RESOLVING] = "resolving",
	[SESSION_CONNECTING] = "connecting",
	[SESSION_ONLINE] = "online",
};

static void set_state(struct session *session, enum session_state state)
{
	if (state != session->state)
		log_debug("session %s: %s -> %s", session->config->client_id, state_names[session->state],
		        state_names[state]);
	session->state = state;
}

static void arm_timer(struct session *session, unsigned ms)
{
	struct timeval delay = timeval_of_ms(ms);

	/* Fails only without memory for the heap of timers, whose place was taken when the session was made.
	 */
	(void)evtimer_add(session->timer, &delay);
}

void session_arm_write(struct session *session)
{
	bool wanted;

	if (!session->writable || mosquitto_socket(session->client) < 0)
		return;
	/* libmosquitto never clears its flag between the TCP connect and the end of the TLS handshake; going
	 * by it would spin on a socket that is always writable. */
	wanted = tls_in_handshake(session->client) ? tls_wants_write(session->client)
	                                           : mosquitto_want_write(session->client);
	if (wanted)
		(void)event_add(session->writable, NULL);
	else
		(void)event_del(session->writable);
}

/* ---- the end of a connection ---- */

static void drop_flushes(struct session *session)
{
	struct flush *flush;

	while ((flush = session->flushes)) {
		session->flushes = flush->next;
		free(flush);
	}
}

/*
 * The events go first: the next socket may get the same number, and libevent, which believes that it watches
 * that number already, would not tell the kernel about it.
 */
static void close_client(struct session *session)
{
	if (session->readable)
		event_free(session->readable);
	if (session->writable)
		event_free(session->writable);
	session->readable = NULL;
	session->writable = NULL;
	if (session->client)
		mosquitto_destroy(session->client);
	session->client = NULL;
	outgoing_drop_all(session);
	session->last_mid = 0;
	session->nonce_mid = 0;
	session->numbered = 0;
	session->has_gap = false;
	session->barrier.mid = 0;
	session->synced = false;
	session->connack = false;
	for (size_t i = 0; i < session->n_subscriptions; i++)
		session->subscriptions[i].mid = 0;
	drop_flushes(session);
}

/* Full jitter: after a broker comes back, a thousand nodes must not arrive in the same moment. */
static unsigned backoff_ms(struct session *session)
{
	uint64_t limit = session->config->backoff_min_ms;
	uint32_t random = arc4random();

	for (unsigned i = 0; i < session->failures && limit < session->config->backoff_max_ms; i++)
		limit *= 2;
	if (limit > session->config->backoff_max_ms)
		limit = session->config->backoff_max_ms;
	return (unsigned)(random % (limit + 1));
}

static void connect_to(struct session *session, const char *address, uint16_t port);

static void end_connection(struct session *session)
{
	bool was_connecting = session->state == SESSION_CONNECTING;
	char reason[SESSION_REASON_MAX];

	memcpy(reason, session->reason, sizeof(reason));
	/* A broker that accepts and then throws us out (two clients with one id do that to each other for
	 * ever) is a failure like a refused connection. */
	if (session->state == SESSION_ONLINE &&
	        clock_boot_ms() - session->online_since_ms >= (int64_t)session->config->backoff_max_ms)
		session->failures = 0;
	close_client(session);
	session->lost = false;
	if (was_connecting && !session->permanent && session->next_address < session->addresses.count) {
		connect_to(
		        session, session->addresses.address[session->next_address++], session->config->port);
		return;
	}
	set_state(session, SESSION_WAITING);
	arm_timer(session, backoff_ms(session));
	if (session->failures < UINT16_MAX)
		session->failures++;
	if (session->handler->disconnected)
		session->handler->disconnected(session->arg, reason, session->permanent);
}

/* ---- input and output ---- */

static void check(struct session *session, int rc)
{
	if (rc == MOSQ_ERR_SUCCESS && mosquitto_socket(session->client) >= 0)
		return;
	if (rc == MOSQ_ERR_TLS && session->tls.verify_error)
		session_fail(
		        session, true, "the broker's certificate is refused: %s", session->tls.verify_error);
	else if (rc == MOSQ_ERR_TLS)
		session_fail(session, false, "the TLS handshake failed: %s", session->tls_error);
	else if (rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_CONN_LOST || rc == MOSQ_ERR_NO_CONN)
		session_fail(session, false, "the broker closed the connection");
	else
		session_fail(session, false, "the connection failed: %s", mosquitto_strerror(rc));
}

/*
 * libmosquitto takes a TCP connect or a peer that failed under a TLS handshake for "try again later", while
 * the socket stays ready for ever: 100 % CPU. Asking the socket itself costs one call per event until
 * CONNACK.
 */
static bool socket_failed(struct session *session)
{
	char byte;
	ssize_t got = recv(mosquitto_socket(session->client), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return false;
	session_fail(session, false, "cannot connect: %s",
	        got == 0 ? "the broker closed the connection" : strerrordesc_np(errno));
	return true;
}

static void read_packets(struct session *session)
{
	/*
	 * One TLS record can hold fifty packets, and for what OpenSSL has decrypted the socket does not
	 * become readable again. errno is cleared because loop_read takes an old EAGAIN for its own and stops
	 * early.
	 */
	for (unsigned i = 0; i < READ_BATCH || tls_has_pending(session->client); i++) {
		errno = 0;
		check(session, mosquitto_loop_read(session->client, 1));
		if (session->lost || session->dying || session->connack)
			return;
		if (errno == EAGAIN && !tls_has_pending(session->client))
			return;
	}
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;

	(void)fd;
	session->depth++;
	if (session->state != SESSION_CONNECTING || !socket_failed(session)) {
		/* Also for EV_WRITE: the handshake goes on in loop_read only, loop_write does nothing then.
		 */
		if ((what & EV_READ) || tls_in_handshake(session->client))
			read_packets(session);
		if ((what & EV_WRITE) && !session->lost && !session->dying &&
		        !tls_in_handshake(session->client))
			check(session, mosquitto_loop_write(session->client, 1));
	}
	settle(session);
}

/* ---- connecting ---- */

static int watch_socket(struct session *session)
{
	int fd = mosquitto_socket(session->client);

	/* libmosquitto's sockets are inherited over exec otherwise. */
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* Level-triggered: loop_read does not always read until EAGAIN. */
	session->readable = event_new(session->base, fd, EV_READ | EV_PERSIST, on_io, session);
	session->writable = event_new(session->base, fd, EV_WRITE, on_io, session);
	if (!session->readable || !session->writable || event_add(session->readable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static void connect_to(struct session *session, const char *address, uint16_t port)
{
	struct baton_error err = { 0 };
	int rc;

	session->lost = false;
	session->permanent = false;
	session->reason[0] = '\0';
	session->tls_error[0] = '\0';
	set_state(session, SESSION_CONNECTING);
	arm_timer(session, CONFIG_SESSION_CONNECT_TIMEOUT_MS);
	if (client_new(session, &err) < 0) {
		session_fail(session, true, "%s", err.message);
		return;
	}
	rc = mosquitto_connect_async(session->client, address, port, (int)session->config->keepalive_s);
	if (rc == MOSQ_ERR_ERRNO)
		session_fail(session, false, "cannot connect to %s: %s", address, strerrordesc_np(errno));
	else
		check(session, rc);
	if (!session->lost && watch_socket(session) < 0)
		session_fail(session, false, "out of memory");
}

static void on_resolved(void *arg, const struct resolved *resolved, const char *failure)
{
	struct session *session = arg;

	session->depth++;
	if (failure) {
		session->reason[0] = '\0';
		session_fail(
		        session, false, "cannot find the host \"%s\": %s", session->config->host, failure);
	} else {
		session->addresses = *resolved;
		session->next_address = 1;
		connect_to(session, session->addresses.address[0], session->config->port);
	}
	resolver_free(session->resolver);
	session->resolver = NULL;
	settle(session);
}

static void start_attempt(struct session *session)
{
	const struct session_config *config = session->config;
	const struct resolve_request request = {
		.host = config->host,
		.deadline_ms = CONFIG_SESSION_RESOLVE_TIMEOUT_MS,
		.done = on_resolved,
		.arg = session,
	};
	struct baton_error err = { 0 };

	session->addresses.count = 0;
	session->next_address = 0;
	if (config->socket) {
		connect_to(session, config->socket, 0); /* port 0 is libmosquitto's sign for a Unix socket */
		return;
	}
	if (resolve_is_numeric(config->host)) {
		connect_to(session, config->host, config->port);
		return;
	}
	set_state(session, SESSION_RESOLVING);
	if (resolver_new(session->base, &request, &session->resolver, &err) < 0) {
		session->reason[0] = '\0';
		session_fail(session, false, "%s", err.message);
	}
}

static void publish_nonce(struct session *session)
{
	unsigned char random[(SESSION_NONCE_SIZE - 1) / 2];
	struct session_publish publish = {
		.topic = session->barrier.filter, .payload = session->nonce, .qos = 1
	};

	arc4random_buf(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(session->nonce + 2 * i, 3, "%02x", random[i]);
	publish.length = strlen(session->nonce);
	if (session_publish(session, &publish) == 0)
		session->nonce_mid = session->last_mid;
}

static void go_online(struct session *session)
{
	session->connack = false;
	set_state(session, SESSION_ONLINE);
	session->online_since_ms = clock_boot_ms();
	session->heard_ms = session->online_since_ms;
	arm_timer(session, TICK_MS);
	for (size_t i = 0; i < session->n_subscriptions; i++) {
		if (client_subscribe(session, &session->subscriptions[i]) < 0)
			session_fail(session, false, "the broker closed the connection");
	}
	if (session->barrier.filter && client_subscribe(session, &session->barrier) < 0)
		session_fail(session, false, "the broker closed the connection");
	if (session->lost)
		return;
	if (session->handler->connected)
		session->handler->connected(session->arg);
	/* After what `connected` subscribes to, and in the order of the connection: when it comes back, all
	 * retained messages have come before it. */
	if (session->barrier.filter && !session->dying && !session->lost)
		publish_nonce(session);
}

/* A broker drops what does not fit into its queue, and what its ACL forbids, without a word to anybody. */
static void check_barrier(struct session *session)
{
	if (session->nonce_mid == 0 || session->synced ||
	        clock_boot_ms() - session->heard_ms < CONFIG_SESSION_BARRIER_TIMEOUT_MS)
		return;
	session_fail(session, false,
	        "\"%s\" did not come back: the broker's queue is too short (mosquitto: max_queued_messages "
	        "100000), or its ACL forbids to read it",
	        session->barrier.filter);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;

	(void)fd;
	(void)what;
	session->depth++;
	switch (session->state) {
	case SESSION_WAITING: start_attempt(session); break;
	case SESSION_CONNECTING:
		session_fail(session, false, "no answer from the broker within %d ms",
		        CONFIG_SESSION_CONNECT_TIMEOUT_MS);
		break;
	case SESSION_ONLINE:
		arm_timer(session, TICK_MS);
		check(session, mosquitto_loop_misc(session->client));
		check_barrier(session);
		break;
	case SESSION_RESOLVING: /* the resolver has its own deadline */
	case SESSION_CLOSED: break;
	}
	settle(session);
}

/* ---- after each event ---- */

static void run_flushes(struct session *session)
{
	struct flush *flush;

	while (!session->dying && (flush = session->flushes) && flush->mid == 0) {
		void (*done)(void *) = flush->done;
		void *arg = flush->arg;

		session->flushes = flush->next;
		free(flush);
		done(arg);
	}
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;

	(void)fd;
	(void)what;
	session->depth++;
	run_flushes(session);
	settle(session);
}

/*
 * libmosquitto closes the socket right behind DISCONNECT. mosquitto 2.0.11 reads one packet per turn and
 * then, seeing the hang-up, forgets the rest: DISCONNECT behind one acknowledgement is lost and the will goes
 * out. So a second descriptor keeps the socket half open until the broker has read everything and closes.
 */
static void say_goodbye(struct session *session)
{
	cleanup_close int fd = fcntl(mosquitto_socket(session->client), F_DUPFD_CLOEXEC, 0);
	int64_t deadline = clock_boot_ms() + GOODBYE_MS;
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char discarded[4096];
	int64_t left;

	/* Written at once unless the socket is full; then the broker sends the will, which is no lie. */
	(void)mosquitto_disconnect_v5(session->client, 0, NULL);
	if (fd < 0 || shutdown(fd, SHUT_WR) < 0)
		return;
	while ((left = deadline - clock_boot_ms()) > 0 && poll(&wait, 1, (int)left) > 0) {
		if (recv(fd, discarded, sizeof(discarded), MSG_DONTWAIT) <= 0)
			break;
	}
}

static void destroy(struct session *session)
{
	bool connected = session->client && !session->lost && session->state == SESSION_ONLINE;

	if (session->readable)
		(void)event_del(session->readable);
	if (session->writable)
		(void)event_del(session->writable);
	if (connected)
		say_goodbye(session);
	close_client(session);
	resolver_free(session->resolver);
	if (session->timer)
		event_free(session->timer);
	if (session->kick)
		event_free(session->kick);
	for (size_t i = 0; i < session->n_subscriptions; i++)
		free(session->subscriptions[i].filter);
	free(session->subscriptions);
	free(session->barrier.filter);
	free(session->will);
	free(session);
	(void)mosquitto_lib_cleanup();
}

/* Ends what `depth++` began in an event; the session may be gone afterwards. */
static void settle(struct session *session)
{
	while (!session->dying && (session->lost || session->connack)) {
		if (session->lost)
			end_connection(session);
		else
			go_online(session);
	}
	if (!session->dying)
		session_arm_write(session);
	if (--session->depth == 0 && session->dying)
		destroy(session);
}

/* ---- the public side ---- */

static int check_config(const struct session_config *config, struct baton_error *err)
{
	struct sockaddr_un unix_address;

	if (config->keepalive_s < KEEPALIVE_MIN || config->keepalive_s > UINT16_MAX)
		return error_set(
		        err, EINVAL, "broker keep-alive must be %d to %d seconds", KEEPALIVE_MIN, UINT16_MAX);
	if (config->socket && strlen(config->socket) >= sizeof(unix_address.sun_path))
		return error_set(err, EINVAL, "broker socket \"%s\": the kernel allows %zu bytes",
		        config->socket, sizeof(unix_address.sun_path) - 1);
	if (!config->socket && (!config->host || config->host[0] == '\0' || config->port == 0))
		return error_set(err, EINVAL, "no broker: set a host and a port, or a socket");
	return 0;
}

int session_new(struct event_base *base, const struct session_config *config,
        const struct session_handler *handler, void *arg, struct session **ret_session,
        struct baton_error *err)
{
	struct session *session;
	int r = check_config(config, err);

	if (r < 0)
		return r;
	session = calloc(1, sizeof(*session));
	if (!session || mosquitto_lib_init() != MOSQ_ERR_SUCCESS) {
		free(session);
		return error_set(err, ENOMEM, "out of memory");
	}
	session->base = base;
	session->config = config;
	session->handler = handler;
	session->arg = arg;
	STAILQ_INIT(&session->outgoing);
	session->timer = evtimer_new(base, on_timer, session);
	session->kick = event_new(base, -1, 0, on_kick, session);
	if (!session->timer || !session->kick) {
		destroy(session);
		return error_set(err, ENOMEM, "out of memory");
	}
	*ret_session = session;
	return 0;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session->dying = true;
	/* Inside of a handler, libmosquitto is on the stack and holds its locks: settle() does it. */
	if (session->depth == 0)
		destroy(session);
}

int session_open(struct session *session, const char *barrier_topic)
{
	if (session->state != SESSION_CLOSED)
		return -EALREADY;
	if (barrier_topic) {
		session->barrier.filter = strdup(barrier_topic);
		if (!session->barrier.filter)
			return -ENOMEM;
	}
	set_state(session, SESSION_WAITING);
	arm_timer(session, 0);
	return 0;
}
