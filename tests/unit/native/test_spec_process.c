/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "tests/unit/native/sample.h"

#define BIT(number) (UINT64_C(1) << (number))

/* "[item, item, ...]" with `count` items; free it. */
static char *list_of(const char *item, size_t count)
{
	size_t length = strlen(item) + 1;
	char *text = malloc(count * length + 3);

	assert_non_null(text);
	text[0] = '[';
	for (size_t i = 0; i < count; i++) {
		memcpy(text + 1 + i * length, item, length - 1);
		text[(i + 1) * length] = i + 1 < count ? ',' : ' ';
	}
	memcpy(text + 1 + count * length, "]", 2);
	return text;
}

static void test_everything(void **state)
{
	struct spec spec = sample_accepted("process",
	        "{'args': ['a', ''], 'env': ['A=1', 'B='], 'cwd': '/w..x/.../y', 'noNewPrivileges': true,"
	        " 'user': {'uid': 2147483647, 'gid': 5, 'umask': 7, 'additionalGids': [0, 2147483647]},"
	        " 'oomScoreAdj': -1000, 'rlimits': [{'type': 'RLIMIT_CORE', 'soft': 1, 'hard': 2}],"
	        " 'capabilities': {'bounding': ['CAP_CHOWN', 'CAP_CHECKPOINT_RESTORE'],"
	        "  'permitted': ['CAP_KILL', 'CAP_CHOWN'], 'effective': ['CAP_CHOWN'],"
	        "  'inheritable': ['CAP_KILL'], 'ambient': ['CAP_KILL']},"
	        " 'selinuxLabel': '', 'apparmorProfile': null}");

	(void)state;
	assert_int_equal(strv_length(spec.args), 2);
	assert_string_equal(spec.args[1], "");
	assert_string_equal(spec.env[1], "B=");
	assert_string_equal(spec.cwd, "/w..x/.../y");
	assert_true(spec.no_new_privileges);
	assert_int_equal(spec.uid, 2147483647);
	assert_int_equal(spec.gid, 5);
	assert_int_equal(spec.umask, 07);
	assert_int_equal(spec.n_groups, 2);
	assert_int_equal(spec.groups[1], 2147483647);
	assert_true(spec.has_oom_score_adj);
	assert_int_equal(spec.oom_score_adj, -1000);
	assert_int_equal(spec.bounding, BIT(CAP_CHOWN) | BIT(CAP_CHECKPOINT_RESTORE));
	assert_int_equal(spec.permitted, BIT(CAP_KILL) | BIT(CAP_CHOWN));
	assert_int_equal(spec.effective, BIT(CAP_CHOWN));
	assert_int_equal(spec.ambient, BIT(CAP_KILL));
	assert_int_equal(spec.rlimits[0].limit.rlim_max, 2);
	spec_release(&spec);
}

static void test_unlimited(void **state)
{
	struct spec spec = sample_accepted("process.rlimits",
	        "[{'type': 'RLIMIT_STACK', 'soft': 9223372036854775806, 'hard': 9223372036854775807}]");

	(void)state;
	assert_int_equal(spec.n_rlimits, 1);
	assert_int_equal(spec.rlimits[0].resource, RLIMIT_STACK);
	assert_int_equal(spec.rlimits[0].limit.rlim_cur, 9223372036854775806);
	assert_true(spec.rlimits[0].limit.rlim_max == RLIM_INFINITY);
	spec_release(&spec);
}

