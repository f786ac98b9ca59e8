/* SPDX-License-Identifier: Apache-2.0 */
/* One end of the SOCK_SEQPACKET socketpair on the event loop, with a bounded send queue. */
#ifndef BATON_IPC_CHANNEL_H
#define BATON_IPC_CHANNEL_H

#include <event2/event.h>

#include "core/base/error.h"
#include "core/ipc/message.h"

struct channel;

struct channel_handler {
	/* One decoded message; owned by the channel, valid during the call (move members out to keep them).
	 */
	void (*message)(void *arg, struct ipc_message *message);
	/* The peer is gone or broke the protocol; called once, from the loop. The channel stays until
	 * channel_free. */
	void (*closed)(void *arg, const char *reason);
};

/* Both ends non-blocking, close-on-exec, with send buffers large enough for one message of the maximum size.
 */
int channel_pair(int ret_fds[static 2]);

/* Takes ownership of fd on success. 0 or negative errno. */
int channel_new(struct event_base *base, int fd, const struct channel_handler *handler, void *arg,
        struct channel **ret_channel);
void channel_free(struct channel *channel); /* takes NULL; may be called from a handler */

/*
 * Sends or queues. 0; -EPIPE when closed; -EMSGSIZE or -EINVAL as ipc_message_encode(); -ENOMEM; -ENOBUFS
 * when CONFIG_IPC_QUEUE_MAX messages or CONFIG_IPC_QUEUE_MAX_KIB wait: the channel is closed then, because a
 * peer that missed a message must start anew.
 */
int channel_send(struct channel *channel, const struct ipc_message *message);

#endif
