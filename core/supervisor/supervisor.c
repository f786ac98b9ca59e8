/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/strv.h"
#include "core/supervisor/container.h"
#include "core/supervisor/seccomp_default.h"
#include "core/supervisor/supervisor-priv.h"
#include "core/supervisor/trash.h"

/* ---- answers ---- */

static void send_message(struct supervisor *supervisor, const struct ipc_message *message)
{
	/* A full queue or a dead peer closes the channel; the next HELLO sends everything again. */
	if (supervisor->channel)
		(void)channel_send(supervisor->channel, message);
}

static void reply(struct supervisor *supervisor, const struct ipc_message *request, int code,
        struct baton_error *err, char *image_digest)
{
	const struct ipc_message answer = {
		.type = IPC_REPLY,
		.sequence = request->sequence,
		.code = code < 0 ? -code : 0,
		.message = code < 0 ? err->message : NULL,
		.image_digest = image_digest,
	};

	send_message(supervisor, &answer);
}

/* ---- requests ---- */

static void tell_node(struct supervisor *supervisor)
{
	cleanup_strv char **runtimes = NULL;
	cleanup_strv char **missing = NULL;
	struct ipc_message message = { .type = IPC_NODE };
	char *const *lacks = cgroup_missing(supervisor->cgroups);
	int r = strv_copy(lacks, &missing);

	for (struct plugin **plugin = supervisor->plugins; r == 0 && *plugin; plugin++)
		r = strv_append(&runtimes, (*plugin)->runtime->name);
	message.cgroup_mode = strdup(cgroup_mode(supervisor->cgroups));
	message.version = strdup(BATON_VERSION);
	if (r == 0 && message.cgroup_mode && message.version) {
		message.runtimes = steal_ptr(runtimes);
		message.missing = steal_ptr(missing);
		send_message(supervisor, &message);
	}
	ipc_message_release(&message);
}

static void on_hello(struct supervisor *supervisor, struct ipc_message *request)
{
	const struct ipc_message synced = { .type = IPC_SYNCED };
	struct baton_error err;
	int r = 0;

	if (!request->version || strcmp(request->version, BATON_VERSION) != 0)
		r = error_set(&err, EPROTO,
		        "baton-control is version %s, batond is version %s; install both from one package",
		        request->version ? request->version : "?", BATON_VERSION);
	reply(supervisor, request, r, &err, NULL);
	if (r < 0)
		return;
	tell_node(supervisor);
	for (struct container *container = supervisor->containers; container; container = container->next)
		container_introduce(container);
	send_message(supervisor, &synced);
}

static void on_start(struct supervisor *supervisor, struct ipc_message *request)
{
	struct container *container;
	struct baton_error err;
	int r;

	if (!request->has_spec || !request->spec.id || !request->spec.app || !request->spec.service ||
	        !request->spec.image) {
		r = error_set(&err, EINVAL, "a start needs id, app, service and image");
		reply(supervisor, request, r, &err, NULL);
		return;
	}
	container = container_find(supervisor, request->spec.id);
	if (container && container->record.phase != RECORD_ENDED) {
		r = error_set(&err, EBUSY, "%s is there already", request->spec.id);
		reply(supervisor, request, r, &err, NULL);
		return;
	}
	if (!container && container_left_alone(supervisor, request->spec.id)) {
		r = error_set(&err, EBUSY,
		        "%s runs, and could not be taken back: see batond's log, and restart it",
		        request->spec.id);
		reply(supervisor, request, r, &err, NULL);
		return;
	}
	r = container_check(supervisor, &request->spec, &err);
	if (r == 0 && !container)
		r = container_new(supervisor, request->spec.id, &container, &err);
	reply(supervisor, request, r, &err, NULL);
	if (r == 0)
		container_start(container, &request->spec, request->generation, request->attempts);
}

static void on_stop(struct supervisor *supervisor, struct ipc_message *request)
{
	struct container *container = request->id ? container_find(supervisor, request->id) : NULL;
	struct baton_error err;
	int r = 0;

	if (!container)
		r = error_set(&err, ENOENT, "%s is not on this node", request->id ? request->id : "(no id)");
	reply(supervisor, request, r, &err, NULL);
	if (container)
		container_stop(container, request->signal,
		        request->grace_ms ? request->grace_ms : container->record.spec.stop_grace_ms);
}

static void on_forget(struct supervisor *supervisor, struct ipc_message *request)
{
	struct container *container = request->id ? container_find(supervisor, request->id) : NULL;
	struct baton_error err;
	int r = 0; /* one that is not there is forgotten */

	if (container)
		r = container_forget(container);
	else if (request->id && container_left_alone(supervisor, request->id))
		r = -EBUSY;
	if (r < 0)
		(void)error_errno(&err, -r, "%s cannot be removed", request->id);
	reply(supervisor, request, r, &err, NULL);
}

