/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: defaults, every key, every limit, messages that name file, line and key. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/config/config.h"

#define COPY_MAX 65536

static char directory[] = "/tmp/baton-test-config-XXXXXX";
static char file[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(file, sizeof(file), "%s/baton.conf", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove_at(AT_FDCWD, directory);
}

static void write_file(const char *name, const char *text)
{
	cleanup_close int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(dir_fd >= 0);
	assert_int_equal(file_replace_at(dir_fd, name, text, strlen(text), 0600, FILE_VOLATILE), 0);
}

static int load(const char *text, struct config *ret_config, struct baton_error *err)
{
	write_file("baton.conf", text);
	return config_load(file, ret_config, err);
}

static void load_ok(const char *text, struct config *ret_config)
{
	struct baton_error err = { 0 };

	if (load(text, ret_config, &err) < 0)
		fail_msg("%s", err.message);
}

static void assert_defaults(const struct config *config)
{
	assert_string_not_equal(config->node.name, "");
	assert_null(config->node.labels);
	assert_string_equal(config->prefix, "baton/v1");
	assert_string_equal(config->root, "/var/lib/baton");
	assert_string_equal(config->run, "/run/baton");
	assert_string_equal(config->user, "baton");
	assert_string_equal(config->cgroup_parent, "baton");
	assert_string_equal(config->log_level, "info");
	assert_int_equal(config->broker.mode, BROKER_EMBEDDED);
	assert_string_equal(config->broker.host, "localhost");
	assert_int_equal(config->broker.port, 1883);
	assert_string_equal(config->broker.socket, "/run/baton/broker.sock");
	assert_string_equal(config->broker.username, "");
	assert_string_equal(config->broker.password_file, "");
	assert_string_equal(config->broker.ca_file, "");
	assert_string_equal(config->broker.cert_file, "");
	assert_string_equal(config->broker.key_file, "");
	assert_int_equal(config->broker.keepalive_s, 10);
	assert_int_equal(config->broker.tcp_port, 0);
	assert_string_equal(config->broker.program, "/usr/sbin/mosquitto");
	assert_string_equal(config->runtimes.directory, "/usr/lib/baton/runtimes");
	assert_int_equal(strv_length(config->runtimes.enabled), 1);
	assert_string_equal(config->runtimes.enabled[0], "native");
	assert_string_equal(config->runtimes.crun_path, "/usr/bin/crun");
	assert_false(config->allow.host_network || config->allow.privileged_capabilities);
	assert_null(config->allow.bind_paths);
	assert_int_equal(config->defaults.log_max_size, CONFIG_LOG_FILE_MAX_BYTES);
	assert_int_equal(config->defaults.log_max_files, CONFIG_LOG_FILES);
	assert_int_equal(config->defaults.pids, 1024);
}

static void test_defaults(void **state)
{
	struct config config;

	(void)state;
	load_ok("", &config);
	assert_true(config.role_agent && config.role_controller);
	assert_defaults(&config);
	config_release(&config);
	assert_null(config.prefix);
}

static const char every_key[] =
        "prefix = \"fleet/a\"; root = \"/srv/b\"; run = \"/run/b\"; user = \"1234\"; cgroup_parent = "
        "\"x/y.slice\";\n"
        "log_level = \"debug\";\n"
        "node: { name = \"n-1.a\"; labels: { site = \"oslo\"; rack = \"\"; }; };\n"
        "roles: { agent = false; controller = true; };\n"
        "broker: { mode = \"external\"; host = \"mqtt.local\"; port = 8883; socket = \"/run/s\"; username = "
        "\"u\";\n"
        "  password_file = \"/p\"; ca_file = \"/a\"; cert_file = \"/c\"; key_file = \"/k\"; keepalive_s = "
        "3600L;\n"
        "  tcp_port = 65535; program = \"/m\"; };\n"
        "runtimes: { directory = \"/d\"; enabled = [ \"crun\", \"native\" ]; crun_path = \"/r\"; };\n"
        "allow: { host_network = true; privileged_capabilities = true; bind_paths = ( \"/srv\", \"/dev/x\" "
        "); };\n"
        "defaults: { log_max_size = 4096; log_max_files = 10; pids = 1; };\n";

static void test_every_key(void **state)
{
	struct config config;

	(void)state;
	load_ok(every_key, &config);
	assert_string_equal(config.prefix, "fleet/a");
	assert_string_equal(config.root, "/srv/b");
	assert_string_equal(config.run, "/run/b");
	assert_string_equal(config.user, "1234");
	assert_string_equal(config.cgroup_parent, "x/y.slice");
	assert_string_equal(config.log_level, "debug");
	assert_string_equal(config.node.name, "n-1.a");
	assert_int_equal(strv_length(config.node.labels), 2);
	assert_string_equal(config.node.labels[0], "site=oslo");
	assert_string_equal(config.node.labels[1], "rack=");
	assert_false(config.role_agent);
	assert_true(config.role_controller);
	assert_int_equal(config.broker.mode, BROKER_EXTERNAL);
	assert_string_equal(config.broker.host, "mqtt.local");
	assert_int_equal(config.broker.port, 8883);
	assert_string_equal(config.broker.socket, "/run/s");
	assert_string_equal(config.broker.username, "u");
	assert_string_equal(config.broker.password_file, "/p");
	assert_string_equal(config.broker.ca_file, "/a");
	assert_string_equal(config.broker.cert_file, "/c");
	assert_string_equal(config.broker.key_file, "/k");
	assert_int_equal(config.broker.keepalive_s, 3600);
	assert_int_equal(config.broker.tcp_port, 65535);
	assert_string_equal(config.broker.program, "/m");
	assert_string_equal(config.runtimes.directory, "/d");
	assert_int_equal(strv_length(config.runtimes.enabled), 2);
	assert_string_equal(config.runtimes.enabled[0], "crun");
	assert_string_equal(config.runtimes.crun_path, "/r");
	assert_true(config.allow.host_network && config.allow.privileged_capabilities);
	assert_int_equal(strv_length(config.allow.bind_paths), 2);
	assert_string_equal(config.allow.bind_paths[1], "/dev/x");
	assert_int_equal(config.defaults.log_max_size, 4096);
	assert_int_equal(config.defaults.log_max_files, 10);
	assert_int_equal(config.defaults.pids, 1);
	config_release(&config);
}

static const struct {
	const char *text;
	const char *complaint; /* behind "FILE" */
} wrong_table[] = {
	{ "\nprefix = ", ":2: syntax error" },
	{ "\n\nprefx = \"a\";", ":3: prefx: unknown key, did you mean \"prefix\"?" },
	{ "node: {\n nome = \"a\";\n};", ":2: node.nome: unknown key, did you mean \"node.name\"?" },
	{ "port = 1;", ":1: port: unknown key, did you mean \"broker.port\"?" },
	{ "completely_different_thing = 1;", ":1: completely_different_thing: unknown key" },
	{ "brokr: { port = 1; };", ":1: brokr: unknown key" },
	{ "node = 1;", ":1: node: unknown key" },
	{ "node: { name: { a = 1; }; };", ":1: node.name: must be text in double quotes" },
	{ "node: { labels: { a: { b = \"c\"; }; }; };", ":1: node.labels: every item must be text" },
	{ "node: { labels = [ \"a\" ]; };", ":1: node.labels: must be a group" },
	{ "prefix = 1;", ":1: prefix: must be text" },
	{ "prefix = \"\";", ":1: prefix: must not be empty" },
	{ "prefix = \"a/+/b\";", ":1: prefix: must not hold \"+\"" },
	{ "prefix = \"a//b\";", ":1: prefix: must not have empty levels" },
	{ "prefix = \"/a\";", ":1: prefix: must not have empty levels" },
	{ "prefix = \"$SYS\";", ":1: prefix: must not begin with \"$\"" },
	{ "root = \"relative\";", ":1: root: must be an absolute path" },
	{ "root = \"/\";", ":1: root: must have 2 bytes or more" },
	{ "root = \"/a/../b\";", ":1: root: must not hold \"..\"" },
	{ "run = \"/a\\nlistener 1\";", ":1: run: must not hold control characters" },
	{ "cgroup_parent = \"../x\";", ":1: cgroup_parent: must not hold \"..\"" },
	{ "cgroup_parent = \"/x\";", ":1: cgroup_parent: is relative" },
	{ "log_level = \"loud\";",
	        ":1: log_level: must be one of \"error\", \"warning\", \"info\", \"debug\"" },
	{ "node: { name = \"Upper\"; };", ":1: node.name: must begin with a lower-case letter or a digit" },
	{ "node: { name = \"a/b\"; };", ":1: node.name: may hold" },
	{ "roles: { agent = 1; };", ":1: roles.agent: must be true or false" },
	{ "roles: { agent = false; controller = false; };", ": roles: agent, controller or both" },
	{ "broker: { mode = \"both\"; };", ":1: broker.mode: must be one of \"external\", \"embedded\"" },
	{ "broker: { port = 0; };", ":1: broker.port: must be 1 to 65535" },
	{ "broker: { port = 65536; };", ":1: broker.port: must be 1 to 65535" },
	{ "broker: { port = 4294968179L; };", ":1: broker.port: must be 1 to 65535" },
	{ "broker: { port = 99999999999999999999; };", ":1: broker.port: must be 1 to 65535" },
	{ "broker: { port = 1.5; };", ":1: broker.port: must be a whole number" },
	{ "broker: { port = \"1883\"; };", ":1: broker.port: must be a whole number" },
	{ "broker: { keepalive_s = 4; };", ":1: broker.keepalive_s: must be 5 to 3600" },
	{ "broker: { keepalive_s = 3601; };", ":1: broker.keepalive_s: must be 5 to 3600" },
	{ "broker: { tcp_port = -1; };", ":1: broker.tcp_port: must be 0 to 65535" },
	{ "broker: { cert_file = \"/c\"; };", ": broker: cert_file and key_file need each other" },
	{ "broker: { cert_file = \"/c\"; key_file = \"/k\"; };", ": broker: cert_file needs ca_file" },
	{ "broker: { mode = \"external\"; host = \"\"; };", ": broker: host or socket must be set" },
	{ "runtimes: { enabled = [ ]; };", ": runtimes.enabled: an agent needs a runtime" },
	{ "runtimes: { enabled = [ \"../evil\" ]; };", ":1: runtimes.enabled: must begin with" },
	{ "runtimes: { enabled = ( 1 ); };", ":1: runtimes.enabled: every item must be text" },
	{ "allow: { bind_paths = [ \"/\" ]; };", ":1: allow.bind_paths: must have 2 bytes or more" },
	{ "defaults: { log_max_files = 11; };", ":1: defaults.log_max_files: must be 1 to 10" },
	{ "defaults: { log_max_size = 4095; };", ":1: defaults.log_max_size: must be 4096 to" },
	{ "defaults: { pids = 0; };", ":1: defaults.pids: must be 1 to" },
	{ "prefix = \"a\"; prefix = \"b\";", ":1: duplicate setting name" },
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(wrong_table); i++) {
		struct config config = { .prefix = file };
		struct baton_error err = { 0 };
		char expected[256];

		(void)snprintf(expected, sizeof(expected), "%s%s", file, wrong_table[i].complaint);
		if (load(wrong_table[i].text, &config, &err) >= 0)
			fail_msg("accepted: %s", wrong_table[i].text);
		if (strncmp(err.message, expected, strlen(expected)) != 0)
			fail_msg("\"%s\" instead of \"%s\"", err.message, expected);
		assert_ptr_equal(config.prefix, file); /* outputs only on success */
	}
}

