/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of attributes that are lists or mappings. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/model/compose-priv.h"
#include "core/model/compose_values.h"

#define REAL_DIGITS_MAX 17 /* enough to tell any two doubles apart */
#define NUMBER_SIZE     32

static char ***vector_at(const struct attribute *attribute, void *target)
{
	return (char ***)(void *)((char *)target + attribute->offset);
}

static bool check_count(struct decoder *decoder, const struct place *place, size_t count)
{
	if (count <= CONFIG_MAX_LIST_ITEMS)
		return true;
	compose_error_limit(decoder, place, CONFIG_MAX_LIST_ITEMS, " items", "has too many items");
	return false;
}

/* ---- command and entrypoint ---- */

static void split_words(struct decoder *decoder, const struct place *place, const char *text, char ***words)
{
	int r = value_words(text, CONFIG_MAX_LIST_ITEMS, words);

	if (r == -ENOMEM)
		decoder->out_of_memory = true;
	else if (r == -E2BIG)
		compose_error_limit(decoder, place, CONFIG_MAX_LIST_ITEMS, " items", "has too many words");
	else if (r < 0)
		compose_error(
		        decoder, place, NULL, "has a quote that is not closed or a backslash at its end");
}

/* False for null, which leaves the image's own in place. */
static bool take_words(struct decoder *decoder, const struct place *place, const json_t *value, char ***words)
{
	const json_t *item;
	size_t index;

	if (json_is_null(value))
		return false;
	if (json_is_string(value)) {
		const char *text = compose_text(decoder, place, value, 0, CONFIG_MAX_STRING_BYTES);

		if (text)
			split_words(decoder, place, text, words);
		return true;
	}
	if (!check_count(decoder, place, json_array_size(value)))
		return true;
	json_array_foreach(value, index, item) {
		const struct place here = { place, NULL, index };
		const char *text = compose_text(decoder, &here, item, 0, CONFIG_MAX_STRING_BYTES);

		if (text)
			compose_append(decoder, words, text);
	}
	return true;
}

void decode_command(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	struct container_spec *spec = &((struct service_draft *)target)->service.container;

	(void)attribute; /* the only one of its kind */
	spec->has_command = take_words(decoder, place, value, &spec->command);
}

void decode_entrypoint(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	struct container_spec *spec = &((struct service_draft *)target)->service.container;

	(void)attribute; /* the only one of its kind */
	spec->has_entrypoint = take_words(decoder, place, value, &spec->entrypoint);
}

/* ---- NAME=value in a list, or name: value in a mapping ---- */

struct pair_rules {
	const char *no_value; /* what is wrong with a name without a value; NULL: it has the value "" */
	const char *(*check_name)(const char *name);
	const char *(*check_value)(const char *value);
	unsigned types; /* of a value in a mapping, null apart */
};

struct pairs {
	const struct pair_rules *rules;
	char **texts;
};

/* The fewest digits that read back as the same number: 0.1 and not 0.10000000000000001. */
static void format_real(double number, char text[static NUMBER_SIZE])
{
	for (int digits = 1; digits <= REAL_DIGITS_MAX; digits++) {
		double again;

		(void)snprintf(text, NUMBER_SIZE, "%.*g", digits, number);
		again = strtod(text, NULL);
		if (!(again < number) && !(again > number))
			return;
	}
}

