/* SPDX-License-Identifier: Apache-2.0 */
/* What apps/+/status and nodes/+/reported say together. */
#ifndef BATON_CLI_FLEET_H
#define BATON_CLI_FLEET_H

#include <jansson.h>
#include <stdbool.h>

#include "core/cli/bus.h"

/* Subscribes to what fleet_instances needs; `app` NULL: all. CLI_OK or an exit code. */
int fleet_subscribe(struct bus *bus, const char *app);

/*
 * An array of objects {"id", "app", "service", "slot", "node", "state", "reason", "since", "restarts",
 * "exit_code", "pid"?, "runtime"?, …} sorted by id. A node that is online knows its instances best; what no
 * online node reports is taken from the status. New reference, NULL when out of memory.
 */
json_t *fleet_instances(struct bus *bus, const char *app);

/* The application has a manifest, a status or an instance. */
bool fleet_has_app(struct bus *bus, const char *app);

bool fleet_node_online(struct bus *bus, const char *node);

/* The errors of a verdict or an answer: one line each on standard error, `app` before the path. */
void fleet_write_findings(const char *kind, const json_t *findings);

/* All of a verdict {"verdict", "errors", "warnings", "truncated"?} on standard error. */
void fleet_write_verdict(const json_t *document);

/* What stands below a list of findings that was cut; NULL when the verdict has them all. */
const char *fleet_more_findings(const json_t *document);

#endif
