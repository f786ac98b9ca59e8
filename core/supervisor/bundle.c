/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/supervisor/bundle_mounts.h"

#define INIT_TARGET  "/dev/.baton-init" /* /dev is a tmpfs of the runtime: never a path of the image */
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define UMASK        022
#define CPUS_MAX     256

/* containers-common's default set: Docker's 14 without AUDIT_WRITE, MKNOD, NET_RAW. */
static const char *const default_capabilities[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"NET_BIND_SERVICE",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYS_CHROOT",
};

/* capability.h of Linux 6.1: what "ALL" means. A kernel that lacks the newest ones ignores them
 * (capabilities(7)). */
static const char *const all_capabilities[] = {
	"AUDIT_CONTROL",
	"AUDIT_READ",
	"AUDIT_WRITE",
	"BLOCK_SUSPEND",
	"BPF",
	"CHECKPOINT_RESTORE",
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"IPC_LOCK",
	"IPC_OWNER",
	"KILL",
	"LEASE",
	"LINUX_IMMUTABLE",
	"MAC_ADMIN",
	"MAC_OVERRIDE",
	"MKNOD",
	"NET_ADMIN",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_RAW",
	"PERFMON",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYSLOG",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_CHROOT",
	"SYS_MODULE",
	"SYS_NICE",
	"SYS_PACCT",
	"SYS_PTRACE",
	"SYS_RAWIO",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"WAKE_ALARM",
};

