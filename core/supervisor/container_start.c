/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a spec to a running program, step by step:
 *   prepare (image, cgroup, root mount, user, volumes) -> copy (new volumes, a child each) -> create ->
 * start. Each step either calls the next one or ends the container with the reason.
 */
#include "core/supervisor/container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/base/strv.h"
#include "core/image/rootfs.h"
#include "core/image/users.h"
#include "core/supervisor/bundle.h"
#include "core/supervisor/etc_files.h"
#include "core/supervisor/trash.h"
#include "core/supervisor/volumes.h"

#define COPY_PATH        "/bin/cp"
#define SYNC_PATH        "/bin/sync"
#define COPY_DEADLINE_MS 600000U
#define VOLUME_WAIT_MS   50

struct making {
	struct image image;
	struct volumes volumes;
	struct bundle bundle;
	struct process *copy; /* fills a new volume, or waits until that is on the disk */
	int volume_fd;        /* the one that is filled */
	char hostname[HOSTNAME_SIZE];
	char path[PATH_MAX]; /* RUN/containers/ID */
	char rootfs[PATH_MAX];
	char init[PATH_MAX];
	int rootfs_fd;
	bool mounted;
};

/* Wildcards are -1. What the OCI specification lists as default devices, and the console and pts of a
 * terminal. */
static const struct cgroup_device default_devices[] = {
	{ 'c', 1, 3, "rwm" },    /* null */
	{ 'c', 1, 5, "rwm" },    /* zero */
	{ 'c', 1, 7, "rwm" },    /* full */
	{ 'c', 1, 8, "rwm" },    /* random */
	{ 'c', 1, 9, "rwm" },    /* urandom */
	{ 'c', 5, 0, "rwm" },    /* tty */
	{ 'c', 5, 1, "rwm" },    /* console */
	{ 'c', 5, 2, "rwm" },    /* ptmx */
	{ 'c', 136, -1, "rwm" }, /* pts */
};

static void step_prepare(struct container *container);
static void step_copy(struct container *container);
static void step_create(struct container *container);

/* ---- checks ---- */

static struct plugin *find_plugin(const struct supervisor *supervisor, const char *name)
{
	for (struct plugin **plugin = supervisor->plugins; *plugin; plugin++) {
		if (!name || strcmp((*plugin)->runtime->name, name) == 0)
			return *plugin;
	}
	return NULL;
}

static int check_capabilities(const struct container_spec *spec, struct baton_error *err)
{
	char **name;

	STRV_FOREACH(name, spec->cap_add) {
		if (!bundle_capability_is_default(*name))
			return error_set(err, EPERM,
			        "cap_add %s: this node allows no capability beyond the default set; set "
			        "allow.privileged_capabilities in its baton.conf",
			        *name);
	}
	return 0;
}

int container_check(struct supervisor *supervisor, const struct container_spec *spec, struct baton_error *err)
{
	const struct config *config = supervisor->config;

	if (!find_plugin(supervisor, spec->runtime))
		return error_set(err, ENOENT,
		        "runtime \"%s\" is not enabled on this node; see runtimes.enabled in its baton.conf",
		        spec->runtime ? spec->runtime : "");
	if (spec->network == NETWORK_HOST && !config->allow.host_network)
		return error_set(err, EPERM,
		        "network_mode host: this node does not allow it; set allow.host_network in its "
		        "baton.conf");
	if (!config->allow.privileged_capabilities) {
		int r = check_capabilities(spec, err);

		if (r < 0)
			return r;
	}
	return volumes_check(spec, config->allow.bind_paths, err);
}

/* ---- ends of a start ---- */

void container_made(struct container *container)
{
	struct making *making = container->making;

	if (!making)
		return;
	close_fd(&making->rootfs_fd);
	close_fd(&making->volume_fd);
	if (making->mounted)
		(void)umount2(
		        making->rootfs, MNT_DETACH | UMOUNT_NOFOLLOW); /* the container has its own by now */
	volumes_detach(making->path, container->record.spec.n_mounts);
	volumes_release(&making->volumes);
	image_release(&making->image);
	process_free(making->copy);
	free(making);
	container->making = NULL;
	/* Many starts at once leave a heap of holes behind: 2 MiB after 50 of them. */
	if (--container->supervisor->n_making == 0)
		(void)malloc_trim(0);
}

