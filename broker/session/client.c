/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libmosquitto handle of one connection: options, and callbacks that only record what happened, because
 * libmosquitto 2.0.11 holds its locks while they run and closes the socket after some of them. Only
 * `message` and `synced` of the owner are called from here; session_free inside them is put off.
 */
#include <errno.h>
#include <mqtt_protocol.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>
#include "broker/session/session-priv.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"

#define REASON_REFUSED 0x80 /* MQTT 5 section 2.4: reason codes from here on are failures */

static const int permanent_reasons[] = {
	MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION,
	MQTT_RC_CLIENTID_NOT_VALID,
	MQTT_RC_BAD_USERNAME_OR_PASSWORD,
	MQTT_RC_NOT_AUTHORIZED,
	MQTT_RC_BANNED,
	MQTT_RC_BAD_AUTHENTICATION_METHOD,
};

void session_fail(struct session *session, bool permanent, const char *format, ...)
{
	va_list args;

	session->lost = true;
	if (session->reason[0] != '\0')
		return;
	session->permanent = permanent;
	va_start(args, format);
	(void)vsnprintf(session->reason, sizeof(session->reason), format, args);
	va_end(args);
}

static bool is_permanent(int reason)
{
	for (size_t i = 0; i < array_size(permanent_reasons); i++) {
		if (permanent_reasons[i] == reason)
			return true;
	}
	return false;
}

static void on_connect(
        struct mosquitto *client, void *arg, int reason, int flags, const mosquitto_property *properties)
{
	struct session *session = arg;
	uint8_t retain_available = 1;

	(void)client;
	(void)flags;
	(void)mosquitto_property_read_byte(
	        properties, MQTT_PROP_RETAIN_AVAILABLE, &retain_available, false); /* absent means 1 */
	if (reason != 0)
		session_fail(session, is_permanent(reason), "the broker refuses the connection: %s",
		        mosquitto_reason_string(reason));
	else if (retain_available == 0)
		session_fail(session, true, "the broker does not keep retained messages");
	else
		session->connack = true;
}

static void on_disconnect(
        struct mosquitto *client, void *arg, int reason, const mosquitto_property *properties)
{
	struct session *session = arg;

	(void)client;
	(void)properties;
	/* One parameter, two number spaces: errors of libmosquitto below, reason codes of the broker above.
	 */
	if (reason >= REASON_REFUSED)
		session_fail(session, is_permanent(reason), "the broker ends the connection: %s",
		        mosquitto_reason_string(reason));
	else if (reason == MOSQ_ERR_KEEPALIVE)
		session_fail(session, false, "the broker does not answer within the keep-alive time");
	else if (reason == MOSQ_ERR_SUCCESS || reason == MOSQ_ERR_CONN_LOST)
		session_fail(session, false, "the broker closed the connection");
	else
		session_fail(session, false, "the connection failed: %s", mosquitto_strerror(reason));
}

static void on_log(struct mosquitto *client, void *arg, int level, const char *text)
{
	struct session *session = arg;

	(void)client;
	/* Return codes only say "TLS error"; what OpenSSL found goes to the log, and the first is the cause.
	 */
	if (level == MOSQ_LOG_ERR && session->tls_error[0] == '\0')
		(void)snprintf(session->tls_error, sizeof(session->tls_error), "%s", text);
}

static void acknowledge(struct session *session, int mid)
{
	struct flush *flush = session->flushes;
	struct outgoing *item;
	bool found = false;

	/* Nearly always the first one. */
	STAILQ_FOREACH(item, &session->outgoing, next)
	{
		if (item->mid == mid)
			break;
	}
	if (item)
		outgoing_drop(session, item);
	if (mid == session->last_mid)
		session->last_mid = 0;
	for (struct flush *other = flush; other; other = other->next)
		found = found || other->mid == mid;
	/* A receiver acknowledges in the order of arrival (MQTT 5 section 4.6), so older ones are done too.
	 */
	for (; found && flush; flush = flush->next) {
		bool last = flush->mid == mid;

		flush->mid = 0;
		if (last)
			break;
	}
	if (found)
		event_active(session->kick, 0, 0);
}

