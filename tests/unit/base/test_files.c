/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
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

static char folder[] = "/tmp/baton-files-XXXXXX";
static int folder_fd = -1;

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_fd(&folder_fd);
	return tree_remove_at(AT_FDCWD, folder);
}

static void test_replace_is_whole_and_leaves_no_temporary(void **state)
{
	cleanup_free char *text = NULL;
	size_t length;

	(void)state;
	assert_int_equal(file_replace_at(folder_fd, "a", "one", 3, 0600, FILE_DURABLE), 0);
	assert_int_equal(file_replace_at(folder_fd, "a", "second", 6, 0600, FILE_VOLATILE), 0);
	assert_int_equal(file_read_at(folder_fd, "a", 6, &text, &length), 0);
	assert_string_equal(text, "second");
	assert_int_equal(length, 6);
	assert_int_equal(faccessat(folder_fd, ".a.tmp", F_OK, 0), -1);
}

static void test_read_has_a_maximum(void **state)
{
	char *text = NULL;

	(void)state;
	assert_int_equal(file_replace_at(folder_fd, "b", "123456", 6, 0600, FILE_VOLATILE), 0);
	assert_int_equal(file_read_at(folder_fd, "b", 5, &text, NULL), -EFBIG);
	assert_null(text);
	assert_int_equal(file_read_at(folder_fd, "missing", 5, &text, NULL), -ENOENT);
}

static void test_paths_stay_inside(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(symlinkat("/etc", folder_fd, "out"), 0);
	assert_int_equal(mkdirat(folder_fd, "etc", 0700), 0);
	assert_int_equal(file_open_beneath(folder_fd, "out/passwd", O_RDONLY, 0), -ELOOP);
	assert_int_equal(file_open_beneath(folder_fd, "../etc", O_RDONLY, 0), -EXDEV);
	fd = file_open_in_root(folder_fd, "out", O_RDONLY | O_DIRECTORY, 0); /* resolves to our own /etc */
	assert_true(fd >= 0);
	assert_int_equal(file_open_in_root(folder_fd, "out/passwd", O_RDONLY, 0), -ENOENT);
	(void)close(fd);
}

static void test_tree_remove_does_not_follow_links(void **state)
{
	int fd;

	(void)state;
	fd = dir_open_make_at(folder_fd, "tree", 0700);
	assert_true(fd >= 0);
	assert_int_equal(mkdirat(fd, "deep", 0700), 0);
	assert_int_equal(symlinkat("../../keep", fd, "deep/link"), 0);
	(void)close(fd);
	assert_int_equal(mkdirat(folder_fd, "keep", 0700), 0);
	assert_int_equal(tree_remove_at(folder_fd, "tree"), 0);
	assert_int_equal(faccessat(folder_fd, "tree", F_OK, 0), -1);
	assert_int_equal(faccessat(folder_fd, "keep", F_OK, 0), 0);
	assert_int_equal(tree_remove_at(folder_fd, "tree"), 0);
}

static void test_dir_open_make(void **state)
{
	struct baton_error err = { 0 };
	char path[128];
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/x//y/z", folder);
	fd = dir_open_make(path, 0755, &err);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(dir_open_make("relative", 0755, &err), -EINVAL);
	(void)snprintf(path, sizeof(path), "%s/a/b", folder); /* "a" is a file */
	assert_int_equal(dir_open_make(path, 0755, &err), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace_is_whole_and_leaves_no_temporary),
		cmocka_unit_test(test_read_has_a_maximum),
		cmocka_unit_test(test_paths_stay_inside),
		cmocka_unit_test(test_tree_remove_does_not_follow_links),
		cmocka_unit_test(test_dir_open_make),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
