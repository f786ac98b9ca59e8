/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime plugin that drives the crun binary.
 *
 * The host makes the control group; crun is told to keep off (--cgroup-manager=disabled) and starts as a
 * member, so that the container is one, cgroup namespace included. That also charges crun itself to the
 * group: with less than about 2 MiB of memory or 4 pids nothing starts.
 *
 * crun 1.8 refuses every hybrid host whose v2 hierarchy has controllers, even with its manager disabled. It
 * looks at /sys/fs/cgroup/unified, so there it gets a mount namespace of its own without that mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "plugins/crun/crun-priv.h"

#define DEFAULT_PATH "/usr/bin/crun"
#define UNIFIED      "/sys/fs/cgroup/unified"

static bool hybrid_with_controllers(void)
{
	cleanup_free char *controllers = NULL;
	struct statfs status;

	if (statfs(UNIFIED, &status) < 0 || status.f_type != CGROUP2_SUPER_MAGIC)
		return false;
	if (file_read_at(AT_FDCWD, UNIFIED "/cgroup.controllers", 4096, &controllers, NULL) < 0)
		return false;
	return controllers && *controllers > ' ';
}

static int configure(struct crun *crun, struct baton_error *err)
{
	const struct baton_host *host = crun->host;

	crun->path = host->config(host->host, "path");
	if (!crun->path)
		crun->path = DEFAULT_PATH;
	if (access(crun->path, X_OK) < 0)
		return error_errno(
		        err, errno, "cannot run %s (install crun, or configure its path)", crun->path);
	crun->state_dir = host->config(host->host, "state-dir");
	if (!crun->state_dir)
		return error_set(err, EINVAL, "the host gives no state-dir");
	crun->state_fd = open(crun->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (crun->state_fd < 0)
		return error_errno(err, errno, "%s", crun->state_dir);
	/* The container's process is a grandchild: without this, it would become init's child. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return error_errno(err, errno, "becoming a subreaper");
	crun->hide_unified = hybrid_with_controllers();
	return 0;
}

static void crun_close(void *plugin)
{
	struct crun *crun = plugin;

	while (crun->operations)
		operation_cancel(crun->operations);
	while (crun->created) {
		int log = created_take(crun, crun->created->id);

		close_fd(&log);
	}
	close_fd(&crun->state_fd);
	free(crun);
}

static int crun_open(const struct baton_host *host, void **ret_plugin, struct baton_runtime_error *error)
{
	struct crun *crun = calloc(1, sizeof(*crun));
	struct baton_error err;
	int r;

	if (!crun) {
		(void)error_set(&err, ENOMEM, "out of memory");
		*error = runtime_error(&err);
		return -ENOMEM;
	}
	crun->host = host;
	crun->state_fd = -1;
	r = configure(crun, &err);
	if (r < 0) {
		*error = runtime_error(&err);
		crun_close(crun);
		return r;
	}
	*ret_plugin = crun;
	return 0;
}

static const struct baton_runtime runtime = {
	.abi_major = BATON_RUNTIME_ABI_MAJOR,
	.abi_minor = BATON_RUNTIME_ABI_MINOR,
	.struct_size = sizeof(struct baton_runtime),
	.name = "crun",
	.open = crun_open,
	.close = crun_close,
	.create = verb_create,
	.start = verb_start,
	.state = verb_state,
	.kill = verb_kill,
	.delete_ = verb_delete,
};

__attribute__((visibility("default"))) const struct baton_runtime *baton_runtime_entry(
        const struct baton_host *host)
{
	/* Every service of version 1.0 is used, so a table without the last one is not a 1.0 host. */
	if (host->abi_major != BATON_RUNTIME_ABI_MAJOR ||
	        host->struct_size < offsetof(struct baton_host, config) + sizeof(host->config))
		return NULL;
	return &runtime;
}
