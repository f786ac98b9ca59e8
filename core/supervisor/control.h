/* SPDX-License-Identifier: Apache-2.0 */
/*
 * baton-control as a child of batond: an ordinary user without capabilities, at the other end of a channel.
 * It may crash or lie at any time: it is started again with back-off, and the supervisor never notices more
 * than that.
 */
#ifndef BATON_SUPERVISOR_CONTROL_H
#define BATON_SUPERVISOR_CONTROL_H

#include <event2/event.h>

#include "core/base/error.h"
#include "core/config/config.h"
#include "core/supervisor/supervisor.h"

struct control;

struct control_spec {            /* borrowed until control_free */
	const char *program;     /* path of baton-control */
	const char *config_path; /* absolute; `config` was read from it */
	const struct config *config;
	struct supervisor *supervisor;
};

/*
 * Starts baton-control and hands its channel to the supervisor. 0 and *ret_control, or negative errno when
 * the user does not exist or memory is short; a program that does not start is logged and tried again.
 */
int control_new(struct event_base *base, const struct control_spec *spec, struct control **ret_control,
        struct baton_error *err);

/* SIGTERM, SIGKILL after 5 s. Calls `stopped` once from the loop, also when nothing ran. */
void control_stop(struct control *control, void (*stopped)(void *arg), void *arg);

/* Kills a baton-control that still runs. Takes NULL. */
void control_free(struct control *control);

#endif
