/* SPDX-License-Identifier: Apache-2.0 */
#include "core/controller/controller.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/strv.h"
#include "core/base/timeval.h"
#include "core/controller/controller-priv.h"
#include "core/controller/journal.h"
#include "core/controller/policies.h"

/* Two controllers on one broker would raise terms against each other: not faster than this. */
#define TERM_PAUSE_MS 5000

static const enum topic_kind filter_kinds[] = { TOPIC_APP_DESIRED, TOPIC_APP_STATUS, TOPIC_APP_REVISION,
	TOPIC_APP_COMMAND, TOPIC_NODE_PRESENCE, TOPIC_NODE_INFO, TOPIC_NODE_DESIRED, TOPIC_NODE_REPORTED,
	TOPIC_NODE_BEAT, TOPIC_POLICY, TOPIC_POLICY_STATUS, TOPIC_CONTROLLER };

static const struct {
	enum topic_kind kind;
	void (*take)(struct controller *controller, const struct topic *topic,
	        const struct session_message *message);
} inputs[] = {
	{ TOPIC_APP_DESIRED, apps_message },
	{ TOPIC_APP_STATUS, apps_message },
	{ TOPIC_APP_REVISION, apps_message },
	{ TOPIC_APP_COMMAND, apps_message },
	{ TOPIC_NODE_PRESENCE, fleet_message },
	{ TOPIC_NODE_INFO, fleet_message },
	{ TOPIC_NODE_DESIRED, fleet_message },
	{ TOPIC_NODE_REPORTED, fleet_message },
	{ TOPIC_NODE_BEAT, fleet_message },
	{ TOPIC_POLICY, policies_message },
	{ TOPIC_POLICY_STATUS, policies_message },
	{ TOPIC_CONTROLLER, rollback_message },
};

int controller_retain(struct controller *controller, enum topic_kind kind, const char *first,
        const char *second, const char *text, size_t length)
{
	char topic[TOPIC_MAX];
	int r = topic_format(topic, controller->prefix, kind, first, second);
	const struct session_publish publish = {
		.topic = topic, .payload = text, .length = length, .qos = 1, .retain = true
	};

	if (r < 0)
		return r;
	if (!controller->connected)
		return -ENOTCONN;
	r = controller->publish(controller->arg, &publish);
	if (r < 0 && r != -ENOTCONN)
		log_error("cannot publish on %s: %s", topic, strerrordesc_np(-r));
	return r;
}

int controller_note_term(struct controller *controller, int64_t term, struct baton_error *err)
{
	if (term <= controller->highest_term)
		return 0;
	if (term > TERM_OUTSIDE_MAX)
		return error_set(
		        err, ERANGE, "$.term: %lld is higher than any that can be right", (long long)term);
	controller->highest_term = term;
	return 0;
}

/* Above every term that was seen. Without its durable record nothing is published: agents would refuse it
 * later. */
static int take_term(struct controller *controller)
{
	int64_t term = controller->highest_term + 1;
	int r = term > TERM_MAX ? -ERANGE : journal_write_term(controller, term);

	controller->term_raised_ms = clock_boot_ms();
	if (r < 0)
		return r;
	controller->term = term;
	controller->highest_term = term;
	controller->revision = 0;
	return 0;
}

static void raise_term(struct controller *controller)
{
	struct fleet_node *node;

	if (controller->highest_term <= controller->term ||
	        clock_boot_ms() - controller->term_raised_ms < TERM_PAUSE_MS)
		return;
	if (take_term(controller) < 0)
		return;
	event_emit(controller, "controller.term", NULL, "another term was seen: published again under %lld",
	        (long long)controller->term);
	TABLE_FOREACH(node, &controller->nodes) {
		node->renew = node->renew || node->text;
		node->changed = node->changed || node->renew;
	}
}

static void finish_removal(struct controller *controller, struct app_entry *app)
{
	/* Durable before anybody is told that it is gone: on_journal_turn comes back. */
	if (!app->buried) {
		app->journal = true;
		return;
	}
	if (app->n_kept > 0) /* a broker that was rolled back has it */
		memcpy(app->before, app->kept[app->n_kept - 1].digest, sizeof(app->before));
	revisions_trim(controller, app, 0);
	if (app->n_kept > 0 || (app->status_retained && controller_retain(controller, TOPIC_APP_STATUS,
	                                                        app->name, NULL, "", 0) < 0))
		return;
	tombstone_add(controller, app);
	table_remove(&controller->apps, app->name);
	app_entry_free(app);
}

static void later(struct event *timer, int64_t ms)
{
	const struct timeval wait = timeval_of_ms(ms);

	if (!event_pending(timer, EV_TIMEOUT, NULL))
		(void)event_add(timer, &wait); /* fails without memory only; the next turn tries again */
}

void controller_settle_in(struct controller *controller, int64_t ms)
{
	later(controller->settle_timer, ms);
}