static void on_image(struct supervisor *supervisor, struct ipc_message *request)
{
	struct image image = { 0 };
	struct baton_error err;
	int r = image_lookup(supervisor->images_fd, request->image ? request->image : "", &image, &err);

	reply(supervisor, request, r, &err, r == 0 ? image.digest : NULL);
	if (r == 0)
		image_release(&image);
}

static void on_broker_save(struct supervisor *supervisor, struct ipc_message *request)
{
	struct baton_error err;
	int r = supervisor->broker_save ? supervisor->broker_save(supervisor->broker_save_arg) : -ENOTSUP;

	if (r < 0)
		(void)error_errno(&err, -r, "embedded broker");
	reply(supervisor, request, r, &err, NULL);
}

static const struct {
	enum ipc_type type;
	void (*handle)(struct supervisor *supervisor, struct ipc_message *request);
} requests[] = {
	{ IPC_HELLO, on_hello },
	{ IPC_START, on_start },
	{ IPC_STOP, on_stop },
	{ IPC_FORGET, on_forget },
	{ IPC_IMAGE, on_image },
	{ IPC_BROKER_SAVE, on_broker_save },
};

void supervisor_message(struct supervisor *supervisor, struct ipc_message *message)
{
	struct baton_error err;

	for (size_t i = 0; i < array_size(requests); i++) {
		if (message->type == requests[i].type) {
			requests[i].handle(supervisor, message);
			return;
		}
	}
	reply(supervisor, message, error_set(&err, EOPNOTSUPP, "no request of type %u", message->type), &err,
	        NULL);
}

void supervisor_set_channel(struct supervisor *supervisor, struct channel *channel)
{
	supervisor->channel = channel;
}

void supervisor_set_broker_save(struct supervisor *supervisor, int (*save)(void *arg), void *arg)
{
	supervisor->broker_save = save;
	supervisor->broker_save_arg = arg;
}

/* ---- images ---- */

static void on_images_changed(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor *supervisor = arg;
	const struct ipc_message message = { .type = IPC_IMAGES_CHANGED };
	char events[4096];

	(void)what;
	while (read(fd, events, sizeof(events)) > 0)
		; /* what exactly changed does not matter: control asks for the images it waits for */
	send_message(supervisor, &message);
}

static int watch_images(struct supervisor *supervisor, struct baton_error *err)
{
	cleanup_close int refs = -1;
	char path[64];

	supervisor->images_inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (supervisor->images_inotify < 0)
		return error_errno(err, errno, "inotify");
	refs = dir_open_make_at(supervisor->images_fd, "refs", 0700); /* not there before the first import */
	if (refs < 0)
		return error_errno(err, -refs, "references of the image store");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", refs);
	/* A ref is renamed into place when its image is whole. */
	if (inotify_add_watch(supervisor->images_inotify, path, IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) < 0)
		return error_errno(err, errno, "watch of the image store");
	supervisor->images_changed = event_new(supervisor->base, supervisor->images_inotify,
	        EV_READ | EV_PERSIST, on_images_changed, supervisor);
	if (!supervisor->images_changed || event_add(supervisor->images_changed, NULL) < 0)
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

/* ---- life ---- */

static int open_directories(struct supervisor *supervisor, struct baton_error *err)
{
	const struct {
		const char *parent;
		const char *name;
		mode_t mode;
		int *fd;
	} directories[] = {
		/* CVE-2021-41091: no directory with a container's setuid files may be traversable by users of
		   the host. */
		{ supervisor->config->run, "containers", 0700, &supervisor->containers_fd },
		{ supervisor->config->run, "logs", 0750, &supervisor->logs_fd },
		{ supervisor->config->root, "containers", 0700, &supervisor->layers_fd },
		{ supervisor->config->root, "volumes", 0700, &supervisor->volumes_fd },
	};

	for (size_t i = 0; i < array_size(directories); i++) {
		cleanup_close int parent = dir_open_make(directories[i].parent, 0711, err);

		if (parent < 0)
			return parent;
		*directories[i].fd = dir_open_make_at(parent, directories[i].name, directories[i].mode);
		if (*directories[i].fd < 0)
			return error_errno(err, -*directories[i].fd, "%s/%s", directories[i].parent,
			        directories[i].name);
	}
	if (fchown(supervisor->logs_fd, (uid_t)-1, supervisor->gid) < 0)
		return error_errno(err, errno, "group of %s/logs", supervisor->config->run);
	supervisor->images_fd = image_store_open(supervisor->config->root, err);
	return supervisor->images_fd < 0 ? supervisor->images_fd : 0;
}

static int load_plugins(struct supervisor *supervisor, struct baton_error *err)
{
	const struct config *config = supervisor->config;
	const struct plugin_place place = {
		.directory = config->runtimes.directory,
		.run = config->run,
		.root = config->root,
		.crun_path = config->runtimes.crun_path,
	};
	size_t loaded = 0;
	char **name;

	supervisor->plugins = calloc(strv_length(config->runtimes.enabled) + 1, sizeof(struct plugin *));
	if (!supervisor->plugins)
		return error_set(err, ENOMEM, "out of memory");
	STRV_FOREACH(name, config->runtimes.enabled) {
		if (plugin_load(supervisor->base, *name, &place, &supervisor->plugins[loaded], err) == 0)
			loaded++;
		else
			log_error("runtime %s is not available: %s", *name, err->message);
	}
	return loaded > 0 ? 0
	                  : error_set(err, ENOEXEC, "no runtime plugin could be loaded from %s",
	                            place.directory);
}

static int read_oom_score_adj(void)
{
	cleanup_free char *text = NULL;

	if (file_read_at(AT_FDCWD, "/proc/self/oom_score_adj", 64, &text, NULL) < 0 || !text)
		return 0;
	return (int)strtol(text, NULL, 10);
}

/*
 * A container needs 7 descriptors, and systemd's soft limit is 1024 for the sake of select(2), which nothing
 * here calls. Helpers and baton-control inherit the raised limit and do not mind; containers get the old one.
 */
static void raise_nofile(struct supervisor *supervisor)
{
	struct rlimit raised;

	if (getrlimit(RLIMIT_NOFILE, &supervisor->nofile) < 0)
		return;
	raised = supervisor->nofile;
	raised.rlim_cur = raised.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &raised); /* fewer containers fit then */
}

