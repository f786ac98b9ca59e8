/* SPDX-License-Identifier: Apache-2.0 */
/* One row per key of the configuration file: what it may be, where it goes, what people need to know of it.
 */
#ifndef BATON_CONFIG_KEYS_PRIV_H
#define BATON_CONFIG_KEYS_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "core/config/config.h"

enum key_type {
	KEY_TEXT,   /* char * */
	KEY_CHOICE, /* char *, one of `choices` */
	KEY_ENUM,   /* an enum whose values are the indexes of `choices` */
	KEY_INT,    /* int64_t */
	KEY_BOOL,   /* bool; max 0: this build cannot do it */
	KEY_LIST,   /* char **: a list of strings */
	KEY_LABELS, /* char **: a group of strings, stored as "name=value" */
};

struct key {
	const char *path; /* group "." name; at most one group */
	enum key_type type;
	int64_t min; /* numbers: the value; strings, and items of a list: length in bytes */
	int64_t max;
	int64_t number;             /* default of KEY_INT, KEY_BOOL, KEY_ENUM */
	const char *text;           /* default of KEY_TEXT, KEY_CHOICE; the one item of KEY_LIST */
	const char *const *choices; /* NULL-terminated */
	const char *(*check)(const char *text); /* of strings and items: NULL, or what is wrong with it */
	size_t offset;
	const char *example; /* instead of the default in the example file, in the syntax of libconfig */
	const char *help;
};

#define CONFIG_LIST_MAX 64 /* items of a list or group */

const struct key *config_keys(size_t *ret_count);
const struct key *config_key_find(const char *path);

/* The known key most like `path`, NULL when none is close. */
const char *config_key_nearest(const char *path);

/* "text", "number", … for people. */
const char *config_key_type_name(enum key_type type);

#endif
