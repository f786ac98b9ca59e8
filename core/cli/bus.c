/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/bus.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "broker/session/session.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/timeval.h"
#include "core/cli/address.h"

#define PREFIX_DEFAULT    "baton/v1"
#define DOCUMENT_MAX      (4U << 20)
#define DOCUMENT_DEPTH    64
#define PASSWORD_FILE_MAX 4096
#define KEEPALIVE_S       15
#define SYNC_TIMEOUT_MS   20000
#define FLUSH_TIMEOUT_MS  15000
#define REQUESTS_MAX      256
#define ANSWERS_SUFFIX    "-answers" /* of the client's own sync topic: nobody refuses to answer there */

struct request {
	bus_answer_fn answer;
	void *arg;
};

struct bus {
	struct config config;
	bool has_config;
	struct address address;
	const char *prefix;
	char *password;
	char client_id[40];
	char barrier[TOPIC_MAX];
	char answers[TOPIC_MAX];
	char text[BUS_ADDRESS_SIZE];

	struct event_base *base;
	struct event *timeout;
	struct event *ticker;
	void (*tick)(void *arg);
	void *tick_arg;
	struct session_config session_config;
	struct session *session;
	bool opened;
	bool synced;

	json_t *documents; /* topic to JSON */
	struct request requests[REQUESTS_MAX];
	size_t n_requests;
	bus_message_fn message;
	void *arg;
	int code;
	bool stopped;
};

/* ---- what the session says ---- */

static void on_synced(void *arg)
{
	struct bus *bus = arg;

	if (!bus->synced)
		bus_stop(bus, CLI_OK);
	bus->synced = true;
}

static void on_disconnected(void *arg, const char *reason, bool permanent)
{
	struct bus *bus = arg;

	if (!bus->synced || permanent)
		bus_stop(bus,
		        cli_error(CLI_UNREACHABLE, "broker %s: %s; is it running, and is this its address?",
		                bus->text, reason));
	else
		cli_warning("broker %s: %s; trying again", bus->text, reason);
}

static void on_answer(struct bus *bus, const struct session_message *message, json_t *document)
{
	size_t index;

	if (!document || !message->correlation || message->correlation_length != sizeof(index))
		return;
	memcpy(&index, message->correlation, sizeof(index));
	if (index < bus->n_requests)
		bus->requests[index].answer(bus->requests[index].arg, document);
}

/* Keeps the newest document of each topic whose last level is not a stream. */
static void keep(
        struct bus *bus, const struct session_message *message, const struct topic *topic, json_t *document)
{
	if (!topic_table()[topic->kind].retained)
		return;
	if (!document)
		(void)json_object_del(bus->documents, message->topic); /* -1: it was not there */
	else if (json_object_size(bus->documents) < CONFIG_CLI_DOCUMENTS)
		(void)json_object_set(bus->documents, message->topic, document); /* else it is not shown */
}

static void on_message(void *arg, const struct session_message *message)
{
	const struct json_limits limits = { DOCUMENT_MAX, DOCUMENT_DEPTH };
	struct bus *bus = arg;
	cleanup_json json_t *document = NULL;
	struct topic topic;

	/* What is no JSON counts as absent: a document that somebody else wrote must not stop a command. */
	if (message->length > 0 && !message->too_large)
		(void)json_parse(message->payload, message->length, limits, &document, NULL);
	if (strcmp(message->topic, bus->answers) == 0) {
		on_answer(bus, message, document);
		return;
	}
	if (topic_parse(message->topic, bus->prefix, &topic) < 0)
		return;
	keep(bus, message, &topic, document);
	if (bus->message)
		bus->message(bus->arg, &topic, document);
}

static const struct session_handler handler = {
	.synced = on_synced,
	.disconnected = on_disconnected,
	.message = on_message,
};

/* ---- where the broker is ---- */

const char *cli_config_path(const struct cli *cli)
{
	const char *path = cli->options.config ? cli->options.config : getenv("BATON_CONFIG");

	return path && path[0] ? path : BATON_CONFIG_PATH;
}

