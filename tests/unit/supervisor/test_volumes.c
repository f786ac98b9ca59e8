/* SPDX-License-Identifier: Apache-2.0 */
/* Named volumes and binds, in a mount namespace of the test's own. */
#include "core/supervisor/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

struct fixture {
	char path[64];
	char instance[96];
	char allowed_path[96];
	char *allowed[2];
	int dir_fd;
	int rootfs_fd;
	struct volumes_place place;
	struct container_mount mount;
	struct container_spec spec;
	struct volumes volumes;
};

/* ---- helpers ---- */

static int make_dir(int dir_fd, const char *name)
{
	int fd = dir_open_make_at(dir_fd, name, 0755);

	assert_true(fd >= 0);
	return fd;
}

static void make_file(int dir_fd, const char *path)
{
	cleanup_close int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
}

static bool exists(int dir_fd, const char *path)
{
	return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_same(int fd, int dir_fd, const char *path)
{
	struct stat one;
	struct stat other;

	assert_return_code(fstat(fd, &one), errno);
	assert_return_code(fstatat(dir_fd, path, &other, 0), errno);
	return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* One mount of this source and target, as the only one of the container. */
static void want(struct fixture *fixture, enum mount_type type, const char *source, const char *target)
{
	volumes_release(&fixture->volumes);
	free(fixture->mount.source);
	free(fixture->mount.target);
	fixture->mount = (struct container_mount){
		.type = type,
		.source = strdup(source),
		.target = strdup(target),
	};
	fixture->spec.mounts = &fixture->mount;
	fixture->spec.n_mounts = 1;
}

static int make(struct fixture *fixture)
{
	struct baton_error err = { 0 };

	volumes_release(&fixture->volumes);
	return volumes_make(&fixture->place, &fixture->spec, &fixture->volumes, &err);
}

static int next_copy(struct fixture *fixture, int fds[static 2])
{
	struct baton_error err = { 0 };

	return volumes_next_copy(
	        &fixture->volumes, &fixture->place, fixture->rootfs_fd, &fixture->spec, fds, &err);
}

static int copied(struct fixture *fixture)
{
	return volumes_copied(&fixture->volumes, &fixture->place, &fixture->spec);
}

static int group_set_up(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		(void)fprintf(stderr, "mounts need root\n");
		return -1;
	}
	if (unshare(CLONE_NEWNS) < 0)
		return -1;
	return mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/baton-volumes-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	(void)snprintf(fixture->instance, sizeof(fixture->instance), "%s/instance", fixture->path);
	(void)snprintf(fixture->allowed_path, sizeof(fixture->allowed_path), "%s/data", fixture->path);
	fixture->allowed[0] = fixture->allowed_path;
	fixture->dir_fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture->rootfs_fd = make_dir(fixture->dir_fd, "rootfs");
	fixture->place = (struct volumes_place){
		.root = fixture->path,
		.volumes_fd = make_dir(fixture->dir_fd, "volumes"),
		.instance_fd = make_dir(fixture->dir_fd, "instance"),
		.instance = fixture->instance,
		.allowed = fixture->allowed,
	};
	(void)close(make_dir(fixture->dir_fd, "data"));
	fixture->spec = (struct container_spec){
		.id = strdup("shop.web.1.x"),
		.app = strdup("shop"),
		.service = strdup("web"),
		.slot = 1,
	};
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	volumes_detach(fixture->instance, 1);
	volumes_release(&fixture->volumes);
	free(fixture->mount.source);
	free(fixture->mount.target);
	fixture->spec.mounts = NULL;
	fixture->spec.n_mounts = 0;
	container_spec_release(&fixture->spec);
	(void)close(fixture->place.volumes_fd);
	(void)close(fixture->place.instance_fd);
	(void)close(fixture->rootfs_fd);
	(void)close(fixture->dir_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, fixture->path), 0);
	free(fixture);
	return 0;
}

/* ---- named volumes ---- */

static void test_a_volume_named_as_an_unfinished_one_keeps_its_data(void **state)
{
	static const char *const names[] = { "data.new", "data" };
	struct fixture *fixture = *state;
	int fds[2];

	for (size_t i = 0; i < array_size(names); i++) {
		want(fixture, MOUNT_VOLUME, names[i], "/data");
		assert_int_equal(make(fixture), 0);
		assert_int_equal(next_copy(fixture, fds), 0); /* the image has nothing there */
		if (i == 0)
			make_file(fixture->place.volumes_fd, "shop/data.new/precious");
	}
	assert_true(exists(fixture->place.volumes_fd, "shop/data.new/precious"));
	assert_true(exists(fixture->place.volumes_fd, "shop/data"));
}

