/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of attributes that are one value. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/model/compose-priv.h"
#include "core/model/compose_values.h"

#define REAL_EXACT 9007199254740992.0 /* 2^53: from here on a double skips integers */

static void *member(const struct attribute *attribute, void *target)
{
	return (char *)target + attribute->offset;
}

void decode_section(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	compose_walk(decoder, place, attribute->section, value, target);
}

void decode_flag(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	bool *flag = member(attribute, target);

	/* Strings are what interpolation leaves behind: read_only: ${RO} */
	if (json_is_true(value) || (json_is_string(value) && strcmp(json_string_value(value), "true") == 0))
		*flag = true;
	else if (json_is_false(value) ||
	         (json_is_string(value) && strcmp(json_string_value(value), "false") == 0))
		*flag = false;
	else
		compose_error(decoder, place, NULL, "must be true or false");
}

void decode_text(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	const char *text = compose_text(decoder, place, value, attribute->min, attribute->max);
	const char *fault = text && attribute->check ? attribute->check(text) : NULL;

	if (fault)
		compose_error(decoder, place, NULL, "%s", fault);
	else if (text)
		compose_assign(decoder, member(attribute, target), text);
}

/* An integer in any of its JSON forms. -EINVAL, -ERANGE. */
static int number_of(const json_t *value, int64_t min, int64_t max, int64_t *ret_number)
{
	double real;
	int64_t number;

	if (json_is_string(value))
		return value_integer(json_string_value(value), min, max, ret_number);
	if (json_is_real(value)) {
		real = json_real_value(value);
		if (!(real > -REAL_EXACT && real < REAL_EXACT))
			return -ERANGE;
		number = (int64_t)real;
		if ((double)number < real || (double)number > real)
			return -EINVAL;
	} else {
		number = json_integer_value(value);
	}
	if (number < min || number > max)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

static void number_error(struct decoder *decoder, const struct place *place,
        const struct attribute *attribute, int error, const char *what)
{
	char limit[64];

	if (error == -EINVAL) {
		compose_error(decoder, place, NULL, "must be %s", what);
		return;
	}
	(void)snprintf(limit, sizeof(limit), "%" PRId64 " to %" PRId64, attribute->min, attribute->max);
	compose_error(decoder, place, limit, "is out of range");
}

void decode_integer(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	int r = number_of(value, attribute->min, attribute->max, member(attribute, target));

	if (r < 0)
		number_error(decoder, place, attribute, r, "a whole number");
}

void decode_pids(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	int64_t *pids = member(attribute, target);
	int64_t number;
	int r = number_of(value, -1, attribute->max, &number);

	if (r == 0 && number == 0)
		compose_error(decoder, place, NULL, "must be -1 (no limit) or above 0");
	else if (r == 0)
		*pids = number;
	else
		number_error(decoder, place, attribute, r, "a whole number");
}

void decode_bytes(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	int64_t *bytes = member(attribute, target);
	int64_t number;
	int r;

	if (json_is_string(value))
		r = value_bytes(json_string_value(value), attribute->max, &number);
	else
		r = number_of(value, attribute->min, attribute->max, &number);
	if (r == 0 && number < attribute->min)
		r = -ERANGE;
	if (r == 0)
		*bytes = number;
	else
		number_error(decoder, place, attribute, r, "bytes: a number, or text like \"64m\"");
}

void decode_cpus(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	int64_t *cpus = member(attribute, target);
	int64_t number;
	int r;

	if (json_is_string(value))
		r = value_cpus(json_string_value(value), attribute->max, &number);
	else
		r = value_cpus_real(json_number_value(value), attribute->max, &number);
	if (r == 0 && number < attribute->min)
		r = -ERANGE;
	if (r == 0)
		*cpus = number;
	else if (r == -EINVAL)
		compose_error(decoder, place, NULL, "must be a number of CPUs like 0.5");
	else
		compose_error(decoder, place, "0.01 to 8192", "is out of range");
}

void decode_duration(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	int64_t *duration = member(attribute, target);
	int r = value_duration_ms(json_string_value(value), attribute->max, duration);

	if (r == -EINVAL)
		compose_error(decoder, place, NULL,
		        "must be a duration like \"1m30s\": numbers with h, m, s, ms or us");
	else if (r < 0)
		compose_error_limit(decoder, place, attribute->max, " ms", "is too long");
}

void decode_mode(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	int64_t *mode = member(attribute, target);
	int r;

	if (json_is_string(value))
		r = value_octal(json_string_value(value), attribute->max, mode);
	else
		r = number_of(value, attribute->min, attribute->max, mode);
	if (r < 0)
		compose_error(decoder, place, r == -ERANGE ? "07777" : NULL,
		        "must be permission bits, as text in octal digits: \"1777\"");
}

void decode_user(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	char text[32];

	if (json_is_string(value)) {
		decode_text(decoder, place, attribute, value, target);
		return;
	}
	(void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (value_check_user(text))
		compose_error(decoder, place, "0 to 2147483647", "is out of range");
	else
		compose_assign(decoder, member(attribute, target), text);
}

void decode_restart(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	static const char on_failure[] = "on-failure";
	static const struct {
		const char *name;
		enum restart_condition condition;
	} words[] = {
		{ "no", RESTART_NEVER },
		{ "always", RESTART_ALWAYS },
		{ "unless-stopped", RESTART_ALWAYS },
		{ on_failure, RESTART_ON_FAILURE },
	};
	struct restart_policy *policy = member(attribute, target);
	const char *text = json_string_value(value);
	size_t length = strcspn(text, ":");
	int64_t attempts = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i].name) != length || strncmp(text, words[i].name, length) != 0)
			continue;
		if (text[length] && (words[i].name != on_failure ||
		                            value_integer(text + length + 1, 0, UINT32_MAX, &attempts) < 0))
			break;
		*policy = (struct restart_policy){ words[i].condition, (uint32_t)attempts };
		return;
	}
	compose_error(decoder, place, NULL,
	        "must be \"no\", \"always\", \"unless-stopped\", \"on-failure\" or \"on-failure:N\"");
}

void decode_signal(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	char number[32];
	char name[SIGNAL_NAME_SIZE];
	const char *text = json_string_value(value);

	if (!text) {
		(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = number;
	}
	if (value_signal(text, name) < 0)
		compose_error(decoder, place, NULL, "must be a signal like \"SIGTERM\", \"TERM\" or \"15\"");
	else
		compose_assign(decoder, member(attribute, target), name);
}

void decode_network_mode(struct decoder *decoder, const struct place *place,
        const struct attribute *attribute, json_t *value, void *target)
{
	struct service_draft *draft = target;
	const char *text = json_string_value(value);

	(void)attribute; /* the only one of its kind */
	draft->has_network = true;
	if (strcmp(text, "host") == 0)
		draft->service.container.network = NETWORK_HOST;
	else if (strcmp(text, "none") != 0)
		compose_error(decoder, place, NULL,
		        "must be \"none\" or \"host\", other modes are not supported yet");
}

void decode_log_driver(struct decoder *decoder, const struct place *place, const struct attribute *attribute,
        json_t *value, void *target)
{
	const char *text = json_string_value(value);

	(void)attribute;
	(void)target; /* both names mean what Baton does anyway: bounded files on the node */
	if (strcmp(text, "json-file") != 0 && strcmp(text, "local") != 0)
		compose_error(decoder, place, NULL,
		        "must be \"local\" or \"json-file\", other drivers are not supported yet");
}
