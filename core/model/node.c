/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders and encoders of nodes/{node}/presence, info and beat. */
#include "core/model/node.h"

#include <errno.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/base/strv.h"
#include "core/model/document-priv.h"

#define NODE_MISSING_MAX 64

json_t *node_presence_encode(const struct node_presence *presence)
{
	return json_pack("{s:s, s:s, s:s}", "state", presence->online ? "online" : "offline", "boot",
	        presence->boot, "session", presence->session);
}

int node_presence_decode(const json_t *document, struct node_presence *ret_presence, struct baton_error *err)
{
	struct node_presence presence = { .online = false };
	char state[16];
	int r;

	if (!json_is_object(document))
		return error_set(err, EINVAL, "$: must be an object");
	r = document_text(document, "state", state, sizeof(state), err);
	if (r == 0)
		r = document_text(document, "boot", presence.boot, sizeof(presence.boot), err);
	if (r == 0)
		r = document_text(document, "session", presence.session, sizeof(presence.session), err);
	if (r < 0)
		return error_prefix(err, "$");
	presence.online = strcmp(state, "online") == 0;
	if (!presence.online && strcmp(state, "offline") != 0)
		return error_set(err, EINVAL, "$: member \"state\" must be \"online\" or \"offline\"");
	*ret_presence = presence;
	return 0;
}

void node_info_release(struct node_info *info)
{
	strv_free(info->labels);
	strv_free(info->runtimes);
	strv_free(info->missing);
	*info = (struct node_info){ .cpu = 0 };
}

static json_t *encode_labels(char *const *labels)
{
	cleanup_json json_t *object = json_object();

	for (size_t i = 0; object && labels && labels[i]; i++) {
		size_t length = strcspn(labels[i], "=");
		const char *value = labels[i][length] == '=' ? labels[i] + length + 1 : "";

		if (json_object_setn_new(object, labels[i], length, document_any_text(value)) < 0)
			return NULL;
	}
	return steal_ptr(object);
}

json_t *node_info_encode(const struct node_info *info)
{
	cleanup_json json_t *labels = encode_labels(info->labels);
	cleanup_json json_t *runtimes = document_strings_json(info->runtimes);
	cleanup_json json_t *missing = document_strings_json(info->missing);

	if (!labels || !runtimes || !missing)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:s, s:O, s:O, s:O}", "name", info->name,
	        "architecture", info->architecture, "kernel", info->kernel, "board",
	        document_any_text(info->board), "version", info->version, "cpu", (json_int_t)info->cpu,
	        "memory", (json_int_t)info->memory, "cgroup", info->cgroup, "labels", labels, "runtimes",
	        runtimes, "missing", missing);
}

static int decode_labels(const json_t *document, char ***ret_labels, struct baton_error *err)
{
	cleanup_strv char **labels = NULL;
	json_t *object = json_object_get(document, "labels");
	const json_t *value;
	const char *name;

	if (!json_is_object(object) || json_object_size(object) > CONFIG_MAX_LIST_ITEMS)
		return error_set(err, EINVAL, "member \"labels\" must be an object of at most %d strings",
		        CONFIG_MAX_LIST_ITEMS);
	json_object_foreach(object, name, value) {
		if (!json_is_string(value) || name[0] == '\0' || strchr(name, '=') ||
		        strlen(name) + 1 + json_string_length(value) > CONFIG_MAX_STRING_BYTES)
			return error_set(err, EINVAL,
			        "labels must be strings of at most %d bytes, their names without \"=\"",
			        CONFIG_MAX_STRING_BYTES);
		if (strv_appendf(&labels, "%s=%s", name, json_string_value(value)) < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	*ret_labels = steal_ptr(labels);
	return 0;
}

static int decode_info_texts(const json_t *document, struct node_info *info, struct baton_error *err)
{
	const struct {
		const char *name;
		char *text;
		size_t size;
	} texts[] = {
		{ "architecture", info->architecture, sizeof(info->architecture) },
		{ "kernel", info->kernel, sizeof(info->kernel) },
		{ "board", info->board, sizeof(info->board) },
		{ "version", info->version, sizeof(info->version) },
		{ "cgroup", info->cgroup, sizeof(info->cgroup) },
	};
	int r = document_name(document, "name", info->name, sizeof(info->name), err);

	for (size_t i = 0; i < array_size(texts) && r == 0; i++)
		r = document_text(document, texts[i].name, texts[i].text, texts[i].size, err);
	return r;
}

int node_info_decode(const json_t *document, struct node_info *ret_info, struct baton_error *err)
{
	cleanup_with(node_info_release) struct node_info info = { .cpu = 0 };
	int r;

	if (!json_is_object(document))
		return error_set(err, EINVAL, "$: must be an object");
	r = decode_info_texts(document, &info, err);
	if (r == 0)
		r = document_count(document, "cpu", &info.cpu, err);
	if (r == 0)
		r = document_count(document, "memory", &info.memory, err);
	if (r == 0)
		r = decode_labels(document, &info.labels, err);
	if (r == 0)
		r = document_strings(document, "runtimes", NODE_RUNTIMES_MAX, &info.runtimes, err);
	if (r == 0)
		r = document_strings(document, "missing", NODE_MISSING_MAX, &info.missing, err);
	if (r < 0)
		return error_prefix(err, "$");
	*ret_info = info;
	info = (struct node_info){ .cpu = 0 };
	return 0;
}

json_t *node_beat_encode(const struct node_beat *beat)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:{s:I, s:I}}", "boot", beat->boot, "seq",
	        (json_int_t)beat->seq, "term", (json_int_t)beat->term, "revision", (json_int_t)beat->revision,
	        "free", "memory", (json_int_t)beat->free_memory, "cpu", (json_int_t)beat->free_cpu);
}

int node_beat_decode(const json_t *document, struct node_beat *ret_beat, struct baton_error *err)
{
	struct node_beat beat = { .seq = 0 };
	const json_t *free_object = json_object_get(document, "free");
	int r;

	if (!json_is_object(document))
		return error_set(err, EINVAL, "$: must be an object");
	r = document_text(document, "boot", beat.boot, sizeof(beat.boot), err);
	if (r == 0)
		r = document_count(document, "seq", &beat.seq, err);
	if (r == 0)
		r = document_count(document, "term", &beat.term, err);
	if (r == 0)
		r = document_count(document, "revision", &beat.revision, err);
	if (r < 0)
		return error_prefix(err, "$");
	r = document_count(free_object, "memory", &beat.free_memory, err);
	if (r == 0)
		r = document_count(free_object, "cpu", &beat.free_cpu, err);
	if (r < 0)
		return error_prefix(err, "$.free");
	*ret_beat = beat;
	return 0;
}
