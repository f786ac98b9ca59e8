/* SPDX-License-Identifier: Apache-2.0 */
/* A file to what is published: YAML or JSON, the name, the variables and where they come from. */
#include <errno.h>
#include <fcntl.h>
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

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/cli/manifest.h"

static char top[] = "/tmp/baton-test-manifest-XXXXXX";
static char file[80];
static int dir_fd = -1;

/* The directory's name is one that has to be made normal. */
static int setup(void **state)
{
	char directory[64];

	(void)state;
	if (!mkdtemp(top))
		return -1;
	(void)snprintf(directory, sizeof(directory), "%s/_My Shop.V2", top);
	(void)snprintf(file, sizeof(file), "%s/compose.yaml", directory);
	return mkdir(directory, 0700);
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove_at(AT_FDCWD, top);
}

static int begin(void **state)
{
	char directory[64];

	(void)state;
	(void)snprintf(directory, sizeof(directory), "%s/_My Shop.V2", top);
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 || unsetenv("COMPOSE_PROJECT_NAME") < 0 || unsetenv("V") < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	(void)unlinkat(dir_fd, ".env", 0); /* most tests have none */
	(void)unlinkat(dir_fd, ".env", AT_REMOVEDIR);
	return close(dir_fd);
}

static void write_file(const char *name, const char *text, size_t length)
{
	assert_int_equal(file_replace_at(dir_fd, name, text, length, 0600, FILE_VOLATILE), 0);
}

