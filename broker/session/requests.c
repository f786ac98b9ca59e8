/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner asks of a session: subscriptions, publications, the will. Nothing here runs a handler. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "broker/session/session-priv.h"

#define PAYLOAD_MAX     268435455 /* MQTT 5 section 1.5.5: the largest length of a packet */
#define OVERHEAD        256 /* of a publication: what libmosquitto and we keep beside topic and payload */
#define CONGESTED_BYTES 65536
#define QUEUE_BYTES_MAX ((size_t)CONFIG_SESSION_QUEUE_MAX_KIB * 1024)

static struct subscription *find(struct session *session, const char *filter)
{
	for (size_t i = 0; i < session->n_subscriptions; i++) {
		if (strcmp(session->subscriptions[i].filter, filter) == 0)
			return &session->subscriptions[i];
	}
	return NULL;
}

/* A failure inside of a call of the owner: handled from the loop, so that no handler runs inside the call. */
static void fail_later(struct session *session, const char *reason)
{
	session_fail(session, false, "%s", reason);
	event_active(session->kick, 0, 0);
}

int session_subscribe(struct session *session, const char *filter)
{
	struct subscription *grown;

	if (find(session, filter))
		return 0;
	grown = reallocarray(session->subscriptions, session->n_subscriptions + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	session->subscriptions = grown;
	grown += session->n_subscriptions;
	grown->mid = 0;
	grown->filter = strdup(filter);
	if (!grown->filter)
		return -ENOMEM;
	session->n_subscriptions++;
	if (session_is_connected(session) && client_subscribe(session, grown) < 0)
		fail_later(session, "the broker closed the connection");
	session_arm_write(session);
	return 0;
}

int session_unsubscribe(struct session *session, const char *filter)
{
	struct subscription *subscription = find(session, filter);
	size_t after;

	if (!subscription)
		return 0;
	if (session_is_connected(session) &&
	        mosquitto_unsubscribe(session->client, NULL, filter) != MOSQ_ERR_SUCCESS)
		fail_later(session, "the broker closed the connection");
	session_arm_write(session);
	free(subscription->filter);
	after = session->n_subscriptions - (size_t)(subscription - session->subscriptions) - 1;
	memmove(subscription, subscription + 1, after * sizeof(*subscription));
	session->n_subscriptions--;
	return 0;
}

int session_set_will(struct session *session, const void *payload, size_t length)
{
	void *copy = malloc(length + 1);

	if (!copy)
		return -ENOMEM;
	if (length > 0)
		memcpy(copy, payload, length);
	free(session->will);
	session->will = copy;
	session->will_length = length;
	return 0;
}

bool session_is_connected(const struct session *session)
{
	return session->state == SESSION_ONLINE && !session->lost && !session->dying;
}

/* ---- what is on its way ---- */

void outgoing_drop(struct session *session, struct outgoing *item)
{
	STAILQ_REMOVE(&session->outgoing, item, outgoing, next);
	session->n_outgoing--;
	session->outgoing_bytes -= item->bytes;
	free(item);
}

void outgoing_drop_all(struct session *session)
{
	while (!STAILQ_EMPTY(&session->outgoing))
		outgoing_drop(session, STAILQ_FIRST(&session->outgoing));
}

/* At the end of the list; NULL when out of memory. */
static struct outgoing *outgoing_add(struct session *session, size_t bytes)
{
	struct outgoing *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	item->bytes = bytes;
	STAILQ_INSERT_TAIL(&session->outgoing, item, next);
	session->n_outgoing++;
	session->outgoing_bytes += bytes;
	return item;
}

/* A single one may be larger than the limit of all. */
static bool outgoing_has_room(const struct session *session, size_t bytes)
{
	if (session->n_outgoing == 0)
		return true;
	return session->n_outgoing < CONFIG_SESSION_QUEUE_MAX && session->outgoing_bytes < QUEUE_BYTES_MAX &&
	       bytes <= QUEUE_BYTES_MAX - session->outgoing_bytes;
}

bool session_has_gap(const struct session *session)
{
	return session->has_gap;
}

bool session_is_congested(const struct session *session)
{
	return session->outgoing_bytes >= CONGESTED_BYTES;
}

int session_publish(struct session *session, const struct session_publish *publish)
{
	mosquitto_property *properties = NULL;
	struct outgoing *item;
	size_t bytes;
	int rc;

	/* libmosquitto would queue without limit and send the old state when it is back. */
	if (!session_is_connected(session))
		return -ENOTCONN;
	if (publish->length > PAYLOAD_MAX || publish->correlation_length > UINT16_MAX)
		return -EMSGSIZE;
	bytes = strlen(publish->topic) + publish->length + publish->correlation_length + OVERHEAD;
	if (!outgoing_has_room(session, bytes)) {
		fail_later(session, "the broker does not acknowledge publications");
		return -ENOTCONN;
	}
	item = outgoing_add(session, bytes);
	if (!item)
		return -ENOMEM;
	rc = client_properties(publish, &properties);
	/* On the list, and its number written there, before a QoS 0 publication is reported as sent from
	 * inside of the call; then it is gone already. */
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_publish_v5(session->client, &item->mid, publish->topic, (int)publish->length,
		        publish->payload, publish->qos, publish->retain, properties);
	mosquitto_property_free_all(&properties);
	session_arm_write(session);
	switch (rc) {
	case MOSQ_ERR_SUCCESS:
		if (publish->qos > 0)
			session->last_mid = item->mid;
		return 0;
	case MOSQ_ERR_OVERSIZE_PACKET:
	case MOSQ_ERR_PAYLOAD_SIZE: outgoing_drop(session, item); return -EMSGSIZE;
	case MOSQ_ERR_INVAL:
	case MOSQ_ERR_MALFORMED_UTF8: outgoing_drop(session, item); return -EINVAL;
	default:
		/* Out of memory included: libmosquitto may have queued it already, and must not send it
		 * later. */
		fail_later(session, mosquitto_strerror(rc));
		return rc == MOSQ_ERR_NOMEM ? -ENOMEM : -ENOTCONN;
	}
}

int session_flush(struct session *session, void (*done)(void *arg), void *arg)
{
	struct flush **end = &session->flushes;
	struct flush *flush;

	if (!session_is_connected(session))
		return -ENOTCONN;
	flush = calloc(1, sizeof(*flush));
	if (!flush)
		return -ENOMEM;
	flush->mid = session->last_mid;
	flush->done = done;
	flush->arg = arg;
	while (*end)
		end = &(*end)->next;
	*end = flush;
	if (flush->mid == 0)
		event_active(session->kick, 0, 0);
	return 0;
}