static void on_publish(
        struct mosquitto *client, void *arg, int mid, int reason, const mosquitto_property *properties)
{
	struct session *session = arg;

	(void)client;
	(void)properties;
	acknowledge(session, mid);
	if (reason < REASON_REFUSED)
		return;
	if (mid == session->nonce_mid)
		session_fail(session, true, "the broker refuses to publish to \"%s\": %s",
		        session->barrier.filter, mosquitto_reason_string(reason));
	else
		log_warning("the broker refuses a publication: %s", mosquitto_reason_string(reason));
}

static void on_subscribe(struct mosquitto *client, void *arg, int mid, int count, const int *granted,
        const mosquitto_property *properties)
{
	struct session *session = arg;

	(void)client;
	(void)properties;
	if (count < 1 || granted[0] < REASON_REFUSED)
		return;
	if (mid == session->barrier.mid)
		session_fail(session, true, "the broker refuses the subscription to \"%s\": %s",
		        session->barrier.filter, mosquitto_reason_string(granted[0]));
	for (size_t i = 0; i < session->n_subscriptions; i++) {
		if (session->subscriptions[i].mid == mid)
			log_warning("the broker refuses the subscription to \"%s\": %s",
			        session->subscriptions[i].filter, mosquitto_reason_string(granted[0]));
	}
}

static bool is_barrier(struct session *session, const struct mosquitto_message *message)
{
	size_t length = sizeof(session->nonce) - 1;

	if (!session->barrier.filter || strcmp(message->topic, session->barrier.filter) != 0)
		return false;
	/* Anybody may write there: only our own nonce of this connection counts, and only once. */
	if (!session->synced && message->payloadlen == (int)length &&
	        memcmp(message->payload, session->nonce, length) == 0) {
		session->synced = true;
		if (session->handler->synced)
			session->handler->synced(session->arg);
	}
	return true;
}

/*
 * mosquitto drops what does not fit into its queue without a word, and not even the barrier behind it has to
 * be among that, as the queue gets shorter meanwhile. But the packet identifier is used up (MQTT 5
 * section 2.2.1). Whoever takes identifiers in a row, or the lowest one that is free, never comes to one
 * above the number of messages so far. A broker that does not begin with 1 does something else, and is not
 * judged.
 */
static void note_number(struct session *session, const struct mosquitto_message *message)
{
	if (message->qos == 0 || (session->numbered == 0 && message->mid != 1))
		return;
	session->numbered++;
	if (session->has_gap || (size_t)message->mid <= session->numbered)
		return;
	session->has_gap = true;
	log_warning("the broker left out messages: its queue is too short (mosquitto: max_queued_messages "
	            "100000), or they expired, or are larger than %d bytes",
	        CONFIG_SESSION_PACKET_MAX);
}

static void on_message(struct mosquitto *client, void *arg, const struct mosquitto_message *message,
        const mosquitto_property *properties)
{
	struct session *session = arg;
	struct session_message delivered = {
		.topic = message->topic,
		.payload = message->payload,
		.length = (size_t)message->payloadlen,
		.retained = message->retain,
	};
	cleanup_free char *response_topic = NULL;
	cleanup_free void *correlation = NULL;
	uint16_t correlation_length = 0;

	(void)client;
	if (session->state != SESSION_ONLINE || session->dying || session->lost)
		return;
	note_number(session, message);
	if (is_barrier(session, message))
		return;
	if (!session->synced)
		session->heard_ms = clock_boot_ms();
	/* Both are absent in most messages; what cannot be read is treated as absent. */
	(void)mosquitto_property_read_string(properties, MQTT_PROP_RESPONSE_TOPIC, &response_topic, false);
	(void)mosquitto_property_read_binary(
	        properties, MQTT_PROP_CORRELATION_DATA, &correlation, &correlation_length, false);
	delivered.response_topic = response_topic;
	delivered.correlation = correlation;
	delivered.correlation_length = correlation_length;
	if (delivered.length > session->config->payload_max) {
		delivered.too_large = true;
		delivered.payload = NULL;
	}
	session->handler->message(session->arg, &delivered);
}

