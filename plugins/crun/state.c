/* SPDX-License-Identifier: Apache-2.0 */
/* OCI runtime specification, runtime.md, "State". */
#include <errno.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "plugins/crun/crun-priv.h"

static const struct {
	const char *name;
	enum baton_state state;
} states[] = {
	{ "creating", BATON_STATE_CREATING },
	{ "created", BATON_STATE_CREATED },
	{ "running", BATON_STATE_RUNNING },
	{ "paused", BATON_STATE_RUNNING }, /* crun's own; the process is there */
	{ "stopped", BATON_STATE_STOPPED },
};

int state_parse(const char *text, enum baton_state *ret_state, int32_t *ret_pid, struct baton_error *err)
{
	const struct json_limits limits = { .bytes = 64U * 1024, .depth = 16 };
	cleanup_json json_t *document = NULL;
	const char *status;
	int r = json_parse(text, strlen(text), limits, &document, err);

	if (r < 0)
		return error_prefix(err, "crun state");
	status = json_get_string(document, "status", "");
	for (size_t i = 0; i < array_size(states); i++) {
		if (strcmp(status, states[i].name) == 0) {
			*ret_state = states[i].state;
			*ret_pid = (int32_t)json_get_int(document, "pid", 0);
			return 0;
		}
	}
	return error_set(err, EIO, "crun state: unknown status \"%.32s\"", status);
}