int cli_load_config(const struct cli *cli, struct config *ret_config)
{
	struct baton_error err;
	int r = config_load(cli_config_path(cli), ret_config, &err);

	if (r == 0)
		return CLI_OK;
	return cli_error(
	        CLI_USAGE, "%s; name another file with --config, or a broker with --broker", err.message);
}

/* With --broker, a configuration file is only needed when one is named. */
static int load_config(const struct cli *cli, const char *broker, struct bus *bus)
{
	const char *named = cli->options.config ? cli->options.config : getenv("BATON_CONFIG");
	int code;

	if (broker && !(named && named[0]) && access(BATON_CONFIG_PATH, R_OK) < 0)
		return CLI_OK;
	code = cli_load_config(cli, &bus->config);
	bus->has_config = code == CLI_OK;
	return code;
}

static int load_password(struct bus *bus)
{
	const char *path = bus->config.broker.password_file;
	int r;

	if (path[0] == '\0')
		return CLI_OK;
	r = file_read_at(AT_FDCWD, path, PASSWORD_FILE_MAX, &bus->password, NULL);
	if (r < 0)
		return cli_error(
		        CLI_FAILED, "cannot read the password file \"%s\": %s", path, strerrordesc_np(-r));
	bus->password[strcspn(bus->password, "\r\n")] = '\0';
	return CLI_OK;
}

static const char *given(const char *text)
{
	return text && text[0] ? text : NULL;
}

static void use_config(struct bus *bus)
{
	const struct config *config = &bus->config;
	struct session_config *session = &bus->session_config;

	session->host = given(config->broker.host);
	session->port = (uint16_t)config->broker.port;
	session->socket = given(config->broker.socket);
	session->username = given(config->broker.username);
	session->password = bus->password;
	session->ca_file = given(config->broker.ca_file);
	session->cert_file = given(config->broker.cert_file);
	session->key_file = given(config->broker.key_file);
	bus->prefix = config->prefix;
}

static int use_broker(struct bus *bus, const char *broker)
{
	struct session_config *session = &bus->session_config;
	struct baton_error err;

	if (address_parse(broker, &bus->address, &err) < 0)
		return cli_error(CLI_USAGE, "%s", err.message);
	session->host = bus->address.host;
	session->port = bus->address.port;
	session->socket = bus->address.socket;
	return CLI_OK;
}

static int configure(const struct cli *cli, struct bus *bus)
{
	const char *broker = given(cli->options.broker ? cli->options.broker : getenv("BATON_BROKER"));
	const char *prefix = given(cli->options.prefix ? cli->options.prefix : getenv("BATON_PREFIX"));
	uint32_t random = 0;
	int code = load_config(cli, broker, bus);

	if (code == CLI_OK && bus->has_config)
		code = load_password(bus);
	if (code != CLI_OK)
		return code;
	bus->prefix = PREFIX_DEFAULT;
	if (bus->has_config)
		use_config(bus);
	if (broker)
		code = use_broker(bus, broker);
	if (code != CLI_OK)
		return code;
	if (prefix)
		bus->prefix = prefix;
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK); /* then the pid alone tells clients apart */
	(void)snprintf(
	        bus->client_id, sizeof(bus->client_id), "baton-cli-%d-%08" PRIx32, (int)getpid(), random);
	bus->session_config.client_id = bus->client_id;
	bus->session_config.keepalive_s = KEEPALIVE_S;
	bus->session_config.backoff_min_ms = CONFIG_SESSION_BACKOFF_MIN_MS;
	bus->session_config.backoff_max_ms = CONFIG_SESSION_BACKOFF_MAX_MS;
	bus->session_config.payload_max = DOCUMENT_MAX;
	if (bus->session_config.socket)
		(void)snprintf(bus->text, sizeof(bus->text), "unix:%s", bus->session_config.socket);
	else
		(void)snprintf(bus->text, sizeof(bus->text), "%s:%u", bus->session_config.host,
		        bus->session_config.port);
	return CLI_OK;
}

