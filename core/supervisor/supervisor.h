/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: owns containers, their control groups, mounts, log pipes and runtime plugins. Asked over
 * IPC by baton-control, which it treats as hostile: every request is checked against the node's own
 * configuration.
 */
#ifndef BATON_SUPERVISOR_H
#define BATON_SUPERVISOR_H

#include <event2/event.h>

#include "core/base/error.h"
#include "core/config/config.h"
#include "core/ipc/channel.h"

struct supervisor;

/*
 * Loads the enabled plugins, opens ROOT and RUN (made by the caller), and takes back the containers of an
 * earlier process. `config` is borrowed until supervisor_free. 0 and *ret_supervisor, or negative errno.
 */
int supervisor_new(struct event_base *base, const struct config *config, struct supervisor **ret_supervisor,
        struct baton_error *err);

/* Leaves the containers running. Takes NULL. */
void supervisor_free(struct supervisor *supervisor);

/* Where events and replies go; NULL while baton-control is down. Borrowed. */
void supervisor_set_channel(struct supervisor *supervisor, struct channel *channel);

/* A request of baton-control; members may be moved out of *message. */
void supervisor_message(struct supervisor *supervisor, struct ipc_message *message);

/* What IPC_BROKER_SAVE calls; 0 or negative errno. Without it the answer is ENOTSUP. */
void supervisor_set_broker_save(struct supervisor *supervisor, int (*save)(void *arg), void *arg);

#endif
