/* SPDX-License-Identifier: Apache-2.0 */
/* Which image of the source is meant and what it consists of, every document checked against its digest. */
#ifndef BATON_UNPACK_PLAN_H
#define BATON_UNPACK_PLAN_H

#include <jansson.h>

#include "core/unpack/documents.h"
#include "core/unpack/source.h"

struct plan {
	struct manifest manifest;
	json_t *record; /* what core/image/record.h reads; size 0 */
	char *name;     /* "" when the source gives none */
};

/* `wanted` is the name asked for or "". 0 and *ret_plan (plan_release it), or negative errno. */
int plan_read(const struct source *source, const char *machine, const char *wanted, struct plan *ret_plan,
        struct baton_error *err);
void plan_release(struct plan *plan);

#endif
