/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader of runtime plugins takes, and what it refuses. The plugins are made of fake_plugin.c. */
#include "core/supervisor/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define OTHER_USER 61234

struct fixture {
	char path[64];
	char plugins[96];
	int plugins_fd;
	struct plugin_place place;
	struct event_base *base;
	struct plugin *plugin;
	struct baton_error err;
};

/* Plugins lie beside this program, wherever that is. */
static int open_folder(void)
{
	char path[PATH_MAX] = "";

	assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	*strrchr(path, '/') = '\0';
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The plugin that CMake made as `built`, installed as `name`. */
static void install(const struct fixture *fixture, const char *built, const char *name)
{
	cleanup_close int folder_fd = open_folder();
	cleanup_free char *data = NULL;
	char path[64];
	size_t length;

	(void)snprintf(path, sizeof(path), "fake_plugin_%s.so", built);
	assert_int_equal(file_read_at(folder_fd, path, 1 << 20, &data, &length), 0);
	(void)snprintf(path, sizeof(path), "%s.so", name);
	assert_int_equal(file_replace_at(fixture->plugins_fd, path, data, length, 0755, FILE_VOLATILE), 0);
}

static int load(struct fixture *fixture, const char *name)
{
	plugin_free(fixture->plugin);
	fixture->plugin = NULL;
	fixture->err = (struct baton_error){ 0 };
	return plugin_load(fixture->base, name, &fixture->place, &fixture->plugin, &fixture->err);
}

static void assert_refused(struct fixture *fixture, const char *name, int code, const char *why)
{
	assert_int_equal(load(fixture, name), code);
	assert_null(fixture->plugin);
	if (!strstr(fixture->err.message, why))
		fail_msg("\"%s\" does not say \"%s\"", fixture->err.message, why);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/baton-plugin-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	(void)snprintf(fixture->plugins, sizeof(fixture->plugins), "%s/plugins", fixture->path);
	assert_return_code(mkdir(fixture->plugins, 0755), errno);
	fixture->plugins_fd = open(fixture->plugins, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture->place = (struct plugin_place){
		.directory = fixture->plugins,
		.run = fixture->path,
		.root = fixture->path,
		.crun_path = "/usr/bin/crun",
	};
	fixture->base = event_base_new();
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	plugin_free(fixture->plugin);
	event_base_free(fixture->base);
	close_fd(&fixture->plugins_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, fixture->path), 0);
	free(fixture);
	return 0;
}

static void test_a_good_one_is_loaded(void **state)
{
	struct fixture *fixture = *state;

	install(fixture, "one", "one");
	assert_int_equal(load(fixture, "one"), 0);
	assert_string_equal(fixture->plugin->runtime->name, "one");
	assert_non_null(fixture->plugin->instance);
}

/* dlopen(3) gives the same object again for the same path, and a path of a descriptor is soon that of another
 * file. */
static void test_two_are_two(void **state)
{
	struct fixture *fixture = *state;
	struct plugin *second = NULL;

	install(fixture, "one", "one");
	install(fixture, "two", "two");
	assert_int_equal(load(fixture, "one"), 0);
	assert_int_equal(plugin_load(fixture->base, "two", &fixture->place, &second, &fixture->err), 0);
	assert_string_equal(second->runtime->name, "two");
	plugin_free(second);
}

static void test_others_must_not_write(void **state)
{
	static const mode_t modes[] = { 0775, 0757, 0777 };
	struct fixture *fixture = *state;

	install(fixture, "one", "one");
	for (size_t i = 0; i < array_size(modes); i++) {
		assert_return_code(fchmodat(fixture->plugins_fd, "one.so", modes[i], 0), errno);
		assert_refused(fixture, "one", -EPERM, "writable by others");
	}
	assert_return_code(fchmodat(fixture->plugins_fd, "one.so", 0755, 0), errno);
	assert_return_code(fchmod(fixture->plugins_fd, 0775), errno);
	assert_refused(fixture, "one", -EPERM, "writable by others");
	assert_return_code(fchmod(fixture->plugins_fd, 0755), errno);
	assert_int_equal(load(fixture, "one"), 0);
}

static void test_owner_must_be_root(void **state)
{
	struct fixture *fixture = *state;

	if (geteuid() != 0)
		skip();
	install(fixture, "one", "one");
	assert_return_code(fchownat(fixture->plugins_fd, "one.so", OTHER_USER, OTHER_USER, 0), errno);
	assert_refused(fixture, "one", -EPERM, "must belong to root");
	assert_return_code(fchownat(fixture->plugins_fd, "one.so", 0, 0, 0), errno);
	assert_return_code(fchown(fixture->plugins_fd, OTHER_USER, OTHER_USER), errno);
	assert_refused(fixture, "one", -EPERM, "must belong to root");
}

static void test_links_are_not_followed(void **state)
{
	struct fixture *fixture = *state;

	install(fixture, "one", "real");
	assert_return_code(symlinkat("real.so", fixture->plugins_fd, "one.so"), errno);
	assert_refused(fixture, "one", -ELOOP, "one.so");
}

static void test_names(void **state)
{
	static const char *const names[] = { "", "../one", "One", "a.b",
		"abcdefghijklmnopqrstuvwxyzabcdefg" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < array_size(names); i++)
		assert_refused(fixture, names[i], -EINVAL, "is not a plugin name");
	assert_refused(fixture, "absent", -ENOENT, "absent.so");
}

static void test_tables_that_do_not_fit(void **state)
{
	struct fixture *fixture = *state;

	install(fixture, "abi", "abi");
	assert_refused(fixture, "abi", -ENOEXEC, "is for ABI version 2");
	install(fixture, "verb", "verb");
	assert_refused(fixture, "verb", -ENOEXEC, "lacks a verb");
	install(fixture, "one", "other");
	assert_refused(fixture, "other", -ENOEXEC, "calls itself \"one\"");
	install(fixture, "entry", "entry");
	assert_refused(fixture, "entry", -ENOEXEC, "has no " BATON_RUNTIME_ENTRY "()");
}

static void test_what_is_no_shared_object(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(file_replace_at(fixture->plugins_fd, "text.so", "text", 4, 0755, FILE_VOLATILE), 0);
	assert_refused(fixture, "text", -ENOEXEC, "text.so");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_good_one_is_loaded),
		TEST(test_two_are_two),
		TEST(test_others_must_not_write),
		TEST(test_owner_must_be_root),
		TEST(test_links_are_not_followed),
		TEST(test_names),
		TEST(test_tables_that_do_not_fit),
		TEST(test_what_is_no_shared_object),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
