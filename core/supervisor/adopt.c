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
#include "core/supervisor/pidfd_status.h"
#include "core/supervisor/trash.h"

static struct plugin *plugin_of(const struct supervisor *supervisor, const char *name)
{
	for (struct plugin **plugin = supervisor->plugins; *plugin; plugin++) {
		if (name && strcmp((*plugin)->runtime->name, name) == 0)
			return *plugin;
	}
	return NULL;
}

static void reopen(struct container *container)
{
	struct baton_error err;

	if (container_open_logs(container, &err) < 0)
		log_error("%s: %s; its output blocks when the pipe is full", container_id(container),
		        err.message);
}

static void adopt_live(struct container *container)
{
	struct record *record = &container->record;

	container->adopted = true;
	reopen(container);
	log_info("%s: taken back, pid %d", container_id(container), record->pid);
	if (container_watch(container) < 0)
		log_error("%s: out of memory: its end will not be noticed", container_id(container));
	else if (record->phase == RECORD_STOPPING)
		container_stop(container, 0, record->spec.stop_grace_ms);
}

static void adopt_record(struct container *container)
{
	struct record *record = &container->record;

	if (record->phase == RECORD_ENDED)
		return;
	if (record->phase != RECORD_CREATING && !record->has_exit_code) {
		container->pidfd = pidfd_open_checked(record->pid, record->start_time);
		if (container->pidfd >= 0) {
			adopt_live(container);
			return;
		}
	}
	/* The record of an exit that was seen but not finished keeps its code; else nobody knows it. */
	reopen(container);
	record->never_ran = record->phase == RECORD_CREATING;
	container_end(container, record->never_ran       ? "batond was restarted while it was being started"
	                         : record->has_exit_code ? record->reason
	                                                 : "ended while batond was down; exit code unknown");
}

static void adopt_one(struct supervisor *supervisor, const char *id)
{
	struct container *container;
	struct baton_error err;

	if (container_new(supervisor, id, &container, &err) < 0) {
		log_error("%s: cannot be taken back: %s", id, err.message);
		return;
	}
	if (record_read(container->instance_fd, &container->record, &err) < 0) {
		/* Nothing was cloned before its record was written: only a directory is left, and perhaps a
		 * cgroup. */
		log_warning("%s: %s; removed", id, err.message);
		container_free(container);
		(void)tree_remove_at(supervisor->containers_fd, id);
		return;
	}
	container->plugin = plugin_of(supervisor, container->record.spec.runtime);
	if (strcmp(container->record.spec.id, id) != 0 || !container->plugin ||
	        strcmp(container->record.boot, supervisor->boot_id) != 0) {
		log_warning("%s: its record is of another boot, id or runtime; removed", id);
		container_free(container);
		(void)tree_remove_at(supervisor->containers_fd, id);
		return;
	}
	adopt_record(container);
}

/* Groups without a record: a crash before the record was written, or a record of a runtime that is gone. */
static void kill_strays(struct supervisor *supervisor)
{
	cleanup_strv char **names = NULL;
	char **name;

	if (cgroup_list(supervisor->cgroups, &names) < 0)
		return;
	STRV_FOREACH(name, names) {
		struct cgroup_group *group;
		struct baton_error err;
		int r;

		if (container_find(supervisor, *name) ||
		        cgroup_open_existing(supervisor->cgroups, *name, &group, &err) < 0)
			continue;
		log_warning("%s: a control group that no record knows; its processes are killed", *name);
		(void)cgroup_kill(group);
		r = cgroup_remove(group);
		if (r < 0)
			log_info("%s: control group stays until its processes are gone: %s", *name,
			        strerrordesc_np(-r));
		cgroup_group_free(group);
	}
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
		struct container *container = container_find(supervisor, entry->d_name);

		if (entry->d_name[0] != '.' && (!container || container->record.phase == RECORD_ENDED))
			(void)trash_put(supervisor->trash, entry->d_name); /* tried again at the next start */
	}
}

int containers_adopt(struct supervisor *supervisor, struct baton_error *err)
{
	cleanup_close int fd = openat(supervisor->containers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!directory)
		return error_errno(err, errno, "directory of containers");
	(void)steal_fd(&fd); /* now the stream's */
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			adopt_one(supervisor, entry->d_name);
	}
	kill_strays(supervisor);
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
