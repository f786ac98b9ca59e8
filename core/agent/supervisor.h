/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the supervisor, and what it says. */
#ifndef BATON_AGENT_SUPERVISOR_H
#define BATON_AGENT_SUPERVISOR_H

#include "core/agent/agent-priv.h"

/*
 * Sends a request; its sequence number is filled in. `id` is the instance that gets the answer (""
 * for none). 0, -ENOMEM, or what the channel failed with (then there will be no answer).
 */
int supervisor_ask(struct agent *agent, struct ipc_message *message, const char *id);

/* Forgets unanswered requests. */
void supervisor_release(struct agent *agent);

#endif