static void test_names_that_are_no_volume(void **state)
{
	struct fixture *fixture = *state;
	char long_name[201];

	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	want(fixture, MOUNT_VOLUME, "../other", "/data");
	assert_int_equal(make(fixture), -EINVAL);
	want(fixture, MOUNT_VOLUME, "..", "/data");
	assert_int_equal(make(fixture), -EINVAL);
	want(fixture, MOUNT_VOLUME, ".data.new", "/data");
	assert_int_equal(make(fixture), -EINVAL);
	want(fixture, MOUNT_VOLUME, long_name, "/data");
	assert_int_equal(make(fixture), -ENAMETOOLONG);
}

static void test_a_new_volume_is_filled_once(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	int fds[2] = { -1, -1 };

	(void)close(make_dir(fixture->rootfs_fd, "data"));
	make_file(fixture->rootfs_fd, "data/from-image");
	assert_return_code(fchownat(fixture->rootfs_fd, "data", 1234, 2345, 0), errno);
	assert_return_code(fchmodat(fixture->rootfs_fd, "data", 01770, 0), errno);
	want(fixture, MOUNT_VOLUME, "data", "/data");
	assert_int_equal(make(fixture), 0);
	assert_int_equal(next_copy(fixture, fds), 1);
	assert_true(is_same(fds[0], fixture->rootfs_fd, "data"));
	assert_return_code(fstat(fds[1], &status), errno);
	assert_int_equal(status.st_uid, 1234);
	assert_int_equal(status.st_gid, 2345);
	assert_int_equal(status.st_mode & 07777, 01770);
	assert_false(exists(fixture->place.volumes_fd, "shop/data")); /* not before it is whole */
	make_file(fds[1], "from-image");
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_int_equal(copied(fixture), 0);
	assert_true(exists(fixture->place.volumes_fd, "shop/data/from-image"));
	assert_int_equal(next_copy(fixture, fds), 0);
	/* Another container of the app: as it is. */
	assert_int_equal(make(fixture), 0);
	assert_int_equal(next_copy(fixture, fds), 0);
}

