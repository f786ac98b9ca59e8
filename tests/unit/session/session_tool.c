/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session that Python tests drive: commands on standard input, one JSON object per event on standard
 * output. Commands: sub FILTER | unsub FILTER | pub QOS RETAIN TOPIC PAYLOAD | fill COUNT TOPIC [BYTES [QOS]]
 * | flush | stat | free
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/session/session.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"

#define INPUT_MAX (4U << 20)

struct tool {
	struct event_base *base;
	struct session *session;
	struct session_config config;
	struct buf input;
	const char *barrier;
	const char *echo; /* topic: each message is published there again, from inside of `message` */
	int echo_qos;
	const char *free_in; /* name of the handler that calls session_free */
	const char *birth;   /* topic: published in `connected` */
	bool quiet;          /* count messages instead of printing them */
	size_t messages;
};

static void print(json_t *event)
{
	(void)json_dumpf(event, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
	json_decref(event);
}

static void maybe_free(struct tool *tool, const char *handler)
{
	if (!tool->free_in || strcmp(tool->free_in, handler) != 0)
		return;
	session_free(tool->session);
	tool->session = NULL;
	/* What the owner lent is gone after session_free, so a use of it shows under a sanitizer. */
	memset(&tool->config, 0x5A, sizeof(tool->config));
	print(json_pack("{s:s}", "event", "freed"));
}

static void on_connected(void *arg)
{
	struct tool *tool = arg;
	struct session_publish birth = { .topic = tool->birth, .payload = "born", .length = 4, .qos = 1 };

	print(json_pack("{s:s}", "event", "connected"));
	if (tool->birth && session_publish(tool->session, &birth) < 0)
		print(json_pack("{s:s}", "event", "birth failed"));
	maybe_free(tool, "connected");
}

static void on_synced(void *arg)
{
	struct tool *tool = arg;

	print(json_pack("{s:s, s:I, s:b}", "event", "synced", "messages", (json_int_t)tool->messages, "gap",
	        session_has_gap(tool->session)));
	maybe_free(tool, "synced");
}

static void on_disconnected(void *arg, const char *reason, bool permanent)
{
	struct tool *tool = arg;

	print(json_pack(
	        "{s:s, s:s, s:b}", "event", "disconnected", "reason", reason, "permanent", permanent));
	maybe_free(tool, "disconnected");
}

static void on_message(void *arg, const struct session_message *message)
{
	struct tool *tool = arg;
	struct session_publish echo = {
		.topic = tool->echo,
		.payload = message->payload,
		.length = message->too_large ? 0 : message->length,
		.qos = tool->echo_qos,
		.response_topic = "answers/here",
		.correlation = "id-1",
		.correlation_length = 4,
		.expiry_s = 60,
	};

	tool->messages++;
	if (!tool->quiet)
		print(json_pack("{s:s, s:s, s:I, s:b, s:b, s:s?, s:s%}", "event", "message", "topic",
		        message->topic, "length", (json_int_t)message->length, "too_large",
		        message->too_large, "retained", message->retained, "response_topic",
		        message->response_topic, "correlation",
		        message->correlation ? (const char *)message->correlation : "",
		        message->correlation_length));
	if (tool->echo && session_publish(tool->session, &echo) < 0)
		print(json_pack("{s:s}", "event", "echo failed"));
	maybe_free(tool, "message");
}

static const struct session_handler handler = {
	.connected = on_connected,
	.synced = on_synced,
	.disconnected = on_disconnected,
	.message = on_message,
};

static void on_flushed(void *arg)
{
	(void)arg;
	print(json_pack("{s:s}", "event", "flushed"));
}

static void publish(struct tool *tool, char *rest)
{
	char *qos = strsep(&rest, " ");
	char *retain = strsep(&rest, " ");
	char *topic = strsep(&rest, " ");
	struct session_publish publish = {
		.topic = topic,
		.payload = rest,
		.length = rest ? strlen(rest) : 0,
		.qos = qos[0] - '0',
		.retain = retain && retain[0] == '1',
	};

	print(json_pack(
	        "{s:s, s:i}", "event", "published", "result", session_publish(tool->session, &publish)));
}

static void fill(struct tool *tool, char *rest)
{
	static const char payload[1U << 20];
	long count = strtol(strsep(&rest, " "), NULL, 10);
	const char *topic = strsep(&rest, " ");
	const char *bytes = strsep(&rest, " ");
	struct session_publish publish = {
		.topic = topic,
		.payload = payload,
		.length = bytes ? strtoul(bytes, NULL, 10) : 10,
		.qos = rest ? rest[0] - '0' : 1,
	};
	int r = 0;

	for (long i = 0; i < count; i++)
		r = session_publish(tool->session, &publish);
	print(json_pack("{s:s, s:i}", "event", "filled", "result", r));
}

static void print_stat(struct tool *tool)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	print(json_pack("{s:s, s:f, s:I, s:b, s:b}", "event", "stat", "cpu",
	        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
	        "messages", (json_int_t)tool->messages, "connected",
	        tool->session && session_is_connected(tool->session), "congested",
	        tool->session && session_is_congested(tool->session)));
}