/* The text that is published. */
static void expect(const char *text, const char *name, const char *wanted)
{
	const struct manifest_source source = { .path = file, .name = name };
	struct manifest manifest;
	struct baton_error err = { 0 };

	write_file("compose.yaml", text, strlen(text));
	if (manifest_load(&source, &manifest, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	assert_string_equal(manifest.text, wanted);
	assert_true(json_is_object(manifest.document));
	manifest_release(&manifest);
}

static void expect_fault(const char *text, size_t length, int code, const char *reason)
{
	const struct manifest_source source = { .path = file };
	struct manifest manifest = { .name = NULL };
	struct baton_error err = { 0 };

	write_file("compose.yaml", text, length);
	assert_int_equal(manifest_load(&source, &manifest, &err), code);
	assert_null(manifest.name);
	assert_null(manifest.text);
	assert_null(manifest.document);
	if (strncmp(err.message, file, strlen(file)) != 0 || !strstr(err.message, reason))
		fail_msg("%s: \"%s\" without \"%s\"", text, err.message, reason);
}

static void names(void **state)
{
	(void)state;
	expect("a: 1", NULL, "{\"a\":1,\"name\":\"myshopv2\"}");
	expect("name: own", NULL, "{\"name\":\"own\"}");
	expect("name: own", "given", "{\"name\":\"given\"}");
	assert_int_equal(setenv("COMPOSE_PROJECT_NAME", "project", 1), 0);
	expect("a: 1", NULL, "{\"a\":1,\"name\":\"project\"}");
	expect("name: own", NULL, "{\"name\":\"own\"}");
	assert_int_equal(setenv("COMPOSE_PROJECT_NAME", "", 1), 0);
	expect("a: 1", NULL, "{\"a\":1,\"name\":\"myshopv2\"}");
	assert_int_equal(unsetenv("COMPOSE_PROJECT_NAME"), 0);
	write_file(".env", "COMPOSE_PROJECT_NAME=file", 25);
	expect("a: 1", NULL, "{\"a\":1,\"name\":\"file\"}");
}

static void names_and_variables(void **state)
{
	(void)state;
	assert_int_equal(setenv("V", "v1", 1), 0);
	expect("name: shop-${V}\na: $COMPOSE_PROJECT_NAME", NULL, "{\"a\":\"shop-v1\",\"name\":\"shop-v1\"}");
	expect("a: ${COMPOSE_PROJECT_NAME}", "given", "{\"a\":\"given\",\"name\":\"given\"}");
	expect("a: ${COMPOSE_PROJECT_NAME}", NULL, "{\"a\":\"myshopv2\",\"name\":\"myshopv2\"}");
}

static void variables(void **state)
{
	(void)state;
	write_file(".env", "V=file\n", 7);
	expect("a: $V", NULL, "{\"a\":\"file\",\"name\":\"myshopv2\"}");
	assert_int_equal(setenv("V", "environment", 1), 0);
	expect("a: $V", NULL, "{\"a\":\"environment\",\"name\":\"myshopv2\"}");
	expect("$V: [$V, 1, '$$V']", NULL, "{\"$V\":[\"environment\",1,\"$V\"],\"name\":\"myshopv2\"}");
}

static void env_files(void **state)
{
	char first[128];
	char second[128];
	char *files[] = { first, second, NULL };
	const struct manifest_source source = { .path = file, .env_files = files };
	struct manifest manifest;
	struct baton_error err = { 0 };

	(void)state;
	(void)snprintf(first, sizeof(first), "%.*sfirst", (int)(strrchr(file, '/') - file + 1), file);
	(void)snprintf(second, sizeof(second), "%.*ssecond", (int)(strrchr(file, '/') - file + 1), file);
	write_file(".env", "D=dot\n", 6);
	write_file("first", "A=1\nB=1\n", 8);
	write_file("second", "B=2\nC=$A$B\n", 11);
	write_file("compose.yaml", "a: [$A, $B, $C, '${D-none}']", 28);
	assert_int_equal(manifest_load(&source, &manifest, &err), 0);
	assert_string_equal(manifest.text, "{\"a\":[\"1\",\"2\",\"12\",\"none\"],\"name\":\"myshopv2\"}");
	manifest_release(&manifest);
	write_file("second", "B='2", 4);
	assert_int_equal(manifest_load(&source, &manifest, &err), -EINVAL);
	assert_non_null(strstr(err.message, "second:1: "));
}

static void a_directory_called_env_is_none(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(dir_fd, ".env", 0700), 0);
	expect("a: ${V-none}", NULL, "{\"a\":\"none\",\"name\":\"myshopv2\"}");
}

static void json_stays_as_it_is(void **state)
{
	static const char text[] = "\n { \"b\": \"$V\",\n \"a\": 1.50 }\n";

	(void)state;
	expect(text, NULL, text);
	expect("{\"name\": \"own\"}", "own", "{\"name\": \"own\"}");
	expect("{\"name\": \"own\", \"a\": 1}", "given", "{\"a\":1,\"name\":\"given\"}");
}

static void faults(void **state)
{
	static char large[CONFIG_CLI_DOCUMENT_BYTES + 1];

	(void)state;
	expect_fault("", 0, -EINVAL, "a mapping");
	expect_fault("- a", 3, -EINVAL, "a mapping");
	expect_fault("a: [", 4, -EINVAL, ":2:1: did not find");
	expect_fault("a: ${V?why}", 11, -EINVAL, ": $.a: the variable V is required: why");
	expect_fault("name: ${V?why}", 14, -EINVAL, ": $.name: the variable V is required: why");
	expect_fault("name: 5", 7, -EINVAL, ": $.name: must be text");
	expect_fault("name: ''", 8, -EINVAL, "no name");
	expect_fault("{\"a\": 1,\n \"a\": 2}", 17, -EINVAL, "line 2");
	expect_fault("{\"a\": \"\0\"}", 10, -EINVAL, "not valid JSON");
	expect_fault("{\"name\": 5}", 11, -EINVAL, ": $.name: must be text");
	memset(large, '#', sizeof(large));
	expect_fault(large, sizeof(large), -EFBIG, "larger than");
	expect_fault(large, sizeof(large) - 1, -EINVAL, "a mapping");
}

static void a_file_that_is_not_there(void **state)
{
	const struct manifest_source source = { .path = "/nonexistent/compose.yaml" };
	struct manifest manifest;
	struct baton_error err = { 0 };

	(void)state;
	assert_int_equal(manifest_load(&source, &manifest, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/nonexistent/compose.yaml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names, begin, end),
		cmocka_unit_test_setup_teardown(names_and_variables, begin, end),
		cmocka_unit_test_setup_teardown(variables, begin, end),
		cmocka_unit_test_setup_teardown(env_files, begin, end),
		cmocka_unit_test_setup_teardown(a_directory_called_env_is_none, begin, end),
		cmocka_unit_test_setup_teardown(json_stays_as_it_is, begin, end),
		cmocka_unit_test_setup_teardown(faults, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_is_not_there, begin, end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
