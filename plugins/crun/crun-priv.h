/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the crun plugin share. */
#ifndef BATON_CRUN_PRIV_H
#define BATON_CRUN_PRIV_H

#include <baton/runtime.h>
#include <stdbool.h>
#include <stdint.h>

#include "plugins/crun/command.h"
#include "core/base/error.h"

#define CRUN_ID_MAX 128

struct crun {
	const struct baton_host *host;
	const char *path;      /* of the binary */
	const char *state_dir; /* crun's --root */
	int state_fd;
	bool hide_unified;
	struct operation *operations; /* verbs that have not called back yet */
	struct created *created;      /* containers that wait for start */
};

/*
 * One verb. It runs crun once or several times, one after the other, and calls back when the last one has
 * ended.
 */
struct operation {
	struct operation *next;
	struct crun *crun;
	const char *verb; /* of the interface; static */
	char id[CRUN_ID_MAX + 1];
	int64_t deadline; /* of the boot clock, ms */
	struct command *command;
	struct baton_watch *watch; /* start: on log_fd */
	struct baton_timer *timer; /* start: the deadline of that */
	int log_fd;
	char log[512];
	char signal[12];        /* kill: as a number */
	struct baton_error err; /* the first failure */
	baton_created_fn created;
	baton_done_fn done;
	baton_state_fn state;
	void *arg;
};

/* A container's log pipe between create and start: at its end when the container's execve(2) has
 * succeeded. */
struct created {
	struct created *next;
	char id[CRUN_ID_MAX + 1];
	int log_fd;
};

/* ---- operation.c ---- */

/* Checks `id` and adds an operation of `verb` (a static string); NULL with the reason in err. */
struct operation *operation_new(struct crun *crun, const char *verb, const char *id, uint32_t deadline_ms,
        void *arg, struct baton_error *err);
void operation_free(struct operation *operation);

/* Milliseconds that are left, at least 1. */
uint32_t operation_left(const struct operation *operation);

/* Runs "crun --root STATE_DIR ... VERB ARGUMENTS"; `arguments` is NULL-terminated, NULL for just the id. */
int operation_run(
        struct operation *operation, const char *verb, const char *const *arguments, command_done_fn done);

/* As operation_run with stdio, cgroup, netns_fd and hide_unified of `spec`; the rest of it is filled in. */
int operation_run_spec(struct operation *operation, const char *verb, const char *const *arguments,
        struct command_spec *spec);

/* Frees the command that called back, and keeps what went wrong in operation->err. 0 or negative errno. */
int operation_result(struct operation *operation, const char *verb, const struct command_result *result);

/* Frees the operation and calls back: with operation->err if its code is set, else with success. */
void operation_finish(struct operation *operation);

/* Ends crun, undoes a create as far as that goes at once, frees the operation and calls back with ECANCELED.
 */
void operation_cancel(struct operation *operation);

/* True when crun has no record of the container yet, or never will: it can neither tell nor delete it. */
bool container_half_made(const struct crun *crun, const char *id);

/* -ENOENT with err unless crun has such a container. */
int container_exists(const struct crun *crun, const char *id, struct baton_error *err);

/* As container_exists; -ENOENT also while it is being created: crun's record of it is not there yet. */
int container_ready(const struct crun *crun, const char *id, struct baton_error *err);

/* True while a verb on `id` has not called back; `self` does not count. */
bool operation_pending(
        const struct crun *crun, const char *verb, const char *id, const struct operation *self);

/*
 * The two ends of a verb for a container that exists: operation_begin adds its operation, or is NULL with
 * *error set; operation_begun takes what operation_run returned, and is what the verb returns.
 */
struct operation *operation_begin(struct crun *crun, const char *verb, const char *id, uint32_t deadline_ms,
        void *arg, struct baton_runtime_error *error);
int operation_begun(struct operation *operation, int r, struct baton_runtime_error *error);

/* Takes over the log pipe of a created container, on success. 0 or -ENOMEM. */
int created_keep(struct crun *crun, const char *id, int log_fd, struct baton_error *err);

/* Hands over the log pipe of a created container, or -1. */
int created_take(struct crun *crun, const char *id);

/* err, which has a code, as the boundary's record. */
struct baton_runtime_error runtime_error(const struct baton_error *err);

/* ---- state.c ---- */

/* Reads what "crun state" printed. 0 or negative errno. */
int state_parse(const char *text, enum baton_state *ret_state, int32_t *ret_pid, struct baton_error *err);

/* ---- config.c ---- */

/*
 * What crun 1.8 does not look at itself (CVE-2026-41579, 2025-31133): an image whose
 * /proc, /sys or /dev is a link, or whose devices are none. 0 or negative errno.
 */
int config_check_root(const char *bundle, struct baton_error *err);

/* Writes `bundle`'s config.json without its network namespace to state_fd/name: the caller enters one. */
int config_without_network(const char *bundle, int state_fd, const char *name, struct baton_error *err);

/* create.c: removes the files that a create needs besides crun's own, also those of a create that was cut
 * off. */
void create_remove_files(const struct crun *crun, const char *id);

/* create.c: after the end of the "crun create"; what crun has a record of is left for `delete`. */
void create_undo(const struct crun *crun, const char *id);

/* ---- the verbs: create.c, start.c, verbs.c ---- */

int verb_create(void *plugin, const struct baton_create *request, uint32_t deadline_ms, baton_created_fn done,
        void *arg, struct baton_runtime_error *error);
int verb_start(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error);
int verb_state(void *plugin, const char *id, uint32_t deadline_ms, baton_state_fn done, void *arg,
        struct baton_runtime_error *error);
int verb_kill(void *plugin, const struct baton_kill *request, uint32_t deadline_ms, baton_done_fn done,
        void *arg, struct baton_runtime_error *error);
int verb_delete(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error);

#endif
