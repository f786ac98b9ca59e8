/* SPDX-License-Identifier: Apache-2.0 */
/* nodes/{node}/reported: one whole retained document; the newest state wins and nothing queues up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/agent-priv.h"
#include "core/agent/instance.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"

/* Entries are copied by value and hold no pointers. `all`: with those that are not assigned any more. */
static json_t *make_report(const struct agent *agent, bool all)
{
	cleanup_free struct report_instance *list = calloc(agent->n_instances + 1, sizeof(*list));
	struct report report = {
		.term = agent->desired.term,
		.revision = agent->desired.revision,
		.instances = list,
	};

	if (!list)
		return NULL;
	(void)snprintf(report.node, sizeof(report.node), "%s", agent->config->node);
	(void)snprintf(report.boot, sizeof(report.boot), "%s", agent->boot);
	for (size_t i = 0; i < agent->n_instances; i++) {
		if (all || !agent->instances[i]->leaving)
			list[report.n_instances++] = agent->instances[i]->seen;
	}
	return report_encode(&report);
}

static void publish(struct agent *agent)
{
	cleanup_json json_t *document = make_report(agent, true);

	/* While an assignment is replaced by a wholly different one, the instances of both exist. A document
	 * that is too large would be refused, and the rollout wait for ever: what leaves is told least. */
	if (!document)
		document = make_report(agent, false);
	agent->report_wanted = false;
	agent->reported_ms = clock_boot_ms();
	agent_publish(agent, TOPIC_NODE_REPORTED, NULL, document, true, 1);
}

static void on_report_timer(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)fd;
	(void)what;
	if (agent->report_wanted)
		report_flush(agent);
}

void report_changed(struct agent *agent)
{
	agent->report_wanted = true;
}

void report_flush(struct agent *agent)
{
	int64_t wait = agent->reported_ms + CONFIG_REPORT_COALESCE_MS - clock_boot_ms();

	/* Before the supervisor has told everything, a report would say that nothing runs here. */
	if (!agent->connected || !agent->synced)
		return;
	/* On its way to the disk: agent_settle comes back when it is there. */
	if (agent->save_wanted && !agent->save_failed)
		return;
	if (wait > 0 && agent->reported_ms > 0) {
		if (!event_pending(agent->report_timer, EV_TIMEOUT, NULL))
			agent_timer_set(agent->report_timer, wait);
		return;
	}
	publish(agent);
}

int report_init(struct agent *agent)
{
	agent->report_timer = agent_timer(agent, on_report_timer, agent);
	return agent->report_timer ? 0 : -ENOMEM;
}
