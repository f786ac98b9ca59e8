/* SPDX-License-Identifier: Apache-2.0 */
/* Taking back what an earlier batond left: records, running programs, half-made containers, control groups.
 */
#include "core/supervisor/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/strv.h"
#include "core/base/timeval.h"
#include "core/supervisor/pidfd_status.h"
#include "core/supervisor/trash.h"

#define CLAIM_NAME "cgroup_parent" /* in RUN */
#define CLAIM_MAX  4096

#define STRAY_TRIES   100
#define STRAY_WAIT_MS 50

static struct plugin *plugin_of(const struct supervisor *supervisor, const char *name)
{
	for (struct plugin **plugin = supervisor->plugins; *plugin; plugin++) {
		if (name && strcmp((*plugin)->runtime->name, name) == 0)
			return *plugin;
	}
	return NULL;
}

static void reopen_logs(struct container *container)
{
	struct baton_error err;

	if (container_open_logs(container, &err) < 0)
		log_error("%s: %s; its output blocks when the pipe is full", container_id(container),
		        err.message);
}

/* Its limits hold without it; its end needs it: for what the kernel killed, and to be removed. */
static void reopen_group(struct container *container)
{
	struct baton_error err;
	int r = cgroup_open_existing(
	        container->supervisor->cgroups, container_id(container), &container->cgroup, &err);

	if (r < 0 && r != -ENOENT)
		log_error("%s: %s; its control group stays", container_id(container), err.message);
}

static void adopt_live(struct container *container)
{
	struct record *record = &container->record;
	bool watched = container_watch(container) == 0;

	container->adopted = true;
	log_info("%s: taken back, pid %d", container_id(container), record->pid);
	if (!watched)
		log_error("%s: out of memory: its end will not be noticed", container_id(container));
	if (record->phase == RECORD_CREATING)
		container_abort(container, "batond was restarted while it was being started");
	else if (watched && record->phase == RECORD_STOPPING)
		container_stop(container, 0, record->spec.stop_grace_ms);
}

static void adopt_record(struct container *container)
{
	struct record *record = &container->record;

	if (record->phase == RECORD_ENDED)
		return;
	reopen_group(container);
	reopen_logs(container);
	/* While creating there is a pid as soon as there is a process: it may have been started already. */
	if (record->pid > 0 && !record->has_exit_code)
		container->pidfd = pidfd_open_checked(record->pid, record->start_time);
	if (container->pidfd >= 0) {
		adopt_live(container);
		return;
	}
	/* The record of an exit that was seen but not finished keeps its code; else nobody knows it. */
	record->never_ran = record->phase == RECORD_CREATING;
	container_end(container, record->never_ran       ? "batond was restarted while it was being started"
	                         : record->has_exit_code ? record->reason
	                                                 : "ended while batond was down; exit code unknown");
}

bool container_left_alone(const struct supervisor *supervisor, const char *id)
{
	return record_exists(supervisor->containers_fd, id);
}

/* There is none, or one that no batond can read. Any other failure (EMFILE, ENOMEM, EIO) says nothing about
 * it. */
static bool no_record(int code)
{
	static const int codes[] = { ENOENT, EINVAL, EMSGSIZE, EFBIG };

	for (size_t i = 0; i < array_size(codes); i++) {
		if (code == codes[i])
			return true;
	}
	return false;
}

/* Takes over what the record says. 0, -ESTALE for a record that means nothing now, or negative errno. */
static int take_record(struct container *container, const char *id, struct baton_error *err)
{
	struct supervisor *supervisor = container->supervisor;
	struct record record;
	int r = record_read(container->instance_fd, &record, err);

	if (r < 0)
		return no_record(-r) ? -ESTALE : r;
	record_release(&container->record);
	container->record = record;
	if (strcmp(record.spec.id, id) != 0 || strcmp(record.boot, supervisor->boot_id) != 0) {
		(void)error_set(err, ESTALE, "its record is of another boot or id");
		return -ESTALE;
	}
	container->plugin = plugin_of(supervisor, record.spec.runtime);
	/* Without its runtime nobody could stop it, and the operator does not want that runtime any more. */
	if (!container->plugin && record.spec.runtime &&
	        !strv_contains(supervisor->config->runtimes.enabled, record.spec.runtime)) {
		(void)error_set(
		        err, ESTALE, "its runtime \"%s\" is not enabled any more", record.spec.runtime);
		return -ESTALE;
	}
	return container->plugin ? 0
	                         : error_set(err, ENOENT, "its runtime \"%s\" is not available",
	                                   record.spec.runtime ? record.spec.runtime : "");
}

static void adopt_one(struct supervisor *supervisor, const char *id)
{
	struct container *container = NULL;
	struct baton_error err = { 0 };
	int r = container_new(supervisor, id, &container, &err);

	if (r == 0)
		r = take_record(container, id, &err);
	if (r == 0) {
		adopt_record(container);
		return;
	}
	if (container)
		container_free(container);
	if (r == -ESTALE) {
		log_warning("%s: %s; removed", id, err.message);
		(void)tree_remove_at(supervisor->containers_fd, id); /* tried again at the next start */
	} else {
		log_error("%s: %s; left as it is until the next start of batond", id, err.message);
	}
}

/* ---- control groups ---- */

