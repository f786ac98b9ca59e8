/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime plugin ABI of Baton, version 1.0.
 *
 * A runtime plugin is a shared object that exports one function, baton_runtime_entry(). It gets the host's
 * services as a table and returns its own table of verbs; the verbs are those of the OCI runtime command line
 * and take an OCI runtime bundle (opencontainers/runtime-spec 1.x), so a plugin can be tested with any
 * bundle. A plugin imports no symbol of the host and includes no other Baton header.
 *
 * Rules of the boundary:
 *  - Everything happens on one thread. No call may block for more than a few milliseconds; longer work is a
 * child process whose pidfd is watched.
 *  - Both tables start with a size. Either side reads min(its own size, the other's) and treats what is
 * missing as NULL, so tables may grow at the end within a major version. Another major version is refused.
 *  - Strings and arrays given to a verb live until the verb returns; a plugin copies what it needs later.
 *    Descriptors given to a verb stay the host's; a plugin duplicates what it needs later.
 *  - A verb returns 0 when it was accepted: then its `done` is called exactly once, later, from the loop
 * or from close, never from inside the verb. It returns a negative errno when it was not accepted: then
 * *error says why and `done` is never called. `done` gets NULL for success.
 *  - The host gives every accepted verb a deadline in milliseconds. A plugin that has not finished by then
 * cancels the work, undoes it where it can and calls `done` with code ETIMEDOUT.
 *  - A container is named by `id`: 1 to 128 characters of [A-Za-z0-9._-], the first a letter or digit.
 */
#ifndef BATON_RUNTIME_H
#define BATON_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BATON_RUNTIME_ABI_MAJOR 1
#define BATON_RUNTIME_ABI_MINOR 0
#define BATON_RUNTIME_ENTRY     "baton_runtime_entry"

/* `code` is a positive errno value, 0 for none. The message is NUL-terminated UTF-8. No allocation. */
struct baton_runtime_error {
	int32_t code;
	char message[384];
};

enum baton_log_level { BATON_LOG_ERROR, BATON_LOG_WARNING, BATON_LOG_INFO, BATON_LOG_DEBUG };

struct baton_timer; /* owned by the host */
struct baton_watch; /* owned by the host */

#define BATON_WATCH_READ  1U
#define BATON_WATCH_WRITE 2U

/* Services of the host. `host` is the first argument of each. All are non-NULL in 1.0. */
struct baton_host {
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t struct_size;
	void *host;

	/* One line of text, no newline. */
	void (*log)(void *host, enum baton_log_level level, const char *message);

	/* Calls fn(arg) once, after `ms` milliseconds of CLOCK_MONOTONIC, which stands still
	 * while the machine is suspended. NULL when out of memory. */
	struct baton_timer *(*timer_add)(void *host, uint64_t ms, void (*fn)(void *arg), void *arg);
	/* Takes NULL; may be called from the timer's own callback, and must be called to free a timer that
	 * has fired. */
	void (*timer_free)(void *host, struct baton_timer *timer);

	/*
	 * Calls fn(arg, events) while `fd` is ready (level-triggered). A pidfd is ready to read when the
	 * process has ended. The caller closes `fd` after watch_free. NULL when out of memory.
	 */
	struct baton_watch *(*watch_add)(
	        void *host, int fd, uint32_t events, void (*fn)(void *arg, uint32_t events), void *arg);
	void (*watch_free)(
	        void *host, struct baton_watch *watch); /* takes NULL; may be called from its callback */

	/*
	 * A string of the host's configuration: "state-dir" (absolute path of a private directory on tmpfs
	 * for this plugin, lost at reboot), "cache-dir" (same, survives reboots), and what the node's
	 * administrator set for this plugin (for crun: "path"). NULL when not set. Valid until the plugin is
	 * unloaded.
	 */
	const char *(*config)(void *host, const char *key);
};

/*
 * Where the host made the container's control group, with all limits already set from `linux.resources`. The
 * process of the container must be a member before it runs anything of the image. A plugin does not change
 * limits or devices.
 */
struct baton_cgroup {
	uint32_t struct_size;
	int dir_fd; /* cgroup v2: O_PATH or O_RDONLY directory for CLONE_INTO_CGROUP; -1 on a pure v1 host */
	const int *procs_fds; /* open cgroup.procs files, one per hierarchy: write "0" in the child to join */
	size_t n_procs_fds;
};

struct baton_create {
	uint32_t struct_size;
	const char *id;
	const char *bundle; /* absolute path of a directory with config.json; root.path is mounted already */
	int stdin_fd;       /* -1: /dev/null */
	int stdout_fd;
	int stderr_fd;
	const struct baton_cgroup *cgroup; /* NULL: stay in the host's group */
	int netns_fd;                      /* network namespace to enter; -1: as config.json says */
};

struct baton_kill {
	uint32_t struct_size;
	const char *id;
	int32_t signal; /* its number on this architecture */
};

/* pidfd is the caller's from then on (close it); pid is for display and records only. */
typedef void (*baton_created_fn)(void *arg, const struct baton_runtime_error *error, int32_t pid, int pidfd);
typedef void (*baton_done_fn)(void *arg, const struct baton_runtime_error *error);

enum baton_state { BATON_STATE_CREATING, BATON_STATE_CREATED, BATON_STATE_RUNNING, BATON_STATE_STOPPED };
typedef void (*baton_state_fn)(
        void *arg, const struct baton_runtime_error *error, enum baton_state state, int32_t pid);

struct baton_runtime {
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t struct_size;
	const char *name; /* [a-z0-9-]{1,32}, equal to the file's name without ".so" */

	/* Called once after the entry; *ret_plugin is the first argument of every verb. 0 or negative errno.
	 */
	int (*open)(const struct baton_host *host, void **ret_plugin, struct baton_runtime_error *error);
	/*
	 * Called once before unloading; running containers are left alone, one that waits for its start may
	 * end. A verb that has not called back does it now, before close returns: with its result when that
	 * is known, else with ECANCELED. That callback must not call a verb. What a cancelled create has made
	 * is undone, or is a container that `state`, `kill` and `delete` know after the next open; the
	 * process of a cancelled start is killed, or runs.
	 */
	void (*close)(void *plugin);

	/*
	 * OCI create: namespaces, mounts, everything up to but not including the execution of process.args.
	 * The container's process is a child of the calling process (or is re-parented to it). EEXIST for an
	 * id in use.
	 */
	int (*create)(void *plugin, const struct baton_create *request, uint32_t deadline_ms,
	        baton_created_fn done, void *arg, struct baton_runtime_error *error);

	/*
	 * OCI start: executes process.args. A failure names the step and leaves the container stopped.
	 * Success means that execve(2) succeeded; only a runtime that is another program, and cannot know,
	 * may report success for an execve that fails, and the container ends at once. ENOENT without such a
	 * container, EINVAL unless it is `created`.
	 */
	int (*start)(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
	        struct baton_runtime_error *error);

	/* OCI state, also for containers that were created before this process started. ENOENT without such a
	 * container. */
	int (*state)(void *plugin, const char *id, uint32_t deadline_ms, baton_state_fn done, void *arg,
	        struct baton_runtime_error *error);

	/* OCI kill: the signal goes to the container's process. ENOENT, or ESRCH when it is stopped. */
	int (*kill)(void *plugin, const struct baton_kill *request, uint32_t deadline_ms, baton_done_fn done,
	        void *arg, struct baton_runtime_error *error);

	/* OCI delete: releases what create made. EBUSY unless the container is stopped. ENOENT without such a
	 * container. */
	int (*delete_)(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
	        struct baton_runtime_error *error);
};

/* The table stays valid until the object is unloaded; NULL when the host's major version is not supported. */
const struct baton_runtime *baton_runtime_entry(const struct baton_host *host);
typedef const struct baton_runtime *(*baton_runtime_entry_fn)(const struct baton_host *host);

#ifdef __cplusplus
}
#endif

#endif