static void plan_waiting(struct controller *controller)
{
	struct app_entry *app;

	TABLE_FOREACH(app, &controller->apps)
		app->plan = app->plan || app->waits;
}

static void show_statuses(struct controller *controller)
{
	for (size_t i = controller->apps.count; i-- > 0;) {
		struct app_entry *app = controller->apps.items[i];
		int64_t wait;

		if (!app->show)
			continue;
		if (app_is_gone(controller, app)) {
			finish_removal(controller, app);
			continue;
		}
		wait = app->shown_ms == 0 ? 0 : app->shown_ms + CONFIG_STATUS_COALESCE_MS - clock_boot_ms();
		if (wait > 0)
			later(controller->status_timer, wait);
		else
			status_show(controller, app);
	}
}

/* Not in the turn itself: fsync would hold up what it has published. */
static void write_later(struct controller *controller)
{
	if (journal_is_due(controller))
		event_active(controller->journal_turn, EV_TIMEOUT, 0);
	if (controller->journal_failing)
		later(controller->journal_again, JOURNAL_RETRY_MS);
}

void controller_turn(struct controller *controller)
{
	struct app_entry *app;
	struct fleet_node *node;

	if (!controller->synced)
		return;
	raise_term(controller);
	/* Revisions before the assignments that refer to them: agents then find them at once. */
	TABLE_FOREACH(app, &controller->apps) {
		if (!app->plan)
			continue;
		rollout_plan(controller, app);
		revisions_publish(controller, app);
	}
	TABLE_FOREACH(node, &controller->nodes) {
		if (node->changed)
			assign_publish(controller, node);
	}
	show_statuses(controller);
	TABLE_FOREACH(app, &controller->apps) {
		if (app->n_kept > CONFIG_REVISIONS_KEPT)
			revisions_trim(controller, app, CONFIG_REVISIONS_KEPT);
	}
	write_later(controller);
}

static void on_settle_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	plan_waiting(arg);
	controller_turn(arg);
}

static void on_status_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	controller_turn(arg);
}

static void on_journal_turn(evutil_socket_t fd, short what, void *arg)
{
	bool more;

	(void)fd;
	(void)what;
	more = journal_flush(arg, JOURNAL_BATCH);
	/* Removals that waited for it. */
	controller_turn(arg);
	write_later(arg); /* offline there is no turn */
	/* The watermark last: it says that the journal has everything below it. */
	if (!more)
		rollback_publish(arg);
}

static void on_journal_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	journal_retry(arg);
	controller_turn(arg);
}

void controller_tick(struct controller *controller)
{
	if (controller->replayed && !controller->synced)
		controller_synced(controller);
	if (!controller->synced)
		return;
	fleet_tick(controller);
	fleet_forget_empty(controller);
	tombstones_tick(controller);
	policies_tick(controller);
	status_tick(controller);
	assign_tick(controller);
	rollback_tick(controller);
	plan_waiting(controller);
	controller_turn(controller);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	controller_tick(arg);
}

