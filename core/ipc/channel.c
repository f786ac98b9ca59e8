/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ipc/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"

/* So many messages per wake-up, then timers and other descriptors have their turn. */
#define READ_BURST 64
/* unix_dgram_sendmsg() refuses messages above the send buffer less 32 bytes. */
#define SEND_BUFFER_MIN  (CONFIG_IPC_MESSAGE_MAX + 32)
#define QUEUE_BYTES_MAX  ((size_t)CONFIG_IPC_QUEUE_MAX_KIB << 10)
#define SCRATCH_KEEP_MAX 16384
#define REASON_MAX       512

struct waiting {
	STAILQ_ENTRY(waiting) next;
	size_t length;
	char data[];
};

struct channel {
	int fd;
	struct event *readable;
	struct event *writable;
	const struct channel_handler *handler;
	void *arg;
	STAILQ_HEAD(waiting_queue, waiting) queue;
	size_t n_waiting;
	size_t waiting_bytes;
	struct buf scratch;
	bool closed; /* no more reading, no more sending */
	bool told;   /* handler->closed was called */
	bool busy;   /* a handler is running: freeing is put off until it returns */
	bool freed;
	char reason[REASON_MAX];
	char received[CONFIG_IPC_MESSAGE_MAX + 1];
};

static int grow_send_buffer(int fd)
{
	int wanted = SEND_BUFFER_MIN;
	int got = 0;
	socklen_t length = sizeof(got);

	/* SO_SNDBUFFORCE passes net.core.wmem_max and needs CAP_NET_ADMIN; the plain one may be enough. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0 &&
	        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)) < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &length) < 0)
		return -errno;
	return got >= SEND_BUFFER_MIN ? 0 : -ENOBUFS;
}

int channel_pair(int ret_fds[static 2])
{
	int fds[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r = grow_send_buffer(fds[0]);
	if (r == 0)
		r = grow_send_buffer(fds[1]);
	if (r < 0) {
		(void)close(fds[0]); /* empty sockets: nothing is lost */
		(void)close(fds[1]);
		return r;
	}
	memcpy(ret_fds, fds, sizeof(fds));
	return 0;
}

static void drop_queue(struct channel *channel)
{
	struct waiting *waiting;

	while ((waiting = STAILQ_FIRST(&channel->queue))) {
		STAILQ_REMOVE_HEAD(&channel->queue, next);
		free(waiting);
	}
	channel->n_waiting = 0;
	channel->waiting_bytes = 0;
}

/* The descriptor and events go at once; the memory only when no handler is on the stack any more. */
void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	if (channel->readable)
		event_free(channel->readable);
	if (channel->writable)
		event_free(channel->writable);
	channel->readable = NULL;
	channel->writable = NULL;
	close_fd(&channel->fd);
	drop_queue(channel);
	buf_release(&channel->scratch);
	channel->closed = true;
	channel->freed = true;
	if (!channel->busy)
		free(channel);
}

/* Returns false when the handler freed the channel. */
static bool leave_handler(struct channel *channel)
{
	channel->busy = false;
	if (!channel->freed)
		return true;
	free(channel);
	return false;
}

/* Ends the connection; the handler hears of it from the loop, never from inside channel_send. */
static void shut(struct channel *channel, const char *reason)
{
	if (channel->closed)
		return;
	channel->closed = true;
	(void)snprintf(channel->reason, sizeof(channel->reason), "%s", reason);
	(void)event_del(channel->writable);
	drop_queue(channel);
	event_active(channel->readable, EV_READ, 0);
}

static void tell_closed(struct channel *channel)
{
	if (channel->told)
		return;
	channel->told = true;
	(void)event_del(channel->readable);
	channel->busy = true;
	channel->handler->closed(channel->arg, channel->reason);
	(void)leave_handler(channel);
}