static void test_a_half_filled_volume_is_filled_again(void **state)
{
	struct fixture *fixture = *state;
	int fds[2];

	(void)close(make_dir(fixture->rootfs_fd, "data"));
	make_file(fixture->rootfs_fd, "data/from-image");
	want(fixture, MOUNT_VOLUME, "data", "/data");
	for (int i = 0; i < 2; i++) { /* the first time, power goes */
		assert_int_equal(make(fixture), 0);
		assert_int_equal(next_copy(fixture, fds), 1);
		assert_false(exists(fds[1], "half"));
		make_file(fds[1], "half");
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
	assert_false(exists(fixture->place.volumes_fd, "shop/data"));
}

static void test_nocopy_takes_the_owner_only(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	int fds[2];

	(void)close(make_dir(fixture->rootfs_fd, "data"));
	make_file(fixture->rootfs_fd, "data/from-image");
	assert_return_code(fchownat(fixture->rootfs_fd, "data", 1234, 2345, 0), errno);
	want(fixture, MOUNT_VOLUME, "data", "/data");
	fixture->mount.nocopy = true;
	assert_int_equal(make(fixture), 0);
	assert_int_equal(next_copy(fixture, fds), 0);
	assert_return_code(fstatat(fixture->place.volumes_fd, "shop/data", &status, 0), errno);
	assert_int_equal(status.st_uid, 1234);
	assert_false(exists(fixture->place.volumes_fd, "shop/data/from-image"));
}

/* CVE-2018-15664: the image's links lead to places of the image, never of the host. */
static void test_links_of_the_image_stay_in_it(void **state)
{
	static const char *const links[] = { "/etc", "../../../../../../../../etc", "../etc" };
	struct fixture *fixture = *state;
	char name[16];
	int fds[2];

	(void)close(make_dir(fixture->rootfs_fd, "etc"));
	make_file(fixture->rootfs_fd, "etc/of-the-image");
	for (size_t i = 0; i < array_size(links); i++) {
		(void)snprintf(name, sizeof(name), "link%zu", i);
		assert_return_code(symlinkat(links[i], fixture->rootfs_fd, name), errno);
		want(fixture, MOUNT_VOLUME, name, name);
		assert_int_equal(make(fixture), 0);
		assert_int_equal(next_copy(fixture, fds), 1);
		assert_true(is_same(fds[0], fixture->rootfs_fd, "etc"));
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

/* ---- binds ---- */

static void test_allowed_paths_are_whole_names(void **state)
{
	static const struct {
		const char *allowed;
		const char *source;
		bool good;
	} rows[] = {
		{ "/srv/data", "/srv/data", true },
		{ "/srv/data", "/srv/data/in", true },
		{ "/srv/data", "/srv/data/", true },
		{ "/srv/data/", "/srv/data", true },
		{ "/srv/data/", "/srv/data/in", true },
		{ "/srv/data", "/srv/database", false },
		{ "/srv/data/", "/srv/database", false },
		{ "/srv/data", "/srv", false },
		{ "/", "/srv", true },
	};
	struct fixture *fixture = *state;
	char allowed_path[32];
	char *allowed[] = { allowed_path, NULL };

	for (size_t i = 0; i < array_size(rows); i++) {
		struct baton_error err = { 0 };

		(void)snprintf(allowed_path, sizeof(allowed_path), "%s", rows[i].allowed);
		want(fixture, MOUNT_BIND, rows[i].source, "/data");
		assert_int_equal(volumes_check(&fixture->spec, allowed, &err), rows[i].good ? 0 : -EPERM);
	}
	assert_int_equal(volumes_check(&fixture->spec, NULL, &(struct baton_error){ 0 }), -EPERM);
}

/* The allowed path is longer than the source by its "/": what lies behind the source must not count. */
static void test_allowed_path_with_a_slash_at_its_end(void **state)
{
	struct fixture *fixture = *state;
	char source[sizeof(fixture->allowed_path) + 16];
	size_t length = strlen(fixture->allowed_path);

	(void)close(make_dir(fixture->dir_fd, "data/inner"));
	make_file(fixture->dir_fd, "data/outer-file");
	want(fixture, MOUNT_BIND, "", "/data");
	(void)snprintf(source, sizeof(source), "%s#inner", fixture->allowed_path);
	source[length] = '\0'; /* "…/data", and "inner" behind its end */
	free(fixture->mount.source);
	fixture->mount.source = malloc(sizeof(source));
	assert_non_null(fixture->mount.source);
	memcpy(fixture->mount.source, source, sizeof(source));
	(void)snprintf(fixture->allowed_path + length, sizeof(fixture->allowed_path) - length, "/");
	assert_int_equal(make(fixture), 0);
	assert_true(exists(fixture->place.instance_fd, "binds/0/outer-file"));
}

static void test_binds_do_not_leave_the_allowed_path(void **state)
{
	static const char *const sources[] = { "data/link/file", "data/link", "data/../secret", "data/..",
		"data/missing/../../secret" };
	struct fixture *fixture = *state;
	char source[160];

	(void)close(make_dir(fixture->dir_fd, "secret"));
	make_file(fixture->dir_fd, "secret/file");
	assert_return_code(symlinkat("../secret", fixture->dir_fd, "data/link"), errno);
	for (size_t i = 0; i < array_size(sources); i++) {
		(void)snprintf(source, sizeof(source), "%s/%s", fixture->path, sources[i]);
		want(fixture, MOUNT_BIND, source, "/data");
		fixture->mount.create_host_path = true;
		assert_true(make(fixture) < 0);
		assert_false(exists(fixture->place.instance_fd, "binds/0"));
	}
}

static void test_missing_sources_are_made_when_asked(void **state)
{
	struct fixture *fixture = *state;
	char source[160];

	(void)snprintf(source, sizeof(source), "%s/a/b", fixture->allowed_path);
	want(fixture, MOUNT_BIND, source, "/data");
	assert_int_equal(make(fixture), -ENOENT);
	assert_false(exists(fixture->dir_fd, "data/a"));
	fixture->mount.create_host_path = true;
	assert_int_equal(make(fixture), 0);
	make_file(fixture->dir_fd, "data/a/b/file");
	assert_true(exists(fixture->place.instance_fd, "binds/0/file"));
	volumes_detach(fixture->instance, 1);
	assert_false(exists(fixture->place.instance_fd, "binds/0/file"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_volume_named_as_an_unfinished_one_keeps_its_data),
		TEST(test_names_that_are_no_volume),
		TEST(test_a_new_volume_is_filled_once),
		TEST(test_a_half_filled_volume_is_filled_again),
		TEST(test_nocopy_takes_the_owner_only),
		TEST(test_links_of_the_image_stay_in_it),
		TEST(test_allowed_paths_are_whole_names),
		TEST(test_allowed_path_with_a_slash_at_its_end),
		TEST(test_binds_do_not_leave_the_allowed_path),
		TEST(test_missing_sources_are_made_when_asked),
	};
#undef TEST

	return cmocka_run_group_tests(tests, group_set_up, NULL);
}
