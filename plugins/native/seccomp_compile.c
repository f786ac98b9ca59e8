/* SPDX-License-Identifier: Apache-2.0 */
/* OCI linux.seccomp (config-linux.md, "Seccomp") through libseccomp. */
#include "plugins/native/seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "plugins/native/spec-priv.h"

#define ERRNO_DEFAULT  EPERM
#define ERRNO_MAX      4095
#define ARGS_MAX       6
#define RULES_FOR_TREE 8 /* libseccomp 2.5 miscounts a tree with fewer */

static const struct {
	const char *name;
	enum scmp_compare op;
} operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct {
	const char *name;
	uint32_t action;
} actions[] = {
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
};

static int parse_action(const json_t *object, const char *action_name, const char *errno_name,
        uint32_t *ret_action, struct baton_error *err)
{
	const char *name = json_get_string(object, action_name, "");
	int64_t code = json_get_int(object, errno_name, ERRNO_DEFAULT);

	if (code < 0 || code > ERRNO_MAX)
		return error_set(err, EINVAL, "%s must be a number from 0 to %d", errno_name, ERRNO_MAX);
	if (strcmp(name, "SCMP_ACT_ERRNO") == 0) {
		*ret_action = SCMP_ACT_ERRNO((uint32_t)code);
		return 0;
	}
	for (size_t i = 0; i < array_size(actions); i++) {
		if (strcmp(actions[i].name, name) == 0) {
			*ret_action = actions[i].action;
			return 0;
		}
	}
	return error_set(err, EINVAL, "%s: \"%s\" is not supported", action_name, name);
}

static int parse_argument(const json_t *item, struct scmp_arg_cmp *argument, struct baton_error *err)
{
	const char *name = json_get_string(item, "op", "");
	int64_t index = json_get_int(item, "index", -1);

	if (index < 0 || index >= ARGS_MAX)
		return error_set(err, EINVAL, "args: index must be a number from 0 to %d", ARGS_MAX - 1);
	for (size_t i = 0; i < array_size(operators); i++) {
		if (strcmp(operators[i].name, name) != 0)
			continue;
		argument->arg = (unsigned)index;
		argument->op = operators[i].op;
		if (spec_number(item, "value", INT64_MAX, 0, &argument->datum_a, err) < 0 ||
		        spec_number(item, "valueTwo", INT64_MAX, 0, &argument->datum_b, err) < 0)
			return error_prefix(err, "args");
		return 0;
	}
	return error_set(err, EINVAL, "args: unknown op \"%s\"", name);
}

static int parse_arguments(const json_t *rule, struct scmp_arg_cmp arguments[static ARGS_MAX],
        size_t *ret_count, struct baton_error *err)
{
	const json_t *list;
	int r = spec_member(rule, "args", JSON_ARRAY, &list, err);

	if (r < 0)
		return r;
	if (json_array_size(list) > ARGS_MAX)
		return error_set(err, EINVAL, "args: more than %d items", ARGS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		r = parse_argument(json_array_get(list, i), &arguments[i], err);
		if (r < 0)
			return r;
	}
	*ret_count = json_array_size(list);
	return 0;
}

static int add_rule(scmp_filter_ctx filter, const json_t *rule, uint32_t default_action, size_t *rules,
        struct baton_error *err)
{
	const json_t *names = NULL;
	struct scmp_arg_cmp arguments[ARGS_MAX];
	size_t n_arguments = 0;
	uint32_t action = SCMP_ACT_KILL_PROCESS;
	size_t index;
	json_t *item;
	int r = parse_action(rule, "action", "errnoRet", &action, err);

