/* SPDX-License-Identifier: Apache-2.0 */
/* The node's own configuration file (libconfig syntax), read by batond, baton-control and the command line.
 */
#ifndef BATON_CONFIG_H
#define BATON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/error.h"

#define BATON_CONFIG_PATH "/etc/baton/baton.conf"

enum broker_mode { BROKER_EXTERNAL, BROKER_EMBEDDED };

/* Strings are owned, never NULL ("" = not set) once config_load has succeeded. Vectors may be NULL. */
struct config {
	struct {
		char *name;    /* default: host name */
		char **labels; /* "name=value", from the group node.labels */
	} node;
	char *prefix; /* of topics: "baton/v1" */
	char *root;   /* persistent state: "/var/lib/baton" */
	char *run;    /* volatile state, a tmpfs: "/run/baton" */
	char *user;   /* name or number of the user of baton-control and the embedded broker: "baton" */
	char *cgroup_parent; /* "baton" */
	char *log_level;     /* "info" */
	bool role_agent;
	bool role_controller;
	struct {
		enum broker_mode mode;
		char *host;
		int64_t port;
		char *socket; /* client: Unix socket of the broker; embedded: where it listens (default
		                 RUN/broker.sock) */
		char *username;
		char *password_file; /* first line is the password; readable by `user` */
		char *ca_file;
		char *cert_file;
		char *key_file;
		int64_t keepalive_s;
		int64_t tcp_port; /* embedded: extra listener on 127.0.0.1, 0 = none */
		char *program;    /* embedded: "/usr/sbin/mosquitto" */
	} broker;
	struct {
		char *directory; /* "/usr/lib/baton/runtimes" */
		char **enabled;  /* names, the default one first */
		char *crun_path; /* "/usr/bin/crun" */
	} runtimes;
	struct { /* what manifests may ask of this node; all off by default */
		bool host_network;
		bool privileged_capabilities; /* cap_add beyond the default set */
		char **bind_paths;            /* bind mounts must lie below one of these */
	} allow;
	struct {
		int64_t log_max_size; /* bytes per file */
		int64_t log_max_files;
		int64_t pids; /* default pids limit of a container */
	} defaults;
};

/*
 * Reads and checks the file; every key has a row in the table of config.c with type, range, default and help.
 * Unknown keys and values out of range are errors "FILE:LINE: key: reason". 0 and *ret_config (config_release
 * it) or -errno.
 */
int config_load(const char *path, struct config *ret_config, struct baton_error *err);
void config_release(struct config *config);

/* Writes the commented example file (docs and boards ship it) and the Markdown table of docs/operations.md.
 */
int config_write_example(FILE *out);
int config_write_markdown(FILE *out);

/* Resolves `user` to numbers: a name of the passwd database or a decimal uid (gid = uid then). */
int config_user(const struct config *config, uint32_t *ret_uid, uint32_t *ret_gid, struct baton_error *err);

#endif
