/* SPDX-License-Identifier: Apache-2.0 */
/* The `native` runtime: a complete OCI runtime inside the supervisor's process. Entry, open, close. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/name.h"
#include "plugins/native/native-priv.h"

int native_error(struct baton_runtime_error *to, const struct baton_error *from)
{
	int code = from->code > 0 ? from->code : EIO;

	if (to) {
		to->code = code;
		(void)snprintf(to->message, sizeof(to->message), "%.*s", (int)sizeof(to->message) - 1,
		        from->message);
	}
	return -code;
}

bool native_id_valid(const char *id)
{
	return name_valid(id, strlen(id), ID_MAX_BYTES);
}

static void native_close(void *plugin)
{
	struct native *native = plugin;

	while (native->making)
		making_cancel(native->making);
	while (native->answers)
		answer_give(native->answers);
	compile_close(native);
	seccomp_cache_free(native->seccomp);
	close_fd(&native->state_fd);
	close_fd(&native->null_fd);
	free(native);
}

static int native_open(const struct baton_host *host, void **ret_plugin, struct baton_runtime_error *error)
{
	const char *state_dir = host->config(host->host, "state-dir");
	struct native *native = calloc(1, sizeof(*native));
	struct baton_error err;

	if (!native) {
		(void)error_set(&err, ENOMEM, "out of memory");
		return native_error(error, &err);
	}
	native->host = host;
	native->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	native->state_fd = state_dir ? open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (native->null_fd < 0 || native->state_fd < 0 ||
	        seccomp_cache_new(host->config(host->host, "cache-dir"), &native->seccomp) < 0) {
		(void)error_errno(&err, errno, "state directory %s", state_dir ? state_dir : "(not set)");
		native_close(native);
		return native_error(error, &err);
	}
	*ret_plugin = native;
	return 0;
}

static const struct baton_runtime runtime = {
	.abi_major = BATON_RUNTIME_ABI_MAJOR,
	.abi_minor = BATON_RUNTIME_ABI_MINOR,
	.struct_size = sizeof(struct baton_runtime),
	.name = "native",
	.open = native_open,
	.close = native_close,
	.create = native_create,
	.start = native_start,
	.state = native_state,
	.kill = native_kill,
	.delete_ = native_delete,
};

__attribute__((visibility("default"))) const struct baton_runtime *baton_runtime_entry(
        const struct baton_host *host)
{
	if (host->abi_major != BATON_RUNTIME_ABI_MAJOR || host->struct_size < sizeof(struct baton_host))
		return NULL;
	return &runtime;
}