static bool is_claimed(int run_fd, const char *wanted)
{
	cleanup_free char *parent = NULL;

	return file_read_at(run_fd, CLAIM_NAME, CLAIM_MAX, &parent, NULL) == 0 && parent &&
	       strcmp(parent, wanted) == 0;
}

/*
 * Whatever lies in cgroup_parent and belongs to no container is killed, so it must be ours: no other process
 * may use it ("baton" of a second daemon), and when we come for the first time, no process of others may be
 * in it ("system.slice"). The claim lies on tmpfs and is gone with the groups at a reboot.
 */
static int claim_groups(const struct supervisor *supervisor, struct baton_error *err)
{
	const char *parent = supervisor->config->cgroup_parent;
	cleanup_close int run_fd = open(supervisor->config->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_strv char **names = NULL;
	char **name;
	int r = run_fd < 0 ? -errno : cgroup_root_lock(supervisor->cgroups);

	if (r == -EBUSY)
		return error_set(err, EBUSY, "another batond uses cgroup_parent = \"%s\"", parent);
	if (r == 0)
		r = cgroup_list(supervisor->cgroups, &names);
	if (r < 0)
		return error_errno(err, -r, "cgroup_parent = \"%s\"", parent);
	if (is_claimed(run_fd, parent))
		return 0;
	STRV_FOREACH(name, names) {
		if (faccessat(supervisor->containers_fd, *name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		        cgroup_in_use(supervisor->cgroups, *name))
			return error_set(err, EEXIST,
			        "cgroup_parent = \"%s\": %s in it runs what is not batond's; name a group "
			        "that "
			        "nothing else uses",
			        parent, *name);
	}
	r = file_replace_at(run_fd, CLAIM_NAME, parent, strlen(parent), 0600, FILE_VOLATILE);
	return r < 0 ? error_errno(err, -r, "claim of cgroup_parent") : 0;
}

/* A container of ours that is not over, be it in the list or left alone. */
static bool in_use(struct supervisor *supervisor, const char *id)
{
	const struct container *container = container_find(supervisor, id);

	return container ? container->record.phase != RECORD_ENDED : container_left_alone(supervisor, id);
}

/* True when one stays, as its processes are not dead yet. */
static bool kill_strays(struct supervisor *supervisor)
{
	cleanup_strv char **names = NULL;
	bool left = false;
	char **name;

	if (cgroup_list(supervisor->cgroups, &names) < 0)
		return true;
	STRV_FOREACH(name, names) {
		struct cgroup_group *group;
		struct baton_error err;

		if (in_use(supervisor, *name) ||
		        cgroup_open_existing(supervisor->cgroups, *name, &group, &err) < 0)
			continue;
		if (supervisor->stray_tries == 0)
			log_warning("%s: a control group of no container; its processes are killed", *name);
		(void)cgroup_kill(group); /* what stays is tried again */
		left = cgroup_remove(group) < 0 || left;
		cgroup_group_free(group);
	}
	return left;
}

static void on_strays(evutil_socket_t fd, short what, void *arg);

/* Groups of no container: a crash before its record was written, or a process that outlived its end. */
static void remove_strays(struct supervisor *supervisor)
{
	const struct timeval wait = timeval_of_ms(STRAY_WAIT_MS);

	if (!kill_strays(supervisor))
		return;
	if (supervisor->stray_tries++ == STRAY_TRIES) {
		log_warning("control groups of no container stay until the next start of batond");
		return;
	}
	if (!supervisor->strays)
		supervisor->strays = evtimer_new(supervisor->base, on_strays, supervisor);
	if (!supervisor->strays || event_add(supervisor->strays, &wait) < 0)
		log_error("out of memory: control groups of no container stay");
}

static void on_strays(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	remove_strays(arg);
}

/* Writable layers of containers that do not run are worth nothing: every start makes a new one. */
static void drop_layers(struct supervisor *supervisor)
{
	cleanup_close int fd = openat(supervisor->layers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!directory)
		return;
	(void)steal_fd(&fd); /* now the stream's */
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] != '.' && !in_use(supervisor, entry->d_name))
			(void)trash_put(supervisor->trash, entry->d_name); /* tried again at the next start */
	}
}

int containers_adopt(struct supervisor *supervisor, struct baton_error *err)
{
	cleanup_close int fd = openat(supervisor->containers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r;

	if (!directory)
		return error_errno(err, errno, "directory of containers");
	(void)steal_fd(&fd); /* now the stream's */
	r = claim_groups(supervisor, err);
	if (r < 0)
		return r;
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			adopt_one(supervisor, entry->d_name);
	}
	remove_strays(supervisor);
	drop_layers(supervisor);
	return 0;
}

int container_forget(struct container *container)
{
	struct supervisor *supervisor = container->supervisor;
	cleanup_free char *id = NULL;

	if (container->record.phase != RECORD_ENDED)
		return -EBUSY;
	id = strdup(container_id(container));
	if (!id)
		return -ENOMEM;
	container_free(container);
	if (tree_remove_at(supervisor->logs_fd, id) < 0 ||
	        tree_remove_at(supervisor->containers_fd, id) < 0 || trash_put(supervisor->trash, id) < 0)
		log_warning("%s: not everything of it could be removed", id);
	return 0;
}
