/* SPDX-License-Identifier: Apache-2.0 */
/* One compilation per profile; a file that flash has spoilt is never loaded. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include "plugins/native/seccomp.h"

#define FILE_MAX    (1U << 20)
#define HEADER_SIZE 24

struct place {
	char path[40];
	int fd;
	struct seccomp_cache *cache;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	(void)snprintf(place->path, sizeof(place->path), "/tmp/baton-seccomp-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(seccomp_cache_new(place->path, &place->cache), 0);
	*state = place;
	return place->fd < 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;
	int r;

	seccomp_cache_free(place->cache);
	close_fd(&place->fd);
	r = tree_remove_at(AT_FDCWD, place->path);
	free(place);
	return r;
}

/* As another process, or the same one after a restart, would find it. */
static void reopen(struct place *place)
{
	seccomp_cache_free(place->cache);
	assert_int_equal(seccomp_cache_new(place->path, &place->cache), 0);
}

/* Profiles with different numbers differ. */
static json_t *profile(int number)
{
	json_t *made = json_pack("{s:s, s:[{s:[s], s:s, s:i}]}", "defaultAction", "SCMP_ACT_ALLOW",
	        "syscalls", "names", "umask", "action", "SCMP_ACT_ERRNO", "errnoRet", number);

	assert_non_null(made);
	return made;
}

static int compile(struct place *place, const json_t *wanted, struct baton_error *err)
{
	struct pollfd done = { .events = POLLIN };
	struct seccomp_job *job;
	int r = seccomp_job_start(place->cache, wanted, &job, err);

	if (r < 0)
		return r;
	done.fd = seccomp_job_pidfd(job);
	assert_int_equal(poll(&done, 1, 60000), 1);
	return seccomp_job_finish(job, err);
}

static const struct sock_fprog *get(struct place *place, int number)
{
	cleanup_json json_t *wanted = profile(number);
	const struct sock_fprog *program = NULL;
	struct baton_error err = { 0 };
	int r = seccomp_find(place->cache, wanted, &program);

	if (r == -ENOENT && compile(place, wanted, &err) < 0)
		fail_msg("%s", err.message);
	if (r == -ENOENT)
		r = seccomp_find(place->cache, wanted, &program);
	assert_int_equal(r, 0);
	assert_non_null(program);
	return program;
}

/* The only file of the cache, or with `count` the number of files. */
static size_t files(const struct place *place, char *ret_name, size_t size)
{
	cleanup_dir DIR *directory = opendir(place->path);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (ret_name)
			(void)snprintf(ret_name, size, "%s", entry->d_name);
	}
	return count;
}

static ino_t inode(const struct place *place)
{
	char name[256];
	struct stat status;

	assert_int_equal(files(place, name, sizeof(name)), 1);
	assert_int_equal(fstatat(place->fd, name, &status, 0), 0);
	return status.st_ino;
}

static void test_same_profile_is_compiled_once(void **state)
{
	struct place *place = *state;
	const struct sock_fprog *first = get(place, 1);
	ino_t file = inode(place);

	/* Another document with the same content. */
	assert_ptr_equal(get(place, 1), first);
	assert_int_equal(inode(place), file); /* a compilation would have replaced it */
}

static void test_restart_compiles_nothing(void **state)
{
	struct place *place = *state;
	const struct sock_fprog *first = get(place, 1);
	const unsigned short length = first->len;
	cleanup_free struct sock_filter *filters = malloc(length * sizeof(*filters));
	ino_t file = inode(place);

	assert_non_null(filters);
	memcpy(filters, first->filter, length * sizeof(*filters));
	reopen(place);
	first = get(place, 1);
	assert_int_equal(first->len, length);
	assert_memory_equal(first->filter, filters, length * sizeof(*filters));
	assert_int_equal(inode(place), file);
}

static void test_other_profile_is_another_program(void **state)
{
	struct place *place = *state;
	const struct sock_fprog *one = get(place, 1);
	const struct sock_fprog *two = get(place, 2);

	assert_ptr_not_equal(one, two);
	assert_int_equal(one->len, two->len);
	assert_memory_not_equal(one->filter, two->filter, one->len * sizeof(*one->filter));
	assert_int_equal(files(place, NULL, 0), 2);
}