/* ---- life ---- */

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	bus_stop(arg, CLI_TIMEOUT);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct bus *bus = arg;

	(void)fd;
	(void)what;
	bus->tick(bus->tick_arg);
}

static int prepare(struct bus *bus)
{
	struct baton_error err = { 0 };

	if (strlen(bus->prefix) > TOPIC_PREFIX_MAX ||
	        topic_format(bus->barrier, bus->prefix, TOPIC_SYNC, bus->client_id, NULL) < 0)
		return cli_error(CLI_USAGE, "--prefix: longer than %d bytes", TOPIC_PREFIX_MAX);
	(void)snprintf(bus->answers, sizeof(bus->answers), "%.*s" ANSWERS_SUFFIX,
	        (int)(sizeof(bus->answers) - sizeof(ANSWERS_SUFFIX)), bus->barrier);
	bus->documents = json_object();
	bus->base = event_base_new();
	if (!bus->documents || !bus->base)
		return cli_error(CLI_FAILED, "out of memory");
	bus->timeout = evtimer_new(bus->base, on_timeout, bus);
	bus->ticker = event_new(bus->base, -1, EV_PERSIST, on_tick, bus);
	if (!bus->timeout || !bus->ticker)
		return cli_error(CLI_FAILED, "out of memory");
	if (session_new(bus->base, &bus->session_config, &handler, bus, &bus->session, &err) < 0)
		return cli_error(CLI_USAGE, "%s", err.message);
	return CLI_OK;
}

int bus_open(const struct cli *cli, bus_message_fn message, void *arg, struct bus **ret_bus)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	int code;

	if (!bus)
		return cli_error(CLI_FAILED, "out of memory");
	bus->message = message;
	bus->arg = arg;
	code = configure(cli, bus);
	if (code == CLI_OK)
		code = prepare(bus);
	if (code != CLI_OK) {
		bus_close(bus);
		return code;
	}
	*ret_bus = bus;
	return CLI_OK;
}

void bus_close(struct bus *bus)
{
	if (!bus)
		return;
	session_free(bus->session);
	if (bus->timeout)
		event_free(bus->timeout);
	if (bus->ticker)
		event_free(bus->ticker);
	if (bus->base)
		event_base_free(bus->base);
	json_decref(bus->documents);
	if (bus->has_config)
		config_release(&bus->config);
	address_release(&bus->address);
	free(bus->password);
	free(bus);
}

const char *bus_address(const struct bus *bus)
{
	return bus->text;
}

/* ---- documents ---- */

int bus_subscribe(struct bus *bus, enum topic_kind kind, const char *first, const char *second)
{
	char filter[TOPIC_MAX];

	if (topic_format(filter, bus->prefix, kind, first ? first : "+", second ? second : "+") < 0 ||
	        session_subscribe(bus->session, filter) < 0)
		return cli_error(CLI_FAILED, "cannot subscribe: the name is too long, or out of memory");
	return CLI_OK;
}

int bus_sync(struct bus *bus)
{
	int code;

	if (session_subscribe(bus->session, bus->answers) < 0 || session_open(bus->session, bus->barrier) < 0)
		return cli_error(CLI_FAILED, "out of memory");
	code = bus_wait(bus, SYNC_TIMEOUT_MS);
	if (code == CLI_TIMEOUT)
		return cli_error(CLI_UNREACHABLE, "broker %s does not answer", bus->text);
	return code;
}

json_t *bus_document(struct bus *bus, enum topic_kind kind, const char *first, const char *second)
{
	char topic[TOPIC_MAX];

	if (topic_format(topic, bus->prefix, kind, first, second) < 0)
		return NULL;
	return json_object_get(bus->documents, topic);
}

static int compare_texts(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;

	return strcmp(*left, *right);
}

