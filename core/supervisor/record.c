/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"

#define RECORD_NAME      "record.json"
#define RECORD_BYTES_MAX 16384
#define TEXT_MAX         4096

enum field_type { FIELD_INT32, FIELD_UINT32, FIELD_UINT64, FIELD_BOOL, FIELD_ARRAY, FIELD_STRING };

/* One row a member: how it is written and read. FIELD_ARRAY is a char array, FIELD_STRING an owned string. */
static const struct {
	const char *name;
	enum field_type type;
	size_t offset;
	size_t size;
	bool optional; /* records of an earlier version lack it: 0 */
} fields[] = {
#define ANY_ROW(name, type, member, optional)                                                                \
	{                                                                                                    \
		name, type, offsetof(struct record, member), sizeof(((struct record *)0)->member), optional  \
	}
#define ROW(name, type, member)          ANY_ROW(name, type, member, false)
#define OPTIONAL_ROW(name, type, member) ANY_ROW(name, type, member, true)
	ROW("phase", FIELD_UINT32, phase),
	ROW("boot", FIELD_ARRAY, boot),
	ROW("generation", FIELD_UINT64, generation),
	OPTIONAL_ROW("attempts", FIELD_UINT32, attempts),
	ROW("pid", FIELD_INT32, pid),
	ROW("start_time", FIELD_UINT64, start_time),
	ROW("started_ns", FIELD_UINT64, started_ns),
	OPTIONAL_ROW("ended_ns", FIELD_UINT64, ended_ns),
	ROW("limit_unenforced", FIELD_BOOL, limit_unenforced),
	ROW("has_exit_code", FIELD_BOOL, has_exit_code),
	ROW("exit_code", FIELD_INT32, exit_code),
	ROW("signal", FIELD_INT32, signal),
	ROW("oom_killed", FIELD_BOOL, oom_killed),
	ROW("never_ran", FIELD_BOOL, never_ran),
	ROW("reason", FIELD_ARRAY, reason),
	ROW("image_digest", FIELD_ARRAY, image_digest),
	ROW("id", FIELD_STRING, spec.id),
	ROW("app", FIELD_STRING, spec.app),
	ROW("service", FIELD_STRING, spec.service),
	ROW("slot", FIELD_UINT32, spec.slot),
	ROW("runtime", FIELD_STRING, spec.runtime),
	ROW("image", FIELD_STRING, spec.image),
	ROW("stop_signal", FIELD_STRING, spec.stop_signal),
	ROW("stop_grace_ms", FIELD_UINT32, spec.stop_grace_ms),
	ROW("log_max_size", FIELD_UINT64, spec.log_max_size),
	ROW("log_max_files", FIELD_UINT32, spec.log_max_files),
#undef ROW
#undef OPTIONAL_ROW
#undef ANY_ROW
};

void record_release(struct record *record)
{
	container_spec_release(&record->spec);
	*record = (struct record){ 0 };
}

static json_t *field_encode(const void *member, enum field_type type)
{
	json_t *text;

	switch (type) {
	case FIELD_INT32: return json_integer(*(const int32_t *)member);
	case FIELD_UINT32: return json_integer(*(const uint32_t *)member);
	case FIELD_UINT64: return json_integer((json_int_t)(*(const uint64_t *)member & INT64_MAX));
	case FIELD_BOOL: return json_boolean(*(const bool *)member);
	case FIELD_ARRAY: text = json_string(member); return text ? text : json_string("(not valid UTF-8)");
	case FIELD_STRING:
		/* NULL is left out; json_object_set_new refuses NULL and the caller skips it. */
		return *(char *const *)member ? json_string(*(char *const *)member) : NULL;
	}
	return NULL;
}

int record_write(int instance_fd, const struct record *record)
{
	cleanup_json json_t *document = json_object();
	cleanup_free char *text = NULL;

	for (size_t i = 0; i < array_size(fields); i++) {
		json_t *value = field_encode((const char *)record + fields[i].offset, fields[i].type);

		if (value && json_object_set_new(document, fields[i].name, value) < 0)
			return -ENOMEM;
	}
	text = json_text(document);
	if (!text)
		return -ENOMEM;
	return file_replace_at(instance_fd, RECORD_NAME, text, strlen(text), 0600, FILE_VOLATILE);
}

static int read_integer(const json_t *value, json_int_t min, json_int_t max, json_int_t *ret_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max)
		return -EINVAL;
	*ret_number = json_integer_value(value);
	return 0;
}

static int field_decode(const json_t *value, size_t index, void *member)
{
	json_int_t number = 0;
	int r = 0;

	switch (fields[index].type) {
	case FIELD_INT32:
		r = read_integer(value, INT32_MIN, INT32_MAX, &number);
		*(int32_t *)member = (int32_t)number;
		return r;
	case FIELD_UINT32:
		r = read_integer(value, 0, UINT32_MAX, &number);
		*(uint32_t *)member = (uint32_t)number;
		return r;
	case FIELD_UINT64:
		r = read_integer(value, 0, INT64_MAX, &number);
		*(uint64_t *)member = (uint64_t)number;
		return r;
	case FIELD_BOOL: *(bool *)member = json_is_true(value); return json_is_boolean(value) ? 0 : -EINVAL;
	case FIELD_ARRAY:
		if (!json_is_string(value) || json_string_length(value) >= fields[index].size)
			return -EINVAL;
		(void)snprintf(member, fields[index].size, "%s", json_string_value(value));
		return 0;
	case FIELD_STRING:
		if (!value)
			return 0;
		if (!json_is_string(value) || json_string_length(value) > TEXT_MAX)
			return -EINVAL;
		*(char **)member = strdup(json_string_value(value));
		return *(char **)member ? 0 : -ENOMEM;
	}
	return -EINVAL;
}

bool record_exists(int dir_fd, const char *id)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/" RECORD_NAME, id);
	return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int record_read(int instance_fd, struct record *ret_record, struct baton_error *err)
{
	const struct json_limits limits = { .bytes = RECORD_BYTES_MAX, .depth = 2 };
	cleanup_free char *text = NULL;
	cleanup_json json_t *document = NULL;
	struct record record = { 0 };
	size_t length;
	int r = file_read_at(instance_fd, RECORD_NAME, RECORD_BYTES_MAX, &text, &length);

	if (r < 0)
		return error_errno(err, -r, RECORD_NAME);
	r = json_parse(text ? text : "", length, limits, &document, err);
	if (r < 0)
		return error_prefix(err, RECORD_NAME);
	for (size_t i = 0; r == 0 && i < array_size(fields); i++) {
		const json_t *value = json_object_get(document, fields[i].name);

		if (value || !fields[i].optional)
			r = field_decode(value, i, (char *)&record + fields[i].offset);
		if (r < 0)
			(void)error_errno(err, -r, RECORD_NAME ": member \"%s\"", fields[i].name);
	}
	if (r == 0 && (record.phase > RECORD_ENDED || !record.spec.id))
		r = error_set(err, EINVAL, RECORD_NAME ": no id or an unknown phase");
	if (r < 0) {
		record_release(&record);
		return r;
	}
	*ret_record = record;
	return 0;
}
