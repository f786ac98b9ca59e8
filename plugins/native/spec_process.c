/* SPDX-License-Identifier: Apache-2.0 */
/* `process` of config.json. */
#include "plugins/native/spec-priv.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"

#define ID_MAX INT32_MAX /* CVE-2016-3697: nothing may wrap round to 0 */

/* Index: number of capability.h. A name the headers do not know yet is refused, never guessed. */
static const char *const capability_names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{ "RLIMIT_AS", RLIMIT_AS },
	{ "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU },
	{ "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE },
	{ "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "RLIMIT_STACK", RLIMIT_STACK },
};

static int capability_set(const json_t *object, const char *name, uint64_t *ret_set, struct baton_error *err)
{
	const json_t *list;
	size_t index;
	json_t *item;
	int r = spec_member(object, name, JSON_ARRAY, &list, err);

	if (r < 0)
		return error_prefix(err, "process.capabilities");
	*ret_set = 0;
	json_array_foreach(list, index, item) {
		const char *text = json_is_string(item) ? json_string_value(item) : "";
		size_t number = 0;

		while (number < array_size(capability_names) && strcmp(capability_names[number], text) != 0)
			number++;
		if (number == array_size(capability_names))
			return error_set(err, EINVAL,
			        "process.capabilities.%s[%zu]: unknown capability \"%s\"", name, index, text);
		*ret_set |= UINT64_C(1) << number;
	}
	return 0;
}

static int decode_capabilities(const json_t *object, struct spec *spec, struct baton_error *err)
{
	struct {
		const char *name;
		uint64_t *set;
	} const sets[] = {
		{ "bounding", &spec->bounding },
		{ "effective", &spec->effective },
		{ "permitted", &spec->permitted },
		{ "inheritable", &spec->inheritable },
		{ "ambient", &spec->ambient },
	};

	for (size_t i = 0; i < array_size(sets); i++) {
		int r = capability_set(object, sets[i].name, sets[i].set, err);

		if (r < 0)
			return r;
	}
	/* capabilities(7): the kernel refuses what is not a subset, with an error that says nothing. */
	if ((spec->effective & ~spec->permitted) || (spec->ambient & ~(spec->permitted & spec->inheritable)))
		return error_set(err, EINVAL,
		        "process.capabilities: effective must be within permitted, ambient within permitted "
		        "and inheritable");
	return 0;
}

static int decode_user(const json_t *user, struct spec *spec, struct baton_error *err)
{
	const json_t *groups;
	uint64_t uid;
	uint64_t gid;
	uint64_t mask;
	size_t index;
	json_t *item;

	if (spec_member(user, "additionalGids", JSON_ARRAY, &groups, err) < 0 ||
	        spec_number(user, "uid", ID_MAX, 0, &uid, err) < 0 ||
	        spec_number(user, "gid", ID_MAX, 0, &gid, err) < 0 ||
	        spec_number(user, "umask", 0777, 022, &mask, err) < 0)
		return error_prefix(err, "process.user");
	if (json_array_size(groups) > SPEC_GROUPS_MAX)
		return error_set(
		        err, EINVAL, "process.user.additionalGids: more than %d groups", SPEC_GROUPS_MAX);
	json_array_foreach(groups, index, item) {
		if (!json_is_integer(item) || json_integer_value(item) < 0 ||
		        json_integer_value(item) > ID_MAX)
			return error_set(err, EINVAL,
			        "process.user.additionalGids[%zu] must be a number from 0 to %d", index,
			        ID_MAX);
		spec->groups[spec->n_groups++] = (gid_t)json_integer_value(item);
	}
	spec->uid = (uint32_t)uid;
	spec->gid = (uint32_t)gid;
	spec->umask = (mode_t)mask;
	return 0;
}

/* JSON readers stop at 2^63 - 1, so that is how "no limit" arrives; getrlimit(2) must say RLIM_INFINITY
 * again. */
static rlim_t to_rlimit(uint64_t value)
{
	return value == INT64_MAX ? RLIM_INFINITY : (rlim_t)value;
}

static int decode_rlimit(const json_t *item, struct spec_rlimit *limit, struct baton_error *err)
{
	const char *name = json_get_string(item, "type", "");
	uint64_t soft;
	uint64_t hard;

	for (size_t i = 0; i < array_size(rlimit_names); i++) {
		if (strcmp(rlimit_names[i].name, name) != 0)
			continue;
		if (spec_number(item, "soft", INT64_MAX, 0, &soft, err) < 0 ||
		        spec_number(item, "hard", INT64_MAX, 0, &hard, err) < 0)
			return error_prefix(err, "process.rlimits: %s", name);
		limit->name = rlimit_names[i].name;
		limit->resource = rlimit_names[i].resource;
		limit->limit = (struct rlimit){ .rlim_cur = to_rlimit(soft), .rlim_max = to_rlimit(hard) };
		return 0;
	}
	return error_set(err, EINVAL, "process.rlimits: unknown type \"%s\"", name);
}

static int decode_rlimits(const json_t *list, struct spec *spec, struct baton_error *err)
{
	size_t count = json_array_size(list);

	if (count > array_size(rlimit_names))
		return error_set(
		        err, EINVAL, "process.rlimits: more than %zu items", array_size(rlimit_names));
	spec->rlimits = calloc(count + 1, sizeof(*spec->rlimits));
	if (!spec->rlimits)
		return error_set(err, ENOMEM, "out of memory");
	for (; spec->n_rlimits < count; spec->n_rlimits++) {
		int r = decode_rlimit(
		        json_array_get(list, spec->n_rlimits), &spec->rlimits[spec->n_rlimits], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Members that are objects and arrays of their own. */
static int decode_members(const json_t *process, struct spec *spec, struct baton_error *err)
{
	const json_t *user = NULL;
	const json_t *capabilities = NULL;
	const json_t *rlimits = NULL;
	int r = spec_member(process, "user", JSON_OBJECT, &user, err);

	if (r == 0)
		r = spec_member(process, "capabilities", JSON_OBJECT, &capabilities, err);
	if (r == 0)
		r = spec_member(process, "rlimits", JSON_ARRAY, &rlimits, err);
	if (r < 0)
		return error_prefix(err, "process");
	r = decode_user(user, spec, err);
	if (r == 0)
		r = decode_capabilities(capabilities, spec, err);
	if (r == 0)
		r = decode_rlimits(rlimits, spec, err);
	return r;
}

int spec_decode_process(const json_t *process, struct spec *spec, struct baton_error *err)
{
	const json_t *score = json_object_get(process, "oomScoreAdj");
	bool terminal;
	int r;

	if (!json_is_object(process))
		return error_set(err, EINVAL, "process is missing");
	if (spec_flag(process, "terminal", &terminal, err) < 0 ||
	        spec_flag(process, "noNewPrivileges", &spec->no_new_privileges, err) < 0)
		return error_prefix(err, "process");
	if (terminal)
		return error_set(err, EOPNOTSUPP, "process.terminal: this runtime has no terminals yet");
	if (!spec_is_empty(json_object_get(process, "selinuxLabel")) ||
	        !spec_is_empty(json_object_get(process, "apparmorProfile")))
		return error_set(
		        err, EOPNOTSUPP, "process: labels of SELinux and AppArmor are not supported");
	spec->cwd = json_get_string(process, "cwd", "/");
	r = spec_strings(json_object_get(process, "args"), "process.args", SPEC_LIST_MAX, &spec->args, err);
	if (r == 0 && !spec->args[0])
		r = error_set(err, EINVAL, "process.args is empty");
	if (r == 0)
		r = spec_strings(
		        json_object_get(process, "env"), "process.env", SPEC_LIST_MAX, &spec->env, err);
	if (r == 0)
		r = spec_check_path(spec->cwd, "process.cwd", err);
	if (r == 0)
		r = decode_members(process, spec, err);
	if (r == 0 && score) {
		if (!json_is_integer(score) || json_integer_value(score) < -1000 ||
		        json_integer_value(score) > 1000)
			return error_set(
			        err, EINVAL, "process.oomScoreAdj must be a number from -1000 to 1000");
		spec->has_oom_score_adj = true;
		spec->oom_score_adj = (int)json_integer_value(score);
	}
	return r;
}
