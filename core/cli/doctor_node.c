/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration of this node names: directories, programs, user, broker. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/strv.h"
#include "core/cli/bus.h"
#include "core/cli/doctor.h"
#include "core/cli/helper.h"

#define LITTLE_SPACE ((uint64_t)64 << 20) /* a new image or a full log would not fit */
#define OLDEST_CLOCK 1735689600000 /* 2025-01-01: an earlier time is that of a clock without a battery */

static void check_config(const struct doctor *doctor, struct check_result *result)
{
	if (doctor->has_config) {
		check_found(result, "%s, node %s, prefix %s", cli_config_path(doctor->cli),
		        doctor->config.node.name, doctor->config.prefix);
		return;
	}
	check_found(result, "%s", doctor->config_error);
	check_advise(result, CHECK_FAIL,
	        "correct it; batond --example-config writes one with every key explained");
}

static void check_user(const struct doctor *doctor, struct check_result *result)
{
	struct baton_error err;
	uint32_t uid;
	uint32_t gid;
	int r = config_user(&doctor->config, &uid, &gid, &err);

	if (r == 0) {
		check_found(result, "%s is %u:%u", doctor->config.user, uid, gid);
		return;
	}
	check_found(result, "%s", err.message);
	if (r == -ENOENT)
		check_advise(result, CHECK_FAIL,
		        "useradd --system --no-create-home --shell /usr/sbin/nologin %s",
		        doctor->config.user);
	else
		check_advise(result, CHECK_FAIL, "name another user in the configuration");
}

/* The directory, or the nearest one above it that is there: batond makes the rest. */
static int stat_nearest(const char *path, struct statfs *ret_status)
{
	cleanup_free char *nearest = strdup(path);

	while (nearest && statfs(nearest, ret_status) < 0) {
		char *slash = strrchr(nearest, '/');

		if (errno != ENOENT || !slash || slash == nearest)
			return -errno;
		*slash = '\0';
	}
	return nearest ? 0 : -ENOMEM;
}

static bool check_space(const char *path, struct check_result *result, struct statfs *ret_status)
{
	int r = stat_nearest(path, ret_status);
	uint64_t space;

	if (r < 0) {
		check_found(result, "%s: %s", path, strerrordesc_np(-r));
		check_advise(
		        result, CHECK_FAIL, "make the directory, or name another one in the configuration");
		return false;
	}
	space = (uint64_t)ret_status->f_bavail * (uint64_t)ret_status->f_bsize;
	check_found(result, "%s, %llu MiB free", path, (unsigned long long)(space >> 20));
	if (space < LITTLE_SPACE)
		check_advise(result, CHECK_WARN, "make room: less than %llu MiB are free",
		        (unsigned long long)(LITTLE_SPACE >> 20));
	return true;
}

static void check_root(const struct doctor *doctor, struct check_result *result)
{
	struct statfs status;

	if (!check_space(doctor->config.root, result, &status))
		return;
	if (status.f_type == TMPFS_MAGIC)
		check_advise(result, CHECK_WARN, "this is a tmpfs: images and state are lost with the power");
}

static void check_run(const struct doctor *doctor, struct check_result *result)
{
	struct statfs status;

	if (!check_space(doctor->config.run, result, &status))
		return;
	if ((unsigned long)status.f_type != TMPFS_MAGIC && (unsigned long)status.f_type != RAMFS_MAGIC)
		check_advise(result, CHECK_WARN,
		        "this is no tmpfs: logs wear the disk out, and what is left after a reboot is taken "
		        "for new");
}

/* As batond judges it: what others may write is not loaded. */
static bool trusted(const char *path, struct check_result *result)
{
	struct stat status;

	if (stat(path, &status) < 0) {
		check_found(result, "%s: %s", path, strerrordesc_np(errno));
		check_advise(result, CHECK_FAIL, "install it, or correct runtimes.directory");
		return false;
	}
	if ((status.st_uid == 0 || status.st_uid == geteuid()) && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return true;
	check_found(result, "%s: others than root may write it", path);
	check_advise(result, CHECK_FAIL, "chown root and chmod go-w the file");
	return false;
}

static bool check_runtime(const struct doctor *doctor, const char *name, struct check_result *result)
{
	cleanup_free char *path = NULL;
	void *object;

	if (asprintf(&path, "%s/%s.so", doctor->config.runtimes.directory, name) < 0) {
		path = NULL; /* undefined after a failure, see asprintf(3) */
		return false;
	}
	if (!trusted(path, result))
		return false;
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!object || !dlsym(object, "baton_runtime_entry")) {
		check_found(result, "%s", dlerror());
		check_advise(result, CHECK_FAIL,
		        "install the packages that it needs, and the same version as batond");
		return false;
	}
	(void)dlclose(object); /* nothing of it is used */
	return true;
}