/* moby GHSA-6fw5, GHSA-jq35 and the masked paths of containers-common (PLATFORM section 4). */
static const char *const masked_paths[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const readonly_paths[] = {
	"/proc/bus",
	"/proc/fs",
	"/proc/irq",
	"/proc/sys",
	"/proc/sysrq-trigger",
};

/* ---- environment ---- */

static size_t name_length(const char *assignment)
{
	return strcspn(assignment, "=");
}

/* Replaces the value of the same name, or appends. */
static int environment_set(char ***environment, const char *assignment)
{
	size_t length = name_length(assignment);
	char **item;

	STRV_FOREACH(item, *environment) {
		if (name_length(*item) == length && strncmp(*item, assignment, length) == 0) {
			char *copy = strdup(assignment);

			if (!copy)
				return -ENOMEM;
			free(*item);
			*item = copy;
			return 0;
		}
	}
	return strv_append(environment, assignment);
}

int bundle_environment(const struct bundle *bundle, char ***ret_environment)
{
	cleanup_strv char **environment = NULL;
	char **const sources[] = { bundle->image->environment, bundle->spec->environment };
	int r = strv_append(&environment, DEFAULT_PATH);
	char **item;

	if (r == 0)
		r = strv_appendf(&environment, "HOSTNAME=%s", bundle->hostname);
	if (r == 0)
		r = strv_append(&environment, bundle->uid == 0 ? "HOME=/root" : "HOME=/");
	for (size_t i = 0; i < array_size(sources); i++) {
		STRV_FOREACH(item, sources[i]) {
			if (r == 0)
				r = environment_set(&environment, *item);
		}
	}
	if (r == 0)
		*ret_environment = steal_ptr(environment);
	return r;
}

/* ---- capabilities ---- */

static bool in_list(const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

bool bundle_capability_is_default(const char *name)
{
	return in_list(name, default_capabilities, array_size(default_capabilities));
}

/* As Docker does it: ALL first, then single names; a name in cap_add wins over ALL in cap_drop. */
static bool capability_kept(const struct container_spec *spec, const char *name)
{
	if (strv_contains(spec->cap_drop, name))
		return false;
	if (strv_contains(spec->cap_add, name))
		return true;
	if (strv_contains(spec->cap_drop, "ALL"))
		return false;
	return strv_contains(spec->cap_add, "ALL") || bundle_capability_is_default(name);
}

int bundle_capabilities(const struct container_spec *spec, char ***ret_names)
{
	cleanup_strv char **names = NULL;

	for (size_t i = 0; i < array_size(all_capabilities); i++) {
		if (capability_kept(spec, all_capabilities[i]) &&
		        strv_appendf(&names, "CAP_%s", all_capabilities[i]) < 0)
			return -ENOMEM;
	}
	*ret_names = steal_ptr(names);
	return 0;
}

/* ---- the document ---- */

static json_t *string_array(char *const *vector)
{
	json_t *array = json_array();

	for (size_t i = 0; vector && vector[i]; i++)
		bundle_append(&array, json_string(vector[i]));
	return array;
}

static json_t *constant_array(const char *const *list, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		bundle_append(&array, json_string(list[i]));
	return array;
}

/* Compose and Docker: an entrypoint of the manifest drops the image's command; else each replaces its own. */
static int make_args(const struct bundle *bundle, char ***ret_args)
{
	const struct container_spec *spec = bundle->spec;
	char **entrypoint = spec->has_entrypoint ? spec->entrypoint : bundle->image->entrypoint;
	char **command = spec->has_command || spec->has_entrypoint ? spec->command : bundle->image->command;
	cleanup_strv char **args = NULL;
	int r = 0;
	char **item;

	if (strv_length(entrypoint) + strv_length(command) == 0)
		return -ENOEXEC;
	if (bundle->init_path)
		r = strv_append(&args, INIT_TARGET);
	STRV_FOREACH(item, entrypoint)
		r = r == 0 ? strv_append(&args, *item) : r;
	STRV_FOREACH(item, command)
		r = r == 0 ? strv_append(&args, *item) : r;
	if (r == 0)
		*ret_args = steal_ptr(args);
	return r;
}

/* The specification's type is uint64; jansson's is int64, and RLIM_INFINITY comes out as -1 otherwise. */
static json_t *rlimit_json(const char *type, uint64_t soft, uint64_t hard)
{
	return json_pack("{s:s, s:I, s:I}", "type", type, "soft", (json_int_t)(soft & INT64_MAX), "hard",
	        (json_int_t)(hard & INT64_MAX));
}

static json_t *make_rlimits(const struct bundle *bundle)
{
	const struct container_spec *spec = bundle->spec;
	json_t *array = json_array();
	bool has_core = false;
	bool has_nofile = false;

	for (size_t i = 0; i < spec->n_ulimits; i++) {
		const struct container_ulimit *limit = &spec->ulimits[i];
		char name[32] = "RLIMIT_";

		for (size_t c = 0; limit->name[c] && c + sizeof("RLIMIT_") < sizeof(name); c++)
			name[sizeof("RLIMIT_") - 1 + c] =
			        (char)((limit->name[c] >= 'a' && limit->name[c] <= 'z')
			                        ? limit->name[c] - 'a' + 'A'
			                        : limit->name[c]);
		has_core = has_core || strcmp(limit->name, "core") == 0;
		has_nofile = has_nofile || strcmp(limit->name, "nofile") == 0;
		bundle_append(&array, rlimit_json(name, limit->soft, limit->hard));
	}
	if (!has_core)
		bundle_append(&array, rlimit_json("RLIMIT_CORE", 0, 0));
	if (!has_nofile && bundle->nofile.rlim_max > 0)
		bundle_append(&array,
		        rlimit_json("RLIMIT_NOFILE", bundle->nofile.rlim_cur, bundle->nofile.rlim_max));
	return array;
}

static json_t *make_user(const struct bundle *bundle)
{
	json_t *groups = json_array();

	for (size_t i = 0; i < bundle->n_groups; i++)
		bundle_append(&groups, json_integer(bundle->groups[i]));
	return json_pack("{s:I, s:I, s:i, s:o}", "uid", (json_int_t)bundle->uid, "gid",
	        (json_int_t)bundle->gid, "umask", UMASK, "additionalGids", groups);
}

static json_t *make_process(const struct bundle *bundle, struct baton_error *err)
{
	cleanup_strv char **args = NULL;
	cleanup_strv char **environment = NULL;
	cleanup_strv char **capabilities = NULL;
	const char *cwd = bundle->spec->working_dir ? bundle->spec->working_dir : bundle->image->working_dir;
	json_t *process;
	int r = make_args(bundle, &args);

	if (r == -ENOEXEC) {
		(void)error_set(err, EINVAL,
		        "neither the manifest nor image %s has a command; set \"command\"",
		        bundle->spec->image);
		return NULL;
	}
	if (r == 0)
		r = bundle_environment(bundle, &environment);
	if (r == 0)
		r = bundle_capabilities(bundle->spec, &capabilities);
	if (r < 0)
		return NULL;
	process = json_pack("{s:b, s:o, s:o, s:o, s:s, s:b, s:o, s:{s:o, s:o, s:o, s:[], s:[]}}", "terminal",
	        0, "user", make_user(bundle), "args", string_array(args), "env", string_array(environment),
	        "cwd", *cwd ? cwd : "/", "noNewPrivileges", 1, "rlimits", make_rlimits(bundle),
	        "capabilities", "bounding", string_array(capabilities), "effective",
	        string_array(capabilities), "permitted", string_array(capabilities), "inheritable",
	        "ambient");
	if (process && bundle->oom_score_adj < 0 &&
	        json_object_set_new(process, "oomScoreAdj", json_integer(0)) < 0) {
		json_decref(process);
		return NULL;
	}
	return process;
}

static json_t *make_sysctl(char *const *sysctls)
{
	json_t *object = json_object();

	for (size_t i = 0; sysctls && sysctls[i]; i++) {
		size_t length = name_length(sysctls[i]);

		if (sysctls[i][length] != '=' || json_object_setn_new(object, sysctls[i], length,
		                                         json_string(sysctls[i] + length + 1)) < 0) {
			json_decref(object);
			return NULL; /* as in bundle_append */
		}
	}
	return object;
}

static json_t *make_masked_paths(void)
{
	json_t *array = constant_array(masked_paths, array_size(masked_paths));
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	/* Temperature events of single CPUs are a side channel. x86 only; paths that do not exist cost an
	 * openat. */
	for (long i = 0; i < cpus && i < CPUS_MAX; i++)
		bundle_append(&array, json_sprintf("/sys/devices/system/cpu/cpu%ld/thermal_throttle", i));
	return array;
}

static json_t *make_linux(const struct bundle *bundle)
{
	static const char *const names[] = { "pid", "ipc", "uts", "mount", "cgroup", "network" };
	size_t count = bundle->spec->network == NETWORK_HOST ? array_size(names) - 1 : array_size(names);
	json_t *namespaces = json_array();

	for (size_t i = 0; i < count; i++)
		bundle_append(&namespaces, json_pack("{s:s}", "type", names[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:O}", "namespaces", namespaces, "maskedPaths",
	        make_masked_paths(), "readonlyPaths",
	        constant_array(readonly_paths, array_size(readonly_paths)), "sysctl",
	        make_sysctl(bundle->spec->sysctls), "seccomp", bundle->seccomp);
}

json_t *bundle_config(const struct bundle *bundle, struct baton_error *err)
{
	const struct bundle_mounts_options options = {
		.init_path = bundle->init_path,
		.init_target = INIT_TARGET,
		.cgroup2 = bundle->cgroup2,
	};
	json_t *process;
	json_t *config = NULL;

	err->code = 0;
	process = make_process(bundle, err);
	if (process)
		config = json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o}", "ociVersion", "1.0.2",
		        "process", process, "root", "path", bundle->rootfs, "readonly",
		        (int)bundle->spec->read_only, "hostname", bundle->hostname, "mounts",
		        bundle_mounts_json(&options, bundle->mounts, bundle->n_mounts), "linux",
		        make_linux(bundle));
	if (!config && err->code == 0)
		(void)error_set(err, ENOMEM, "out of memory, or a string of manifest or image is not UTF-8");
	return config;
}