static int make_filters(struct controller *controller)
{
	char filter[TOPIC_MAX];

	for (size_t i = 0; i < array_size(filter_kinds); i++) {
		int r = topic_filter(filter, controller->prefix, filter_kinds[i]);

		if (r == 0)
			r = strv_append(&controller->filters, filter);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_events(struct controller *controller, struct event_base *base)
{
	const struct timeval interval = timeval_of_ms(CONFIG_BEAT_MS);

	controller->tick = event_new(base, -1, EV_PERSIST, on_tick, controller);
	controller->settle_timer = event_new(base, -1, 0, on_settle_timer, controller);
	controller->status_timer = event_new(base, -1, 0, on_status_timer, controller);
	controller->journal_turn = event_new(base, -1, 0, on_journal_turn, controller);
	controller->journal_again = event_new(base, -1, 0, on_journal_again, controller);
	if (!controller->tick || !controller->settle_timer || !controller->status_timer ||
	        !controller->journal_turn || !controller->journal_again ||
	        event_add(controller->tick, &interval) < 0)
		return -ENOMEM;
	return 0;
}

static void cleanup_controller_(struct controller **controller)
{
	controller_free(*controller);
}

int controller_new(
        const struct controller_config *config, struct controller **ret_controller, struct baton_error *err)
{
	cleanup_with(cleanup_controller_) struct controller *controller = calloc(1, sizeof(*controller));
	int r;

	if (!controller)
		return error_set(err, ENOMEM, "out of memory");
	controller->prefix = strdup(config->prefix);
	controller->node = strdup(config->node);
	controller->publish = config->publish;
	controller->arg = config->arg;
	controller->journal_fd = config->state_dir_fd;
	controller->nodes.max = CONFIG_MAX_NODES;
	controller->apps.max = CONFIG_MAX_APPS;
	if (!controller->prefix || !controller->node || policies_new(&controller->policies) < 0 ||
	        board_init(&controller->strangers, TOPIC_APP_STATUS) < 0 ||
	        make_events(controller, config->base) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = make_filters(controller);
	if (r < 0)
		return error_errno(err, -r, "topic prefix \"%s\"", config->prefix);
	controller->apps.max += TOMBSTONES_MAX; /* the removed ones are there until the first sync */
	r = journal_load(controller, err);
	controller->apps.max = CONFIG_MAX_APPS;
	if (r < 0)
		return r;
	*ret_controller = steal_ptr(controller);
	return 0;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void controller_free(struct controller *controller)
{
	struct app_entry *app;
	struct fleet_node *node;

	if (!controller)
		return;
	if (controller->term > 0) {
		journal_retry(controller);
		(void)journal_flush(controller, SIZE_MAX);
	}
	free_event(controller->tick);
	free_event(controller->settle_timer);
	free_event(controller->status_timer);
	free_event(controller->journal_turn);
	free_event(controller->journal_again);
	TABLE_FOREACH(app, &controller->apps)
		app_entry_free(app);
	TABLE_FOREACH(node, &controller->nodes)
		fleet_node_free(node);
	free(controller->apps.items);
	free(controller->nodes.items);
	policies_free(controller->policies);
	strv_free(controller->filters);
	board_release(&controller->strangers);
	free(controller->prefix);
	free(controller->node);
	free(controller);
}

char *const *controller_filters(const struct controller *controller)
{
	return controller->filters;
}

void controller_connected(struct controller *controller)
{
	struct fleet_node *node;

	controller->connected = true;
	controller->incomplete = false;
	controller->replayed = false;
	controller->synced = false;
	controller->broker_watermark = 0;
	controller->leader_differs = false;
	TABLE_FOREACH(node, &controller->nodes)
		node->retained_same = false;
	apps_connected(controller);
	policies_connected(controller);
}

/* Placements as the predecessor left them: a restart of the controller changes nothing. */
static void adopt(struct controller *controller)
{
	struct fleet_node *node;

	TABLE_FOREACH(node, &controller->nodes) {
		if (assign_adopt(controller, node) < 0)
			log_error("node %s: its assignment can not be taken over", node->name);
		fleet_note_running(node);
	}
	apps_adopted(controller);
}

void controller_incomplete(struct controller *controller)
{
	controller->incomplete = true;
}

/* At the first sync; tried again by the tick. */
static bool can_lead(struct controller *controller)
{
	/* Without a journal, what runs of an application that was left out would be stopped. */
	if (controller->incomplete && controller->watermark == 0) {
		if (!controller->replayed)
			log_error("the controller stays idle: it has no journal, and the broker left out "
			          "messages");
		return false;
	}
	if (take_term(controller) == 0)
		return true;
	if (!controller->replayed)
		log_error("the controller stays idle until its term can be made durable");
	return false;
}

void controller_synced(struct controller *controller)
{
	bool first = controller->term == 0;
	struct fleet_node *node;
	struct app_entry *app;

	if (!controller->connected)
		return;
	if (first && !can_lead(controller)) {
		controller->replayed = true;
		return;
	}
	controller->replayed = true;
	controller->synced = true;
	if (controller->incomplete)
		event_emit(controller, "broker.incomplete", NULL,
		        "the broker left out messages: what seems to be removed is left as it is");
	apps_synced(controller);
	if (first)
		adopt(controller);
	policies_synced(controller);
	TABLE_FOREACH(node, &controller->nodes) {
		node->heard_ms = clock_boot_ms();
		node->changed = node->changed || (node->text && !node->retained_same);
	}
	TABLE_FOREACH(app, &controller->apps) {
		app->plan = true;
		app->show = true;
		if (!app->status_retained)
			free(steal_ptr(app->status));
	}
	controller_turn(controller);
	/* After what was restored: the broker must not have the watermark without the documents. */
	if (!journal_is_due(controller))
		rollback_publish(controller);
}

void controller_disconnected(struct controller *controller)
{
	controller->connected = false;
	controller->replayed = false;
	controller->synced = false;
}

void controller_message(
        struct controller *controller, const struct topic *topic, const struct session_message *message)
{
	for (size_t i = 0; i < array_size(inputs); i++) {
		if (inputs[i].kind == topic->kind)
			inputs[i].take(controller, topic, message);
	}
	controller_turn(controller);
}

void controller_stray(struct controller *controller, const struct session_message *message)
{
	char limit[32];

	if (message->length == 0 && !message->too_large)
		return; /* somebody cleans up */
	(void)snprintf(limit, sizeof(limit), "%d bytes a level", TOPIC_NAME_MAX);
	event_bad_payload(
	        controller, message->topic, "$", "a level of the topic is empty or too long", limit);
}