static void check_runtimes(const struct doctor *doctor, struct check_result *result)
{
	const struct config *config = &doctor->config;
	size_t used = 0;
	char names[128] = "";
	char **name;

	STRV_FOREACH(name, config->runtimes.enabled) {
		if (!check_runtime(doctor, *name, result))
			return;
		if (used < sizeof(names))
			used += (size_t)snprintf(
			        names + used, sizeof(names) - used, "%s%s", used > 0 ? ", " : "", *name);
	}
	check_found(result, "%s", names);
	if (strv_contains(config->runtimes.enabled, "crun") && access(config->runtimes.crun_path, X_OK) < 0)
		check_advise(result, CHECK_WARN, "apt-get install crun: there is no %s",
		        config->runtimes.crun_path);
}

static void check_helpers(const struct doctor *doctor, struct check_result *result)
{
	static const char *const names[] = { "baton-unpack", "baton-init" };
	static const char *const uses[] = { "images cannot be imported", "\"init: true\" does not work" };

	check_found(result, "baton-unpack, baton-init");
	for (size_t i = 0; i < array_size(names); i++) {
		cleanup_free char *path = helper_path(&doctor->config, names[i]);

		if (path && access(path, X_OK) == 0)
			continue;
		check_found(result, "%s: %s", path ? path : names[i], strerrordesc_np(errno));
		check_advise(result, CHECK_WARN, "%s; install it, or correct runtimes.directory", uses[i]);
	}
}

static void check_clock(const struct doctor *doctor, struct check_result *result)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t now = clock_wall_ms();

	clock_format(now, text);
	check_found(result, "%s", text);
	if (now < OLDEST_CLOCK && doctor->config.broker.ca_file[0])
		check_advise(
		        result, CHECK_WARN, "certificates of the broker are not valid yet: set the clock");
}

static void check_broker_program(const struct doctor *doctor, struct check_result *result)
{
	const struct config *config = &doctor->config;

	if (config->broker.mode != BROKER_EMBEDDED) {
		check_found(result, "not needed: broker.mode is \"external\"");
		return;
	}
	check_found(result, "%s", config->broker.program);
	if (access(config->broker.program, X_OK) < 0)
		check_advise(result, CHECK_FAIL,
		        "apt-get install mosquitto, and systemctl disable --now mosquitto");
}

/* The reason of a failure is told on standard error by the bus. */
static void check_broker(const struct doctor *doctor, struct check_result *result)
{
	struct bus *bus;
	int code = bus_open(doctor->cli, NULL, NULL, &bus);

	if (code != CLI_OK) {
		check_found(result, "its address or credentials cannot be used");
		check_advise(result, CHECK_FAIL, "correct the group \"broker\" of the configuration");
		return;
	}
	code = bus_sync(bus);
	check_found(result, "%s %s", bus_address(bus), code == CLI_OK ? "answers" : "does not answer");
	if (code != CLI_OK)
		check_advise(result, CHECK_FAIL,
		        doctor->config.broker.mode == BROKER_EMBEDDED
		                ? "start batond: the embedded broker is its child"
		                : "start it, or correct broker.host, broker.port and the credentials");
	bus_close(bus);
}

const struct check doctor_node_checks[] = {
	{ "configuration", false, check_config },
	{ "user", true, check_user },
	{ "root", true, check_root },
	{ "run", true, check_run },
	{ "runtimes", true, check_runtimes },
	{ "helpers", true, check_helpers },
	{ "clock", true, check_clock },
	{ "mosquitto", true, check_broker_program },
	{ "broker", true, check_broker },
	{ NULL, false, NULL },
};
