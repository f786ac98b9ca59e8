/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/descriptors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT 4

static int fail_with(int number, int code)
{
	return number * 10 + code;
}

/* In a child: four files, told apart by their inodes, lie at `numbers` and are placed. 0 when all is right.
 */
static int place(const int numbers[COUNT], bool last_closes)
{
	struct stat before[COUNT];
	struct stat after;
	int fds[COUNT];

	for (int i = 0; i < COUNT; i++) {
		FILE *file = tmpfile();

		if (!file || dup2(fileno(file), 100 + i) < 0 || fstat(100 + i, &before[i]) < 0)
			return 255;
	}
	for (int i = 0; i < COUNT; i++) {
		if (dup2(100 + i, numbers[i]) < 0)
			return 254;
		fds[i] = numbers[i];
	}
	if (descriptors_place(fds, COUNT, last_closes) < 0)
		return 253;
	for (int i = 0; i < COUNT; i++) {
		int flags = fcntl(i, F_GETFD);

		if (fstat(i, &after) < 0 || after.st_ino != before[i].st_ino)
			return fail_with(i, 1);
		if (flags != (last_closes && i + 1 == COUNT ? FD_CLOEXEC : 0))
			return fail_with(i, 2);
	}
	for (int i = COUNT; i < 256; i++) {
		if (fcntl(i, F_GETFD) >= 0)
			return 252;
	}
	return 0;
}

static void assert_placed(const int numbers[COUNT], bool last_closes)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(place(numbers, last_closes));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_every_order(void **state)
{
	(void)state;
	for (int code = 0; code < 256; code++) {
		const int numbers[COUNT] = { code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3 };
		bool distinct = true;

		for (int i = 0; i < COUNT; i++) {
			for (int j = 0; j < i; j++)
				distinct = distinct && numbers[i] != numbers[j];
		}
		if (distinct) {
			assert_placed(numbers, false);
			assert_placed(numbers, true);
		}
	}
}

static void test_from_above(void **state)
{
	(void)state;
	assert_placed((const int[COUNT]){ 40, 4, 200, 5 }, true);
	assert_placed((const int[COUNT]){ 1, 77, 0, 4 }, false);
}

static void test_one_file_for_all(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		int fds[3] = { 0, 0, 0 };

		_exit(dup2(open("/dev/null", O_RDWR), 0) != 0 || descriptors_place(fds, 3, false) < 0 ||
		        fcntl(2, F_GETFD) != 0 || fcntl(3, F_GETFD) >= 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_closed_descriptor(void **state)
{
	int fds[2] = { 0, 1000 };

	(void)state;
	assert_true(descriptors_place(fds, 2, false) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_from_above),
		cmocka_unit_test(test_one_file_for_all),
		cmocka_unit_test(test_closed_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
