/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities, limits, sysctls, hosts, users, paths, and the distance of words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/model/compose_values.h"

#define X16 "xxxxxxxxxxxxxxxx"

static void test_capability(void **state)
{
	(void)state;
	assert_string_equal(value_capability("net_admin"), "NET_ADMIN");
	assert_string_equal(value_capability("CAP_SYS_ADMIN"), "SYS_ADMIN");
	assert_string_equal(value_capability("cap_checkpoint_restore"), "CHECKPOINT_RESTORE");
	assert_string_equal(value_capability("All"), "ALL");
	assert_null(value_capability(""));
	assert_null(value_capability("CAP_"));
	assert_null(value_capability("CAP_CAP_CHOWN"));
}

static void test_rlimit(void **state)
{
	(void)state;
	assert_true(value_is_rlimit("nofile"));
	assert_true(value_is_rlimit("rttime"));
	assert_false(value_is_rlimit("NOFILE"));
	assert_false(value_is_rlimit("rlimit_nofile"));
	assert_false(value_is_rlimit(""));
}

static void test_sysctl(void **state)
{
	static const char *const allowed[] = { "fs.mqueue.msg_max", "kernel.msgmax", "kernel.msgmnb",
		"kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
		"kernel.shm_rmid_forced", "kernel.domainname" };
	static const char *const refused[] = { "", "kernel.hostname", "kernel.core_pattern", "vm.swappiness",
		"fs.mqueue", "fs.mqueue.", "fs.file-max", "kernel.sem.x", "kernel.semx", "net", "net.",
		".net.a", "net..a", "net/a", "net.a/../../kernel/x", "net.a+b",
		"kernel.shm_rmid_forced+kernel.x", "net.a b", "net.a\n", "NET.a", "kernel/sem" };

	(void)state;
	for (size_t i = 0; i < array_size(allowed); i++)
		assert_int_equal(value_sysctl(allowed[i]), SYSCTL_ALLOWED);
	for (size_t i = 0; i < array_size(refused); i++) {
		if (value_sysctl(refused[i]) != SYSCTL_REFUSED)
			fail_msg("\"%s\" was allowed", refused[i]);
	}
	assert_int_equal(value_sysctl("net.ipv4.conf.eth0.forwarding"), SYSCTL_OF_NETWORK);
}

struct text {
	const char *text;
	int right;
};

static void check_texts(const char *(*check)(const char *), const struct text *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if ((check(texts[i].text) == NULL) != texts[i].right)
			fail_msg("\"%s\" was %s", texts[i].text, texts[i].right ? "refused" : "accepted");
	}
}

static void test_hostname(void **state)
{
	static const struct text texts[] = {
		{ "a", 1 },
		{ "A-1.b.c", 1 },
		{ "1", 1 },
		{ X16 X16 X16 "xxxxxxxxxxxxxxx", 1 },  /* 63: a label */
		{ X16 X16 X16 X16, 0 },                /* 64 in one label */
		{ X16 X16 X16 ".xxxxxxxxxxxxxxx", 1 }, /* 64 in all */
		{ X16 X16 X16 "." X16, 0 },
		{ "", 0 },
		{ ".", 0 },
		{ "a.", 0 },
		{ "-a", 0 },
		{ "a-", 0 },
		{ "a-.b", 0 },
		{ "a_b", 0 },
		{ "a b", 0 },
	};

	(void)state;
	check_texts(value_check_hostname, texts, array_size(texts));
}

static void test_user(void **state)
{
	static const struct text texts[] = {
		{ "0", 1 },
		{ "1000:1000", 1 },
		{ "2147483647", 1 },
		{ "2147483648", 0 },
		{ "4294967296", 0 },
		{ "18446744073709551616", 0 },
		{ "www-data", 1 },
		{ "_apt:nogroup", 1 },
		{ "a.b", 1 },
		{ "host$", 1 },
		{ "$", 0 },
		{ X16 X16, 1 },
		{ X16 X16 "x", 0 },
		{ "", 0 },
		{ ":", 0 },
		{ "a:", 0 },
		{ ":a", 0 },
		{ "a:b:c", 0 },
		{ "00", 0 },
		{ "01", 0 },
		{ "-1", 0 },
		{ "+0", 0 },
		{ "0x0", 0 },
		{ "1e3", 0 },
		{ "1a", 0 },
		{ " 0", 0 },
		{ "root ", 0 },
		{ "a/b", 0 },
	};

	(void)state;
	check_texts(value_check_user, texts, array_size(texts));
}

static void test_path(void **state)
{
	static const struct text texts[] = {
		{ "/", 1 },
		{ "/a/b", 1 },
		{ "//a//", 1 },
		{ "/...", 1 },
		{ "/.a", 1 },
		{ "/a..", 1 },
		{ "", 0 },
		{ "a", 0 },
		{ "/.", 0 },
		{ "/..", 0 },
		{ "/a/../b", 0 },
		{ "/a/./b", 0 },
		{ "/a/..", 0 },
	};

	(void)state;
	check_texts(value_check_path, texts, array_size(texts));
}

static void test_image(void **state)
{
	static const struct text texts[] = {
		{ "busybox", 1 },
		{ "registry.local:5000/a/b:1@sha256:00", 1 },
		{ "Registry/a", 1 },
		{ "", 0 },
		{ "/etc", 0 },
		{ "../a", 0 },
		{ "a b", 0 },
		{ "a\n", 0 },
	};

	(void)state;
	check_texts(value_check_image, texts, array_size(texts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capability),
		cmocka_unit_test(test_rlimit),
		cmocka_unit_test(test_sysctl),
		cmocka_unit_test(test_hostname),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