/* Of the spec, the life after the start needs only what the record holds. */
static void trim_spec(struct container_spec *spec)
{
	struct container_spec kept = {
		.id = steal_ptr(spec->id),
		.app = steal_ptr(spec->app),
		.service = steal_ptr(spec->service),
		.slot = spec->slot,
		.runtime = steal_ptr(spec->runtime),
		.image = steal_ptr(spec->image),
		.stop_signal = steal_ptr(spec->stop_signal),
		.stop_grace_ms = spec->stop_grace_ms,
		.log_max_size = spec->log_max_size,
		.log_max_files = spec->log_max_files,
	};

	container_spec_release(spec);
	*spec = kept;
}

static void fail(struct container *container, const struct baton_error *err)
{
	container_made(container);
	trim_spec(&container->record.spec);
	container_abort(container, err->message);
}

/* ---- prepare ---- */

static int make_cgroup(struct container *container, struct baton_error *err)
{
	const struct supervisor *supervisor = container->supervisor;
	const struct container_spec *spec = &container->record.spec;
	int64_t pids = spec->pids_limit == 0 ? supervisor->config->defaults.pids : spec->pids_limit;
	const struct cgroup_limits limits = {
		.memory = spec->memory_limit,
		.cpu = spec->cpu_limit,
		.pids = pids < 0 ? 0 : pids,
		.devices = default_devices,
		.n_devices = array_size(default_devices),
	};
	int r = cgroup_create(supervisor->cgroups, spec->id, &limits, &container->cgroup,
	        &container->record.limit_unenforced, err);

	if (r != -EEXIST)
		return r;
	/* Left by a crash between the clone and the record: nothing in it can be ours. */
	r = cgroup_open_existing(supervisor->cgroups, spec->id, &container->cgroup, err);
	if (r < 0)
		return r;
	(void)cgroup_kill(container->cgroup);
	r = cgroup_remove(container->cgroup);
	cgroup_group_free(container->cgroup);
	container->cgroup = NULL;
	if (r < 0)
		return error_errno(err, -r, "old processes of %s have not ended yet", spec->id);
	return cgroup_create(supervisor->cgroups, spec->id, &limits, &container->cgroup,
	        &container->record.limit_unenforced, err);
}

/* A fresh writable layer at every start: nothing half-written by the last run, nothing to repair after a
 * power cut. */
