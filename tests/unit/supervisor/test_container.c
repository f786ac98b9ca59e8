/* SPDX-License-Identifier: Apache-2.0 */
/* Containers that are taken back and containers that end, with control groups of the kernel and a runtime
 * that knows nothing. */
#include "core/supervisor/container.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/process.h"
#include "core/base/timeval.h"
#include "core/supervisor/cgroup-priv.h"
#include "core/supervisor/trash.h"

#define ID       "shop.web.1.x"
#define LONG_MS  60000
#define ENDED_MS 5000

struct fixture {
	char path[64];
	char parent[64];
	int dir_fd;
	struct config config;
	struct plugin plugin;
	struct plugin *plugins[2];
	struct supervisor supervisor;
	struct cgroup_place places[HIERARCHIES_MAX];
	size_t n_places;
	pid_t child;
};

/* ---- a runtime that has never heard of the container ---- */

static int fake_kill(void *plugin, const struct baton_kill *request, uint32_t deadline_ms, baton_done_fn done,
        void *arg, struct baton_runtime_error *error)
{
	(void)plugin;
	(void)request;
	(void)deadline_ms;
	(void)done;
	(void)arg;
	error->code = ESRCH;
	return -ESRCH;
}

static int fake_delete(void *plugin, const char *id, uint32_t deadline_ms, baton_done_fn done, void *arg,
        struct baton_runtime_error *error)
{
	(void)plugin;
	(void)id;
	(void)deadline_ms;
	(void)done;
	(void)arg;
	error->code = ENOENT;
	return -ENOENT;
}

static const struct baton_runtime fake_runtime = {
	.abi_major = BATON_RUNTIME_ABI_MAJOR,
	.struct_size = sizeof(struct baton_runtime),
	.name = "fake",
	.kill = fake_kill,
	.delete_ = fake_delete,
};

/* ---- helpers ---- */

static int group_set_up(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		(void)fprintf(stderr, "control groups need root\n");
		return -1;
	}
	return unshare(CLONE_NEWNS) < 0 ? -1 : mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct baton_error err = { 0 };
	struct supervisor *supervisor;

	assert_non_null(fixture);
	(void)snprintf(fixture->path, sizeof(fixture->path), "/tmp/baton-container-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	(void)snprintf(fixture->parent, sizeof(fixture->parent), "baton-unit-%d", (int)getpid());
	fixture->dir_fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fixture->config = (struct config){
		.root = fixture->path,
		.run = fixture->path,
		.cgroup_parent = fixture->parent,
		.defaults = { .log_max_size = 65536, .log_max_files = 2 },
	};
	fixture->plugin.runtime = &fake_runtime;
	fixture->plugins[0] = &fixture->plugin;
	supervisor = &fixture->supervisor;
	*supervisor = (struct supervisor){
		.base = event_base_new(),
		.config = &fixture->config,
		.plugins = fixture->plugins,
		.boot_id = "this boot",
		.gid = getgid(),
		.containers_fd = dir_open_make_at(fixture->dir_fd, "containers", 0700),
		.layers_fd = dir_open_make_at(fixture->dir_fd, "layers", 0700),
		.logs_fd = dir_open_make_at(fixture->dir_fd, "logs", 0700),
	};
	assert_int_equal(cgroup_discover(fixture->places, &fixture->n_places, &err), 0);
	assert_int_equal(cgroup_root_new(fixture->parent, &supervisor->cgroups, &err), 0);
	assert_int_equal(trash_new(supervisor->base, supervisor->layers_fd, &supervisor->trash, &err), 0);
	*state = fixture;
	return 0;
}

