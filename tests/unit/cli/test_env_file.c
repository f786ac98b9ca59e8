/* SPDX-License-Identifier: Apache-2.0 */
/* Files with variables: the grammar of the Compose tools, line by line. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/cli/env_file.h"

static char directory[] = "/tmp/baton-test-env-XXXXXX";
static char file[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(file, sizeof(file), "%s/env", directory);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove_at(AT_FDCWD, directory);
}

/* The environment has OUTSIDE only; then come the lines before, as in a manifest. */
static const char *known(void *arg, const char *name)
{
	return strcmp(name, "OUTSIDE") == 0 ? "environment" : json_get_string(arg, name, NULL);
}

static void unset(void *arg, const char *name)
{
	(void)arg;
	assert_string_equal(name, "NO");
}

static int read_text(const char *text, size_t length, json_t *variables, struct baton_error *err)
{
	const struct variables lookup = { known, unset, variables };
	cleanup_close int dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(dir_fd >= 0);
	assert_int_equal(file_replace_at(dir_fd, "env", text, length, 0600, FILE_VOLATILE), 0);
	return env_file_read(file, &lookup, variables, err);
}

struct example {
	const char *text;
	const char *json;
};

static void lines(void **state)
{
	static const struct example examples[] = {
		{ "", "{}" },
		{ "\n  \n# comment\n   # comment\n\t\r\n", "{}" },
		{ "A=1", "{\"A\": \"1\"}" },
		{ "A=1\nB = 2 \n", "{\"A\": \"1\", \"B\": \"2\"}" },
		{ "A=1\r\nB='2'\r\n", "{\"A\": \"1\", \"B\": \"2\"}" },
		{ "A=1\nA=2\n", "{\"A\": \"2\"}" },
		{ "\xEF\xBB\xBF"
		  "A=1\n",
		        "{\"A\": \"1\"}" },
		{ "export A=1\n  export  B=2\n", "{\"A\": \"1\", \"B\": \"2\"}" },
		{ "A\nexport B\n", "{}" },
		{ "A=\nB=''\nC=\"\"\n", "{\"A\": \"\", \"B\": \"\", \"C\": \"\"}" },
		{ "A=b c\nB=b=c\n", "{\"A\": \"b c\", \"B\": \"b=c\"}" },
		{ "A=b # no\nB=b#yes\nC=#yes\nD= # no\n",
		        "{\"A\": \"b\", \"B\": \"b#yes\", \"C\": \"#yes\", \"D\": \"\"}" },
		{ "A='b # yes' # no\nB=\"b # yes\"# no\n", "{\"A\": \"b # yes\", \"B\": \"b # yes\"}" },
		{ "A='a\\nb\\t$B${'\n", "{\"A\": \"a\\\\nb\\\\t$B${\"}" },
		{ "A='it\\'s'\n", "{\"A\": \"it's\"}" },
		{ "A=\"a\\nb\\rc\\td\\\\e\\\"f\\$g\\xh\"\n", "{\"A\": \"a\\nb\\rc\\td\\\\e\\\"f$g\\\\xh\"}" },
		{ "A=a\\nb\n", "{\"A\": \"a\\\\nb\"}" },
		{ "A=\"one\ntwo\"\nB='three\n\nfour'\n",
		        "{\"A\": \"one\\ntwo\", \"B\": \"three\\n\\nfour\"}" },
		{ "A=it's\n", "{\"A\": \"it's\"}" },
		{ "a.b-c=1\n1=2\n", "{\"a.b-c\": \"1\", \"1\": \"2\"}" },
		{ "A=1\nB=$A\nC=\"${A}-${NO:-d}\"\nD=$OUTSIDE\n",
		        "{\"A\": \"1\", \"B\": \"1\", \"C\": \"1-d\", \"D\": \"environment\"}" },
		{ "OUTSIDE=file\nA=$OUTSIDE\n", "{\"OUTSIDE\": \"file\", \"A\": \"environment\"}" },
		{ "A=x$NO\nB=a$$b\nC=\"\\$$$\"\n", "{\"A\": \"x\", \"B\": \"a$b\", \"C\": \"$$\"}" },
		{ "A='$B'\nB=$A\n", "{\"A\": \"$B\", \"B\": \"$B\"}" },
		{ "A=\xc3\xa9\n", "{\"A\": \"\xc3\xa9\"}" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(examples); i++) {
		cleanup_json json_t *variables = json_object();
		cleanup_json json_t *wanted = json_loads(examples[i].json, 0, NULL);
		cleanup_free char *json = NULL;
		struct baton_error err = { 0 };

		assert_non_null(wanted);
		if (read_text(examples[i].text, strlen(examples[i].text), variables, &err) < 0)
			fail_msg("%s: %s", examples[i].text, err.message);
		json = json_text(variables);
		if (!json_equal(variables, wanted))
			fail_msg("%s is %s, not %s", examples[i].text, json, examples[i].json);
	}
}

static void faults(void **state)
{
	static const struct {
		const char *text;
		size_t line;
		const char *reason;
	} examples[] = {
		{ "=1\n", 1, "NAME=VALUE" },
		{ "A=1\n\nB C\n", 3, "NAME=VALUE" },
		{ "A: 1\n", 1, "NAME=VALUE" },
		{ "\xc3\xa9=1\n", 1, "NAME=VALUE" },
		{ "A=1\nB='one\ntwo\n", 2, "not closed" },
		{ "A=\"x\\", 1, "not closed" },
		{ "A=\"x\\\"", 1, "not closed" },
		{ "A='x' y\n", 1, "behind the closing quote" },
		{ "A=\"one\ntwo\"\nB=\n=\n", 4, "NAME=VALUE" },
		{ "A=1\nB=${A\n", 2, "without \"}\"" },
		{ "A=\"one\n${NO?why}\"\n", 1, "why" },
		{ "A=\xff\n", 1, "UTF-8" },
		{ "A='\xff'\n", 1, "UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(examples); i++) {
		cleanup_json json_t *variables = json_object();
		struct baton_error err = { 0 };
		char place[80];

		(void)snprintf(place, sizeof(place), "%s:%zu: ", file, examples[i].line);
		if (read_text(examples[i].text, strlen(examples[i].text), variables, &err) != -EINVAL)
			fail_msg("%s is read", examples[i].text);
		if (strncmp(err.message, place, strlen(place)) != 0 ||
		        !strstr(err.message, examples[i].reason))
			fail_msg("%s: \"%s\", not %s%s", examples[i].text, err.message, place,
			        examples[i].reason);
	}
}

static void files_that_are_none(void **state)
{
	cleanup_json json_t *variables = json_object();
	const struct variables lookup = { known, unset, variables };
	struct baton_error err = { 0 };

	(void)state;
	assert_int_equal(read_text("A=1\0B=2\n", 8, variables, &err), -EINVAL);
	assert_non_null(strstr(err.message, "NUL"));
	assert_int_equal(env_file_read("/nonexistent/env", &lookup, variables, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/nonexistent/env"));
	assert_int_equal(env_file_read(directory, &lookup, variables, &err), -EISDIR);
	assert_int_equal(json_object_size(variables), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(faults),
		cmocka_unit_test(files_that_are_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
