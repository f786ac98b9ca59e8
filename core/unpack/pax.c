/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/pax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"

#define NSEC_DIGITS   9
#define XATTR_PREFIX  "SCHILY.xattr."
#define SPARSE_PREFIX "GNU.sparse."
#define RECORD_DIGITS 9 /* no header of ours is longer than that many digits */

/* A decimal number that is the whole text, or stands before `end`. */
static int parse_number(const char *text, char end, int64_t *ret_number, const char **ret_rest)
{
	char *rest;
	long long number;

	errno = 0;
	number = strtoll(text, &rest, 10);
	/* strtoll(3) would take blanks and a plus sign. */
	if (errno != 0 || rest == text || (*rest != '\0' && *rest != end) ||
	        (*text != '-' && (*text < '0' || *text > '9')))
		return -EINVAL;
	*ret_number = number;
	*ret_rest = rest;
	return 0;
}

static int parse_whole(const char *text, int64_t *ret_number)
{
	const char *rest;

	return parse_number(text, '\0', ret_number, &rest);
}

/* "-1.5" is one and a half seconds before 1970: tv_nsec counts upwards from the second below. */
static int parse_time(const char *text, struct timespec *ret_time)
{
	int64_t seconds;
	const char *rest;
	long nsec = 0;
	int r = parse_number(text, '.', &seconds, &rest);

	if (r < 0)
		return r;
	if (*rest == '.')
		rest++;
	for (int i = 0; i < NSEC_DIGITS; i++) {
		if (*rest != '\0' && (*rest < '0' || *rest > '9'))
			return -EINVAL;
		nsec = nsec * 10 + (*rest != '\0' ? *rest - '0' : 0);
		if (*rest != '\0')
			rest++;
	}
	if (text[0] == '-' && nsec > 0) {
		if (seconds == INT64_MIN)
			return -EINVAL;
		seconds--;
		nsec = 1000000000 - nsec;
	}
	*ret_time = (struct timespec){ .tv_sec = (time_t)seconds, .tv_nsec = nsec };
	return 0;
}

static int take_path(struct pax *pax, const char *value)
{
	pax->path = value;
	return 0;
}

static int take_linkpath(struct pax *pax, const char *value)
{
	pax->linkpath = value;
	return 0;
}

static int take_uid(struct pax *pax, const char *value)
{
	pax->has_uid = true;
	return parse_whole(value, &pax->uid);
}

static int take_gid(struct pax *pax, const char *value)
{
	pax->has_gid = true;
	return parse_whole(value, &pax->gid);
}

static int take_size(struct pax *pax, const char *value)
{
	pax->has_size = true;
	return parse_whole(value, &pax->size);
}

static int take_mtime(struct pax *pax, const char *value)
{
	pax->has_mtime = true;
	return parse_time(value, &pax->mtime);
}

static const struct {
	const char *key;
	int (*take)(struct pax *pax, const char *value);
} keys[] = {
	{ "path", take_path },
	{ "linkpath", take_linkpath },
	{ "uid", take_uid },
	{ "gid", take_gid },
	{ "size", take_size },
	{ "mtime", take_mtime },
};

static int take_xattr(struct pax *pax, const char *name, const char *value, size_t size)
{
	if (pax->n_xattrs == PAX_XATTRS_MAX)
		return -E2BIG;
	pax->xattrs[pax->n_xattrs++] = (struct tar_xattr){ .name = name, .value = value, .size = size };
	return 0;
}

/* `value` ends with a NUL, and may hold others: those of attributes are bytes. */
static int take_record(struct pax *pax, const char *key, const char *value, size_t size)
{
	if (strncmp(key, XATTR_PREFIX, strlen(XATTR_PREFIX)) == 0)
		return take_xattr(pax, key + strlen(XATTR_PREFIX), value, size);
	if (strncmp(key, SPARSE_PREFIX, strlen(SPARSE_PREFIX)) == 0)
		return -ENOTSUP;
	for (size_t i = 0; i < array_size(keys); i++) {
		if (strcmp(key, keys[i].key) == 0)
			return strlen(value) == size ? keys[i].take(pax, value) : -EINVAL;
	}
	return 0;
}

/* The bytes of the record at `text`, with its own length, which is what it begins with; 0 for a malformed
 * one. */
static size_t record_length(const char *text, size_t left, size_t *ret_key)
{
	size_t length = 0;
	size_t digits = 0;

	while (digits < left && digits < RECORD_DIGITS && text[digits] >= '0' && text[digits] <= '9')
		length = length * 10 + (size_t)(text[digits++] - '0');
	if (digits == 0 || digits >= left || text[digits] != ' ' || length > left || length < digits + 3 ||
	        text[length - 1] != '\n')
		return 0;
	*ret_key = digits + 1;
	return length;
}

static int record_error(int code, struct baton_error *err)
{
	if (code == -ENOTSUP)
		return error_set(err, ENOTSUP, "a sparse file, which needs the package baton-image-formats");
	if (code == -E2BIG)
		return error_set(err, E2BIG, "more than %d extended attributes", PAX_XATTRS_MAX);
	return error_set(err, EINVAL, "damaged archive: an extended header");
}

int pax_parse(char *text, size_t length, struct pax *ret_pax, struct baton_error *err)
{
	*ret_pax = (struct pax){ .path = NULL };
	for (size_t at = 0; at < length;) {
		size_t key = 0;
		size_t record = record_length(text + at, length - at, &key);
		char *name = text + at + key;
		char *equals = record > 0 ? memchr(name, '=', record - key - 1) : NULL;
		int r;

		if (!equals)
			return record_error(-EINVAL, err);
		*equals = '\0';
		at += record;
		text[at - 1] = '\0';
		r = take_record(ret_pax, name, equals + 1, (size_t)(text + at - 1 - (equals + 1)));
		if (r < 0)
			return record_error(r, err);
	}
	return 0;
}
