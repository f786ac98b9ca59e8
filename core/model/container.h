/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent asks the supervisor to run: one container, typed. Made by the Compose decoder, carried by
 * core/ipc, turned into an OCI bundle by core/supervisor. Names and meanings follow the Compose Specification
 * (05-services.md).
 */
#ifndef BATON_MODEL_CONTAINER_H
#define BATON_MODEL_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTAINER_LOG_FILES_MAX 100
#define CONTAINER_LOG_SIZE_MAX  (1 << 30)

enum mount_type { MOUNT_VOLUME, MOUNT_BIND, MOUNT_TMPFS };

struct container_mount {
	enum mount_type type;
	char *source; /* volume: its name within the app, "" for an anonymous one; bind: absolute host path;
	                 tmpfs: "" */
	char *target; /* absolute path in the container */
	bool read_only;
	bool nocopy;           /* volume only: do not fill an empty volume from the image */
	bool create_host_path; /* bind only: make a missing source directory */
	uint64_t tmpfs_size;   /* bytes, 0: kernel default of half the memory */
	uint32_t tmpfs_mode;   /* 0: 01777, unless: */
	bool tmpfs_mode_zero;  /* it was asked for no permissions at all */
};

struct container_ulimit {
	char *name;    /* as in getrlimit(2), lower case, without RLIMIT_: "nofile" */
	uint64_t soft; /* UINT64_MAX: unlimited */
	uint64_t hard;
};

enum network_mode { NETWORK_NONE, NETWORK_HOST };

/* Zero-initialised = every default. Strings and vectors are owned; NULL means "not given". */
struct container_spec {
	char *id; /* "app.service.slot.hash", see service.h */
	char *app;
	char *service;
	uint32_t slot; /* from 1 */
	char *runtime; /* NULL: the node's default */
	char *image;   /* reference as written */

	char **entrypoint; /* replaces the image's when has_entrypoint; then the image's command is dropped
	                      too */
	char **command;    /* replaces the image's when has_command */
	bool has_entrypoint;
	bool has_command;
	char **environment; /* "NAME=value", later entries win over the image's */
	char *working_dir;
	char *user; /* "uid", "name", "uid:gid", "name:group" */
	char *hostname;
	char **labels;  /* "name=value" */
	char **cap_add; /* "NET_ADMIN" without CAP_, upper case, or "ALL" */
	char **cap_drop;
	char **sysctls; /* "name=value" */
	struct container_ulimit *ulimits;
	size_t n_ulimits;
	struct container_mount *mounts; /* `tmpfs` entries are mounts of type tmpfs */
	size_t n_mounts;

	enum network_mode network;
	bool init;
	bool read_only;

	int64_t memory_limit; /* bytes, 0: none */
	int64_t cpu_limit;    /* thousandths of a CPU, 0: none */
	int64_t pids_limit;   /* 0: the node's default, -1: none */

	char *stop_signal;      /* "SIGTERM" form; NULL: the image's, else SIGTERM */
	uint32_t stop_grace_ms; /* between the stop signal and SIGKILL */

	uint64_t log_max_size; /* bytes of one log file, at most CONTAINER_LOG_SIZE_MAX; 0: the node's default
	                        */
	uint32_t log_max_files; /* at most CONTAINER_LOG_FILES_MAX; 0: the node's default */
};

void container_spec_release(struct container_spec *spec); /* frees all members and zeroes the struct */

#endif