/* Length limits of texts, at the maximum and one above. */
static void test_lengths(void **state)
{
	static const struct {
		const char *format; /* %s: filling */
		size_t max;         /* of the filling */
	} rows[] = {
		{ "prefix = \"%s\";", 63 },
		{ "root = \"/%s\";", 1022 },
		{ "user = \"%s\";", 255 },
		{ "node: { name = \"%s\"; };", 63 },
		{ "node: { labels: { a = \"%s\"; }; };", 255 },
		{ "broker: { socket = \"/%s\"; };", 106 },
		{ "run = \"/%s\";",
		        107 - sizeof("//broker.sock") + 1 }, /* its default must fit into sun_path */
		{ "runtimes: { enabled = [ \"%s\" ]; };", 63 },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		for (size_t over = 0; over <= 1; over++) {
			cleanup_free char *filling = calloc(1, rows[i].max + over + 1);
			cleanup_free char *text = NULL;
			struct config config;
			int r;

			assert_non_null(filling);
			memset(filling, 'x', rows[i].max + over);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			assert_true(asprintf(&text, rows[i].format, filling) > 0);
#pragma GCC diagnostic pop
			r = load(text, &config, NULL);
			assert_int_equal(r, over ? -EINVAL : 0);
			if (r == 0)
				config_release(&config);
		}
	}
}

