/* SPDX-License-Identifier: Apache-2.0 */
/* A build without CONFIG_BROKER_EMBEDDED: core/config refuses broker.mode = "embedded", so nothing gets this
 * far. */
#include <errno.h>

#include "broker/embedded/embedded.h"

int broker_embedded_new(struct event_base *base, const struct config *config,
        struct broker_embedded **ret_broker, struct baton_error *err)
{
	(void)base;
	(void)config;
	(void)ret_broker;
	return error_set(err, ENOTSUP, "this build has no embedded broker");
}

int broker_embedded_save(void *broker)
{
	(void)broker;
	return -ENOTSUP;
}

void broker_embedded_stop(struct broker_embedded *broker, void (*stopped)(void *arg), void *arg)
{
	(void)broker;
	stopped(arg);
}

void broker_embedded_free(struct broker_embedded *broker)
{
	(void)broker;
}