static bool group_exists(const struct fixture *fixture, const char *name)
{
	char path[PATH_MAX + 128];

	for (size_t i = 0; i < fixture->n_places; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/%s", fixture->places[i].path, fixture->parent,
		        name ? name : "");
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static void remove_group(const struct fixture *fixture)
{
	struct cgroup_group *group;
	struct baton_error err;
	char path[PATH_MAX + 80];

	if (cgroup_open_existing(fixture->supervisor.cgroups, ID, &group, &err) == 0) {
		(void)cgroup_kill(group);
		for (int i = 0; i < 500 && cgroup_remove(group) == -EBUSY; i++)
			(void)usleep(10000);
		cgroup_group_free(group);
	}
	for (size_t i = 0; i < fixture->n_places; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", fixture->places[i].path, fixture->parent);
		assert_return_code(rmdir(path), errno);
	}
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	struct supervisor *supervisor = &fixture->supervisor;

	supervisor->closing = true;
	while (supervisor->containers)
		container_free(supervisor->containers);
	if (fixture->child > 0) {
		(void)kill(fixture->child, SIGKILL);
		(void)waitpid(fixture->child, NULL, 0); /* reaped already where the container was watched */
	}
	remove_group(fixture);
	if (supervisor->strays)
		event_free(supervisor->strays);
	trash_free(supervisor->trash);
	cgroup_root_free(supervisor->cgroups);
	event_base_free(supervisor->base);
	close_fd(&supervisor->containers_fd);
	close_fd(&supervisor->layers_fd);
	close_fd(&supervisor->logs_fd);
	close_fd(&fixture->dir_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, fixture->path), 0);
	free(fixture);
	return 0;
}

/* A process in the container's group. */
static void start_child(struct fixture *fixture)
{
	const struct cgroup_limits limits = { .pids = 10 };
	const struct baton_cgroup *view;
	struct cgroup_group *group;
	struct baton_error err = { 0 };
	bool unenforced;

	assert_int_equal(
	        cgroup_create(fixture->supervisor.cgroups, ID, &limits, &group, &unenforced, &err), 0);
	fixture->child = fork();
	assert_true(fixture->child >= 0);
	if (fixture->child == 0) {
		for (;;)
			(void)pause();
	}
	view = cgroup_view(group);
	for (size_t i = 0; i < view->n_procs_fds; i++)
		assert_true(dprintf(view->procs_fds[i], "%d", (int)fixture->child) > 0);
	cgroup_group_free(group);
}

