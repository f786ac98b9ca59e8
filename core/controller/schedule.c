/* SPDX-License-Identifier: Apache-2.0 */
#include "core/controller/schedule.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"

#define MEBIBYTE        (1024 * 1024)
#define EXPLAINED_NODES 6

struct candidate {
	double score;
	struct fleet_node *node;
};

struct schedule {
	const struct service *service;
	const struct scorer *scorer;
	struct policy_service view;
	uint64_t seed;
	struct candidate *heap; /* best first */
	size_t count;
	int64_t boot_ns; /* when it began */
	int64_t thread_ns;
	bool stale; /* the first one was given an instance since it was scored */
};

/* FNV-1a: decisions must be the same on every host. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3U;
	return hash;
}

/* Equal scores: by name, so that the same fleet gives the same decision. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
	if (a->score > b->score || b->score > a->score)
		return a->score > b->score;
	return strcmp(a->node->name, b->node->name) < 0;
}

static void sift_down(struct schedule *schedule, size_t position)
{
	for (;;) {
		size_t best = position;

		for (size_t child = 2 * position + 1; child <= 2 * position + 2; child++) {
			if (child < schedule->count &&
			        is_better(&schedule->heap[child], &schedule->heap[best]))
				best = child;
		}
		if (best == position)
			return;
		struct candidate moved = schedule->heap[position];

		schedule->heap[position] = schedule->heap[best];
		schedule->heap[best] = moved;
		position = best;
	}
}

static void drop_first(struct schedule *schedule)
{
	schedule->heap[0] = schedule->heap[--schedule->count];
	sift_down(schedule, 0);
}

/* The boot clock is ahead of the thread's, and cheaper to ask. */
static bool is_out_of_time(const struct schedule *schedule)
{
	int64_t budget_ns = schedule->scorer->budget_ms * 1000000;

	return budget_ns > 0 && clock_boot_ns() - schedule->boot_ns > budget_ns &&
	       clock_thread_ns() - schedule->thread_ns > budget_ns;
}

/* 1 and *ret_score; 0 when the policy does not want the node; negative as the scorer. */
static int score_node(const struct schedule *schedule, const struct fleet_node *node, double *ret_score,
        struct baton_error *err)
{
	const struct policy_node view = {
		.name = node->name,
		.architecture = node->info.architecture,
		.labels = node->info.labels,
		.cpu = node->info.cpu,
		.memory = node->info.memory,
		.cpu_reserved = node->cpu_reserved,
		.memory_reserved = node->memory_reserved,
		.instances = (int64_t)node->n_placements,
		.instances_of_service = node->of_service,
	};
	const struct scorer *scorer = schedule->scorer;
	uint64_t seed = hash_text(schedule->seed, node->name) + (uint64_t)node->of_service;
	bool fits = true;
	int r;

	if (is_out_of_time(schedule))
		return error_set(err, ETIME, "%s: used up %lld ms of CPU time for one decision",
		        schedule->service->name, (long long)scorer->budget_ms);
	if (scorer->filter) {
		r = scorer->filter(scorer->arg, &view, &schedule->view, seed, &fits, err);
		if (r < 0 || !fits)
			return r;
	}
	r = scorer->score(scorer->arg, &view, &schedule->view, seed, ret_score, err);
	return r < 0 ? r : 1;
}

/* Sentences of node_info.missing begin with the controller: "memory: limits are not enforced; …". */
static const char *missing_controller(const struct fleet_node *node, const char *name)
{
	size_t length = strlen(name);
	char **sentence;

	STRV_FOREACH(sentence, node->info.missing) {
		if (strncmp(*sentence, name, length) == 0 && strchr(": ", (*sentence)[length]))
			return *sentence;
	}
	return NULL;
}

/* A limit that the node's kernel cannot hold is not promised there. */
static const char *unenforceable(const struct fleet_node *node, const struct container_spec *spec)
{
	const char *sentence = NULL;

	if (spec->memory_limit > 0)
		sentence = missing_controller(node, "memory");
	if (!sentence && spec->cpu_limit > 0)
		sentence = missing_controller(node, "cpu");
	if (!sentence && spec->pids_limit > 0)
		sentence = missing_controller(node, "pids");
	return sentence;
}

static bool has_runtime(const struct fleet_node *node, const struct service *service, char *reason)
{
	const char *runtime = service->container.runtime;

	if (strv_length(node->info.runtimes) == 0)
		(void)snprintf(reason, REASON_SIZE, "has no runtime");
	else if (runtime && !strv_contains(node->info.runtimes, runtime))
		(void)snprintf(reason, REASON_SIZE, "runtime %s not available", runtime);
	else
		return true;
	return false;
}

static bool has_room(const struct fleet_node *node, const struct service *service,
        const struct placement *instead_of, char *reason)
{
	int64_t memory = node->info.memory - node->memory_reserved + (instead_of ? instead_of->memory : 0);
	int64_t cpu = node->info.cpu - node->cpu_reserved + (instead_of ? instead_of->cpu : 0);

	if (node->n_placements - (instead_of ? 1 : 0) >= CONFIG_MAX_ASSIGNED_INSTANCES)
		(void)snprintf(reason, REASON_SIZE, "has %d instances, which is the limit",
		        CONFIG_MAX_ASSIGNED_INSTANCES);
	else if (service->reserve_memory > 0 && service->reserve_memory > memory)
		(void)snprintf(reason, REASON_SIZE, "needs %" PRId64 " MiB, %" PRId64 " MiB unreserved",
		        (service->reserve_memory + MEBIBYTE - 1) / MEBIBYTE,
		        (memory > 0 ? memory : 0) / MEBIBYTE);
	else if (service->reserve_cpu > 0 && service->reserve_cpu > cpu)
		(void)snprintf(reason, REASON_SIZE, "needs %.3f CPUs, %.3f unreserved",
		        (double)service->reserve_cpu / 1000, (double)(cpu > 0 ? cpu : 0) / 1000);
	else
		return true;
	return false;
}