static void run_command(struct tool *tool, char *line)
{
	char *rest = line;
	const char *name = strsep(&rest, " ");

	if (strcmp(name, "sub") == 0)
		(void)session_subscribe(tool->session, rest);
	else if (strcmp(name, "unsub") == 0)
		(void)session_unsubscribe(tool->session, rest);
	else if (strcmp(name, "pub") == 0)
		publish(tool, rest);
	else if (strcmp(name, "fill") == 0)
		fill(tool, rest);
	else if (strcmp(name, "flush") == 0 && session_flush(tool->session, on_flushed, tool) < 0)
		print(json_pack("{s:s}", "event", "flush failed"));
	else if (strcmp(name, "stat") == 0)
		print_stat(tool);
	else if (strcmp(name, "free") == 0)
		(void)event_base_loopbreak(tool->base);
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
	struct tool *tool = arg;
	char chunk[65536];
	ssize_t got = read(fd, chunk, sizeof(chunk));
	char *newline;

	(void)what;
	if (got <= 0 || buf_append(&tool->input, chunk, (size_t)got) < 0) {
		(void)event_base_loopbreak(tool->base);
		return;
	}
	while ((newline = memchr(tool->input.data, '\n', tool->input.length))) {
		size_t length = (size_t)(newline - tool->input.data) + 1;

		*newline = '\0';
		run_command(tool, tool->input.data);
		tool->input.length -= length;
		memmove(tool->input.data, tool->input.data + length, tool->input.length);
	}
}

enum tool_option {
	OPT_HOST,
	OPT_PORT,
	OPT_SOCKET,
	OPT_ID,
	OPT_USER,
	OPT_PASSWORD,
	OPT_CA,
	OPT_CERT,
	OPT_KEY,
	OPT_KEEPALIVE,
	OPT_BACKOFF_MIN,
	OPT_BACKOFF_MAX,
	OPT_MAX,
	OPT_WILL,
	OPT_BARRIER,
	OPT_ECHO,
	OPT_ECHO_QOS,
	OPT_FREE_IN,
	OPT_BIRTH,
	OPT_QUIET,
	OPT_SUB,
	OPTIONS
};

