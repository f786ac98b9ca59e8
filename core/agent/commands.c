/* SPDX-License-Identifier: Apache-2.0 */
#include "core/agent/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent/follow.h"
#include "core/agent/instance.h"
#include "core/agent/log_read.h"
#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/model/verdict.h"

#define WALL_MS_MAX 253402300799999 /* year 9999 */

/* ---- answers ---- */

/*
 * The asker chooses the topic of the answer, and we have rights that the asker may not have: nothing is sent
 * to a topic that means something in this fleet.
 */
static bool may_answer(const struct agent *agent, const char *topic)
{
	struct topic parts;

	return topic && (topic_parse(topic, agent->config->prefix, &parts) < 0 || parts.kind == TOPIC_SYNC);
}

void command_answer(struct agent *agent, const struct session_message *message, const json_t *document)
{
	const struct agent_config *config = agent->config;
	cleanup_free char *text = document ? json_text(document) : NULL;
	struct session_publish publish = {
		.topic = message->response_topic,
		.payload = text,
		.qos = 1,
		.correlation = message->correlation,
		.correlation_length = message->correlation_length,
	};
	int r;

	if (!may_answer(agent, message->response_topic))
		return;
	if (!text) {
		log_error("out of memory: a command on %s gets no answer", message->topic);
		return;
	}
	publish.length = strlen(text);
	r = config->handler->publish(config->arg, &publish);
	if (r < 0 && r != -ENOTCONN)
		log_warning("the answer to a command cannot be sent: %s", strerrordesc_np(-r));
}

static void answer_errors(
        struct agent *agent, const struct session_message *message, const struct verdict *verdict)
{
	const struct finding *first = &verdict->errors[0];
	cleanup_json json_t *document = NULL;

	if (verdict->n_errors == 0)
		return; /* out of memory: not even one finding fitted */
	if (!may_answer(agent, message->response_topic)) {
		agent_reject(agent, message->topic, first->path, first->reason, first->limit);
		return;
	}
	document = json_pack("{s:b, s:o}", "ok", 0, "errors", verdict_errors_json(verdict));
	command_answer(agent, message, document);
}

/* ---- arguments ---- */

static void check_members(const json_t *request, const char *const *names, struct verdict *verdict)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)request, name, value) {
		const char *const *known = names;

		while (*known && strcmp(*known, name) != 0)
			known++;
		if (!*known)
			verdict_error(verdict, "$", NULL, "unknown member \"%.64s\"", name);
	}
}

static struct instance *need_instance(struct agent *agent, const json_t *request, struct verdict *verdict)
{
	const char *id = json_get_string(request, "instance", NULL);
	struct instance *instance = id ? instance_find(agent, id) : NULL;

	if (!id)
		verdict_error(verdict, "$.instance", NULL, "must be the id of an instance");
	else if (!instance)
		verdict_error(verdict, "$.instance", NULL, "no instance \"%.128s\" on node %s", id,
		        agent->config->node);
	return instance;
}

static int64_t take_number(
        const json_t *request, const char *name, int64_t max, int64_t fallback, struct verdict *verdict)
{
	const json_t *member = json_object_get(request, name);
	char path[32];
	char limit[32];

	if (!member)
		return fallback;
	if (json_is_integer(member) && json_integer_value(member) >= 0 && json_integer_value(member) <= max)
		return json_integer_value(member);
	(void)snprintf(path, sizeof(path), "$.%s", name);
	(void)snprintf(limit, sizeof(limit), "%lld", (long long)max);
	verdict_error(verdict, path, limit, "must be a number from 0 to the limit");
	return fallback;
}

static bool take_flag(const json_t *request, const char *name, struct verdict *verdict)
{
	const json_t *member = json_object_get(request, name);
	char path[32];

	if (member && !json_is_boolean(member)) {
		(void)snprintf(path, sizeof(path), "$.%s", name);
		verdict_error(verdict, path, NULL, "must be true or false");
	}
	return json_is_true(member);
}

/* ---- verbs ---- */

static void do_stop(struct agent *agent, const struct session_message *message, const json_t *request,
        struct verdict *verdict)
{
	static const char *const members[] = { "instance", NULL };
	struct instance *instance = need_instance(agent, request, verdict);
	cleanup_json json_t *answer = NULL;