bool schedule_fits(const struct fleet_node *node, const struct service *service,
        const struct placement *instead_of, char reason[static REASON_SIZE])
{
	const char *missing;

	if (!node->has_presence || !node->presence.online)
		(void)snprintf(reason, REASON_SIZE, "is offline");
	else if (node->silent)
		(void)snprintf(reason, REASON_SIZE, "is silent");
	else if (!node->has_info)
		(void)snprintf(reason, REASON_SIZE, "has not described itself yet");
	else if (!has_runtime(node, service, reason) || !has_room(node, service, instead_of, reason))
		return false;
	else if ((missing = unenforceable(node, &service->container)))
		(void)snprintf(reason, REASON_SIZE, "%s", missing);
	else
		return true;
	return false;
}

static void count_instances(const struct table *nodes, const struct app_entry *app, const char *service)
{
	struct fleet_node *node;

	TABLE_FOREACH(node, nodes)
		node->of_service = 0;
	for (size_t i = 0; i < app->n_placements; i++) {
		if (strcmp(app->placements[i]->ref.service, service) == 0)
			app->placements[i]->node->of_service++;
	}
}

static int score_all(struct schedule *schedule, const struct table *nodes, struct baton_error *err)
{
	char reason[REASON_SIZE];
	struct fleet_node *node;

	TABLE_FOREACH(node, nodes) {
		double score;
		int r;

		if (!schedule_fits(node, schedule->service, NULL, reason))
			continue;
		r = score_node(schedule, node, &score, err);
		if (r < 0)
			return r;
		if (r > 0)
			schedule->heap[schedule->count++] = (struct candidate){ score, node };
	}
	for (size_t i = schedule->count / 2; i-- > 0;)
		sift_down(schedule, i);
	return 0;
}

void schedule_free(struct schedule *schedule)
{
	if (!schedule)
		return;
	free(schedule->heap);
	free(schedule);
}

static void cleanup_schedule_(struct schedule **schedule)
{
	schedule_free(*schedule);
}

int schedule_new(const struct table *nodes, const struct app_entry *app, const struct service *service,
        const struct scorer *scorer, struct schedule **ret_schedule, struct baton_error *err)
{
	cleanup_with(cleanup_schedule_) struct schedule *schedule = calloc(1, sizeof(*schedule));
	const struct container_spec *spec = &service->container;
	int r;

	if (!schedule)
		return -ENOMEM;
	schedule->heap = calloc(nodes->count + 1, sizeof(*schedule->heap));
	if (!schedule->heap)
		return -ENOMEM;
	schedule->service = service;
	schedule->scorer = scorer;
	schedule->boot_ns = clock_boot_ns();
	schedule->thread_ns = clock_thread_ns();
	schedule->seed = hash_text(hash_text(0xcbf29ce484222325U, app->name), service->name);
	schedule->view = (struct policy_service){
		.app = app->name,
		.name = service->name,
		.image = spec->image ? spec->image : "",
		.cpu = service->reserve_cpu > 0 ? service->reserve_cpu : spec->cpu_limit,
		.memory = service->reserve_memory > 0 ? service->reserve_memory : spec->memory_limit,
		.replicas = app_replicas(app, service),
		.labels = spec->labels,
	};
	count_instances(nodes, app, service->name);
	r = score_all(schedule, nodes, err);
	if (r < 0)
		return r;
	*ret_schedule = steal_ptr(schedule);
	return 0;
}

int schedule_next(struct schedule *schedule, struct fleet_node **ret_node, struct baton_error *err)
{
	char reason[REASON_SIZE];

	while (schedule->stale && schedule->count > 0) {
		struct candidate *first = &schedule->heap[0];
		int r = 0;

		schedule->stale = false;
		first->node->of_service++;
		if (schedule_fits(first->node, schedule->service, NULL, reason))
			r = score_node(schedule, first->node, &first->score, err);
		if (r < 0)
			return r;
		if (r == 0)
			drop_first(schedule);
		else
			sift_down(schedule, 0);
	}
	if (schedule->count == 0)
		return 0;
	schedule->stale = true;
	*ret_node = schedule->heap[0].node;
	return 1;
}

void schedule_explain(const struct table *nodes, const struct service *service, char text[static REASON_SIZE])
{
	size_t explained = 0;
	size_t used = 0;
	char reason[REASON_SIZE];
	struct fleet_node *node;

	if (nodes->count == 0) {
		(void)snprintf(text, REASON_SIZE, "no node is known");
		return;
	}
	TABLE_FOREACH(node, nodes) {
		int length;

		if (explained == EXPLAINED_NODES)
			break;
		if (schedule_fits(node, service, NULL, reason))
			(void)snprintf(reason, sizeof(reason), "refused by the policy's filter");
		length = snprintf(text + used, REASON_SIZE - used, "%s%s: %.60s", explained ? "; " : "",
		        node->name, reason);
		if (length < 0 || (size_t)length >= REASON_SIZE - used)
			break;
		used += (size_t)length;
		explained++;
	}
	/* The place of a node that did not fit is cut off again. */
	text[used] = '\0';
	if (explained < nodes->count && used + 32 < REASON_SIZE)
		(void)snprintf(text + used, REASON_SIZE - used, "; and %zu more", nodes->count - explained);
}
