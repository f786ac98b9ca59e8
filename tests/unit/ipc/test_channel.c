/* SPDX-License-Identifier: Apache-2.0 */
/* The channel against a peer that is slow, gone or hostile. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/ipc/channel.h"
#include "tests/unit/ipc/sample.h"

struct fixture {
	struct event_base *base;
	struct channel *channel;
	int peer;
	unsigned messages;
	unsigned closed;
	uint32_t last_sequence;
	char reason[512];
	bool free_on_message;
	bool free_on_closed;
};

static void on_message(void *arg, struct ipc_message *message)
{
	struct fixture *fixture = arg;

	fixture->messages++;
	fixture->last_sequence = message->sequence;
	if (fixture->free_on_message) {
		channel_free(fixture->channel);
		fixture->channel = NULL;
	}
}

static void on_closed(void *arg, const char *reason)
{
	struct fixture *fixture = arg;

	fixture->closed++;
	(void)snprintf(fixture->reason, sizeof(fixture->reason), "%s", reason);
	if (fixture->free_on_closed) {
		channel_free(fixture->channel);
		fixture->channel = NULL;
	}
}

static const struct channel_handler handler = { on_message, on_closed };

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int fds[2];

	assert_non_null(fixture);
	fixture->base = event_base_new();
	assert_non_null(fixture->base);
	assert_int_equal(channel_pair(fds), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
	}
	assert_int_equal(channel_new(fixture->base, fds[0], &handler, fixture, &fixture->channel), 0);
	fixture->peer = fds[1];
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	channel_free(fixture->channel);
	close_fd(&fixture->peer);
	event_base_free(fixture->base);
	free(fixture);
	return 0;
}

/* Runs what is due now and once more, so that a second call of a handler would be seen. */
static void turn(struct fixture *fixture)
{
	for (unsigned i = 0; i < 4; i++)
		assert_true(event_base_loop(fixture->base, EVLOOP_NONBLOCK) >= 0);
}

static void peer_sends(const struct fixture *fixture, const struct ipc_message *message)
{
	cleanup_buf struct buf out = { .data = NULL };

	buf_init(&out, CONFIG_IPC_MESSAGE_MAX);
	assert_int_equal(ipc_message_encode(message, &out), 0);
	assert_int_equal(send(fixture->peer, out.data, out.length, MSG_NOSIGNAL), out.length);
}

static void test_receive(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 1; i <= 100; i++)
		peer_sends(fixture, &(struct ipc_message){ .type = IPC_BROKER_SAVE, .sequence = i });
	turn(fixture);
	assert_int_equal(fixture->messages, 100);
	assert_int_equal(fixture->last_sequence, 100);
	assert_int_equal(fixture->closed, 0);
}

/* A message of the maximum size passes both ways; one byte more is refused before the kernel sees it. */
static void test_largest(void **state)
{
	struct fixture *fixture = *state;
	struct ipc_message message = { .type = IPC_INSTANCE,
		.id = sample_text("a"),
		.state = 1,
		.has_spec = true,
		.spec = sample_spec() };
	cleanup_buf struct buf out = { .data = NULL };
	cleanup_free char *received = malloc(CONFIG_IPC_MESSAGE_MAX + 1);
	size_t left;

	assert_non_null(received);
	buf_init(&out, 2 * CONFIG_IPC_MESSAGE_MAX);
	for (;;) {
		char item[CONFIG_MAX_STRING_BYTES + 1];

		buf_reset(&out);
		assert_int_equal(ipc_message_encode(&message, &out), 0);
		left = CONFIG_IPC_MESSAGE_MAX - out.length;
		if (left == 0)
			break;
		assert_true(left >= 4 && strv_length(message.spec.environment) < CONFIG_MAX_LIST_ITEMS);
		left -= 4; /* the length of the item; and never leave less than the next one needs */
		left = left > CONFIG_MAX_STRING_BYTES ? CONFIG_MAX_STRING_BYTES - 8 : left;
		memset(item, 'x', left);
		item[left] = '\0';
		assert_int_equal(strv_append(&message.spec.environment, item), 0);
	}
	assert_int_equal(channel_send(fixture->channel, &message), 0);
	assert_int_equal(
	        recv(fixture->peer, received, CONFIG_IPC_MESSAGE_MAX + 1, 0), CONFIG_IPC_MESSAGE_MAX);
	assert_int_equal(send(fixture->peer, received, CONFIG_IPC_MESSAGE_MAX, 0), CONFIG_IPC_MESSAGE_MAX);
	turn(fixture);
	assert_int_equal(fixture->messages, 1);
	assert_int_equal(strv_append(&message.spec.cap_add, ""), 0);
	assert_int_equal(channel_send(fixture->channel, &message), -EMSGSIZE);
	assert_int_equal(fixture->closed, 0);
	ipc_message_release(&message);
}

