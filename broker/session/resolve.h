/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host name to numeric addresses without blocking: getaddrinfo(3) in a short-lived child, because it can take
 * ten seconds when the name server is gone, and libmosquitto calls it even for its asynchronous connect.
 */
#ifndef BATON_BROKER_RESOLVE_H
#define BATON_BROKER_RESOLVE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/error.h"

#define RESOLVE_MAX       8
#define RESOLVE_TEXT_SIZE 64 /* an IPv6 address with its interface: 45 + 1 + 15 and NUL */

struct resolved {
	char address[RESOLVE_MAX][RESOLVE_TEXT_SIZE]; /* numeric, in the order of getaddrinfo (RFC 6724) */
	size_t count;
};

struct resolver;

/* `failure` is NULL exactly when `resolved` has at least one address; both are borrowed during the call. */
typedef void (*resolve_fn)(void *arg, const struct resolved *resolved, const char *failure);

struct resolve_request {
	const char *host; /* borrowed during the call */
	unsigned deadline_ms;
	resolve_fn done;
	void *arg;
};

/* True for an IPv4 or IPv6 address in numbers, which needs no resolver. */
bool resolve_is_numeric(const char *host);

/*
 * Forks; `done` is called once from the loop, at the latest after deadline_ms, and may call resolver_free. 0
 * and *ret_resolver, or negative errno. The caller frees in any case.
 */
int resolver_new(struct event_base *base, const struct resolve_request *request,
        struct resolver **ret_resolver, struct baton_error *err);

/* Kills and reaps a child that still runs. Takes NULL. */
void resolver_free(struct resolver *resolver);

#endif
