/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of Compose documents in JSON (Compose Specification, compose-spec/compose-spec), table-driven.
 */
#ifndef BATON_MODEL_COMPOSE_H
#define BATON_MODEL_COMPOSE_H

#include <stddef.h>

#include "core/model/app.h"
#include "core/model/verdict.h"

/*
 * Decodes `length` bytes from outside. Every problem is added to *verdict; limits are CONFIG_MAX_* of
 * core/model/Kconfig. `name` must match `topic_app` (the {app} level of the topic) when topic_app is not
 * NULL; a document without `name` takes it. 0 and *ret_app (app_release it) when the verdict has no error;
 * -EINVAL with errors in *verdict; -ENOMEM.
 */
int compose_decode(
        const char *text, size_t length, const char *topic_app, struct app *ret_app, struct verdict *verdict);

enum attribute_support { ATTRIBUTE_SUPPORTED, ATTRIBUTE_UNSUPPORTED, ATTRIBUTE_IGNORED };

struct attribute_row {
	const char *path; /* "services.*.mem_limit" */
	enum attribute_support support;
	const char *
	        help; /* one line for docs/manifest.md: accepted forms and limits, or why it may be ignored */
};

/*
 * Row `index` of the tables, NULL behind the last: for documentation and the test against the Specification's
 * JSON schema. Rows of one object stand together, sorted by path.
 */
const struct attribute_row *compose_attribute(size_t index);

#endif