	check_members(request, members, verdict);
	if (verdict->n_errors > 0)
		return;
	instance_restart(instance);
	answer = json_pack("{s:b}", "ok", 1);
	command_answer(agent, message, answer);
}

struct log_answer {
	struct agent *agent;
	const struct session_message *message;
	const char *instance;
};

static void send_lines(void *arg, json_t *lines, bool end)
{
	struct log_answer *answer = arg;
	cleanup_json json_t *document = json_pack(
	        "{s:b, s:s, s:O, s:b}", "ok", 1, "instance", answer->instance, "lines", lines, "end", end);

	command_answer(answer->agent, answer->message, document);
}

static void do_logs(struct agent *agent, const struct session_message *message, const json_t *request,
        struct verdict *verdict)
{
	static const char *const members[] = { "instance", "lines", "since_ms", "follow", NULL };
	const struct instance *instance = need_instance(agent, request, verdict);
	struct log_query query = {
		.logs_path = agent->config->logs_path,
		.instance = instance ? instance->seen.ref.id : NULL,
		.lines = (unsigned)take_number(
		        request, "lines", CONFIG_LOG_LINES_MAX, CONFIG_LOG_LINES_DEFAULT, verdict),
		.since_ms = take_number(request, "since_ms", WALL_MS_MAX, 0, verdict),
	};
	struct log_answer answer = { agent, message, query.instance };
	bool follow = take_flag(request, "follow", verdict);
	struct log_position position;
	struct baton_error err;
	int r;

	check_members(request, members, verdict);
	if (verdict->n_errors > 0)
		return;
	if (follow && follow_start(agent, query.instance, &err) < 0) {
		verdict_error(verdict, "$.follow", NULL, "%s", err.message);
		return;
	}
	r = log_read(&query, send_lines, &answer, &position, &err);
	if (r < 0)
		verdict_error(verdict, "$.instance", NULL, "%s", err.message);
	else if (follow)
		follow_from(agent, query.instance, &position);
}

/* A verb that adds no error has answered. */
static const struct {
	const char *verb;
	void (*run)(struct agent *agent, const struct session_message *message, const json_t *request,
	        struct verdict *verdict);
} verbs[] = {
	{ "logs", do_logs },
	{ "stop", do_stop },
};

static json_t *parse(const struct session_message *message, struct verdict *verdict)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	json_t *request = NULL;
	struct baton_error err;
	char limit[32];

	(void)snprintf(limit, sizeof(limit), "%d bytes", CONFIG_MAX_DOCUMENT_BYTES);
	if (message->too_large) {
		verdict_error(verdict, "$", limit, "the document has %zu bytes", message->length);
	} else if (json_parse(message->payload, message->length, limits, &request, &err) < 0) {
		verdict_error(verdict, "$", NULL, "%s", err.message);
	} else if (!json_is_object(request)) {
		verdict_error(verdict, "$", NULL, "must be an object");
		json_decref(request);
		request = NULL;
	}
	return request;
}

void agent_command(struct agent *agent, const char *verb, const struct session_message *message)
{
	cleanup_json json_t *request = NULL;
	struct verdict verdict;
	size_t i = 0;

	/* Left behind by an operator with -r: it would be carried out at every connection. Who asked may be
	 * gone for long, so no answer, but an event. */
	if (message->retained) {
		if (message->length > 0)
			agent_reject(agent, message->topic, "$",
			        "a retained command is not carried out: remove it, and publish without -r",
			        "");
		return;
	}
	verdict_init(&verdict);
	while (i < array_size(verbs) && strcmp(verbs[i].verb, verb) != 0)
		i++;
	if (i == array_size(verbs))
		verdict_error(
		        &verdict, "$", NULL, "no command \"%.32s\"; this node knows logs and stop", verb);
	else
		request = parse(message, &verdict);
	if (request)
		verbs[i].run(agent, message, request, &verdict);
	if (verdict.n_errors > 0)
		answer_errors(agent, message, &verdict);
	verdict_release(&verdict);
	agent_settle(agent);
}