static void test_refused(void **state)
{
	static const struct sample_fault faults[] = {
		{ "process.args", NULL, EINVAL, "process.args" },
		{ "process.args", "[]", EINVAL, "process.args" },
		{ "process.args", "'/bin/true'", EINVAL, "process.args" },
		{ "process.args", "['a', 5]", EINVAL, "process.args[1]" },
		{ "process.args", "[null]", EINVAL, "process.args[0]" },
		{ "process.env", "{}", EINVAL, "process.env" },
		{ "process.cwd", "''", EINVAL, "process.cwd" },
		{ "process.cwd", "'work'", EINVAL, "process.cwd" },
		{ "process.cwd", "'/a/..'", EINVAL, "process.cwd" },
		{ "process.cwd", "'/../a'", EINVAL, "process.cwd" },
		{ "process.terminal", "true", EOPNOTSUPP, "terminal" },
		{ "process.terminal", "'yes'", EINVAL, "terminal" },
		{ "process.noNewPrivileges", "'true'", EINVAL, "noNewPrivileges" },
		{ "process.noNewPrivileges", "1", EINVAL, "noNewPrivileges" },
		{ "process.selinuxLabel", "'x'", EOPNOTSUPP, "SELinux" },
		{ "process.apparmorProfile", "5", EOPNOTSUPP, "AppArmor" },
		/* What is not understood here would be user 0. */
		{ "process.user", "'1000'", EINVAL, "user" },
		{ "process.user", "[1000, 1000]", EINVAL, "user" },
		{ "process.user.uid", "-1", EINVAL, "uid" },
		{ "process.user.uid", "2147483648", EINVAL, "uid" },
		{ "process.user.uid", "4294967296", EINVAL, "uid" },
		{ "process.user.uid", "'0'", EINVAL, "uid" },
		{ "process.user.uid", "1.0", EINVAL, "uid" },
		{ "process.user.uid", "null", EINVAL, "uid" },
		{ "process.user.gid", "-1", EINVAL, "gid" },
		{ "process.user.umask", "512", EINVAL, "umask" },
		{ "process.user.additionalGids", "5", EINVAL, "additionalGids" },
		{ "process.user.additionalGids", "[1, -1]", EINVAL, "additionalGids[1]" },
		{ "process.user.additionalGids", "['1']", EINVAL, "additionalGids[0]" },
		{ "process.capabilities", "'ALL'", EINVAL, "capabilities" },
		{ "process.capabilities", "{'bounding': 'CAP_KILL'}", EINVAL, "bounding" },
		{ "process.capabilities", "{'bounding': ['CAP_KILL', 'KILL']}", EINVAL, "bounding[1]" },
		{ "process.capabilities", "{'bounding': ['cap_kill']}", EINVAL, "cap_kill" },
		{ "process.capabilities", "{'permitted': [5]}", EINVAL, "permitted[0]" },
		{ "process.capabilities", "{'effective': ['CAP_KILL']}", EINVAL, "within permitted" },
		{ "process.capabilities", "{'permitted': ['CAP_KILL'], 'ambient': ['CAP_KILL']}", EINVAL,
		        "inheritable" },
		{ "process.rlimits", "{'RLIMIT_CORE': 0}", EINVAL, "rlimits" },
		{ "process.rlimits", "[{'type': 'core', 'soft': 0, 'hard': 0}]", EINVAL, "core" },
		{ "process.rlimits", "[{'type': 'RLIMIT_CORE', 'soft': -1, 'hard': 0}]", EINVAL,
		        "RLIMIT_CORE" },
		{ "process.rlimits", "[5]", EINVAL, "unknown type" },
		{ "process.oomScoreAdj", "1001", EINVAL, "oomScoreAdj" },
		{ "process.oomScoreAdj", "-1001", EINVAL, "oomScoreAdj" },
		{ "process.oomScoreAdj", "'0'", EINVAL, "oomScoreAdj" },
	};

	(void)state;
	sample_all_refused(faults, array_size(faults));
}

static void check_limit(const char *path, const char *item, size_t limit)
{
	cleanup_free char *most = list_of(item, limit);
	cleanup_free char *more = list_of(item, limit + 1);
	struct spec spec = sample_accepted(path, most);

	spec_release(&spec);
	sample_refused(path, more, EINVAL, strchr(path, '.') + 1);
}

static void test_limits(void **state)
{
	(void)state;
	check_limit("process.args", "''", SPEC_LIST_MAX);
	check_limit("process.env", "''", SPEC_LIST_MAX);
	check_limit("process.user.additionalGids", "1", SPEC_GROUPS_MAX);
	check_limit("process.rlimits", "{'type': 'RLIMIT_CORE', 'soft': 0, 'hard': 0}", 16);
}

static void test_every_capability_has_its_number(void **state)
{
	struct spec spec = sample_accepted("process.capabilities",
	        "{'bounding': ['CAP_SETPCAP', 'CAP_SYS_ADMIN', 'CAP_SETFCAP', 'CAP_AUDIT_READ', 'CAP_BPF']}");

	(void)state;
	assert_int_equal(spec.bounding, BIT(8) | BIT(21) | BIT(31) | BIT(37) | BIT(39));
	spec_release(&spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_every_capability_has_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
