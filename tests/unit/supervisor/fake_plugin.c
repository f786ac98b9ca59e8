/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime that does nothing, for test_plugin.c; PLUGIN_* come from CMake. */
#include <baton/runtime.h>
#include <errno.h>

static int instance;

static int fake_open(const struct baton_host *host, void **ret_plugin, struct baton_runtime_error *error)
{
	(void)host;
	(void)error;
	*ret_plugin = &instance;
	return 0;
}

static void fake_close(void *plugin)
{
	(void)plugin;
}

static int fake_create(void *plugin, const struct baton_create *request, uint32_t deadline_ms,
        baton_created_fn done, void *arg, struct baton_runtime_error *error)
{
	(void)plugin;
	(void)request;
	(void)deadline_ms;
	(void)done;
	(void)arg;
	error->code = ENOSYS;
	return -ENOSYS;
}

static int fake_done(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error)
{
	(void)plugin;
	(void)id;
	(void)deadline_ms;
	(void)done;
	(void)arg;
	error->code = ENOSYS;
	return -ENOSYS;
}

static int fake_state(void *plugin, const char *id, uint32_t deadline_ms, baton_state_fn done, void *arg,
        struct baton_runtime_error *error)
{
	(void)plugin;
	(void)id;
	(void)deadline_ms;
	(void)done;
	(void)arg;
	error->code = ENOSYS;
	return -ENOSYS;
}

static int fake_kill(void *plugin, const struct baton_kill *request, uint32_t deadline_ms, baton_done_fn done,
        void *arg, struct baton_runtime_error *error)
{
	(void)plugin;
	(void)request;
	(void)deadline_ms;
	(void)done;
	(void)arg;
	error->code = ENOSYS;
	return -ENOSYS;
}

static const struct baton_runtime table = {
	.abi_major = PLUGIN_ABI_MAJOR,
	.struct_size = sizeof(table),
	.name = PLUGIN_NAME,
	.open = fake_open,
	.close = fake_close,
	.create = fake_create,
	.start = PLUGIN_START,
	.state = fake_state,
	.kill = fake_kill,
	.delete_ = fake_done,
};

const struct baton_runtime *PLUGIN_ENTRY(const struct baton_host *host);

__attribute__((visibility("default"))) const struct baton_runtime *PLUGIN_ENTRY(const struct baton_host *host)
{
	(void)host;
	return &table;
}