/* Length of the next message, 0 when there is none now. Shuts the channel when there never will be one. */
static size_t receive(struct channel *channel)
{
	struct iovec part = { .iov_base = channel->received, .iov_len = sizeof(channel->received) };
	/*
	 * No room for control data: the kernel then drops descriptors that came along (SCM_RIGHTS) before
	 * they are ours and says MSG_CTRUNC, so that not one of them is ever open here.
	 */
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t length;

	do {
		length = recvmsg(channel->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (length < 0 && errno == EINTR);
	if (length < 0 && errno == EAGAIN)
		return 0;
	if (length < 0)
		shut(channel, strerror(errno));
	else if (length == 0)
		shut(channel, "closed by the peer"); /* or an empty message, which is none of ours either */
	else if (header.msg_flags & MSG_CTRUNC)
		shut(channel, "the peer sent file descriptors");
	else if (header.msg_flags & MSG_TRUNC)
		shut(channel, "the peer sent a message above the limit");
	else
		return (size_t)length;
	return 0;
}

/* Returns false when the channel is gone. */
static bool dispatch(struct channel *channel, size_t length)
{
	struct ipc_message message = { 0 };
	struct baton_error err;

	if (ipc_message_decode(channel->received, length, &message, &err) < 0) {
		shut(channel, err.message);
		return true;
	}
	channel->busy = true;
	channel->handler->message(channel->arg, &message);
	ipc_message_release(&message);
	return leave_handler(channel);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct channel *channel = arg;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < READ_BURST && !channel->closed; i++) {
		size_t length = receive(channel);

		if (length == 0)
			break;
		if (!dispatch(channel, length))
			return;
	}
	if (channel->closed)
		tell_closed(channel);
}

/* 0 sent, -EAGAIN, -EMSGSIZE; anything else means that the connection is over. */
static int transmit(struct channel *channel, const void *data, size_t length)
{
	ssize_t sent;

	do {
		sent = send(channel->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0; /* SOCK_SEQPACKET: whole or not at all */
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct channel *channel = arg;
	struct waiting *waiting;

	(void)fd;
	(void)what;
	while ((waiting = STAILQ_FIRST(&channel->queue))) {
		int r = transmit(channel, waiting->data, waiting->length);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			shut(channel, strerror(-r));
			return;
		}
		STAILQ_REMOVE_HEAD(&channel->queue, next);
		channel->n_waiting--;
		channel->waiting_bytes -= waiting->length;
		free(waiting);
	}
	(void)event_del(channel->writable);
}

static int enqueue(struct channel *channel, const struct buf *encoded)
{
	struct waiting *waiting;

	if (channel->n_waiting >= CONFIG_IPC_QUEUE_MAX ||
	        encoded->length > QUEUE_BYTES_MAX - channel->waiting_bytes)
		return -ENOBUFS;
	waiting = malloc(sizeof(*waiting) + encoded->length);
	if (!waiting)
		return -ENOMEM;
	if (event_add(channel->writable, NULL) < 0) {
		free(waiting);
		return -ENOMEM;
	}
	waiting->length = encoded->length;
	memcpy(waiting->data, encoded->data, encoded->length);
	STAILQ_INSERT_TAIL(&channel->queue, waiting, next);
	channel->n_waiting++;
	channel->waiting_bytes += encoded->length;
	return 0;
}

static int send_encoded(struct channel *channel)
{
	int r = -EAGAIN;

	if (channel->n_waiting == 0)
		r = transmit(channel, channel->scratch.data, channel->scratch.length);
	if (r == -EAGAIN)
		r = enqueue(channel, &channel->scratch);
	if (r == -ENOBUFS)
		shut(channel, "the peer does not read its messages");
	if (r == -ENOBUFS || r == -ENOMEM)
		return r;
	if (r == 0 || r == -EMSGSIZE)
		return r;
	shut(channel, strerror(-r));
	return -EPIPE;
}

int channel_send(struct channel *channel, const struct ipc_message *message)
{
	int r;

	if (channel->closed)
		return -EPIPE;
	buf_reset(&channel->scratch);
	r = ipc_message_encode(message, &channel->scratch);
	if (r == 0)
		r = send_encoded(channel);
	if (channel->scratch.capacity > SCRATCH_KEEP_MAX)
		buf_release(&channel->scratch); /* one large spec must not stay in memory for ever */
	return r;
}

int channel_new(struct event_base *base, int fd, const struct channel_handler *handler, void *arg,
        struct channel **ret_channel)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return -ENOMEM;
	channel->fd = -1; /* still the caller's */
	channel->handler = handler;
	channel->arg = arg;
	STAILQ_INIT(&channel->queue);
	buf_init(&channel->scratch, CONFIG_IPC_MESSAGE_MAX);
	channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, channel);
	channel->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, channel);
	if (!channel->readable || !channel->writable || event_add(channel->readable, NULL) < 0) {
		channel_free(channel);
		return -ENOMEM;
	}
	channel->fd = fd;
	*ret_channel = channel;
	return 0;
}