static void assert_in_order(struct fixture *fixture, uint32_t sent)
{
	uint32_t received = 0;
	char data[64];

	for (unsigned idle = 0; idle < 1000 && received < sent; idle++) {
		ssize_t length;

		while ((length = recv(fixture->peer, data, sizeof(data), MSG_DONTWAIT)) > 0) {
			struct ipc_message copy;

			assert_int_equal(ipc_message_decode(data, (size_t)length, &copy, NULL), 0);
			assert_int_equal(copy.sequence, ++received);
		}
		turn(fixture);
	}
	assert_int_equal(received, sent);
}

/* A peer that does not read for a while gets everything in order. */
static void test_queue(void **state)
{
	struct fixture *fixture = *state;
	struct ipc_message message = { .type = IPC_BROKER_SAVE };

	for (message.sequence = 1; message.sequence <= CONFIG_IPC_QUEUE_MAX; message.sequence++)
		assert_int_equal(channel_send(fixture->channel, &message), 0);
	assert_in_order(fixture, CONFIG_IPC_QUEUE_MAX);
	assert_int_equal(channel_send(fixture->channel, &message), 0);
	assert_int_equal(fixture->closed, 0);
}

/* One that never reads ends the connection, because the message that found no room is lost. */
static void test_queue_full(void **state)
{
	struct fixture *fixture = *state;
	struct ipc_message message = { .type = IPC_BROKER_SAVE };
	int r;

	do {
		message.sequence++;
		r = channel_send(fixture->channel, &message);
	} while (r == 0);
	assert_int_equal(r, -ENOBUFS);
	assert_true(message.sequence > CONFIG_IPC_QUEUE_MAX);
	assert_int_equal(fixture->closed, 0);
	assert_int_equal(channel_send(fixture->channel, &message), -EPIPE);
	turn(fixture);
	assert_int_equal(fixture->closed, 1);
}

/* Few large messages must not pile up to CONFIG_IPC_QUEUE_MAX times the largest size. */
static void test_queue_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct ipc_message message = {
		.type = IPC_START, .sequence = 1, .has_spec = true, .spec = sample_spec()
	};
	cleanup_buf struct buf out = { .data = NULL };
	char item[CONFIG_MAX_STRING_BYTES + 1];
	size_t bytes = 0;
	int r;

	memset(item, 'x', sizeof(item) - 1);
	item[sizeof(item) - 1] = '\0';
	for (size_t i = 0; i < CONFIG_IPC_MESSAGE_MAX / sizeof(item) - 3; i++)
		assert_int_equal(strv_append(&message.spec.environment, item), 0);
	buf_init(&out, CONFIG_IPC_MESSAGE_MAX);
	assert_int_equal(ipc_message_encode(&message, &out), 0);
	while ((r = channel_send(fixture->channel, &message)) == 0)
		bytes += out.length;
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(bytes, ((size_t)CONFIG_IPC_QUEUE_MAX_KIB << 10) - out.length,
	        ((size_t)CONFIG_IPC_QUEUE_MAX_KIB << 10) + (4U << 20));
	ipc_message_release(&message);
}

static void test_peer_closes(void **state)
{
	struct fixture *fixture = *state;

	peer_sends(fixture, &(struct ipc_message){ .type = IPC_SYNCED });
	close_fd(&fixture->peer);
	turn(fixture);
	assert_int_equal(fixture->messages, 1); /* what was sent before still arrives */
	assert_int_equal(fixture->closed, 1);
	assert_int_equal(channel_send(fixture->channel, &(struct ipc_message){ .type = IPC_SYNCED }), -EPIPE);
}

/* The failure of a send is told from the loop, not from inside channel_send, and once. */
static void test_send_to_nobody(void **state)
{
	struct fixture *fixture = *state;

	close_fd(&fixture->peer);
	assert_int_equal(channel_send(fixture->channel, &(struct ipc_message){ .type = IPC_SYNCED }), -EPIPE);
	assert_int_equal(fixture->closed, 0);
	turn(fixture);
	assert_int_equal(fixture->closed, 1);
}

