/* SPDX-License-Identifier: Apache-2.0 */
/* nodes/{node}/desired: what one node has to run, by reference to revisions. Small, whole, idempotent. */
#ifndef BATON_MODEL_ASSIGNMENT_H
#define BATON_MODEL_ASSIGNMENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/digest.h"
#include "core/base/error.h"

#define INSTANCE_ID_MAX      128 /* app.service.slot.hash: the ABI's limit on ids */
#define INSTANCE_HASH_LENGTH 10

/*
 * The highest term that anybody is believed: no fleet elects that often, and a term can never be lowered
 * again. A controller that was told of this one goes on above it, which its own journal and every agent
 * accept up to TERM_MAX: a node that lies cannot bring the fleet to a term that nobody can surpass.
 */
#define TERM_OUTSIDE_MAX (INT64_C(1) << 40)
#define TERM_MAX         (TERM_OUTSIDE_MAX + (INT64_C(1) << 32))

struct assignment_ref {
	char id[INSTANCE_ID_MAX + 1]; /* unique: app "." service "." slot "." hash of the container spec */
	char app[64];
	char service[64];
	uint32_t slot;
	char digest[DIGEST_HEX_SIZE]; /* apps/{app}/revisions/{digest} */
};

struct assignment {
	int64_t term;                /* of the controller that wrote it */
	int64_t revision;            /* grows within a term */
	struct assignment_ref *refs; /* sorted by id */
	size_t n_refs;
};

void assignment_release(struct assignment *assignment);

/* {"term", "revision", "instances": [{"id", "app", "service", "slot", "digest"}]}. -EINVAL with the path in
 * err. */
int assignment_decode(const json_t *document, struct assignment *ret_assignment, struct baton_error *err);
json_t *assignment_encode(const struct assignment *assignment); /* new reference; NULL when out of memory */

/*
 * One element of "instances"; nodes/{node}/reported has the same members. The id must be made of the other
 * members: a lie there could make one instance take the place of another.
 */
int assignment_ref_decode(const json_t *object, struct assignment_ref *ret_ref, struct baton_error *err);
json_t *assignment_ref_encode(const struct assignment_ref *ref);

/* For qsort(3) by id. */
int assignment_ref_compare(const void *a, const void *b);

/* <0, 0, >0 as (term, revision) of a is lower, equal, higher than of b. */
int assignment_compare(const struct assignment *a, const struct assignment *b);

#endif