int client_subscribe(struct session *session, struct subscription *subscription)
{
	int rc =
	        mosquitto_subscribe_v5(session->client, &subscription->mid, subscription->filter, 1, 0, NULL);

	return rc == MOSQ_ERR_SUCCESS ? 0 : -ENOTCONN;
}

int client_properties(const struct session_publish *publish, mosquitto_property **properties)
{
	int rc = MOSQ_ERR_SUCCESS;

	if (publish->response_topic)
		rc = mosquitto_property_add_string(
		        properties, MQTT_PROP_RESPONSE_TOPIC, publish->response_topic);
	if (rc == MOSQ_ERR_SUCCESS && publish->correlation)
		rc = mosquitto_property_add_binary(properties, MQTT_PROP_CORRELATION_DATA,
		        publish->correlation, (uint16_t)publish->correlation_length);
	if (rc == MOSQ_ERR_SUCCESS && publish->expiry_s > 0)
		rc = mosquitto_property_add_int32(
		        properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, publish->expiry_s);
	return rc;
}

/*
 * CONNECT properties can only be given to the blocking connect, but are kept for the asynchronous one. So the
 * blocking one is sent to a Unix socket that cannot exist, which fails at once and opens nothing.
 */
static int prime_properties(struct mosquitto *client)
{
	mosquitto_property *properties = NULL;
	int rc = mosquitto_property_add_int32(
	        &properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, CONFIG_SESSION_PACKET_MAX);

	if (rc == MOSQ_ERR_SUCCESS)
		(void)mosquitto_connect_bind_v5(client, "/dev/null", 0, 60, NULL, properties);
	mosquitto_property_free_all(&properties);
	return rc;
}

static int set_options(struct session *session, struct baton_error *err)
{
	const struct session_config *config = session->config;
	struct mosquitto *client = session->client;
	int rc = mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);

	/* mosquitto drops retained messages beyond its queue while 20 (the default) are unacknowledged. */
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, UINT16_MAX);
	if (rc == MOSQ_ERR_SUCCESS && !config->socket)
		rc = mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
	if (rc == MOSQ_ERR_SUCCESS && config->username)
		rc = mosquitto_username_pw_set(client, config->username, config->password);
	if (rc == MOSQ_ERR_SUCCESS && config->will_topic)
		rc = mosquitto_will_set(
		        client, config->will_topic, (int)session->will_length, session->will, 1, true);
	if (rc == MOSQ_ERR_SUCCESS)
		rc = prime_properties(client);
	if (rc != MOSQ_ERR_SUCCESS)
		return error_set(err, rc == MOSQ_ERR_NOMEM ? ENOMEM : EINVAL,
		        "cannot set up the MQTT client: %s", mosquitto_strerror(rc));
	if (config->ca_file && !config->socket)
		return tls_attach(client, config, &session->tls, err);
	return 0;
}

int client_new(struct session *session, struct baton_error *err)
{
	/* Clean start: what a persistent session would keep for us expires or blocks (PLATFORM section 6);
	 * all that matters is retained. */
	session->client = mosquitto_new(session->config->client_id, true, session);
	if (!session->client)
		return error_set(err, errno == EINVAL ? EINVAL : ENOMEM, "cannot make an MQTT client: %s",
		        errno == EINVAL ? "the client id is empty or not UTF-8" : "out of memory");
	mosquitto_connect_v5_callback_set(session->client, on_connect);
	mosquitto_disconnect_v5_callback_set(session->client, on_disconnect);
	mosquitto_publish_v5_callback_set(session->client, on_publish);
	mosquitto_subscribe_v5_callback_set(session->client, on_subscribe);
	mosquitto_message_v5_callback_set(session->client, on_message);
	mosquitto_log_callback_set(session->client, on_log);
	return set_options(session, err);
}