static const struct option options[] = {
	[OPT_HOST] = { "host", required_argument, NULL, OPT_HOST },
	[OPT_PORT] = { "port", required_argument, NULL, OPT_PORT },
	[OPT_SOCKET] = { "socket", required_argument, NULL, OPT_SOCKET },
	[OPT_ID] = { "id", required_argument, NULL, OPT_ID },
	[OPT_USER] = { "user", required_argument, NULL, OPT_USER },
	[OPT_PASSWORD] = { "password", required_argument, NULL, OPT_PASSWORD },
	[OPT_CA] = { "ca", required_argument, NULL, OPT_CA },
	[OPT_CERT] = { "cert", required_argument, NULL, OPT_CERT },
	[OPT_KEY] = { "key", required_argument, NULL, OPT_KEY },
	[OPT_KEEPALIVE] = { "keepalive", required_argument, NULL, OPT_KEEPALIVE },
	[OPT_BACKOFF_MIN] = { "backoff-min", required_argument, NULL, OPT_BACKOFF_MIN },
	[OPT_BACKOFF_MAX] = { "backoff-max", required_argument, NULL, OPT_BACKOFF_MAX },
	[OPT_MAX] = { "max", required_argument, NULL, OPT_MAX },
	[OPT_WILL] = { "will", required_argument, NULL, OPT_WILL },
	[OPT_BARRIER] = { "barrier", required_argument, NULL, OPT_BARRIER },
	[OPT_ECHO] = { "echo", required_argument, NULL, OPT_ECHO },
	[OPT_ECHO_QOS] = { "echo-qos", required_argument, NULL, OPT_ECHO_QOS },
	[OPT_FREE_IN] = { "free-in", required_argument, NULL, OPT_FREE_IN },
	[OPT_BIRTH] = { "birth", required_argument, NULL, OPT_BIRTH },
	[OPT_QUIET] = { "quiet", no_argument, NULL, OPT_QUIET },
	[OPT_SUB] = { "sub", required_argument, NULL, OPT_SUB },
	[OPTIONS] = { NULL, 0, NULL, 0 },
};

static void set_option(struct tool *tool, int option, const char *value)
{
	const char **texts[OPTIONS] = {
		[OPT_HOST] = &tool->config.host,
		[OPT_SOCKET] = &tool->config.socket,
		[OPT_ID] = &tool->config.client_id,
		[OPT_USER] = &tool->config.username,
		[OPT_PASSWORD] = &tool->config.password,
		[OPT_CA] = &tool->config.ca_file,
		[OPT_CERT] = &tool->config.cert_file,
		[OPT_KEY] = &tool->config.key_file,
		[OPT_WILL] = &tool->config.will_topic,
		[OPT_BARRIER] = &tool->barrier,
		[OPT_ECHO] = &tool->echo,
		[OPT_FREE_IN] = &tool->free_in,
		[OPT_BIRTH] = &tool->birth,
	};
	unsigned number = value ? (unsigned)strtoul(value, NULL, 10) : 0;

	if (texts[option])
		*texts[option] = value;
	else if (option == OPT_PORT)
		tool->config.port = (uint16_t)number;
	else if (option == OPT_KEEPALIVE)
		tool->config.keepalive_s = number;
	else if (option == OPT_BACKOFF_MIN)
		tool->config.backoff_min_ms = number;
	else if (option == OPT_BACKOFF_MAX)
		tool->config.backoff_max_ms = number;
	else if (option == OPT_MAX)
		tool->config.payload_max = number;
	else if (option == OPT_ECHO_QOS)
		tool->echo_qos = (int)number;
	else if (option == OPT_QUIET)
		tool->quiet = true;
}

static int open_session(struct tool *tool, int argc, char **argv)
{
	struct baton_error err;
	int option;

	if (session_new(tool->base, &tool->config, &handler, tool, &tool->session, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return -EINVAL;
	}
	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == OPT_SUB)
			(void)session_subscribe(tool->session, optarg);
	}
	if (tool->config.will_topic)
		(void)session_set_will(tool->session, "gone", 4);
	return session_open(tool->session, tool->barrier);
}

int main(int argc, char **argv)
{
	struct tool tool = {
		.config = { .client_id = "session-tool",
		        .keepalive_s = 30,
		        .backoff_min_ms = 50,
		        .backoff_max_ms = 400,
		        .payload_max = 65536 },
		.echo_qos = 1,
	};
	struct event *input;
	int option;

	log_open("session_tool", LOG_LEVEL_DEBUG);
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == '?')
			return 2;
		set_option(&tool, option, optarg);
	}
	tool.base = event_base_new();
	buf_init(&tool.input, INPUT_MAX);
	if (open_session(&tool, argc, argv) < 0)
		return EXIT_FAILURE;
	input = event_new(tool.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &tool);
	(void)event_add(input, NULL);
	(void)event_base_dispatch(tool.base);
	event_free(input);
	session_free(tool.session);
	event_base_free(tool.base);
	buf_release(&tool.input);
	return EXIT_SUCCESS;
}