static void test_closed_with_queue(void **state)
{
	struct fixture *fixture = *state;
	struct ipc_message message = { .type = IPC_BROKER_SAVE, .sequence = 1 };

	for (unsigned i = 0; i < CONFIG_IPC_QUEUE_MAX; i++)
		assert_int_equal(channel_send(fixture->channel, &message), 0);
	close_fd(&fixture->peer);
	turn(fixture);
	assert_int_equal(fixture->closed, 1);
}

static void test_hostile_bytes(void **state)
{
	struct fixture *fixture = *state;

	peer_sends(fixture, &(struct ipc_message){ .type = IPC_SYNCED });
	assert_int_equal(send(fixture->peer, "garbage of a peer", 17, 0), 17);
	peer_sends(fixture, &(struct ipc_message){ .type = IPC_SYNCED });
	turn(fixture);
	assert_int_equal(fixture->messages, 1); /* nothing behind the broken one is read */
	assert_int_equal(fixture->closed, 1);
	assert_non_null(strstr(fixture->reason, "message type"));
}

static void test_empty_message(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(send(fixture->peer, "", 0, 0), 0);
	turn(fixture);
	assert_int_equal(fixture->closed, 1);
}

static void test_too_large(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *data = calloc(1, CONFIG_IPC_MESSAGE_MAX + 1);
	int size = 2 * CONFIG_IPC_MESSAGE_MAX;

	assert_non_null(data);
	(void)setsockopt(
	        fixture->peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* the send below tells */
	assert_int_equal(
	        send(fixture->peer, data, CONFIG_IPC_MESSAGE_MAX + 1, 0), CONFIG_IPC_MESSAGE_MAX + 1);
	turn(fixture);
	assert_int_equal(fixture->closed, 1);
	assert_int_equal(fixture->messages, 0);
}

static unsigned count_fds(void)
{
	cleanup_dir DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	return count;
}

static void test_descriptors(void **state)
{
	struct fixture *fixture = *state;
	cleanup_buf struct buf out = { .data = NULL };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { .header = { CMSG_LEN(3 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	int fds[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	struct iovec part;
	struct msghdr header = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	unsigned before = count_fds();

	buf_init(&out, CONFIG_IPC_MESSAGE_MAX);
	assert_int_equal(ipc_message_encode(&(struct ipc_message){ .type = IPC_SYNCED }, &out), 0);
	part = (struct iovec){ out.data, out.length };
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	assert_int_equal(sendmsg(fixture->peer, &header, 0), out.length);
	turn(fixture);
	assert_int_equal(fixture->messages, 0);
	assert_int_equal(fixture->closed, 1);
	assert_non_null(strstr(fixture->reason, "descriptors"));
	assert_int_equal(count_fds(), before);
}

static void test_free_in_message(void **state)
{
	struct fixture *fixture = *state;

	fixture->free_on_message = true;
	peer_sends(fixture, &(struct ipc_message){ .type = IPC_SYNCED });
	peer_sends(fixture, &(struct ipc_message){ .type = IPC_SYNCED });
	turn(fixture);
	assert_int_equal(fixture->messages, 1);
	assert_int_equal(fixture->closed, 0);
}

static void test_free_in_closed(void **state)
{
	struct fixture *fixture = *state;

	fixture->free_on_closed = true;
	close_fd(&fixture->peer);
	turn(fixture);
	assert_int_equal(fixture->closed, 1);
	assert_null(fixture->channel);
}

static void test_free_before_told(void **state)
{
	struct fixture *fixture = *state;

	close_fd(&fixture->peer);
	assert_int_equal(channel_send(fixture->channel, &(struct ipc_message){ .type = IPC_SYNCED }), -EPIPE);
	channel_free(fixture->channel);
	fixture->channel = NULL;
	turn(fixture);
	assert_int_equal(fixture->closed, 0);
	channel_free(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_receive),
		TEST(test_largest),
		TEST(test_queue),
		TEST(test_queue_full),
		TEST(test_queue_bytes),
		TEST(test_peer_closes),
		TEST(test_send_to_nobody),
		TEST(test_closed_with_queue),
		TEST(test_hostile_bytes),
		TEST(test_empty_message),
		TEST(test_too_large),
		TEST(test_descriptors),
		TEST(test_free_in_message),
		TEST(test_free_in_closed),
		TEST(test_free_before_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