static int set_up(struct supervisor *supervisor, struct baton_error *err)
{
	uint32_t uid;
	json_error_t where;
	int r = config_user(supervisor->config, &uid, &supervisor->gid, err);

	if (r < 0)
		return r;
	r = clock_boot_id(supervisor->boot_id);
	if (r < 0)
		return error_errno(err, -r, "boot id");
	supervisor->oom_score_adj = read_oom_score_adj();
	raise_nofile(supervisor);
	supervisor->seccomp = json_loads(seccomp_default_json(), 0, &where);
	if (!supervisor->seccomp)
		return error_set(
		        err, EINVAL, "built-in seccomp profile: line %d: %s", where.line, where.text);
	r = open_directories(supervisor, err);
	if (r == 0)
		r = cgroup_root_new(supervisor->config->cgroup_parent, &supervisor->cgroups, err);
	if (r == 0)
		r = load_plugins(supervisor, err);
	if (r == 0)
		r = trash_new(supervisor->base, supervisor->layers_fd, &supervisor->trash, err);
	if (r == 0)
		r = watch_images(supervisor, err);
	if (r == 0)
		r = containers_adopt(supervisor, err);
	return r;
}

int supervisor_new(struct event_base *base, const struct config *config, struct supervisor **ret_supervisor,
        struct baton_error *err)
{
	struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
	int r;

	if (!supervisor)
		return error_set(err, ENOMEM, "out of memory");
	supervisor->base = base;
	supervisor->config = config;
	supervisor->containers_fd = supervisor->layers_fd = supervisor->volumes_fd = -1;
	supervisor->logs_fd = supervisor->images_fd = supervisor->images_inotify = -1;
	r = set_up(supervisor, err);
	if (r < 0) {
		supervisor_free(supervisor);
		return r;
	}
	*ret_supervisor = supervisor;
	return 0;
}

void supervisor_free(struct supervisor *supervisor)
{
	int *fds[] = { &supervisor->containers_fd, &supervisor->layers_fd, &supervisor->volumes_fd,
		&supervisor->logs_fd, &supervisor->images_fd, &supervisor->images_inotify };

	if (!supervisor)
		return;
	/* Plugins first: the verbs that they cancel call back with a container. */
	supervisor->closing = true;
	for (struct plugin **plugin = supervisor->plugins; plugin && *plugin; plugin++)
		plugin_free(*plugin);
	while (supervisor->containers)
		container_free(supervisor->containers);
	free(supervisor->plugins);
	if (supervisor->images_changed)
		event_free(supervisor->images_changed);
	if (supervisor->strays)
		event_free(supervisor->strays);
	trash_free(supervisor->trash);
	cgroup_root_free(supervisor->cgroups);
	json_decref(supervisor->seccomp);
	for (size_t i = 0; i < array_size(fds); i++)
		close_fd(fds[i]);
	free(supervisor);
}
