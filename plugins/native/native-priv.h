/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the verbs of the native runtime. */
#ifndef BATON_NATIVE_PRIV_H
#define BATON_NATIVE_PRIV_H

#include <baton/runtime.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/base/error.h"
#include "plugins/native/seccomp.h"
#include "plugins/native/spec.h"
#include "plugins/native/state.h"

#define ID_MAX_BYTES 128

/* A container between create and the execution of its program. Afterwards its record is all there is. */
struct making {
	struct making *next;
	struct native *native;
	char id[ID_MAX_BYTES + 1];
	struct spec spec;
	struct state state;
	int pidfd; /* ours; the host gets a duplicate */
	int sync_fd;
	bool created; /* the child said that it is ready */
	struct baton_watch *watch;
	struct baton_timer *timer;
	struct kept *kept; /* its request, while its seccomp profile is compiled */
	baton_created_fn on_created;
	baton_done_fn on_started;
	void *arg;
	struct baton_error err; /* code set: the create has failed, and waits for the end of its process */
};

/* An answer that is known at once, but may not be given from inside the verb. */
struct answer {
	struct answer *next;
	struct native *native;
	struct baton_timer *timer;
	struct baton_runtime_error error;
	baton_done_fn done;
	baton_state_fn on_state;
	enum baton_state state;
	int32_t pid;
	void *arg;
};

struct native {
	const struct baton_host *host;
	int state_fd;
	int null_fd;
	struct seccomp_cache *seccomp;
	struct seccomp_job *job; /* one at a time; others wait for it */
	struct baton_watch *job_watch;
	struct making *job_owner; /* who is told when it fails; NULL: has gone away */
	struct making *making;
	struct answer *answers;
};

/* native_create.c */
int native_create(void *plugin, const struct baton_create *request, uint32_t deadline_ms,
        baton_created_fn done, void *arg, struct baton_runtime_error *error);
int native_start(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error);
struct making *making_find(struct native *native, const char *id);
void making_free(struct making *making); /* releases; the process is left to itself */

/* As making_free; a create or start that has not called back is undone, and calls back. */
void making_cancel(struct making *making);

/* Clones the child and watches it. 0 or negative errno. `seccomp` may be NULL. */
int making_launch(struct making *making, const struct baton_create *request, const struct sock_fprog *seccomp,
        struct baton_error *err);

/* Undoes a create or a start, and calls back with err, now or when its process has ended. */
void making_fail(struct making *making, const struct baton_error *err);

/* clone.c: 0 with state.pid, pidfd and sync_fd of *making set, or negative errno. */
int native_clone(struct making *making, const struct baton_create *request, const struct sock_fprog *seccomp,
        struct baton_error *err);

/*
 * native_compile.c: making_launch() is called when the program for the profile is there; *making keeps what
 * it needs of the request. 0 or negative errno.
 */
int compile_wait(struct making *making, const struct baton_create *request, struct baton_error *err);
void compile_leave(struct making *making); /* it does not wait any more, if it did */
void compile_close(struct native *native); /* nobody waits */

/* native_verbs.c */
int native_state(void *plugin, const char *id, uint32_t deadline_ms, baton_state_fn done, void *arg,
        struct baton_runtime_error *error);
int native_kill(void *plugin, const struct baton_kill *request, uint32_t deadline_ms, baton_done_fn done,
        void *arg, struct baton_runtime_error *error);
int native_delete(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error);

/* Calls back with the answer; it is gone afterwards. */
void answer_give(struct answer *answer);

/* Fills the boundary's error record from ours. Returns -code. */
int native_error(struct baton_runtime_error *to, const struct baton_error *from);

/* True for a well-formed id. */
bool native_id_valid(const char *id);

#endif
