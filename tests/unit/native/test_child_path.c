/* SPDX-License-Identifier: Apache-2.0 */
/* Mount targets below a root that an image has filled with links. */
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
#include "plugins/native/child.h"

static char folder[] = "/tmp/baton-path-XXXXXX";
static int root_fd = -1; /* FOLDER/root; FOLDER/outside must stay empty */

static int set_up(void **state)
{
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/outside", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/root", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(root_fd, "real", 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/outside", folder);
	assert_int_equal(symlinkat(path, root_fd, "absolute"), 0);
	assert_int_equal(symlinkat("../../../../../../../..", root_fd, "up"), 0);
	assert_int_equal(symlinkat("../outside", root_fd, "beside"), 0);
	assert_int_equal(symlinkat("real", root_fd, "inside"), 0);
	assert_int_equal(symlinkat("loop", root_fd, "loop"), 0);
	assert_int_equal(symlinkat("nowhere/deep", root_fd, "dangling"), 0);
	assert_int_equal(mknodat(root_fd, "file", S_IFREG | 0644, 0), 0);
	return root_fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(&root_fd);
	return tree_remove_at(AT_FDCWD, folder);
}

/* Where the target came to lie, from the root; NULL when it lies outside. */
static const char *place(int fd)
{
	static char path[PATH_MAX];
	char link[64];
	char root[PATH_MAX];
	ssize_t length;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	assert_true(length > 0);
	path[length] = '\0';
	length = snprintf(root, sizeof(root), "%s/root", folder);
	return strncmp(path, root, (size_t)length) == 0 ? path + length : NULL;
}

static void check(const char *path, int directory, const char *expected)
{
	cleanup_close int fd = child_target(root_fd, path, directory);
	struct stat status;

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	assert_non_null(place(fd));
	assert_string_equal(place(fd), expected);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(S_ISDIR(status.st_mode), directory);
}

static void test_existing(void **state)
{
	(void)state;
	check("/real", 1, "/real");
	check("/inside", 1, "/real");
	check("/file", 0, "/file");
}

static void test_made(void **state)
{
	(void)state;
	check("/a/b/c", 1, "/a/b/c");
	check("/a/b/file", 0, "/a/b/file");
	check("/inside/new/deep", 1, "/real/new/deep");
	check("//a//b//d", 1, "/a/b/d");
}

static void test_links_stay_inside(void **state)
{
	char expected[PATH_MAX];
	char *outside = strchr(folder + 1, '/');

	(void)state;
	assert_non_null(outside);
	check("/up/climbed", 1, "/climbed");
	check("/up/up/up/climbed", 1, "/climbed");
	/* "../outside" of the root is "/outside" of the root. */
	assert_int_equal(mkdirat(root_fd, "outside", 0755), 0);
	check("/beside/x", 1, "/outside/x");
	/* An absolute link of the image is made of the root's own directories. */
	check("/tmp", 1, "/tmp");
	(void)snprintf(expected, sizeof(expected), "/%s", folder + 1);
	check(folder, 1, expected);
	(void)snprintf(expected, sizeof(expected), "%s/outside", folder);
	check(expected, 1, expected);
	(void)snprintf(expected, sizeof(expected), "%s/outside/new", folder);
	check("/absolute/new", 1, expected);
}

static void test_nothing_was_made_outside(void **state)
{
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/outside", folder);
	assert_int_equal(rmdir(path), 0); /* ENOTEMPTY otherwise */
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_not_equal(access("/climbed", F_OK), 0);
}

static void test_refused(void **state)
{
	char name[NAME_MAX + 3] = "/";
	cleanup_free char *deep = calloc(1, PATH_MAX + 2);

	(void)state;
	assert_non_null(deep);
	assert_int_equal(child_target(root_fd, "/loop", 1), -ELOOP);
	assert_int_equal(child_target(root_fd, "/loop/x", 1), -ELOOP);
	assert_int_equal(child_target(root_fd, "/file/x", 1), -ENOTDIR);
	assert_int_equal(child_target(root_fd, "/dangling", 1), -ENOENT);
	memset(name + 1, 'x', NAME_MAX + 1);
	assert_int_equal(child_target(root_fd, name, 1), -ENAMETOOLONG);
	memset(deep, '/', PATH_MAX + 1);
	assert_int_equal(child_target(root_fd, deep, 1), -ENAMETOOLONG);
}

/* proc(5): magic links lead to whatever a descriptor is open for, past every root. */
static void test_magic_link(void **state)
{
	cleanup_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[64];

	(void)state;
	assert_true(proc >= 0);
	(void)snprintf(path, sizeof(path), "/%d/cwd", (int)getpid());
	assert_int_equal(child_target(proc, path, 1), -ELOOP);
	assert_int_equal(child_target(proc, "/self/root/tmp", 1), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_existing),
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_links_stay_inside),
		cmocka_unit_test(test_nothing_was_made_outside),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_magic_link),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
