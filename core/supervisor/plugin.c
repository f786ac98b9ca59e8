/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/timeval.h"

#define PLUGIN_NAME_MAX 32

struct baton_timer {
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

struct baton_watch {
	struct event *event;
	void (*fn)(void *arg, uint32_t events);
	void *arg;
};

/* ---- services of the host ---- */

static void host_log(void *host, enum baton_log_level level, const char *message)
{
	static const enum log_level levels[] = {
		[BATON_LOG_ERROR] = LOG_LEVEL_ERROR,
		[BATON_LOG_WARNING] = LOG_LEVEL_WARNING,
		[BATON_LOG_INFO] = LOG_LEVEL_INFO,
		[BATON_LOG_DEBUG] = LOG_LEVEL_DEBUG,
	};
	const struct plugin *plugin = host;

	log_write((size_t)level < array_size(levels) ? levels[level] : LOG_LEVEL_ERROR, "%s: %s",
	        plugin->runtime ? plugin->runtime->name : "plugin", message);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct baton_timer *timer = arg;

	(void)fd;
	(void)what;
	timer->fn(timer->arg);
}

static struct baton_timer *host_timer_add(void *host, uint64_t ms, void (*fn)(void *arg), void *arg)
{
	const struct plugin *plugin = host;
	struct timeval wait = timeval_of_ms(ms > INT64_MAX ? INT64_MAX : (int64_t)ms);
	struct baton_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->fn = fn;
	timer->arg = arg;
	timer->event = evtimer_new(plugin->base, on_timer, timer);
	if (timer->event && event_add(timer->event, &wait) == 0)
		return timer;
	if (timer->event)
		event_free(timer->event);
	free(timer);
	return NULL;
}

static void host_timer_free(void *host, struct baton_timer *timer)
{
	(void)host;
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct baton_watch *watch = arg;
	uint32_t events =
	        ((what & EV_READ) ? BATON_WATCH_READ : 0) | ((what & EV_WRITE) ? BATON_WATCH_WRITE : 0);

	(void)fd;
	watch->fn(watch->arg, events);
}

static struct baton_watch *host_watch_add(
        void *host, int fd, uint32_t events, void (*fn)(void *arg, uint32_t events), void *arg)
{
	const struct plugin *plugin = host;
	int what = EV_PERSIST | ((events & BATON_WATCH_READ) ? EV_READ : 0) |
	           ((events & BATON_WATCH_WRITE) ? EV_WRITE : 0);
	struct baton_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->fn = fn;
	watch->arg = arg;
	watch->event = event_new(plugin->base, fd, (short)what, on_ready, watch);
	if (watch->event && event_add(watch->event, NULL) == 0)
		return watch;
	if (watch->event)
		event_free(watch->event);
	free(watch);
	return NULL;
}

static void host_watch_free(void *host, struct baton_watch *watch)
{
	(void)host;
	if (!watch)
		return;
	event_free(watch->event);
	free(watch);
}

static const char *host_config(void *host, const char *key)
{
	const struct plugin *plugin = host;
	const struct plugin_setting settings[] = {
		{ "state-dir", plugin->state_dir },
		{ "cache-dir", plugin->cache_dir },
		{ "path", plugin->crun_path },
	};

	for (size_t i = 0; i < array_size(settings); i++) {
		if (strcmp(key, settings[i].key) == 0)
			return settings[i].value;
	}
	return NULL;
}

/* ---- loading ---- */

static bool plugin_name_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= PLUGIN_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

/* A plugin runs as root: nobody else may be able to replace it or write into it. */
static int check_owner(int fd, const char *path, struct baton_error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_errno(err, errno, "%s", path);
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return error_set(
		        err, EPERM, "%s belongs to user %u; it must belong to root", path, status.st_uid);
	if (status.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, EPERM, "%s is writable by others than its owner; chmod go-w it", path);
	return 0;
}

/* Opens the checked file and returns a path that names exactly this open file, whatever happens to the
 * directory. */
static int open_checked(const char *name, const struct plugin_place *place, struct baton_error *err)
{
	cleanup_close int directory = open(place->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int file = -1;
	char path[512];
	char file_name[PLUGIN_NAME_MAX + 4];
	int r;

	if (directory < 0)
		return error_errno(err, errno, "plugin directory %s", place->directory);
	r = check_owner(directory, place->directory, err);
	if (r < 0)
		return r;
	(void)snprintf(file_name, sizeof(file_name), "%s.so", name);
	(void)snprintf(path, sizeof(path), "%s/%s", place->directory, file_name);
	file = file_open_beneath(directory, file_name, O_RDONLY, 0);
	if (file < 0)
		return error_errno(err, -file, "plugin %s", path);
	r = check_owner(file, path, err);
	return r < 0 ? r : steal_fd(&file);
}

static int check_table(const struct baton_runtime *runtime, const char *name, struct baton_error *err)
{
	if (!runtime)
		return error_set(
		        err, ENOEXEC, "plugin %s refuses ABI version %d", name, BATON_RUNTIME_ABI_MAJOR);
	if (runtime->abi_major != BATON_RUNTIME_ABI_MAJOR)
		return error_set(err, ENOEXEC, "plugin %s is for ABI version %u, this is version %d", name,
		        runtime->abi_major, BATON_RUNTIME_ABI_MAJOR);
	/* The verbs of version 1.0 are a fixed prefix of the table. */
	if (runtime->struct_size < offsetof(struct baton_runtime, delete_) + sizeof(runtime->delete_) ||
	        !runtime->open || !runtime->close || !runtime->create || !runtime->start || !runtime->state ||
	        !runtime->kill || !runtime->delete_)
		return error_set(err, ENOEXEC, "plugin %s lacks a verb of ABI version 1.0", name);
	if (!runtime->name || strcmp(runtime->name, name) != 0)
		return error_set(err, ENOEXEC, "plugin %s calls itself \"%s\"", name,
		        runtime->name ? runtime->name : "");
	return 0;
}

static int make_private_dir(
        const char *parent, const char *kind, const char *name, char **ret_path, struct baton_error *err)
{
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;

	if (asprintf(&path, "%s/%s/%s", parent, kind, name) < 0) {
		path = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	fd = dir_open_make(path, 0700, err);
	if (fd < 0)
		return fd;
	*ret_path = steal_ptr(path);
	return 0;
}

static int open_object(
        struct plugin *plugin, const char *name, const struct plugin_place *place, struct baton_error *err)
{
	char path[64];
	const struct baton_runtime *runtime;
	baton_runtime_entry_fn entry;
	int r;

	plugin->file_fd = open_checked(name, place, err);
	if (plugin->file_fd < 0)
		return plugin->file_fd;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", plugin->file_fd);
	plugin->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!plugin->object)
		return error_set(err, ENOEXEC, "plugin %s/%s.so: %s", place->directory, name, dlerror());
	/* POSIX says how to turn the object pointer of dlsym into a function pointer. */
	*(void **)&entry = dlsym(plugin->object, BATON_RUNTIME_ENTRY);
	if (!entry)
		return error_set(err, ENOEXEC, "plugin %s/%s.so has no %s()", place->directory, name,
		        BATON_RUNTIME_ENTRY);
	runtime = entry(&plugin->host);
	r = check_table(runtime, name, err);
	if (r == 0)
		plugin->runtime = runtime;
	return r;
}

int plugin_load(struct event_base *base, const char *name, const struct plugin_place *place,
        struct plugin **ret_plugin, struct baton_error *err)
{
	struct baton_runtime_error failure = { 0 };
	struct plugin *plugin;
	int r;

	if (!plugin_name_valid(name))
		return error_set(err, EINVAL, "\"%s\" is not a plugin name: 1 to %d of a-z, 0-9, -", name,
		        PLUGIN_NAME_MAX);
	plugin = calloc(1, sizeof(*plugin));
	if (!plugin)
		return error_set(err, ENOMEM, "out of memory");
	plugin->base = base;
	plugin->file_fd = -1;
	plugin->host = (struct baton_host){
		.abi_major = BATON_RUNTIME_ABI_MAJOR,
		.abi_minor = BATON_RUNTIME_ABI_MINOR,
		.struct_size = sizeof(struct baton_host),
		.host = plugin,
		.log = host_log,
		.timer_add = host_timer_add,
		.timer_free = host_timer_free,
		.watch_add = host_watch_add,
		.watch_free = host_watch_free,
		.config = host_config,
	};
	r = make_private_dir(place->run, "runtimes", name, &plugin->state_dir, err);
	if (r == 0)
		r = make_private_dir(place->root, "cache", name, &plugin->cache_dir, err);
	if (r == 0 && strcmp(name, "crun") == 0) {
		plugin->crun_path = strdup(place->crun_path);
		r = plugin->crun_path ? 0 : error_set(err, ENOMEM, "out of memory");
	}
	if (r == 0)
		r = open_object(plugin, name, place, err);
	if (plugin->runtime && plugin->runtime->open(&plugin->host, &plugin->instance, &failure) < 0) {
		r = plugin_error(&failure, err);
		plugin->runtime = NULL; /* never opened: must not be closed */
	}
	if (r < 0) {
		if (plugin->runtime && !plugin->instance)
			plugin->runtime = NULL;
		plugin_free(plugin);
		return r;
	}
	*ret_plugin = plugin;
	return 0;
}

void plugin_free(struct plugin *plugin)
{
	if (!plugin)
		return;
	if (plugin->runtime)
		plugin->runtime->close(plugin->instance);
	if (plugin->object)
		(void)dlclose(plugin->object);
	close_fd(&plugin->file_fd);
	free(plugin->state_dir);
	free(plugin->cache_dir);
	free(plugin->crun_path);
	free(plugin);
}

int plugin_error(const struct baton_runtime_error *from, struct baton_error *err)
{
	return error_set(err, from->code > 0 ? from->code : EIO, "%.*s", (int)sizeof(from->message) - 1,
	        from->message);
}