static int make_rootfs(struct container *container, struct baton_error *err)
{
	struct supervisor *supervisor = container->supervisor;
	struct making *making = container->making;
	cleanup_close int layer = -1;
	int r = trash_put(supervisor->trash, container_id(container));

	if (r == 0)
		layer = dir_open_make_at(supervisor->layers_fd, container_id(container), 0700);
	if (r < 0 || layer < 0)
		return error_errno(err, r < 0 ? -r : -layer, "writable layer");
	if (mkdirat(container->instance_fd, ROOTFS_NAME, 0711) < 0 && errno != EEXIST)
		return error_errno(err, errno, "root directory");
	r = image_rootfs_mount(supervisor->images_fd, &making->image, layer, making->rootfs, false, err);
	if (r < 0)
		return r;
	making->mounted = true;
	making->rootfs_fd =
	        openat(container->instance_fd, ROOTFS_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return making->rootfs_fd < 0 ? error_errno(err, errno, "root directory") : 0;
}

static int make_user(struct making *making, const struct container_spec *spec, struct baton_error *err)
{
	const char *user = spec->user ? spec->user : making->image.user;

	struct image_user found = { .groups = making->bundle.groups, .max_groups = BUNDLE_GROUPS_MAX };
	int r = image_user_resolve(making->rootfs_fd, user, &found, err);

	making->bundle.uid = found.uid;
	making->bundle.gid = found.gid;
	making->bundle.n_groups = found.n_groups;
	return r;
}

static struct volumes_place volumes_place(const struct container *container)
{
	const struct supervisor *supervisor = container->supervisor;

	return (struct volumes_place){
		.root = supervisor->config->root,
		.volumes_fd = supervisor->volumes_fd,
		.instance_fd = container->instance_fd,
		.instance = container->making->path,
		.allowed = supervisor->config->allow.bind_paths,
	};
}

static int prepare(struct container *container, struct baton_error *err)
{
	struct making *making = container->making;
	struct container_spec *spec = &container->record.spec;
	const struct volumes_place place = volumes_place(container);
	int r = image_lookup(container->supervisor->images_fd, spec->image, &making->image, err);

	if (r < 0)
		return r;
	(void)snprintf(container->record.image_digest, sizeof(container->record.image_digest), "%s",
	        making->image.digest);
	if (!spec->stop_signal && *making->image.stop_signal) {
		spec->stop_signal = strdup(making->image.stop_signal);
		if (!spec->stop_signal)
			return error_set(err, ENOMEM, "out of memory");
	}
	r = make_cgroup(container, err);
	if (r == 0)
		r = make_rootfs(container, err);
	if (r == 0)
		r = make_user(making, spec, err);
	if (r == 0)
		r = volumes_make(&place, spec, &making->volumes, err);
	return r;
}

/* Another instance of the app fills a new volume: it may be ours too. */
static bool volume_busy(const struct container *container)
{
	for (const struct container *other = container->supervisor->containers; other; other = other->next) {
		if (other != container && other->making && other->making->copy &&
		        strcmp(other->record.spec.app, container->record.spec.app) == 0)
			return true;
	}
	return false;
}

static void on_volume_wait(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	step_prepare(arg);
}

static void step_prepare(struct container *container)
{
	struct baton_error err = { 0 };

	if (container->stop_wanted) {
		(void)error_set(&err, ECANCELED, "stopped before it was started");
		fail(container, &err);
	} else if (container->record.spec.n_mounts > 0 && volume_busy(container)) {
		container_set_timer(container, VOLUME_WAIT_MS, on_volume_wait);
	} else if (prepare(container, &err) < 0) {
		fail(container, &err);
	} else {
		step_copy(container);
	}
}

/* ---- copy ---- */

static int spawn_copy(struct container *container, char *const *argv, const int *fds, size_t n_fds,
        process_exit_fn on_exit, struct baton_error *err)
{
	const struct process_spec spec = {
		.path = argv[0],
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.keep_fds = fds,
		.n_keep_fds = n_fds,
		.deadline_ms = COPY_DEADLINE_MS,
		.on_exit = on_exit,
		.arg = container,
	};

	return process_spawn(container->supervisor->base, &spec, &container->making->copy, err);
}

/* Takes the process that has ended. False when it failed; then the start has failed too. */
static bool copy_ended(struct container *container, const char *path, const struct process_exit *exit)
{
	struct baton_error err;

	process_free(container->making->copy);
	container->making->copy = NULL;
	if (exit->code == 0)
		return true;
	(void)error_set(
	        &err, EIO, "filling a new volume from the image failed: %s ended with %d", path, exit->code);
	fail(container, &err);
	return false;
}

static void on_sync_exit(struct process *process, const struct process_exit *exit, void *arg)
{
	struct container *container = arg;
	struct making *making = container->making;
	const struct volumes_place place = volumes_place(container);
	struct baton_error err;
	int r;

	(void)process; /* making->copy */
	if (!copy_ended(container, SYNC_PATH, exit))
		return;
	close_fd(&making->volume_fd);
	r = volumes_copied(&making->volumes, &place, &container->record.spec);
	if (r < 0) {
		(void)error_errno(&err, -r, "new volume");
		fail(container, &err);
		return;
	}
	step_copy(container);
}

/* Seconds on an SD card: not in this process, on whose loop everything else waits. */
static void on_copy_exit(struct process *process, const struct process_exit *exit, void *arg)
{
	char *const argv[] = { (char[]){ SYNC_PATH }, (char[]){ "-f" }, (char[]){ "/proc/self/fd/3" }, NULL };
	struct container *container = arg;
	struct baton_error err;

	(void)process; /* making->copy */
	if (!copy_ended(container, COPY_PATH, exit))
		return;
	if (spawn_copy(container, argv, &container->making->volume_fd, 1, on_sync_exit, &err) < 0)
		fail(container, &err);
}

static void step_copy(struct container *container)
{
	/* cp -a keeps owners, modes, times and extended attributes, and does not follow links of the tree. */
	char *const argv[] = { (char[]){ COPY_PATH }, (char[]){ "-a" }, (char[]){ "/proc/self/fd/3/." },
		(char[]){ "/proc/self/fd/4/" }, NULL };
	struct making *making = container->making;
	const struct volumes_place place = volumes_place(container);
	struct baton_error err;
	int fds[2];
	int r = volumes_next_copy(
	        &making->volumes, &place, making->rootfs_fd, &container->record.spec, fds, &err);

	if (r == 1) {
		r = spawn_copy(container, argv, fds, 2, on_copy_exit, &err);
		(void)close(fds[0]);
		making->volume_fd = fds[1];
		if (r == 0)
			return;
	}
	if (r < 0)
		fail(container, &err);
	else
		step_create(container);
}

/* ---- create and start ---- */

static void on_started(void *arg, const struct baton_runtime_error *error)
{
	struct container *container = arg;
	struct baton_error err;

	if (container->supervisor->closing)
		return;
	container->busy = false;
	if (error) {
		(void)plugin_error(error, &err);
		fail(container, &err);
		return;
	}
	container->record.started_ns = (uint64_t)clock_boot_ns();
	container_made(container);
	cgroup_close_view(container->cgroup);
	trim_spec(&container->record.spec);
	container_set_phase(container, RECORD_RUNNING, "running");
	if (container->exit_seen)
		event_active(container->exited, EV_READ, 0);
	else if (container->stop_wanted)
		container_stop(container, container->stop_signal, container->stop_grace_ms);
}

static void on_created(void *arg, const struct baton_runtime_error *error, int32_t pid, int pidfd)
{
	struct container *container = arg;
	struct baton_runtime_error failure = { 0 };
	struct baton_error err;
	int r;

	if (container->supervisor->closing)
		return;
	container->busy = false;
	if (error) {
		(void)plugin_error(error, &err);
		fail(container, &err);
		return;
	}
	container->pidfd = pidfd;
	container->record.pid = pid;
	/* Watched first: whatever fails then, the process is reaped. */
	r = container_watch(container);
	if (r == 0)
		r = process_start_time(pid, &container->record.start_time);
	if (r == 0)
		r = record_write(container->instance_fd, &container->record);
	if (r < 0) {
		(void)error_errno(&err, -r, "taking over process %d", pid);
		fail(container, &err);
		return;
	}
	container->busy = true;
	if (container->plugin->runtime->start(container->plugin->instance, container_id(container),
	            CONFIG_CREATE_DEADLINE_MS, on_started, container, &failure) < 0)
		on_started(container, &failure);
}

static int write_bundle(struct container *container, struct baton_error *err)
{
	struct making *making = container->making;
	struct bundle *bundle = &making->bundle;
	cleanup_json json_t *config = NULL;
	cleanup_free char *text = NULL;
	int r;

	bundle->spec = &container->record.spec;
	bundle->image = &making->image;
	bundle->rootfs = making->rootfs;
	bundle->hostname = making->hostname;
	bundle->init_path = container->record.spec.init ? making->init : NULL;
	bundle->mounts = making->volumes.mounts;
	bundle->n_mounts = making->volumes.n_mounts;
	bundle->seccomp = container->supervisor->seccomp;
	bundle->cgroup2 = strcmp(cgroup_mode(container->supervisor->cgroups), "v2") == 0;
	bundle->oom_score_adj = container->supervisor->oom_score_adj;
	bundle->nofile = container->supervisor->nofile;
	config = bundle_config(bundle, err);
	if (!config)
		return -err->code;
	text = json_dumps(config, JSON_COMPACT);
	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	r = file_replace_at(container->instance_fd, "config.json", text, strlen(text), 0600, FILE_VOLATILE);
	return r < 0 ? error_errno(err, -r, "config.json") : 0;
}

static int open_logs(struct container *container, struct baton_error *err)
{
	int r = container_open_logs(container, err);

	if (r < 0)
		return r;
	r = logs_chown(container->logs, container->making->bundle.uid, container->making->bundle.gid);
	return r < 0 ? error_errno(err, -r, "log pipes") : 0;
}

static int ask_create(struct container *container, struct baton_error *err)
{
	cleanup_close int out = logs_container_fd(container->logs, LOG_STDOUT);
	cleanup_close int errors = logs_container_fd(container->logs, LOG_STDERR);
	const struct baton_create request = {
		.struct_size = sizeof(request),
		.id = container_id(container),
		.bundle = container->making->path,
		.stdin_fd = -1,
		.stdout_fd = out,
		.stderr_fd = errors,
		.cgroup = cgroup_view(container->cgroup),
		.netns_fd = -1,
	};
	struct baton_runtime_error failure = { 0 };

	if (out < 0 || errors < 0)
		return error_errno(err, out < 0 ? -out : -errors, "log pipes");
	if (container->plugin->runtime->create(container->plugin->instance, &request,
	            CONFIG_CREATE_DEADLINE_MS, on_created, container, &failure) < 0)
		return plugin_error(&failure, err);
	container->busy = true;
	return 0;
}

static void step_create(struct container *container)
{
	const struct etc_files files = {
		.hostname = container->making->hostname,
		.host_network = container->record.spec.network == NETWORK_HOST,
	};
	struct baton_error err;
	int r = etc_files_write(container->making->rootfs_fd, &files, &err);

	if (r == 0)
		r = write_bundle(container, &err);
	if (r == 0)
		r = open_logs(container, &err);
	if (r == 0)
		r = ask_create(container, &err);
	if (r < 0)
		fail(container, &err);
}

static int making_new(struct container *container)
{
	const struct config *config = container->supervisor->config;
	struct making *making = calloc(1, sizeof(*making));

	if (!making)
		return -ENOMEM;
	making->rootfs_fd = making->volume_fd = -1;
	(void)snprintf(
	        making->path, sizeof(making->path), "%s/containers/%s", config->run, container_id(container));
	container->making = making;
	container->supervisor->n_making++;
	if (etc_hostname(&container->record.spec, making->hostname) < 0 ||
	        (size_t)snprintf(making->init, sizeof(making->init), "%s/../baton-init",
	                config->runtimes.directory) >= sizeof(making->init) ||
	        (size_t)snprintf(making->rootfs, sizeof(making->rootfs), "%s/containers/%s/" ROOTFS_NAME,
	                config->run, container_id(container)) >= sizeof(making->rootfs))
		return -ENAMETOOLONG;
	return 0;
}

void container_start(
        struct container *container, struct container_spec *spec, uint64_t generation, uint32_t attempts)
{
	struct baton_error err;
	int r;

	record_release(&container->record);
	container->record = (struct record){
		.phase = RECORD_ENDED, .generation = generation, .attempts = attempts, .spec = *spec
	};
	*spec = (struct container_spec){ 0 };
	memcpy(container->record.boot, container->supervisor->boot_id, sizeof(container->record.boot));
	container->plugin = find_plugin(container->supervisor, container->record.spec.runtime);
	container->stop_wanted = container->exit_seen = container->adopted = false;
	container->tries = 0;
	if (container->plugin && !container->record.spec.runtime)
		container->record.spec.runtime = strdup(container->plugin->runtime->name);
	container_set_phase(container, RECORD_CREATING, "starting");
	r = container->record.spec.runtime ? making_new(container) : -ENOMEM;
	if (r < 0) {
		(void)error_errno(&err, -r, "cannot start");
		fail(container, &err);
		return;
	}
	step_prepare(container);
}