static void check_rebuilt(struct place *place, const char *name, const char *good, size_t length)
{
	cleanup_free char *now = NULL;
	size_t now_length = 0;
	struct stat status;

	reopen(place);
	(void)get(place, 1);
	assert_int_equal(file_read_at(place->fd, name, FILE_MAX, &now, &now_length), 0);
	assert_int_equal(now_length, length);
	assert_memory_equal(now, good, length);
	assert_int_equal(fstatat(place->fd, name, &status, 0), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_spoilt_file_is_compiled_anew(void **state)
{
	struct place *place = *state;
	cleanup_free char *good = NULL;
	cleanup_free char *bad = NULL;
	char name[256];
	size_t length = 0;

	(void)get(place, 1);
	assert_int_equal(files(place, name, sizeof(name)), 1);
	assert_int_equal(file_read_at(place->fd, name, FILE_MAX, &good, &length), 0);
	bad = malloc(length + 8);
	assert_non_null(bad);
	for (size_t i = 0; i < length; i++) { /* every byte turned */
		memcpy(bad, good, length);
		bad[i] = (char)(bad[i] ^ 1);
		assert_int_equal(file_replace_at(place->fd, name, bad, length, 0600, FILE_VOLATILE), 0);
		check_rebuilt(place, name, good, length);
	}
	for (size_t kept = 0; kept < length; kept += 4) { /* whole instructions, too, are missing */
		assert_int_equal(file_replace_at(place->fd, name, good, kept, 0600, FILE_VOLATILE), 0);
		check_rebuilt(place, name, good, length);
	}
	memcpy(bad, good, length); /* one instruction too many */
	memset(bad + length, 0, 8);
	assert_int_equal(file_replace_at(place->fd, name, bad, length + 8, 0600, FILE_VOLATILE), 0);
	check_rebuilt(place, name, good, length);
	memset(bad, 0, length); /* a page that flash lost */
	assert_int_equal(file_replace_at(place->fd, name, bad, length, 0600, FILE_VOLATILE), 0);
	check_rebuilt(place, name, good, length);
}

/* Whoever may write it could say anything in it, with the right sum. */
static void test_file_that_others_may_write(void **state)
{
	struct place *place = *state;
	cleanup_free char *good = NULL;
	char name[256];
	size_t length = 0;

	(void)get(place, 1);
	assert_int_equal(files(place, name, sizeof(name)), 1);
	assert_int_equal(file_read_at(place->fd, name, FILE_MAX, &good, &length), 0);
	assert_int_equal(fchmodat(place->fd, name, 0666, 0), 0);
	check_rebuilt(place, name, good, length);
}

/* FNV-1a as in seccomp_cache.c, over the filters alone: what a Baton wrote that did not count its version in.
 */
static void sum_without_version(const char *data, size_t length, uint64_t sum[2])
{
	sum[0] = UINT64_C(0xcbf29ce484222325);
	sum[1] = UINT64_C(0x84222325cbf29ce4);
	for (size_t i = 0; i < length; i++) {
		sum[0] = (sum[0] ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
		sum[1] = (sum[1] ^ (unsigned char)~data[i]) * UINT64_C(0x100000001b3);
	}
}

/* An upgrade that compiles in another way must not load what the old one made. */
static void test_file_of_another_version(void **state)
{
	struct place *place = *state;
	cleanup_free char *good = NULL;
	cleanup_free char *old = NULL;
	char name[256];
	uint64_t sum[2];
	size_t length = 0;

	(void)get(place, 1);
	assert_int_equal(files(place, name, sizeof(name)), 1);
	assert_int_equal(file_read_at(place->fd, name, FILE_MAX, &good, &length), 0);
	old = malloc(length);
	assert_non_null(old);
	memcpy(old, good, length);
	sum_without_version(old + HEADER_SIZE, length - HEADER_SIZE, sum);
	memcpy(old + HEADER_SIZE - sizeof(sum), sum, sizeof(sum));
	assert_memory_not_equal(old, good, length);
	assert_int_equal(file_replace_at(place->fd, name, old, length, 0600, FILE_VOLATILE), 0);
	check_rebuilt(place, name, good, length);
}

static void test_job_that_is_given_up(void **state)
{
	struct place *place = *state;
	cleanup_json json_t *wanted = profile(1);
	const struct sock_fprog *program;
	struct seccomp_job *job;
	struct baton_error err;

	assert_int_equal(seccomp_job_start(place->cache, wanted, &job, &err), 0);
	seccomp_job_cancel(job);
	seccomp_job_cancel(NULL);
	assert_int_equal(seccomp_find(place->cache, wanted, &program), -ENOENT);
	assert_int_equal(files(place, NULL, 0), 0);
}

static void test_link_is_not_followed(void **state)
{
	struct place *place = *state;
	cleanup_free char *good = NULL;
	char name[256];
	size_t length = 0;
	struct stat status;

	(void)get(place, 1);
	assert_int_equal(files(place, name, sizeof(name)), 1);
	assert_int_equal(file_read_at(place->fd, name, FILE_MAX, &good, &length), 0);
	assert_int_equal(renameat(place->fd, name, place->fd, ".moved"), 0);
	assert_int_equal(symlinkat(".moved", place->fd, name), 0);
	check_rebuilt(place, name, good, length);
	assert_int_equal(fstatat(place->fd, name, &status, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(status.st_mode));
}

static void test_profile_that_is_refused(void **state)
{
	struct place *place = *state;
	cleanup_json json_t *bad = json_pack("{s:s}", "defaultAction", "SCMP_ACT_TRACE");
	const struct sock_fprog *program = (const void *)place;
	struct baton_error err = { 0 };

	assert_int_equal(compile(place, bad, &err), -EINVAL);
	assert_int_equal(seccomp_find(place->cache, bad, &program), -ENOENT);
	assert_non_null(strstr(err.message, "linux.seccomp: "));
	assert_non_null(strstr(err.message, "SCMP_ACT_TRACE"));
	assert_ptr_equal(program, place);
	assert_int_equal(files(place, NULL, 0), 0);
}

static void test_more_profiles_than_fit(void **state)
{
	struct place *place = *state;

	for (int number = 1; number <= 40; number++)
		(void)get(place, number);
	assert_int_equal(files(place, NULL, 0), 40);
	(void)get(place, 1); /* from its file again */
	assert_int_equal(files(place, NULL, 0), 40);
}

static void test_without_a_directory(void **state)
{
	static const char *const missing[] = { NULL, "/nonexistent/baton" };
	struct place place = { .fd = -1 };

	(void)state;
	for (size_t i = 0; i < array_size(missing); i++) {
		assert_int_equal(seccomp_cache_new(missing[i], &place.cache), 0);
		assert_ptr_equal(get(&place, 1), get(&place, 1));
		seccomp_cache_free(place.cache);
	}
	seccomp_cache_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_profile_is_compiled_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_restart_compiles_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_profile_is_another_program, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_spoilt_file_is_compiled_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file_that_others_may_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file_of_another_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_job_that_is_given_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_link_is_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_profile_that_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_more_profiles_than_fit, set_up, tear_down),
		cmocka_unit_test(test_without_a_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