static void test_many_items(void **state)
{
	(void)state;
	for (unsigned count = 64; count <= 65; count++) {
		cleanup_buf struct buf text = { .data = NULL };
		struct config config;
		struct baton_error err = { 0 };
		int r;

		buf_init(&text, COPY_MAX);
		assert_int_equal(buf_appendf(&text, "allow: { bind_paths = [ \"/a\""), 0);
		for (unsigned i = 1; i < count; i++)
			assert_int_equal(buf_appendf(&text, ", \"/a\""), 0);
		assert_int_equal(buf_appendf(&text, " ]; };"), 0);
		r = load(text.data, &config, &err);
		assert_int_equal(r, count == 64 ? 0 : -EINVAL);
		if (r == 0)
			config_release(&config);
		else
			assert_non_null(strstr(err.message, "more than 64 items"));
	}
}

/* An error in an included file names that file. */
static void test_include(void **state)
{
	char path[64];
	char text[128];
	struct config config;
	struct baton_error err = { 0 };

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/more.conf", directory);
	(void)snprintf(text, sizeof(text), "@include \"%s\"\n", path);
	write_file("more.conf", "\nprefix = 5;\n");
	assert_int_equal(load(text, &config, &err), -EINVAL);
	(void)snprintf(text, sizeof(text), "%s:2: prefix: must be text in double quotes", path);
	assert_string_equal(err.message, text);
}