	if (r == 0)
		r = spec_member(rule, "names", JSON_ARRAY, &names, err);
	if (r == 0)
		r = parse_arguments(rule, arguments, &n_arguments, err);
	if (r < 0)
		return r;
	if (action == default_action)
		return 0; /* says nothing new, and libseccomp refuses it */
	json_array_foreach(names, index, item) {
		int number =
		        seccomp_syscall_resolve_name(json_is_string(item) ? json_string_value(item) : "");

		/* A name of another architecture or of a newer kernel: the specification says to ignore it.
		 */
		if (number == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add_array(filter, action, number, (unsigned)n_arguments, arguments);
		if (r < 0)
			return error_errno(err, -r, "system call %s", json_string_value(item));
		(*rules)++;
	}
	return 0;
}

static int add_architectures(scmp_filter_ctx filter, const json_t *list, struct baton_error *err)
{
	char name[32];
	size_t index;
	json_t *item;

	json_array_foreach(list, index, item) {
		const char *text = json_is_string(item) ? json_string_value(item) : "";
		uint32_t token = 0;
		int r;

		/* "SCMP_ARCH_X86_64" -> "x86_64", the name libseccomp resolves */
		if (strncmp(text, "SCMP_ARCH_", 10) == 0 && strlen(text + 10) < sizeof(name)) {
			for (size_t i = 0; i <= strlen(text + 10); i++)
				name[i] = (char)(text[10 + i] >= 'A' && text[10 + i] <= 'Z'
				                         ? text[10 + i] - 'A' + 'a'
				                         : text[10 + i]);
			token = seccomp_arch_resolve_name(name);
		}
		if (token == 0)
			return error_set(err, EINVAL, "architectures: unknown \"%s\"", text);
		r = seccomp_arch_add(filter, token);
		if (r < 0 && r != -EEXIST &&
		        r != -EDOM) /* EDOM: another byte order, which this kernel does not run */
			return error_errno(err, -r, "architecture %s", text);
	}
	return 0;
}

static int export_filter(scmp_filter_ctx filter, struct sock_filter **ret_filters, size_t *ret_count)
{
	cleanup_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	cleanup_free struct sock_filter *filters = NULL;
	struct stat status;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(filter, fd);
	if (r < 0)
		return r;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size <= 0 || (size_t)status.st_size % sizeof(*filters) ||
	        (size_t)status.st_size / sizeof(*filters) > BPF_MAXINSNS)
		return -E2BIG;
	filters = malloc((size_t)status.st_size);
	if (!filters)
		return -ENOMEM;
	if (pread(fd, filters, (size_t)status.st_size, 0) != status.st_size)
		return -EIO;
	*ret_count = (size_t)status.st_size / sizeof(*filters);
	*ret_filters = steal_ptr(filters);
	return 0;
}

static int fill(
        scmp_filter_ctx filter, const json_t *profile, uint32_t default_action, struct baton_error *err)
{
	const json_t *architectures = NULL;
	const json_t *list = NULL;
	size_t rules = 0;
	size_t index;
	json_t *rule;
	int r = spec_member(profile, "architectures", JSON_ARRAY, &architectures, err);

	if (r == 0)
		r = spec_member(profile, "syscalls", JSON_ARRAY, &list, err);
	if (r == 0)
		r = add_architectures(filter, architectures, err);
	if (r < 0)
		return r;
	json_array_foreach(list, index, rule) {
		r = add_rule(filter, rule, default_action, &rules, err);
		if (r < 0)
			return error_prefix(err, "syscalls[%zu]", index);
	}
	if (rules >= RULES_FOR_TREE)
		(void)seccomp_attr_set(
		        filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* without it: correct, only slower */
	return 0;
}

int seccomp_compile(
        const json_t *profile, struct sock_filter **ret_filters, size_t *ret_count, struct baton_error *err)
{
	scmp_filter_ctx filter;
	uint32_t default_action = SCMP_ACT_KILL_PROCESS;
	int r;

	if (!spec_is_empty(json_object_get(profile, "flags")) ||
	        !spec_is_empty(json_object_get(profile, "listenerPath")))
		return error_set(err, EOPNOTSUPP, "flags and listenerPath are not supported");
	r = parse_action(profile, "defaultAction", "defaultErrnoRet", &default_action, err);
	if (r < 0)
		return r;
	filter = seccomp_init(default_action);
	if (!filter)
		return error_set(err, ENOMEM, "out of memory");
	r = fill(filter, profile, default_action, err);
	if (r == 0) {
		r = export_filter(filter, ret_filters, ret_count);
		if (r < 0)
			(void)error_errno(err, -r, "compiling the filter");
	}
	seccomp_release(filter);
	return r;
}
