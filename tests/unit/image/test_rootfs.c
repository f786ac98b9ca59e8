/* SPDX-License-Identifier: Apache-2.0 */
/* Overlay mounts, also as on a kernel without the new mount API's "lowerdir+". Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/image/rootfs.h"

#define LAYERS 128

struct fixture {
	char path[40];
	int root_fd;
	int store_fd;
	struct image image;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	cleanup_close int layers_fd = -1;

	assert_non_null(fixture);
	memcpy(fixture->path, "/tmp/baton-rootfs-XXXXXX", sizeof("/tmp/baton-rootfs-XXXXXX"));
	assert_non_null(mkdtemp(fixture->path));
	fixture->root_fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture->store_fd = image_store_open(fixture->path, NULL);
	assert_true(fixture->store_fd >= 0);
	layers_fd = dir_open_make_at(fixture->store_fd, "layers", 0700);
	memcpy(fixture->image.digest, "sha256:test", sizeof("sha256:test"));
	for (int i = 0; i < LAYERS; i++) {
		char hex[65];
		cleanup_close int fd = -1;

		(void)snprintf(hex, sizeof(hex), "%064d", i);
		assert_int_equal(strv_append(&fixture->image.layers, hex), 0);
		fd = dir_open_make_at(layers_fd, hex, 0755);
		(void)snprintf(hex, sizeof(hex), "file%d", i);
		assert_int_equal(file_replace_at(fd, hex, "x", 1, 0644, FILE_VOLATILE), 0);
		assert_int_equal(file_replace_at(fd, "top", hex, strlen(hex), 0644, FILE_VOLATILE), 0);
	}
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	close_fd(&fixture->root_fd);
	close_fd(&fixture->store_fd);
	strv_free(fixture->image.layers);
	assert_int_equal(tree_remove_at(AT_FDCWD, fixture->path), 0);
	free(fixture);
	return 0;
}

/* As Linux before 5.2 answers: the only way to the other branch on a new kernel. */
static bool without_fsopen(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool ok = filter && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(fsopen), 0) == 0 &&
	          seccomp_load(filter) == 0;

	seccomp_release(filter);
	return ok;
}

static int check_mount(struct fixture *fixture, bool read_only)
{
	cleanup_free char *text = NULL;
	cleanup_close int upper_fd = dir_open_make_at(fixture->root_fd, "upper", 0700);
	char target[64];
	char path[80];
	struct baton_error err = { 0 };
	struct stat status;

	(void)snprintf(target, sizeof(target), "%s/mnt", fixture->path);
	if (mkdir(target, 0700) < 0)
		return 2;
	if (image_rootfs_mount(fixture->store_fd, &fixture->image, upper_fd, target, read_only, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return 3;
	}
	(void)snprintf(path, sizeof(path), "%s/top", target);
	if (file_read_at(AT_FDCWD, path, 100, &text, NULL) < 0 || strcmp(text, "file127") != 0)
		return 4;
	(void)snprintf(path, sizeof(path), "%s/file0", target);
	if (stat(path, &status) < 0)
		return 5;
	(void)snprintf(path, sizeof(path), "%s/new", target);
	if ((mkdir(path, 0700) < 0 ? errno : 0) != (read_only ? EROFS : 0))
		return 6;
	(void)snprintf(path, sizeof(path), "%s/null", target);
	if (!read_only &&
	        (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0 || open(path, O_RDONLY | O_CLOEXEC) >= 0))
		return 7;
	return umount(target) < 0 ? 8 : 0;
}

static void in_child(struct fixture *fixture, bool old_kernel, bool read_only)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(old_kernel && !without_fsopen() ? 2 : check_mount(fixture, read_only));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void writable(void **state)
{
	in_child(*state, false, false);
}

static void writable_by_text(void **state)
{
	in_child(*state, true, false);
}

static void read_only(void **state)
{
	in_child(*state, false, true);
}

static void read_only_by_text(void **state)
{
	in_child(*state, true, true);
}

static void faults(void **state)
{
	struct fixture *fixture = *state;
	cleanup_close int upper_fd = dir_open_make_at(fixture->root_fd, "upper", 0700);
	struct image image = { .layers = NULL };
	struct baton_error err = { 0 };
	char *missing[] = { (char[]){ "missing" }, NULL };
	char *outside[] = { (char[]){ "../../.." }, NULL };

	assert_int_equal(
	        image_rootfs_mount(fixture->store_fd, &image, upper_fd, "/nowhere", false, &err), -EINVAL);
	image.layers = missing;
	assert_int_equal(
	        image_rootfs_mount(fixture->store_fd, &image, upper_fd, "/nowhere", false, &err), -ENOENT);
	image.layers = outside;
	assert_int_equal(
	        image_rootfs_mount(fixture->store_fd, &image, upper_fd, "/nowhere", false, &err), -EXDEV);
	assert_int_equal(strv_append(&fixture->image.layers, "one too many"), 0);
	assert_int_equal(
	        image_rootfs_mount(fixture->store_fd, &fixture->image, upper_fd, "/nowhere", false, &err),
	        -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writable, setup, teardown),
		cmocka_unit_test_setup_teardown(writable_by_text, setup, teardown),
		cmocka_unit_test_setup_teardown(read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(read_only_by_text, setup, teardown),
		cmocka_unit_test_setup_teardown(faults, setup, teardown),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "mounting needs root: nothing was tested\n");
		return 77;
	}
	/* Before anything is opened: the kernel stacks only what it finds mounted in the caller's own
	 * namespace. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		perror("mount namespace");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