static void test_not_a_file(void **state)
{
	struct config config;
	struct baton_error err = { 0 };
	char path[64];

	(void)state;
	assert_int_equal(config_load(directory, &config, &err), -EINVAL);
	(void)snprintf(path, sizeof(path), "%s/absent", directory);
	assert_int_equal(config_load(path, &config, &err), -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(config_load(path, &config, &err), -EINVAL); /* and does not wait for a writer */
	assert_int_equal(config_load("/dev/zero", &config, &err), -EINVAL);
	write_file("baton.conf", "");
	assert_int_equal(truncate(file, (1 << 20) + 1), 0);
	assert_int_equal(config_load(file, &config, &err), -EFBIG);
}

static char *read_stream(int (*write)(FILE *out))
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	assert_int_equal(write(out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* The example as written sets nothing; with every "#" before a key removed it is a valid file too. */
static void test_example(void **state)
{
	cleanup_free char *text = read_stream(config_write_example);
	struct config config;
	unsigned keys = 0;

	(void)state;
	load_ok(text, &config);
	assert_defaults(&config);
	config_release(&config);
	for (char *c = text; *c; c++) {
		if (*c != '#' || c[1] == ' ' || (c > text && c[-1] != '\n' && c[-1] != '\t'))
			continue;
		*c = ' ';
		keys++;
	}
	load_ok(text, &config);
	assert_int_equal(keys, 31);
	assert_string_equal(config.node.name, "gateway-1");
	assert_int_equal(strv_length(config.runtimes.enabled), 2);
	config_release(&config);
}

static void test_markdown(void **state)
{
	cleanup_free char *text = read_stream(config_write_markdown);
	unsigned lines = 0;

	(void)state;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 31 + 2);
	assert_non_null(strstr(text, "\n| `broker.keepalive_s` | number | `10` | 5 to 3600 | "));
}

static void test_full_disk(void **state)
{
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(out);
	assert_int_equal(config_write_example(out), -EIO);
	(void)fclose(out); /* its failure is the point */
}

static int resolve(const char *user, uint32_t *uid, uint32_t *gid, struct baton_error *err)
{
	char copy[64];
	struct config config = { .user = copy };

	(void)snprintf(copy, sizeof(copy), "%s", user);
	return config_user(&config, uid, gid, err);
}

static void test_user(void **state)
{
	struct passwd *nobody = getpwnam("nobody");
	uint32_t uid = 0;
	uint32_t gid = 0;
	struct baton_error err;

	(void)state;
	assert_non_null(nobody);
	assert_int_equal(resolve("1234", &uid, &gid, &err), 0);
	assert_int_equal(uid, 1234);
	assert_int_equal(gid, 1234);
	assert_int_equal(resolve("nobody", &uid, &gid, &err), 0);
	assert_int_equal(uid, nobody->pw_uid);
	assert_int_equal(gid, nobody->pw_gid);
	assert_int_equal(resolve("2147483647", &uid, &gid, &err), 0);
	assert_int_equal(resolve("2147483648", &uid, &gid, &err), -ERANGE);
	assert_int_equal(resolve("18446744073709551617", &uid, &gid, &err), -ERANGE);
	assert_int_equal(resolve("0", &uid, &gid, &err), -EINVAL);
	assert_int_equal(resolve("root", &uid, &gid, &err), -EINVAL);
	assert_int_equal(resolve("-1", &uid, &gid, &err), -ENOENT);
	assert_int_equal(resolve("0x10", &uid, &gid, &err), -ENOENT);
	assert_int_equal(resolve("no-such-user-of-baton", &uid, &gid, &err), -ENOENT);
	assert_int_equal(uid, 2147483647);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_many_items),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_not_a_file),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_markdown),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_user),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
