/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "tests/unit/native/sample.h"

static void test_namespaces(void **state)
{
	struct spec spec = sample_accepted("linux.namespaces",
	        "[{'type': 'mount'}, {'type': 'network', 'path': '/run/netns/x'}, {'type': 'uts'}]");

	(void)state;
	assert_true(spec.new_namespace[NS_MOUNT] && spec.new_namespace[NS_UTS]);
	assert_false(spec.new_namespace[NS_PID] || spec.new_namespace[NS_NETWORK]);
	assert_string_equal(spec.namespace_path[NS_NETWORK], "/run/netns/x");
	spec_release(&spec);
}

static void test_sysctls(void **state)
{
	struct spec spec = sample_accepted("linux.sysctl",
	        "{'net.ipv4.ip_forward': '1', 'kernel.sem': '1 2 3 4', 'fs.mqueue.msg_max': '=.'}");

	(void)state;
	assert_int_equal(strv_length(spec.sysctls), 3);
	assert_true(strv_contains(spec.sysctls, "net/ipv4/ip_forward=1"));
	assert_true(strv_contains(spec.sysctls, "kernel/sem=1 2 3 4"));
	assert_true(strv_contains(spec.sysctls, "fs/mqueue/msg_max==.")); /* only the name is a path */
	spec_release(&spec);
}

static void test_sysctl_needs_its_namespace(void **state)
{
	static const char *const values[] = {
		"{'namespaces':[{'type':'mount'}],'sysctl':{'net.x':'1'}}",
		"{'namespaces':[{'type':'mount'},{'type':'network','path':'/n'}],'sysctl':{'net.x':'1'}}",
		"{'namespaces':[{'type':'mount'},{'type':'uts'}],'sysctl':{'kernel.sem':'1'}}",
		"{'namespaces':[{'type':'mount'},{'type':'ipc'}],'sysctl':{'kernel.domainname':'x'}}",
	};

	(void)state;
	for (size_t i = 0; i < array_size(values); i++)
		sample_refused("linux", values[i], EINVAL, "sysctl");
}

static void test_devices(void **state)
{
	struct spec spec = sample_accepted("linux.devices",
	        "[{'path': '/dev/a', 'type': 'c', 'major': 10, 'minor': 200, 'fileMode': 420, 'uid': 5, "
	        "'gid': 6},"
	        " {'path': '/dev/b', 'type': 'b', 'major': 4095, 'minor': 1048575},"
	        " {'path': '/dev/p', 'type': 'p'}, {'path': '/dev/u', 'type': 'u', 'major': 1, 'minor': 3}]");

	(void)state;
	assert_int_equal(spec.n_devices, 4);
	assert_string_equal(spec.devices[0].path, "a");
	assert_int_equal(spec.devices[0].mode, S_IFCHR | 0644);
	assert_true(spec.devices[0].device == makedev(10, 200));
	assert_int_equal(spec.devices[0].uid, 5);
	assert_int_equal(spec.devices[1].mode, S_IFBLK | 0666);
	assert_true(spec.devices[1].device == makedev(4095, 1048575));
	assert_true(S_ISFIFO(spec.devices[2].mode));
	assert_true(S_ISCHR(spec.devices[3].mode));
	spec_release(&spec);
}

static void test_paths(void **state)
{
	struct spec spec = sample_accepted("linux.maskedPaths", "['/proc/kcore', '/a..b']");

	(void)state;
	assert_int_equal(strv_length(spec.masked_paths), 2);
	assert_int_equal(strv_length(spec.readonly_paths), 0);
	spec_release(&spec);
}

