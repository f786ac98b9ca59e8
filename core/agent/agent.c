/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/agent-priv.h"
#include "core/agent/commands.h"
#include "core/agent/follow.h"
#include "core/agent/instance.h"
#include "core/agent/revision.h"
#include "core/agent/storage.h"
#include "core/agent/supervisor.h"
#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/strv.h"
#include "core/base/timeval.h"
#include "core/base/utf8.h"
#include "core/model/node.h"

/* ---- shared by the files of this folder ---- */

struct event *agent_timer(struct agent *agent, event_callback_fn fn, void *arg)
{
	return evtimer_new(agent->config->base, fn, arg);
}

void agent_timer_set(struct event *timer, int64_t ms)
{
	struct timeval wait = timeval_of_ms(ms);

	if (timer && ms < 0)
		(void)event_del(timer); /* cannot fail for an event of a base */
	else if (!timer || event_add(timer, &wait) < 0)
		log_error("out of memory: a timer is lost; the next change of the assignment goes on");
}

void agent_publish(struct agent *agent, enum topic_kind kind, const char *second, const json_t *document,
        bool retain, int qos)
{
	const struct agent_config *config = agent->config;
	cleanup_free char *text = document ? json_text(document) : NULL;
	char topic[TOPIC_MAX];
	struct session_publish publish = { .topic = topic, .payload = text, .qos = qos, .retain = retain };
	int r = topic_format(topic, config->prefix, kind, config->node, second);

	if (r == 0 && !text)
		r = -ENOMEM;
	if (r == 0) {
		publish.length = strlen(text);
		r = config->handler->publish(config->arg, &publish);
	}
	if (r < 0 && r != -ENOTCONN)
		log_error("%s cannot be published: %s", topic_table()[kind].pattern, strerrordesc_np(-r));
}

static void put(json_t *object, const char *name, const char *text)
{
	/* A failure leaves the member out, and the event is still news. */
	if (text)
		(void)json_object_set_new(object, name, json_string(text));
}

static json_t *new_event(const struct agent *agent, const char *type)
{
	json_t *event = json_object();
	char time[CLOCK_TEXT_SIZE];

	clock_format(clock_wall_ms(), time);
	put(event, "time", time);
	put(event, "node", agent->config->node);
	put(event, "type", type);
	return event;
}

void agent_event(
        struct agent *agent, const char *type, const char *app, const char *instance, const char *reason)
{
	cleanup_json json_t *event = NULL;

	if (!agent->connected)
		return;
	event = new_event(agent, type);
	put(event, "app", app);
	put(event, "instance", instance);
	put(event, "reason", reason);
	agent_publish(agent, TOPIC_EVENTS, NULL, event, false, 1);
}

void agent_reject(
        struct agent *agent, const char *topic, const char *path, const char *reason, const char *limit)
{
	cleanup_json json_t *event = new_event(agent, "payload.rejected");

	log_warning("payload on %s refused: %s: %s", topic, path, reason);
	put(event, "topic", topic);
	put(event, "path", path);
	put(event, "reason", reason);
	if (*limit)
		put(event, "limit", limit);
	agent_publish(agent, TOPIC_EVENTS, NULL, event, false, 1);
}

/* How long a reboot keeps the device from its work. */
static void note_all_running(struct agent *agent)
{
	int64_t now = clock_boot_ms();

	if (agent->all_ran || !agent->has_desired || agent->n_instances == 0)
		return;
	for (size_t i = 0; i < agent->n_instances; i++) {
		if (agent->instances[i]->seen.state != INSTANCE_RUNNING)
			return;
	}
	agent->all_ran = true;
	log_info("all %zu instances run, %" PRId64 ".%03d s after the kernel started", agent->n_instances,
	        now / 1000, (int)(now % 1000));
}

void agent_settle(struct agent *agent)
{
	/* Dropping an instance may free a slot for another one, so one plan can ask for the next. */
	while (agent->plan_wanted && agent->synced && agent->has_desired) {
		agent->plan_wanted = false;
		agent_plan(agent);
	}
	note_all_running(agent);
	if (agent->save_wanted && agent->save_due) {
		agent->save_due = false;
		storage_flush(agent);
	}
	if (agent->report_wanted)
		report_flush(agent);
}

