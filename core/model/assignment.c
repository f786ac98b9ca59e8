/* SPDX-License-Identifier: Apache-2.0 */
/* Decoder and encoder of nodes/{node}/desired. */
#include "core/model/assignment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/model/document-priv.h"

#define HEX_DIGITS "0123456789abcdef"

void assignment_release(struct assignment *assignment)
{
	free(assignment->refs);
	*assignment = (struct assignment){ 0 };
}

int assignment_ref_compare(const void *a, const void *b)
{
	return strcmp(((const struct assignment_ref *)a)->id, ((const struct assignment_ref *)b)->id);
}

static bool is_hex(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, HEX_DIGITS) == length;
}

static int check_id(const struct assignment_ref *ref, struct baton_error *err)
{
	char start[INSTANCE_ID_MAX + 16];
	int length = snprintf(start, sizeof(start), "%s.%s.%" PRIu32 ".", ref->app, ref->service, ref->slot);

	if (length < 0 || (size_t)length >= sizeof(start) || strncmp(ref->id, start, (size_t)length) != 0 ||
	        !is_hex(ref->id + length, INSTANCE_HASH_LENGTH))
		return error_set(err, EINVAL,
		        "member \"id\" must be app.service.slot.hash of the other members, the hash being %d "
		        "hexadecimal digits",
		        INSTANCE_HASH_LENGTH);
	return 0;
}

int assignment_ref_decode(const json_t *object, struct assignment_ref *ret_ref, struct baton_error *err)
{
	struct assignment_ref ref = { .slot = 0 };
	int64_t slot = 0;
	int r;

	if (!json_is_object(object))
		return error_set(err, EINVAL, "must be an object");
	r = document_text(object, "id", ref.id, sizeof(ref.id), err);
	if (r == 0)
		r = document_name(object, "app", ref.app, sizeof(ref.app), err);
	if (r == 0)
		r = document_name(object, "service", ref.service, sizeof(ref.service), err);
	if (r == 0)
		r = document_text(object, "digest", ref.digest, sizeof(ref.digest), err);
	if (r == 0)
		r = json_need_int(object, "slot", 1, UINT32_MAX, &slot, err);
	if (r < 0)
		return r;
	ref.slot = (uint32_t)slot;
	if (!is_hex(ref.digest, DIGEST_HEX_LENGTH))
		return error_set(
		        err, EINVAL, "member \"digest\" must be %d hexadecimal digits", DIGEST_HEX_LENGTH);
	r = check_id(&ref, err);
	if (r == 0)
		*ret_ref = ref;
	return r;
}

json_t *assignment_ref_encode(const struct assignment_ref *ref)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:s}", "id", ref->id, "app", ref->app, "service", ref->service,
	        "slot", (json_int_t)ref->slot, "digest", ref->digest);
}

static int decode_refs(json_t *array, struct assignment *assignment, struct baton_error *err)
{
	assignment->refs = calloc(json_array_size(array) + 1, sizeof(*assignment->refs));
	if (!assignment->refs)
		return error_set(err, ENOMEM, "out of memory");
	for (; assignment->n_refs < json_array_size(array); assignment->n_refs++) {
		int r = assignment_ref_decode(json_array_get(array, assignment->n_refs),
		        &assignment->refs[assignment->n_refs], err);

		if (r < 0)
			return error_prefix(err, "$.instances[%zu]", assignment->n_refs);
	}
	qsort(assignment->refs, assignment->n_refs, sizeof(*assignment->refs), assignment_ref_compare);
	for (size_t i = 1; i < assignment->n_refs; i++) {
		if (strcmp(assignment->refs[i - 1].id, assignment->refs[i].id) == 0)
			return error_set(
			        err, EINVAL, "$.instances: \"%s\" is listed twice", assignment->refs[i].id);
	}
	return 0;
}

int assignment_decode(const json_t *document, struct assignment *ret_assignment, struct baton_error *err)
{
	cleanup_with(assignment_release) struct assignment assignment = { 0 };
	json_t *array = NULL;
	int r;

	if (!json_is_object(document))
		return error_set(err, EINVAL, "$: must be an object");
	r = json_need_int(document, "term", 0, TERM_MAX, &assignment.term, err);
	if (r == 0)
		r = document_count(document, "revision", &assignment.revision, err);
	if (r == 0)
		r = json_need_array(document, "instances", CONFIG_MAX_ASSIGNED_INSTANCES, &array, err);
	if (r < 0)
		return error_prefix(err, "$");
	r = decode_refs(array, &assignment, err);
	if (r < 0)
		return r;
	*ret_assignment = assignment;
	assignment = (struct assignment){ 0 };
	return 0;
}

json_t *assignment_encode(const struct assignment *assignment)
{
	cleanup_json json_t *array = json_array();

	for (size_t i = 0; array && i < assignment->n_refs; i++) {
		if (json_array_append_new(array, assignment_ref_encode(&assignment->refs[i])) < 0)
			return NULL;
	}
	if (!array)
		return NULL;
	return json_pack("{s:I, s:I, s:O}", "term", (json_int_t)assignment->term, "revision",
	        (json_int_t)assignment->revision, "instances", array);
}

int assignment_compare(const struct assignment *a, const struct assignment *b)
{
	if (a->term != b->term)
		return a->term < b->term ? -1 : 1;
	if (a->revision != b->revision)
		return a->revision < b->revision ? -1 : 1;
	return 0;
}
