/* SPDX-License-Identifier: Apache-2.0 */
/* nodes/{node}/command/{verb}: request and response of MQTT 5. */
#ifndef BATON_AGENT_COMMANDS_H
#define BATON_AGENT_COMMANDS_H

#include "core/agent/agent-priv.h"

/* One command; always ends in an answer on its response topic, or in an event when it has none and is wrong.
 */
void agent_command(struct agent *agent, const char *verb, const struct session_message *message);

/* One message of an answer: `document` on the response topic of `message`, with its correlation data. */
void command_answer(struct agent *agent, const struct session_message *message, const json_t *document);

#endif
