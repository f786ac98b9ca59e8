/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles that mean what they say: the program is loaded, in a child, and asked. */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "plugins/native/seccomp.h"

#define NOT_LOADED 200

/* ' stands for ". */
static json_t *load(const char *quoted)
{
	cleanup_free char *text = strdup(quoted);
	json_t *value;

	assert_non_null(text);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	value = json_loads(text, 0, NULL);
	assert_non_null(value);
	return value;
}

/* errno of call `number` with one argument under the profile, 0 for success, negative signal. */
static int outcome(const char *quoted, long number, long argument)
{
	cleanup_json json_t *profile = load(quoted);
	cleanup_free struct sock_filter *filters = NULL;
	struct baton_error err = { 0 };
	struct sock_fprog program;
	size_t count = 0;
	int status;
	pid_t pid;

	if (seccomp_compile(profile, &filters, &count, &err) < 0)
		fail_msg("%s: %s", quoted, err.message);
	assert_true(count > 0 && count <= BPF_MAXINSNS);
	program = (struct sock_fprog){ .len = (unsigned short)count, .filter = filters };
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
			_exit(NOT_LOADED);
		/* Not _exit(3): a sanitizer's looks for leaks first, by calls that the filter may deny. */
		(void)syscall(SYS_exit_group, syscall(number, argument) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == NOT_LOADED);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_errno(void **state)
{
	static const char profile[] =
	        "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': ["
	        " {'names': ['personality', 'no_such_call'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 38},"
	        " {'names': ['umask'], 'action': 'SCMP_ACT_ERRNO'}]}";

	(void)state;
	assert_int_equal(outcome(profile, SYS_personality, 0), ENOSYS);
	assert_int_equal(outcome(profile, SYS_umask, 0), EPERM);
	assert_int_equal(outcome(profile, SYS_getpid, 0), 0);
}

static void test_default_action(void **state)
{
	static const char profile[] =
	        "{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 95, 'syscalls': ["
	        " {'names': ['exit', 'exit_group', 'getpid', 'gettid', 'rt_sigprocmask'],"
	        "  'action': 'SCMP_ACT_ALLOW'}]}";

	(void)state;
	assert_int_equal(outcome(profile, SYS_getpid, 0), 0);
	assert_int_equal(outcome(profile, SYS_umask, 0), EOPNOTSUPP);
}

static void test_kill(void **state)
{
	static const char profile[] = "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': ["
	                              " {'names': ['umask'], 'action': 'SCMP_ACT_KILL_PROCESS'}]}";

	(void)state;
	assert_int_equal(outcome(profile, SYS_umask, 0), -SIGSYS);
}

/* How the default profile forbids new namespaces: a mask over the flags. */
static void test_masked_argument(void **state)
{
	static const char profile[] =
	        "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['unshare'],"
	        " 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 95, 'args': [{'index': 0, 'value': 67108864,"
	        " 'valueTwo': 67108864, 'op': 'SCMP_CMP_MASKED_EQ'}]}]}";

	(void)state;
	assert_int_equal(CLONE_NEWUTS, 67108864);
	assert_int_equal(outcome(profile, SYS_unshare, CLONE_NEWUTS), EOPNOTSUPP);
	assert_int_equal(outcome(profile, SYS_unshare, CLONE_NEWUTS | CLONE_FS), EOPNOTSUPP);
	assert_int_equal(outcome(profile, SYS_unshare, CLONE_FS), 0);
}

static void test_every_operator(void **state)
{
	static const struct {
		const char *op;
		bool below; /* what it says of 7, 8 and 9 when it compares with 8 */
		bool equal;
		bool above;
	} rows[] = {
		{ "SCMP_CMP_NE", true, false, true },
		{ "SCMP_CMP_LT", true, false, false },
		{ "SCMP_CMP_LE", true, true, false },
		{ "SCMP_CMP_EQ", false, true, false },
		{ "SCMP_CMP_GE", false, true, true },
		{ "SCMP_CMP_GT", false, false, true },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		char profile[256];

		(void)snprintf(profile, sizeof(profile),
		        "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['umask'], 'action': "
		        "'SCMP_ACT_ERRNO', 'args': [{'index': 0, 'value': 8, 'op': '%s'}]}]}",
		        rows[i].op);
		assert_int_equal(outcome(profile, SYS_umask, 7), rows[i].below ? EPERM : 0);
		assert_int_equal(outcome(profile, SYS_umask, 8), rows[i].equal ? EPERM : 0);
		assert_int_equal(outcome(profile, SYS_umask, 9), rows[i].above ? EPERM : 0);
	}
}

/* Enough rules for the tree, which must mean the same. */
static void test_tree(void **state)
{
	static const char profile[] =
	        "{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86',"
	        " 'SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'], 'syscalls': [{'names': ['umask', 'mkdir', 'mkdirat',"
	        " 'rmdir', 'mknod', 'mknodat', 'chroot', 'acct', 'swapon', 'swapoff', 'personality'],"
	        " 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 42}]}";

	(void)state;
	assert_int_equal(outcome(profile, SYS_umask, 0), 42);
	assert_int_equal(outcome(profile, SYS_personality, 0), 42);
	assert_int_equal(outcome(profile, SYS_getpid, 0), 0);
}

static void test_refused(void **state)
{
	static const struct {
		const char *profile;
		int code;
		const char *word;
	} faults[] = {
		{ "{}", EINVAL, "defaultAction" },
		{ "{'defaultAction': 'ALLOW'}", EINVAL, "defaultAction" },
		{ "{'defaultAction': 'SCMP_ACT_NOTIFY'}", EINVAL, "SCMP_ACT_NOTIFY" },
		{ "{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': 4096}", EINVAL, "defaultErrnoRet" },
		{ "{'defaultAction': 'SCMP_ACT_ERRNO', 'defaultErrnoRet': -1}", EINVAL, "defaultErrnoRet" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': ['SECCOMP_FILTER_FLAG_LOG']}", EOPNOTSUPP,
		        "flags" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'flags': 'LOG'}", EOPNOTSUPP, "flags" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'listenerPath': '/x'}", EOPNOTSUPP, "listenerPath" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': ['x86_64']}", EINVAL, "x86_64" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': [5]}", EINVAL, "architectures" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'architectures': 'SCMP_ARCH_X86'}", EINVAL,
		        "architectures" },
		/* What would be a profile without its rules. */
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': {'names': ['umask']}}", EINVAL,
		        "syscalls" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [5]}", EINVAL, "syscalls[0]" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': 'umask', 'action': "
		  "'SCMP_ACT_ERRNO'}]}",
		        EINVAL, "names" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['umask'], 'action': "
		  "'SCMP_ACT_ERRNO', 'args': {'index': 0}}]}",
		        EINVAL, "args" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['umask'], 'action': "
		  "'SCMP_ACT_ERRNO', 'args': [{'index': 6, 'op': 'SCMP_CMP_EQ'}]}]}",
		        EINVAL, "index" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['umask'], 'action': "
		  "'SCMP_ACT_ERRNO', 'args': [{'index': 0, 'value': '8', 'op': 'SCMP_CMP_EQ'}]}]}",
		        EINVAL, "value" },
		{ "{'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['umask'], 'action': "
		  "'SCMP_ACT_ERRNO', 'args': [{'index': 0, 'value': 8, 'op': '=='}]}]}",
		        EINVAL, "==" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(faults); i++) {
		cleanup_json json_t *profile = load(faults[i].profile);
		struct sock_filter *filters = NULL;
		struct baton_error err = { 0 };
		size_t count = 77;
		int r = seccomp_compile(profile, &filters, &count, &err);

		if (r != -faults[i].code || !strstr(err.message, faults[i].word))
			fail_msg("%s: %d, \"%s\"", faults[i].profile, r, r < 0 ? err.message : "");
		assert_null(filters);
		assert_int_equal(count, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_default_action),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_masked_argument),
		cmocka_unit_test(test_every_operator),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