void bus_each(struct bus *bus, enum topic_kind kind, bus_message_fn visit, void *arg)
{
	size_t count = json_object_size(bus->documents);
	cleanup_free const char **names = calloc(count + 1, sizeof(*names));
	const char *name;
	json_t *document;
	size_t used = 0;

	if (!names)
		return;
	json_object_foreach(bus->documents, name, document)
		names[used++] = name;
	qsort(names, used, sizeof(*names), compare_texts);
	for (size_t i = 0; i < used; i++) {
		struct topic topic;

		if (topic_parse(names[i], bus->prefix, &topic) == 0 && topic.kind == kind)
			visit(arg, &topic, json_object_get(bus->documents, names[i]));
	}
}

/* ---- sending and waiting ---- */

static void on_flushed(void *arg)
{
	bus_stop(arg, CLI_OK);
}

int bus_publish(struct bus *bus, enum topic_kind kind, const char *name, const void *payload, size_t length)
{
	char topic[TOPIC_MAX];
	struct session_publish publish = {
		.topic = topic, .payload = payload, .length = length, .qos = 1, .retain = true
	};
	int r = topic_format(topic, bus->prefix, kind, name, NULL);
	int code;

	if (r == 0)
		r = session_publish(bus->session, &publish);
	if (r == 0)
		r = session_flush(bus->session, on_flushed, bus);
	if (r < 0)
		return cli_error(r == -ENOTCONN ? CLI_UNREACHABLE : CLI_FAILED, "cannot publish to %s: %s",
		        topic, strerrordesc_np(-r));
	code = bus_wait(bus, FLUSH_TIMEOUT_MS);
	if (code == CLI_TIMEOUT)
		return cli_error(CLI_UNREACHABLE, "broker %s does not acknowledge the document", bus->text);
	return code;
}

/* Who asks again gets the answers where it got those before. */
static size_t request_slot(const struct bus *bus, const struct bus_request *request)
{
	size_t index = 0;

	while (index < bus->n_requests &&
	        (bus->requests[index].answer != request->answer || bus->requests[index].arg != request->arg))
		index++;
	return index;
}

int bus_request(struct bus *bus, const struct bus_request *request)
{
	cleanup_free char *text = json_text(request->document);
	size_t index = request_slot(bus, request);
	char topic[TOPIC_MAX];
	struct session_publish publish = {
		.topic = topic,
		.payload = text,
		.qos = 1,
		.response_topic = bus->answers,
		.correlation = request->answer ? &index : NULL,
		.correlation_length = request->answer ? sizeof(index) : 0,
	};
	int r = topic_format(topic, bus->prefix, request->kind, request->name, request->verb);

	if (!text || (request->answer && index >= REQUESTS_MAX))
		return cli_error(CLI_FAILED, "too many requests at once, at most %d", REQUESTS_MAX);
	publish.length = strlen(text);
	if (request->answer && index == bus->n_requests)
		bus->requests[bus->n_requests++] = (struct request){ request->answer, request->arg };
	if (r == 0)
		r = session_publish(bus->session, &publish);
	if (r < 0)
		return cli_error(r == -ENOTCONN ? CLI_UNREACHABLE : CLI_FAILED, "cannot publish to %s: %s",
		        topic, strerrordesc_np(-r));
	return CLI_OK;
}

int bus_wait(struct bus *bus, int64_t timeout_ms)
{
	struct timeval limit = timeval_of_ms(timeout_ms);

	/* What stopped the loop while nobody waited (an error told from a callback) counts as well. */
	if (!bus->stopped) {
		if (timeout_ms > 0)
			(void)evtimer_add(bus->timeout, &limit);
		(void)event_base_dispatch(bus->base);
		(void)evtimer_del(bus->timeout);
	}
	bus->stopped = false;
	return bus->code;
}

void bus_stop(struct bus *bus, int code)
{
	if (bus->stopped)
		return;
	bus->stopped = true;
	bus->code = code;
	(void)event_base_loopbreak(bus->base); /* fails only without a base */
}

int bus_every(struct bus *bus, unsigned ms, void (*tick)(void *arg), void *arg)
{
	struct timeval period = timeval_of_ms(ms);

	bus->tick = tick;
	bus->tick_arg = arg;
	return event_add(bus->ticker, &period) < 0 ? cli_error(CLI_FAILED, "out of memory") : CLI_OK;
}