/* ---- the broker ---- */

static int new_session(struct agent *agent)
{
	struct node_presence presence = { .online = false };
	cleanup_json json_t *will = NULL;
	cleanup_free char *text = NULL;
	uint8_t random[(SESSION_ID_SIZE - 1) / 2];

	arc4random_buf(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(agent->session + 2 * i, 3, "%02x", random[i]);
	(void)snprintf(presence.boot, sizeof(presence.boot), "%s", agent->boot);
	(void)snprintf(presence.session, sizeof(presence.session), "%s", agent->session);
	will = node_presence_encode(&presence);
	text = will ? json_text(will) : NULL;
	if (!text)
		return -ENOMEM;
	return agent->config->handler->set_will(agent->config->arg, text, strlen(text));
}

char *const *agent_filters(const struct agent *agent)
{
	return agent->filters;
}

void agent_connected(struct agent *agent)
{
	agent->connected = true;
	node_publish_presence(agent, true);
	node_publish_info(agent);
	report_changed(agent);
	agent_settle(agent);
	node_beat_start(agent);
}

void agent_synced(struct agent *agent)
{
	/* A broker without an assignment for this node says nothing: only a document takes work away. */
	if (!agent->has_desired)
		log_info("no assignment for this node yet; what runs is left alone");
}

void agent_disconnected(struct agent *agent)
{
	agent->connected = false;
	node_beat_stop(agent);
	follow_free_all(agent); /* who followed asks again */
	if (new_session(agent) < 0)
		log_error("out of memory: the next will belongs to an older session");
}

void agent_message(struct agent *agent, const struct topic *topic, const struct session_message *message)
{
	bool ours = strcmp(topic->first, agent->config->node) == 0;

	if (topic->kind == TOPIC_APP_REVISION)
		revision_message(agent, topic, message);
	else if (topic->kind == TOPIC_NODE_DESIRED && ours)
		agent_take_desired(agent, message);
	else if (topic->kind == TOPIC_NODE_COMMAND && ours)
		agent_command(agent, topic->second, message);
}

void agent_stop(struct agent *agent)
{
	if (agent->connected)
		node_publish_presence(agent, false);
	agent->connected = false;
	node_beat_stop(agent);
}

/* ---- life ---- */

static int make_filters(struct agent *agent)
{
	static const enum topic_kind kinds[] = { TOPIC_NODE_DESIRED, TOPIC_NODE_COMMAND };
	char filter[TOPIC_MAX];

	for (size_t i = 0; i < array_size(kinds); i++) {
		int r = topic_format(filter, agent->config->prefix, kinds[i], agent->config->node, "+");

		if (r == 0)
			r = strv_append(&agent->filters, filter);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_up(struct agent *agent, struct baton_error *err)
{
	int r = clock_boot_id(agent->boot);

	if (r < 0)
		return error_errno(err, -r, "boot id");
	r = make_filters(agent);
	if (r == 0)
		r = new_session(agent);
	if (r == 0)
		r = report_init(agent);
	if (r == 0)
		r = node_init(agent);
	if (r < 0)
		return error_errno(err, -r, "agent");
	r = storage_open(agent, err);
	if (r == 0)
		storage_load(agent);
	return r;
}

int agent_new(const struct agent_config *config, struct agent **ret_agent, struct baton_error *err)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent)
		return error_set(err, ENOMEM, "out of memory");
	agent->config = config;
	agent->dir_fd = agent->revisions_fd = -1;
	STAILQ_INIT(&agent->requests);
	LIST_INIT(&agent->revisions);
	LIST_INIT(&agent->follows);
	r = set_up(agent, err);
	if (r < 0) {
		agent_free(agent);
		return r;
	}
	*ret_agent = agent;
	return 0;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	follow_free_all(agent);
	storage_close(agent);
	while (agent->n_instances > 0)
		instance_drop(agent->instances[agent->n_instances - 1]);
	free(agent->instances);
	revision_free_all(agent);
	supervisor_release(agent);
	assignment_release(&agent->desired);
	if (agent->report_timer)
		event_free(agent->report_timer);
	if (agent->beat_timer)
		event_free(agent->beat_timer);
	strv_free(agent->runtimes);
	strv_free(agent->missing);
	strv_free(agent->filters);
	free(agent);
}
