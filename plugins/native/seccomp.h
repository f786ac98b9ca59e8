/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp of config.json to a classic BPF program. libseccomp needs milliseconds and megabytes for a
 * full profile, so it runs in a child that exits, once per profile; the program is kept in memory and on
 * disk.
 */
#ifndef BATON_NATIVE_SECCOMP_H
#define BATON_NATIVE_SECCOMP_H

#include <jansson.h>
#include <linux/filter.h>
#include <stddef.h>

#include "core/base/error.h"

struct seccomp_cache;

/* `directory` keeps programs over restarts; NULL: memory only. 0 or -ENOMEM. */
int seccomp_cache_new(const char *directory, struct seccomp_cache **ret_cache);
void seccomp_cache_free(struct seccomp_cache *cache); /* takes NULL */

/*
 * The program for a profile; borrowed from the cache until the next call. 0 and *ret_program, -ENOENT when it
 * has to be compiled first (once in the life of an installation), or -ENOMEM.
 */
int seccomp_find(struct seccomp_cache *cache, const json_t *profile, const struct sock_fprog **ret_program);

struct seccomp_job;

/* Starts the compiling child for a profile. 0 and *ret_job, or negative errno. */
int seccomp_job_start(struct seccomp_cache *cache, const json_t *profile, struct seccomp_job **ret_job,
        struct baton_error *err);
int seccomp_job_pidfd(const struct seccomp_job *job); /* the job's; readable when it can be finished */

/* Puts the program into the cache, or -EINVAL with what is wrong with the profile, -EIO, -ENOMEM. Frees the
 * job. */
int seccomp_job_finish(struct seccomp_job *job, struct baton_error *err);
void seccomp_job_cancel(struct seccomp_job *job); /* takes NULL */

/* Compiles without a cache, in this process; *ret_filters is the caller's (free()). The child's work, and a
 * test's. */
int seccomp_compile(
        const json_t *profile, struct sock_filter **ret_filters, size_t *ret_count, struct baton_error *err);

#endif
