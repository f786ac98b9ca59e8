/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/trash.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/timeval.h"

struct fixture {
	char path[64];
	int dir_fd;
	struct event_base *base;
	struct trash *trash;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/baton-trash-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->dir_fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture->base = event_base_new();
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	trash_free(fixture->trash);
	event_base_free(fixture->base);
	close_fd(&fixture->dir_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, fixture->path), 0);
	free(fixture);
	return 0;
}

static void make_tree(const struct fixture *fixture, const char *const *levels, size_t count)
{
	char path[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		used += (size_t)snprintf(path + used, sizeof(path) - used, "%s%s", i ? "/" : "", levels[i]);
		assert_true(mkdirat(fixture->dir_fd, path, 0700) == 0 || errno == EEXIST);
	}
	(void)snprintf(path + used, sizeof(path) - used, "/file");
	assert_return_code(mknodat(fixture->dir_fd, path, S_IFREG | 0600, 0), errno);
}

static bool gone_soon(const struct fixture *fixture, const char *path)
{
	const struct timeval wait = timeval_of_ms(20);

	for (int i = 0; i < 500 && faccessat(fixture->dir_fd, path, F_OK, 0) == 0; i++) {
		(void)event_base_loopexit(fixture->base, &wait);
		(void)event_base_loop(fixture->base, 0);
	}
	return faccessat(fixture->dir_fd, path, F_OK, 0) < 0;
}

static void test_a_tree_is_removed(void **state)
{
	static const char *const layer[] = { "id", "upper" };
	struct fixture *fixture = *state;
	struct baton_error err;

	make_tree(fixture, layer, array_size(layer));
	assert_int_equal(trash_new(fixture->base, fixture->dir_fd, &fixture->trash, &err), 0);
	assert_int_equal(trash_put(fixture->trash, "id"), 0);
	assert_int_equal(faccessat(fixture->dir_fd, "id", F_OK, 0), -1); /* at once */
	assert_true(gone_soon(fixture, ".trash/t"));
	assert_true(gone_soon(fixture, ".trash/removing"));
	assert_int_equal(trash_put(fixture->trash, "id"), 0);
}

static void test_what_an_earlier_process_left_is_removed(void **state)
{
	static const char *const filled[] = { ".trash", "t", "1-0" };
	static const char *const emptied[] = { ".trash", "removing", "1-1" };
	struct fixture *fixture = *state;
	struct baton_error err;

	make_tree(fixture, filled, array_size(filled));
	make_tree(fixture, emptied, array_size(emptied));
	assert_int_equal(trash_new(fixture->base, fixture->dir_fd, &fixture->trash, &err), 0);
	assert_true(gone_soon(fixture, ".trash/removing/1-1"));
	assert_true(gone_soon(fixture, ".trash/t/1-0"));
	assert_true(gone_soon(fixture, ".trash/removing"));
}

/* A restart in the middle of a removal: nothing is filled, and one removal is enough. */
static void test_what_was_being_removed_is_removed_once(void **state)
{
	static const char *const emptied[] = { ".trash", "removing", "1-1" };
	struct fixture *fixture = *state;
	struct baton_error err;

	make_tree(fixture, emptied, array_size(emptied));
	assert_int_equal(trash_new(fixture->base, fixture->dir_fd, &fixture->trash, &err), 0);
	assert_true(gone_soon(fixture, ".trash/removing"));
	/* Nothing is left to wait for: the loop ends by itself. */
	assert_int_equal(event_base_dispatch(fixture->base), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_tree_is_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        test_what_an_earlier_process_left_is_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		        test_what_was_being_removed_is_removed_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
