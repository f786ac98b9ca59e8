/* SPDX-License-Identifier: Apache-2.0 */
/* Decoder and encoder of nodes/{node}/reported. */
#include "core/model/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/utf8.h"
#include "core/model/document-priv.h"

#define EXIT_CODE_MAX 255

/* While an assignment is replaced by a wholly different one, the instances of both exist. */
#define REPORT_INSTANCES_MAX (2 * CONFIG_MAX_ASSIGNED_INSTANCES)

static const char *const state_names[INSTANCE_STATES] = {
	[INSTANCE_PENDING] = "pending",
	[INSTANCE_STARTING] = "starting",
	[INSTANCE_RUNNING] = "running",
	[INSTANCE_BACKOFF] = "backoff",
	[INSTANCE_STOPPING] = "stopping",
	[INSTANCE_EXITED] = "exited",
	[INSTANCE_FAILED] = "failed",
};

const char *instance_state_name(enum instance_state state)
{
	return (size_t)state < INSTANCE_STATES ? state_names[state] : "unknown";
}

int instance_state_parse(const char *name, enum instance_state *ret_state)
{
	for (size_t i = 0; i < INSTANCE_STATES; i++) {
		if (strcmp(state_names[i], name) == 0) {
			*ret_state = (enum instance_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

void report_release(struct report *report)
{
	free(report->instances);
	*report = (struct report){ 0 };
}

static int encode_exit(json_t *object, const struct report_instance *instance)
{
	json_t *code;

	if (!instance->has_exit)
		return 0;
	code = instance->exit_code == EXIT_CODE_UNKNOWN ? json_null() : json_integer(instance->exit_code);
	if (json_object_set_new(object, "exit_code", code) < 0)
		return -ENOMEM;
	return instance->oom_killed ? json_object_set_new(object, "oom_killed", json_true()) : 0;
}

/* Less of each instance until hundreds of them fit into one document: first words, then what helps people. */
static const struct detail {
	size_t reason; /* bytes of it */
	bool extras;   /* image digest, runtime, pid */
} details[] = {
	{ sizeof(((struct report_instance *)0)->reason), true },
	{ 64, true },
	{ 64, false },
	{ 16, false },
	{ 1, false },
};

/* What has its default value is left out for the same reason. */
static json_t *encode_instance(const struct report_instance *instance, const struct detail *detail)
{
	cleanup_json json_t *object = assignment_ref_encode(&instance->ref);
	cleanup_json json_t *rest = NULL;
	char reason[sizeof(instance->reason)];
	char since[CLOCK_TEXT_SIZE];

	clock_format(instance->since_ms, since);
	utf8_copy(reason, detail->reason, instance->reason);
	rest = json_pack("{s:s, s:s, s:s, s:I, s:s*, s:s*, s:o*, s:o*}", "state",
	        instance_state_name(instance->state), "reason", reason, "since", since, "restarts",
	        (json_int_t)instance->restarts, "image_digest",
	        detail->extras && instance->image_digest[0] ? instance->image_digest : NULL, "runtime",
	        detail->extras && instance->runtime[0] ? instance->runtime : NULL, "pid",
	        detail->extras && instance->pid > 0 ? json_integer(instance->pid) : NULL, "limit_unenforced",
	        instance->limit_unenforced ? json_true() : NULL);
	if (!object || !rest || json_object_update(object, rest) < 0 || encode_exit(object, instance) < 0)
		return NULL;
	return steal_ptr(object);
}

static json_t *encode(const struct report *report, const struct detail *detail)
{
	cleanup_json json_t *array = json_array();

	for (size_t i = 0; array && i < report->n_instances; i++) {
		if (json_array_append_new(array, encode_instance(&report->instances[i], detail)) < 0)
			return NULL;
	}
	if (!array)
		return NULL;
	return json_pack("{s:s, s:s, s:I, s:I, s:O}", "node", report->node, "boot", report->boot, "term",
	        (json_int_t)report->term, "revision", (json_int_t)report->revision, "instances", array);
}

json_t *report_encode(const struct report *report)
{
	for (size_t i = 0; i < array_size(details); i++) {
		cleanup_json json_t *document = encode(report, &details[i]);

		if (!document || json_text_length(document) <= CONFIG_MAX_DOCUMENT_BYTES)
			return steal_ptr(document);
	}
	return NULL;
}

/* Only what clock_format() writes. */
static int decode_since(const json_t *object, int64_t *ret_ms, struct baton_error *err)
{
	char text[CLOCK_TEXT_SIZE];
	char again[CLOCK_TEXT_SIZE];
	int64_t ms;
	int r = document_text(object, "since", text, sizeof(text), err);

	if (r < 0)
		return r;
	r = clock_parse(text, &ms);
	if (r == 0)
		clock_format(ms, again);
	if (r < 0 || strcmp(text, again) != 0)
		return error_set(
		        err, EINVAL, "member \"since\" must be a time like 2026-01-31T10:00:00.000Z");
	*ret_ms = ms;
	return 0;
}

static int decode_exit(const json_t *object, struct report_instance *instance, struct baton_error *err)
{
	const json_t *code = json_object_get(object, "exit_code");
	int64_t number = EXIT_CODE_UNKNOWN;
	int r = 0;

	instance->has_exit = code != NULL;
	if (code && !json_is_null(code))
		r = json_need_int(object, "exit_code", 0, EXIT_CODE_MAX, &number, err);
	if (r < 0)
		return r;
	instance->exit_code = (int)number;
	return document_flag(object, "oom_killed", &instance->oom_killed, err);
}

static int decode_numbers(const json_t *object, struct report_instance *instance, struct baton_error *err)
{
	int64_t number;
	int r = json_need_int(object, "restarts", 0, UINT32_MAX, &number, err);

	if (r < 0)
		return r;
	instance->restarts = (uint32_t)number;
	if (!json_object_get(object, "pid"))
		return 0;
	r = json_need_int(object, "pid", 1, INT32_MAX, &number, err);
	if (r == 0)
		instance->pid = (int32_t)number;
	return r;
}

static int decode_state(const json_t *object, struct report_instance *instance, struct baton_error *err)
{
	char name[16];
	int r = document_text(object, "state", name, sizeof(name), err);

	if (r < 0)
		return r;
	if (instance_state_parse(name, &instance->state) < 0)
		return error_set(err, EINVAL, "member \"state\" must be a state of an instance");
	return document_text(object, "reason", instance->reason, sizeof(instance->reason), err);
}

static int decode_instance(const json_t *object, struct report_instance *instance, struct baton_error *err)
{
	int r = assignment_ref_decode(object, &instance->ref, err);

	if (r == 0)
		r = decode_state(object, instance, err);
	if (r == 0)
		r = decode_since(object, &instance->since_ms, err);
	if (r == 0)
		r = decode_numbers(object, instance, err);
	if (r == 0)
		r = decode_exit(object, instance, err);
	if (r == 0)
		r = document_optional_text(
		        object, "image_digest", instance->image_digest, sizeof(instance->image_digest), err);
	if (r == 0)
		r = document_optional_text(
		        object, "runtime", instance->runtime, sizeof(instance->runtime), err);
	if (r == 0)
		r = document_flag(object, "limit_unenforced", &instance->limit_unenforced, err);
	return r;
}

static int compare_instances(const void *a, const void *b)
{
	return assignment_ref_compare(
	        &((const struct report_instance *)a)->ref, &((const struct report_instance *)b)->ref);
}

static int decode_instances(json_t *array, struct report *report, struct baton_error *err)
{
	report->instances = calloc(json_array_size(array) + 1, sizeof(*report->instances));
	if (!report->instances)
		return error_set(err, ENOMEM, "out of memory");
	for (; report->n_instances < json_array_size(array); report->n_instances++) {
		int r = decode_instance(json_array_get(array, report->n_instances),
		        &report->instances[report->n_instances], err);

		if (r < 0)
			return error_prefix(err, "$.instances[%zu]", report->n_instances);
	}
	qsort(report->instances, report->n_instances, sizeof(*report->instances), compare_instances);
	for (size_t i = 1; i < report->n_instances; i++) {
		if (compare_instances(&report->instances[i - 1], &report->instances[i]) == 0)
			return error_set(err, EINVAL, "$.instances: \"%s\" is listed twice",
			        report->instances[i].ref.id);
	}
	return 0;
}

int report_decode(const json_t *document, struct report *ret_report, struct baton_error *err)
{
	cleanup_with(report_release) struct report report = { .term = 0 };
	json_t *array = NULL;
	int r;

	if (!json_is_object(document))
		return error_set(err, EINVAL, "$: must be an object");
	r = document_name(document, "node", report.node, sizeof(report.node), err);
	if (r == 0)
		r = document_text(document, "boot", report.boot, sizeof(report.boot), err);
	if (r == 0)
		r = document_count(document, "term", &report.term, err);
	if (r == 0)
		r = document_count(document, "revision", &report.revision, err);
	if (r == 0)
		r = json_need_array(document, "instances", REPORT_INSTANCES_MAX, &array, err);
	if (r < 0)
		return error_prefix(err, "$");
	r = decode_instances(array, &report, err);
	if (r < 0)
		return r;
	*ret_report = report;
	report = (struct report){ .term = 0 };
	return 0;
}
