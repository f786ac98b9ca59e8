/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One command's connection to the broker: subscribe, wait for the retained state, look at documents, wait for
 * a change, send a request. The only place of the command line that knows the session.
 */
#ifndef BATON_CLI_BUS_H
#define BATON_CLI_BUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/cli/cli.h"
#include "core/config/config.h"
#include "core/model/topics.h"

#define BUS_ADDRESS_SIZE 512

struct bus;

/*
 * `document` is NULL for an empty payload, and for one that is no JSON. Called for every message, retained
 * ones included.
 */
typedef void (*bus_message_fn)(void *arg, const struct topic *topic, json_t *document);

/* An answer to a request; several may come. */
typedef void (*bus_answer_fn)(void *arg, json_t *answer);

/*
 * Reads configuration, --broker, --prefix and the environment. Nothing is connected yet. CLI_OK and *ret_bus,
 * or an exit code after telling why.
 */
int bus_open(const struct cli *cli, bus_message_fn message, void *arg, struct bus **ret_bus);
void bus_close(struct bus *bus); /* takes NULL */

/* How people would write the broker's address. */
const char *bus_address(const struct bus *bus);

/* NULL for a level stands for all. */
int bus_subscribe(struct bus *bus, enum topic_kind kind, const char *first, const char *second);

/* Connects and waits until all retained messages are here. CLI_OK, or CLI_UNREACHABLE after telling why. */
int bus_sync(struct bus *bus);

/* Newest JSON document of a topic with a retained payload; NULL without. Borrowed until the next wait. */
json_t *bus_document(struct bus *bus, enum topic_kind kind, const char *first, const char *second);

/* Calls `visit` for every such document, in the order of topics. */
void bus_each(struct bus *bus, enum topic_kind kind, bus_message_fn visit, void *arg);

/* Retained, QoS 1, as mosquitto_pub -r -q 1 does. CLI_OK when the broker has acknowledged it. */
int bus_publish(struct bus *bus, enum topic_kind kind, const char *name, const void *payload, size_t length);

struct bus_request {
	enum topic_kind kind;
	const char *name; /* of the application or node */
	const char *verb;
	const json_t *document;
	bus_answer_fn answer; /* NULL: nobody looks at it */
	void *arg;
};

/* Sends a request with a response topic. CLI_OK, or an exit code after telling why. */
int bus_request(struct bus *bus, const struct bus_request *request);

/* Runs the loop until bus_stop, or until timeout_ms (0: no limit): its code, or CLI_TIMEOUT without a word.
 */
int bus_wait(struct bus *bus, int64_t timeout_ms);
void bus_stop(struct bus *bus, int code);

/* Calls `tick` every `ms` while bus_wait runs. */
int bus_every(struct bus *bus, unsigned ms, void (*tick)(void *arg), void *arg);

/* The node's configuration as --config, $BATON_CONFIG or the default name it. CLI_OK or an exit code. */
int cli_load_config(const struct cli *cli, struct config *ret_config);
const char *cli_config_path(const struct cli *cli);

#endif
