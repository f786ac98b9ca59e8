/* SPDX-License-Identifier: Apache-2.0 */
/* YAML 1.2 (libyaml) to JSON. */
#ifndef BATON_CLI_YAML_H
#define BATON_CLI_YAML_H

#include <jansson.h>
#include <stddef.h>

#include "core/base/error.h"

/*
 * One document. Aliases become copies, and "<<" merges mappings. Refused, with "NAME:LINE:COLUMN" in err:
 * several documents, duplicate keys, keys that are no scalars, tags other than those of the core schema, NUL
 * characters, more than CONFIG_CLI_YAML_NODES nodes (copies count) or CONFIG_MAX_DOCUMENT_DEPTH levels. An
 * empty document is null. 0 and *ret_value (a new reference), or negative errno.
 */
int yaml_read(const char *name, const char *text, size_t length, json_t **ret_value, struct baton_error *err);

#endif
