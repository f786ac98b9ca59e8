/* SPDX-License-Identifier: Apache-2.0 */
/* Loads runtime plugins by name and serves them: the host's side of <baton/runtime.h>. */
#ifndef BATON_SUPERVISOR_PLUGIN_H
#define BATON_SUPERVISOR_PLUGIN_H

#include <baton/runtime.h>
#include <event2/event.h>

#include "core/base/error.h"

struct plugin_setting {
	const char *key;
	const char *value;
};

struct plugin {
	const struct baton_runtime *runtime;
	void *instance; /* first argument of every verb */
	struct baton_host host;
	struct event_base *base;
	char *state_dir;
	char *cache_dir;
	char *crun_path; /* borrowed by host.config, only for the plugin named crun */
	void *object;    /* of dlopen */
	int file_fd;     /* its path names the object: a reused number would give the same object again */
};

struct plugin_place {
	const char *directory; /* of the .so files; root-owned, not writable by others */
	const char *run;       /* state-dir is RUN/runtimes/NAME */
	const char *root;      /* cache-dir is ROOT/cache/NAME */
	const char *crun_path;
};

/*
 * Loads DIRECTORY/NAME.so. Refused: a name with other characters than [a-z0-9-], a file or directory that
 * somebody else than root (or this process's user) owns or may write, another ABI major version, a table
 * without a required verb, a table of another name. 0 and *ret_plugin or negative errno with what to do in
 * err.
 */
int plugin_load(struct event_base *base, const char *name, const struct plugin_place *place,
        struct plugin **ret_plugin, struct baton_error *err);
void plugin_free(struct plugin *plugin); /* takes NULL */

/* Copies an error of the plugin boundary into ours. Returns -code. */
int plugin_error(const struct baton_runtime_error *from, struct baton_error *err);

#endif