static void test_refused(void **state)
{
	static const struct sample_fault faults[] = {
		{ "linux.namespaces", "[]", EOPNOTSUPP, "mount namespace" },
		{ "linux.namespaces", "{}", EINVAL, "namespaces" },
		{ "linux.namespaces", "[{'type': 'pid'}]", EOPNOTSUPP, "mount namespace" },
		{ "linux.namespaces", "[{'type': 'mount'}, {'type': 'user'}]", EOPNOTSUPP, "user" },
		{ "linux.namespaces", "[{'type': 'mount'}, {'type': 'time'}]", EOPNOTSUPP, "time" },
		{ "linux.namespaces", "[{'type': 'mount'}, 5]", EOPNOTSUPP, "namespaces" },
		{ "linux.namespaces", "[{'type': 'mount', 'path': '/proc/1/ns/mnt'}]", EOPNOTSUPP,
		        "joining" },
		{ "linux.namespaces", "[{'type': 'mount'}, {'type': 'pid', 'path': '/x'}]", EOPNOTSUPP,
		        "joining" },
		/* config-linux.md: a duplicate is an error; the last one would win without a word. */
		{ "linux.namespaces", "[{'type': 'mount'}, {'type': 'network'}, {'type': 'network'}]", EINVAL,
		        "twice" },
		{ "linux.namespaces",
		        "[{'type': 'mount'}, {'type': 'network'}, {'type': 'network', 'path': "
		        "'/proc/1/ns/net'}]",
		        EINVAL, "twice" },
		{ "linux.seccomp", "[]", EINVAL, "seccomp" },
		{ "linux.seccomp", "'default'", EINVAL, "seccomp" },
		{ "linux.seccomp", "true", EINVAL, "seccomp" },
		{ "linux.sysctl", "[]", EINVAL, "sysctl" },
		{ "linux.sysctl", "{'kernel.core_pattern': 'x'}", EINVAL, "core_pattern" },
		{ "linux.sysctl", "{'kernel.semx': 'x'}", EINVAL, "semx" },
		{ "linux.sysctl", "{'kernel.sem.x': 'x'}", EINVAL, "sem.x" },
		{ "linux.sysctl", "{'network.x': 'x'}", EINVAL, "network.x" },
		{ "linux.sysctl", "{'net...kernel.x': 'x'}", EINVAL, "sysctl" },
		{ "linux.sysctl", "{'net/../kernel/x': 'x'}", EINVAL, "sysctl" },
		{ "linux.sysctl", "{'net.a=1+b': 'x'}", EINVAL, "sysctl" },
		{ "linux.sysctl", "{'kernel.sem': '1\\n2'}", EINVAL, "sysctl" },
		{ "linux.sysctl", "{'kernel.sem': 1}", EINVAL, "sysctl" },
		{ "linux.sysctl", "{'': '1'}", EINVAL, "sysctl" },
		{ "linux.devices", "{}", EINVAL, "devices" },
		{ "linux.devices", "[5]", EINVAL, "devices" },
		{ "linux.devices", "[{'path': '/dev/', 'type': 'c'}]", EINVAL, "/dev" },
		{ "linux.devices", "[{'path': '/dev/.', 'type': 'c'}]", EINVAL, "/dev" },
		{ "linux.devices", "[{'path': '/dev/..', 'type': 'c'}]", EINVAL, ".." },
		{ "linux.devices", "[{'path': '/dev/a/b', 'type': 'c'}]", EINVAL, "/dev" },
		{ "linux.devices", "[{'path': '/etc/x', 'type': 'c'}]", EINVAL, "/dev" },
		{ "linux.devices", "[{'path': '/dev/x'}]", EINVAL, "type" },
		{ "linux.devices", "[{'path': '/dev/x', 'type': 'cc'}]", EINVAL, "type" },
		{ "linux.devices", "[{'path': '/dev/x', 'type': 's'}]", EINVAL, "type" },
		{ "linux.devices", "[{'path': '/dev/x', 'type': 'c', 'major': 4096}]", EINVAL, "major" },
		{ "linux.devices", "[{'path': '/dev/x', 'type': 'c', 'minor': -1}]", EINVAL, "minor" },
		{ "linux.devices", "[{'path': '/dev/x', 'type': 'c', 'fileMode': 2541}]", EINVAL,
		        "fileMode" },
		{ "linux.devices", "[{'path': '/dev/x', 'type': 'c', 'uid': 2147483648}]", EINVAL, "uid" },
		{ "linux.maskedPaths", "'/proc/kcore'", EINVAL, "maskedPaths" },
		{ "linux.maskedPaths", "['proc']", EINVAL, "maskedPaths" },
		{ "linux.readonlyPaths", "['/proc/../sys']", EINVAL, "readonlyPaths" },
		{ "linux.rootfsPropagation", "'shared'", EOPNOTSUPP, "rootfsPropagation" },
		{ "linux.rootfsPropagation", "'slave'", EOPNOTSUPP, "rootfsPropagation" },
		{ "linux.uidMappings", "[{'size': 1}]", EOPNOTSUPP, "uidMappings" },
		{ "linux.gidMappings", "'0:0:1'", EOPNOTSUPP, "gidMappings" },
		{ "linux.intelRdt", "{'closID': 'x'}", EOPNOTSUPP, "intelRdt" },
		{ "linux.timeOffsets", "{'monotonic': {'secs': 1}}", EOPNOTSUPP, "timeOffsets" },
		{ "linux.personality", "{'domain': 'LINUX32'}", EOPNOTSUPP, "personality" },
		{ "linux.mountLabel", "'x'", EOPNOTSUPP, "mountLabel" },
	};

	(void)state;
	sample_all_refused(faults, array_size(faults));
}

static void test_hostname_needs_its_namespace(void **state)
{
	static const char *const names[] = { "hostname", "domainname" };
	static const char text[] =
	        "{\"ociVersion\":\"1.0\",\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"x\"]},"
	        "\"%s\":\"box\",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}%s]}}";
	char config[256];
	struct baton_error err;
	struct spec spec;

	(void)state;
	for (size_t i = 0; i < array_size(names); i++) {
		(void)snprintf(config, sizeof(config), text, names[i], ",{\"type\":\"uts\"}");
		assert_int_equal(spec_parse(config, strlen(config), "/b", &spec, &err), 0);
		assert_string_equal(i == 0 ? spec.hostname : spec.domainname, "box");
		spec_release(&spec);
		/* Else it would be the host's name that changes. */
		(void)snprintf(config, sizeof(config), text, names[i], "");
		assert_int_equal(spec_parse(config, strlen(config), "/b", &spec, &err), -EINVAL);
		assert_non_null(strstr(err.message, "uts"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_sysctl_needs_its_namespace),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostname_needs_its_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