static const char *value_text(const json_t *value, char number[static NUMBER_SIZE])
{
	switch (json_typeof(value)) {
	case JSON_STRING: return json_string_value(value);
	case JSON_TRUE: return "true";
	case JSON_FALSE: return "false";
	case JSON_INTEGER:
		(void)snprintf(number, NUMBER_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return number;
	case JSON_REAL: format_real(json_real_value(value), number); return number;
	default: return NULL;
	}
}

static bool has_name(char *const *texts, const char *name, size_t length)
{
	for (size_t i = 0; texts && texts[i]; i++) {
		if (strncmp(texts[i], name, length) == 0 && texts[i][length] == '=')
			return true;
	}
	return false;
}

/* `value` is NULL when there is none. */
static void add_pair(struct decoder *decoder, const struct place *place, struct pairs *pairs,
        const char *name, const char *value)
{
	const struct pair_rules *rules = pairs->rules;
	const char *fault = value ? NULL : rules->no_value;
	const char *text = value ? value : "";

	if (name[0] == '\0')
		fault = "must not have an empty name";
	else if (strchr(name, '='))
		fault = "must not have \"=\" in a name";
	else if (has_name(pairs->texts, name, strlen(name)))
		fault = "is given twice";
	if (!fault && rules->check_name)
		fault = rules->check_name(name);
	if (!fault && rules->check_value)
		fault = rules->check_value(text);
	if (fault) {
		compose_error(decoder, place, NULL, "%s", fault);
		return;
	}
	if (strlen(name) + 1 + strlen(text) > CONFIG_MAX_STRING_BYTES) {
		compose_error_limit(decoder, place, CONFIG_MAX_STRING_BYTES, " bytes", "is too long");
		return;
	}
	if (strv_appendf(&pairs->texts, "%s=%s", name, text) < 0)
		decoder->out_of_memory = true;
}

static void add_item(
        struct decoder *decoder, const struct place *place, struct pairs *pairs, const json_t *item)
{
	const char *text = compose_text(decoder, place, item, 1, CONFIG_MAX_STRING_BYTES);
	cleanup_free char *name = NULL;
	const char *equals;

	if (!text)
		return;
	equals = strchr(text, '=');
	name = equals ? strndup(text, (size_t)(equals - text)) : strdup(text);
	if (!name)
		decoder->out_of_memory = true;
	else
		add_pair(decoder, place, pairs, name, equals ? equals + 1 : NULL);
}

static void take_pairs(struct decoder *decoder, const struct place *place, const struct pair_rules *rules,
        json_t *value, char ***ret_texts)
{
	struct pairs pairs = { rules, NULL };
	const char *name;
	json_t *item;
	size_t index;

	if (!check_count(
	            decoder, place, json_is_array(value) ? json_array_size(value) : json_object_size(value)))
		return;
	json_array_foreach(value, index, item) {
		const struct place here = { place, NULL, index };

		add_item(decoder, &here, &pairs, item);
	}
	json_object_foreach(value, name, item) {
		const struct place here = { place, name, 0 };
		char number[NUMBER_SIZE];

		if (compose_check_type(decoder, &here, item, rules->types | TYPE_NULL))
			add_pair(decoder, &here, &pairs, name, value_text(item, number));
	}
	*ret_texts = pairs.texts;
}

void decode_environment(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	static const struct pair_rules rules = {
		.no_value =
		        "needs a value: a node has no shell to take it from (baton apply fills in ${NAME})",
		.types = TYPE_STRING | TYPE_NUMBER | TYPE_BOOL,
	};

	take_pairs(decoder, place, &rules, value, vector_at(attribute, target));
}

void decode_labels(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	static const struct pair_rules rules = { .types = TYPE_STRING | TYPE_NUMBER | TYPE_BOOL };

	take_pairs(decoder, place, &rules, value, vector_at(attribute, target));
}

static const char *check_sysctl_name(const char *name)
{
	return value_sysctl(name) == SYSCTL_REFUSED
	               ? "is not a sysctl of a container: fs.mqueue.*, net.*, kernel.domainname, "
	                 "kernel.msgmax, msgmnb, msgmni, sem, shmall, shmmax, shmmni, shm_rmid_forced"
	               : NULL;
}

static const char *check_sysctl_value(const char *value)
{
	if (value[0] == '\0')
		return "must not have an empty value";
	for (const char *next = value; *next; next++) {
		if ((unsigned char)*next < ' ' && *next != '\t')
			return "must not have control characters in its value";
	}
	return NULL;
}

void decode_sysctls(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	static const struct pair_rules rules = {
		.no_value = "needs a value",
		.check_name = check_sysctl_name,
		.check_value = check_sysctl_value,
		.types = TYPE_STRING | TYPE_NUMBER,
	};

	take_pairs(decoder, place, &rules, value, vector_at(attribute, target));
}

/* ---- capabilities ---- */

void decode_capabilities(struct decoder *decoder, const struct place *place,
        const struct attribute *attribute, json_t *value, void *target)
{
	char ***names = vector_at(attribute, target);
	const json_t *item;
	size_t index;

	if (!check_count(decoder, place, json_array_size(value)))
		return;
	json_array_foreach(value, index, item) {
		const struct place here = { place, NULL, index };
		const char *text = compose_text(decoder, &here, item, 1, CONFIG_MAX_STRING_BYTES);
		const char *name = text ? value_capability(text) : NULL;

		if (text && !name)
			compose_error(
			        decoder, &here, NULL, "is not a capability of Linux, see capabilities(7)");
		else if (name && !strv_contains(*names, name))
			compose_append(decoder, names, name);
	}
}

/* ---- ulimits ---- */

static void read_ulimit(
        struct decoder *decoder, const struct place *place, json_t *value, struct ulimit_draft *draft)
{
	/* For a number alone the rules of the row "soft" hold. */
	const struct attribute number = {
		.offset = offsetof(struct ulimit_draft, soft), .min = -1, .max = INT64_MAX
	};

	if (!compose_check_type(decoder, place, value, TYPE_INTEGER | TYPE_STRING | TYPE_OBJECT))
		return;
	if (json_is_object(value)) {
		compose_walk(decoder, place, &section_ulimit, value, draft);
		if (!json_object_get(value, "soft") || !json_object_get(value, "hard"))
			compose_error(decoder, place, NULL, "must have both \"soft\" and \"hard\"");
		return;
	}
	decode_integer(decoder, place, &number, value, draft);
	draft->hard = draft->soft;
}

static void add_ulimit(struct decoder *decoder, const struct place *place, const struct ulimit_draft *draft,
        struct container_spec *spec)
{
	uint64_t soft = draft->soft == -1 ? UINT64_MAX : (uint64_t)draft->soft;
	uint64_t hard = draft->hard == -1 ? UINT64_MAX : (uint64_t)draft->hard;
	struct container_ulimit *grown;

	if (draft->soft == ULIMIT_UNSET || draft->hard == ULIMIT_UNSET)
		return; /* said already */
	if (soft > hard) {
		compose_error(decoder, place, NULL, "\"soft\" must not be above \"hard\"");
		return;
	}
	grown = reallocarray(spec->ulimits, spec->n_ulimits + 1, sizeof(*grown));
	if (!grown) {
		decoder->out_of_memory = true;
		return;
	}
	spec->ulimits = grown;
	grown[spec->n_ulimits] = (struct container_ulimit){ .soft = soft, .hard = hard };
	compose_assign(decoder, &grown[spec->n_ulimits].name, place->name);
	spec->n_ulimits++;
}

void decode_ulimits(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	struct container_spec *spec = &((struct service_draft *)target)->service.container;
	const char *name;
	json_t *item;

	(void)attribute; /* the only one of its kind */
	json_object_foreach(value, name, item) {
		const struct place here = { place, name, 0 };
		struct ulimit_draft draft = { ULIMIT_UNSET, ULIMIT_UNSET };

		if (!value_is_rlimit(name)) {
			compose_error(decoder, &here, NULL,
			        "is not a limit of getrlimit(2): as, core, cpu, data, fsize, locks, memlock, "
			        "msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack");
			continue;
		}
		read_ulimit(decoder, &here, item, &draft);
		add_ulimit(decoder, &here, &draft, spec);
	}
}
