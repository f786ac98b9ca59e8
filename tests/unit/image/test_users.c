/* SPDX-License-Identifier: Apache-2.0 */
/* Users of images, friendly and hostile /etc/passwd and /etc/group. */
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

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/image/users.h"

#define GROUPS 4

struct fixture {
	char path[32];
	int root_fd;
};

struct answer {
	uint32_t uid;
	uint32_t gid;
	uint32_t groups[GROUPS];
	size_t n_groups;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	memcpy(fixture->path, "/tmp/baton-users-XXXXXX", sizeof("/tmp/baton-users-XXXXXX"));
	assert_non_null(mkdtemp(fixture->path));
	fixture->root_fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fixture->root_fd, "etc", 0755), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	close_fd(&fixture->root_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, fixture->path), 0);
	free(fixture);
	return 0;
}

static void put(const struct fixture *fixture, const char *path, const char *text)
{
	cleanup_close int fd = openat(fixture->root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
}

static int resolve(const struct fixture *fixture, const char *user, struct answer *answer)
{
	struct baton_error err = { 0 };
	struct image_user found = { .uid = answer->uid,
		.gid = answer->gid,
		.groups = answer->groups,
		.max_groups = GROUPS,
		.n_groups = answer->n_groups };
	int r = image_user_resolve(fixture->root_fd, user, &found, &err);

	answer->uid = found.uid;
	answer->gid = found.gid;
	answer->n_groups = found.n_groups;

	assert_true(r == 0 || (r == -err.code && err.message[0] != '\0'));
	return r;
}

static void put_usual(const struct fixture *fixture)
{
	put(fixture, "etc/passwd",
	        "root:x:0:0:root:/root:/bin/sh\n\nbroken\nweb:x:33:34:w:/:/bin/false\nweb:x:1:1::/:\n"
	        "12:x:99:98::/:\nbig:x:4294967296:0::/:\nminus:x:-1:0::/:\nlast:x:7:8:no:end");
	put(fixture, "etc/group",
	        "root:x:0:\nwww:x:34:root,web\nadm:x:4:web,other\nlog:x:5:other\nwebby:x:6:webx,xweb\nbig:x:"
	        "4294967301:web\n"
	        "tail:x:9:web");
}

static void written_forms(void **state)
{
	static const struct {
		const char *user;
		struct answer want;
	} cases[] = {
		{ "", { 0, 0, { 0, 34 }, 2 } },
		{ "0", { 0, 0, { 0, 34 }, 2 } },
		{ "root", { 0, 0, { 0, 34 }, 2 } },
		{ "web", { 33, 34, { 34, 4, 9 }, 3 } },
		{ "33", { 33, 34, { 34, 4, 9 }, 3 } },
		{ "000033", { 33, 34, { 34, 4, 9 }, 3 } },
		{ "12", { 12, 0, { 0 }, 1 } },
		{ "web:log", { 33, 5, { 5 }, 1 } },
		{ "web:77", { 33, 77, { 77 }, 1 } },
		{ "1000:1001", { 1000, 1001, { 1001 }, 1 } },
		{ "1000", { 1000, 0, { 0 }, 1 } },
		{ "2147483647:2147483647", { 2147483647, 2147483647, { 2147483647 }, 1 } },
		{ "last", { 7, 8, { 8 }, 1 } },
	};
	struct fixture *fixture = *state;

	put_usual(fixture);
	for (size_t i = 0; i < array_size(cases); i++) {
		struct answer answer = { 0 };

		assert_int_equal(resolve(fixture, cases[i].user, &answer), 0);
		assert_memory_equal(&answer, &cases[i].want, sizeof(answer));
	}
}

static void refused_forms(void **state)
{
	static const char *const users[] = { ":", ":0", "web:", "web:adm:x", "nobody", "web:none",
		"2147483648", "4294967296", "18446744073709551616", "0:2147483648", "-1", "+1", " 0", "0x0",
		"1e3", "big", "minus", "broken", "web:big", "root\n" };
	struct fixture *fixture = *state;

	put_usual(fixture);
	for (size_t i = 0; i < array_size(users); i++) {
		struct answer answer = { .uid = 4711 };

		assert_true(resolve(fixture, users[i], &answer) < 0);
		assert_int_equal(answer.uid, 4711);
	}
}

static void no_files(void **state)
{
	struct answer answer = { 0 };

	assert_int_equal(resolve(*state, "5:6", &answer), 0);
	assert_int_equal(answer.uid, 5);
	assert_int_equal(resolve(*state, "root", &answer), -ENOENT);
}

static void too_many_groups(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer = { 0 };

	put(fixture, "etc/passwd", "u:x:1:1::/:\n");
	put(fixture, "etc/group", "a:x:2:u\nb:x:3:u\nc:x:4:u\n");
	assert_int_equal(resolve(fixture, "u", &answer), 0);
	assert_int_equal(answer.n_groups, GROUPS);
	put(fixture, "etc/group", "a:x:2:u\nb:x:3:u\nc:x:4:u\nd:x:5:u\n");
	assert_int_equal(resolve(fixture, "u", &answer), -E2BIG);
}

static void hostile_files(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer = { 0 };

	/* A FIFO must not make us wait, a directory not confuse, a link not leave the tree. */
	assert_int_equal(mkfifoat(fixture->root_fd, "etc/passwd", 0644), 0);
	assert_int_equal(resolve(fixture, "root", &answer), -EINVAL);
	assert_int_equal(unlinkat(fixture->root_fd, "etc/passwd", 0), 0);
	assert_int_equal(mkdirat(fixture->root_fd, "etc/passwd", 0755), 0);
	assert_int_equal(resolve(fixture, "root", &answer), -EINVAL);
	assert_int_equal(unlinkat(fixture->root_fd, "etc/passwd", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("/../../../../etc/passwd", fixture->root_fd, "etc/passwd"), 0);
	assert_true(resolve(fixture, "root", &answer) < 0);
	assert_int_equal(unlinkat(fixture->root_fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("/real", fixture->root_fd, "etc/passwd"), 0);
	put(fixture, "real", "inside:x:3:4::/:\n");
	assert_int_equal(resolve(fixture, "inside", &answer), 0);
	assert_int_equal(answer.gid, 4);
}

static void size_limit(void **state)
{
	struct fixture *fixture = *state;
	struct answer answer = { 0 };
	size_t max = 1U << 20;
	cleanup_free char *text = malloc(max + 2);

	assert_non_null(text);
	memset(text, 'x', max + 1);
	memcpy(text, "u:x:1:1::/:\n", 12);
	text[max] = '\0';
	put(fixture, "etc/passwd", text);
	assert_int_equal(resolve(fixture, "u", &answer), 0);
	text[max] = 'x';
	text[max + 1] = '\0';
	put(fixture, "etc/passwd", text);
	assert_int_equal(resolve(fixture, "u", &answer), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(written_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(no_files, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_files, setup, teardown),
		cmocka_unit_test_setup_teardown(size_limit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