/* What an earlier batond has left: a directory with this record, and a writable layer. */
static void leave_record(struct fixture *fixture, enum record_phase phase, const char *runtime)
{
	cleanup_close int instance = dir_open_make_at(fixture->supervisor.containers_fd, ID, 0711);
	cleanup_close int layer = dir_open_make_at(fixture->supervisor.layers_fd, ID, 0700);
	cleanup_close int file = openat(layer, "precious", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct record record = {
		.phase = phase,
		.boot = "this boot",
		.pid = fixture->child,
		.spec = { .id = strdup(ID), .app = strdup("shop"), .runtime = strdup(runtime) },
	};

	assert_true(instance >= 0 && layer >= 0 && file >= 0);
	if (fixture->child > 0)
		assert_int_equal(process_start_time(fixture->child, &record.start_time), 0);
	assert_int_equal(record_write(instance, &record), 0);
	record_release(&record);
}

static bool left_alone(struct fixture *fixture)
{
	return !container_find(&fixture->supervisor, ID) &&
	       faccessat(fixture->supervisor.containers_fd, ID "/record.json", F_OK, 0) == 0 &&
	       faccessat(fixture->supervisor.layers_fd, ID "/precious", F_OK, 0) == 0 &&
	       kill(fixture->child, 0) == 0 && group_exists(fixture, ID);
}

static struct container *adopt(struct fixture *fixture)
{
	struct baton_error err = { 0 };

	assert_int_equal(containers_adopt(&fixture->supervisor, &err), 0);
	return container_find(&fixture->supervisor, ID);
}

static void turn(struct fixture *fixture, int ms)
{
	const struct timeval wait = timeval_of_ms(ms);

	(void)event_base_loopexit(fixture->supervisor.base, &wait);
	(void)event_base_loop(fixture->supervisor.base, 0);
}

static void wait_ended(struct fixture *fixture, const struct container *container)
{
	for (int waited = 0; container->record.phase != RECORD_ENDED && waited < ENDED_MS; waited += 20)
		turn(fixture, 20);
	assert_int_equal(container->record.phase, RECORD_ENDED);
}

/* ---- taking back ---- */

static void test_a_running_container_is_taken_back_with_its_group(void **state)
{
	struct fixture *fixture = *state;
	struct container *container;

	start_child(fixture);
	leave_record(fixture, RECORD_RUNNING, "fake");
	container = adopt(fixture);
	assert_non_null(container);
	assert_int_equal(container->record.phase, RECORD_RUNNING);
	assert_int_equal(kill(fixture->child, SIGKILL), 0);
	wait_ended(fixture, container);
	assert_int_equal(container->record.exit_code, 128 + SIGKILL);
	assert_false(group_exists(fixture, ID));
}

/* kill -9 of batond between the start of the program and the record that it runs. */
static void test_a_program_that_may_run_is_ended(void **state)
{
	struct fixture *fixture = *state;
	struct container *container;

	start_child(fixture);
	leave_record(fixture, RECORD_CREATING, "fake");
	container = adopt(fixture);
	assert_non_null(container);
	/* Its writable layer is in use for as long as it lives. */
	assert_int_equal(container->record.phase, RECORD_CREATING);
	assert_int_equal(faccessat(fixture->supervisor.layers_fd, ID "/precious", F_OK, 0), 0);
	wait_ended(fixture, container);
	assert_true(container->record.never_ran);
	assert_int_equal(kill(fixture->child, 0), -1);
	assert_false(group_exists(fixture, ID));
}

static void test_a_half_made_container_is_ended(void **state)
{
	struct fixture *fixture = *state;
	pid_t child;
	struct container *container;

	start_child(fixture);
	child = fixture->child;
	fixture->child = 0; /* killed before its pid came into the record */
	leave_record(fixture, RECORD_CREATING, "fake");
	container = adopt(fixture);
	assert_non_null(container);
	wait_ended(fixture, container);
	for (int i = 0; i < 500 && waitpid(child, NULL, WNOHANG) == 0; i++)
		(void)usleep(10000);
	assert_int_equal(kill(child, 0), -1);
	assert_false(group_exists(fixture, ID));
}

static void test_what_cannot_be_read_now_is_left_alone(void **state)
{
	struct fixture *fixture = *state;

	start_child(fixture);
	leave_record(fixture, RECORD_RUNNING, "fake");
	/* EISDIR, as a stand-in for EIO, EMFILE and ENOMEM */
	assert_return_code(
	        renameat(fixture->supervisor.containers_fd, ID "/record.json", fixture->dir_fd, "kept"),
	        errno);
	assert_return_code(mkdirat(fixture->supervisor.containers_fd, ID "/record.json", 0700), errno);
	(void)adopt(fixture);
	assert_true(left_alone(fixture));
}

/* Its plugin did not load this time. */
static void test_a_container_without_its_runtime_is_left_alone(void **state)
{
	static char fake[] = "fake";
	static char crun[] = "crun";
	static char *enabled[] = { fake, crun, NULL };
	struct fixture *fixture = *state;

	fixture->config.runtimes.enabled = enabled;
	start_child(fixture);
	leave_record(fixture, RECORD_RUNNING, "crun");
	(void)adopt(fixture);
	assert_true(left_alone(fixture));
	assert_true(container_left_alone(&fixture->supervisor, ID));
}

/* Nobody could stop it, and nobody wants it. */
static void test_a_container_of_a_runtime_that_is_not_enabled_is_ended(void **state)
{
	struct fixture *fixture = *state;

	start_child(fixture);
	leave_record(fixture, RECORD_RUNNING, "crun");
	(void)adopt(fixture);
	assert_false(container_left_alone(&fixture->supervisor, ID));
	assert_int_equal(waitpid(fixture->child, NULL, 0), fixture->child);
}

static void test_no_descriptor_for_a_container(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before;
	struct rlimit none;
	struct baton_error err;
	int next = dup(fixture->dir_fd);

	start_child(fixture);
	leave_record(fixture, RECORD_RUNNING, "fake");
	(void)close(next);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
	none = before;
	none.rlim_cur = (rlim_t)next + 2; /* the list of containers, a directory; no record */
	assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
	(void)containers_adopt(&fixture->supervisor, &err);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
	assert_true(left_alone(fixture));
}

static void test_a_record_of_another_boot_means_nothing(void **state)
{
	struct fixture *fixture = *state;

	(void)snprintf(fixture->supervisor.boot_id, sizeof(fixture->supervisor.boot_id), "next boot");
	leave_record(fixture, RECORD_RUNNING, "fake");
	assert_null(adopt(fixture));
	assert_int_equal(faccessat(fixture->supervisor.containers_fd, ID, F_OK, 0), -1);
	assert_int_equal(faccessat(fixture->supervisor.layers_fd, ID, F_OK, 0), -1);
}

static void test_a_group_of_no_container_is_emptied_and_removed(void **state)
{
	struct fixture *fixture = *state;
	struct baton_error err = { 0 };

	start_child(fixture);
	/* Not before the parent of the groups is known to be ours. */
	assert_int_equal(containers_adopt(&fixture->supervisor, &err), -EEXIST);
	assert_non_null(strstr(err.message, ID));
	assert_int_equal(kill(fixture->child, 0), 0);
	assert_int_equal(file_replace_at(fixture->dir_fd, "cgroup_parent", fixture->parent,
	                         strlen(fixture->parent), 0600, FILE_VOLATILE),
	        0);
	(void)adopt(fixture);
	for (int i = 0; i < 100 && group_exists(fixture, ID); i++)
		turn(fixture, 20);
	assert_false(group_exists(fixture, ID));
	assert_int_equal(waitpid(fixture->child, NULL, WNOHANG), fixture->child);
}

static void test_no_more_containers_than_the_limit(void **state)
{
	struct fixture *fixture = *state;
	struct container *container;
	struct rlimit limit;
	struct baton_error err = { 0 };
	char id[32];

	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	limit.rlim_cur = limit.rlim_max;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
	for (int i = 0; i < CONTAINERS_MAX; i++) {
		(void)snprintf(id, sizeof(id), "c%d", i);
		assert_int_equal(container_new(&fixture->supervisor, id, &container, &err), 0);
	}
	assert_int_equal(container_new(&fixture->supervisor, "more", &container, &err), -ENOSPC);
	assert_non_null(strstr(err.message, "containers"));
	assert_int_equal(faccessat(fixture->supervisor.containers_fd, "more", F_OK, 0), -1);
}

/* ---- the end ---- */

static void bind_group(const struct fixture *fixture, bool busy)
{
	char path[PATH_MAX + 128];

	(void)snprintf(path, sizeof(path), "%s/%s/" ID, fixture->places[0].path, fixture->parent);
	assert_return_code(busy ? mount(path, path, NULL, MS_BIND, NULL) : umount(path), errno);
}

static void test_a_stop_does_not_replace_the_wait_for_the_group(void **state)
{
	struct fixture *fixture = *state;
	struct container *container;

	start_child(fixture);
	leave_record(fixture, RECORD_RUNNING, "fake");
	container = adopt(fixture);
	bind_group(
	        fixture, true); /* the kernel cannot remove it: EBUSY, as with a process that does not die */
	assert_int_equal(kill(fixture->child, SIGKILL), 0);
	turn(fixture, 100);
	assert_int_equal(container->record.phase, RECORD_RUNNING);
	container_stop(container, SIGTERM, LONG_MS);
	bind_group(fixture, false);
	wait_ended(fixture, container);
}

static void test_a_stop_does_not_replace_the_wait_for_the_status(void **state)
{
	struct fixture *fixture = *state;
	struct container *container;

	start_child(fixture);
	leave_record(fixture, RECORD_RUNNING, "fake");
	container = adopt(fixture);
	event_active(container->exited, EV_READ, 0); /* it has ended, but its parent is slow to reap it */
	turn(fixture, 10);
	container_stop(container, SIGTERM, LONG_MS);
	assert_int_equal(kill(fixture->child, SIGKILL), 0);
	wait_ended(fixture, container);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_running_container_is_taken_back_with_its_group),
		TEST(test_a_program_that_may_run_is_ended),
		TEST(test_a_half_made_container_is_ended),
		TEST(test_what_cannot_be_read_now_is_left_alone),
		TEST(test_a_container_without_its_runtime_is_left_alone),
		TEST(test_a_container_of_a_runtime_that_is_not_enabled_is_ended),
		TEST(test_no_descriptor_for_a_container),
		TEST(test_a_record_of_another_boot_means_nothing),
		TEST(test_a_group_of_no_container_is_emptied_and_removed),
		TEST(test_no_more_containers_than_the_limit),
		TEST(test_a_stop_does_not_replace_the_wait_for_the_group),
		TEST(test_a_stop_does_not_replace_the_wait_for_the_status),
	};
#undef TEST

	return cmocka_run_group_tests(tests, group_set_up, NULL);
}
