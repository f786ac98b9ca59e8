/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded broker: a private mosquitto 2.0, child of batond, on a Unix socket that only root and the
 * group of `user` can reach. Retained state lies in ROOT/broker and is written on request and at the end
 * only, so that an idle node writes nothing. PLATFORM section 6 lists the traps of mosquitto that its
 * configuration closes.
 */
#ifndef BATON_BROKER_EMBEDDED_H
#define BATON_BROKER_EMBEDDED_H

#include <event2/event.h>

#include "core/base/error.h"
#include "core/config/config.h"

struct broker_embedded;

/*
 * Makes ROOT/broker and RUN/broker, writes RUN/broker/mosquitto.conf, and starts mosquitto as soon as the one
 * of an earlier batond is gone; restarts it with back-off. `config` is borrowed. 0 and *ret_broker, or
 * negative errno when directories, files or user are at fault. What happens later is logged.
 */
int broker_embedded_new(struct event_base *base, const struct config *config,
        struct broker_embedded **ret_broker, struct baton_error *err);

/* Asks mosquitto to write its retained state to disk; it does so a moment later. 0, -ENOTCONN while it is
 * down. */
int broker_embedded_save(void *broker);

/*
 * Ends mosquitto, which writes its state first; SIGKILL after 5 s. Calls `stopped` once from the loop, also
 * when nothing ran.
 */
void broker_embedded_stop(struct broker_embedded *broker, void (*stopped)(void *arg), void *arg);

/* Kills a mosquitto that still runs. Takes NULL. */
void broker_embedded_free(struct broker_embedded *broker);

#endif
