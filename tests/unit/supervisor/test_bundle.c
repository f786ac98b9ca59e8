/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/bundle.h"

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
#include "core/base/strv.h"

static char *copy(const char *text)
{
	return strdup(text);
}

static void fill(struct container_spec *spec, struct image *image, struct bundle *bundle)
{
	*spec = (struct container_spec){ .id = copy("a.b.1.c"), .image = copy("x") };
	*image = (struct image){ .working_dir = copy(""),
		.user = copy(""),
		.stop_signal = copy(""),
		.architecture = copy("amd64") };
	assert_int_equal(strv_append(&image->entrypoint, "/entry"), 0);
	assert_int_equal(strv_append(&image->command, "default"), 0);
	assert_int_equal(strv_append(&image->environment, "A=image"), 0);
	assert_int_equal(strv_append(&image->environment, "PATH=/image"), 0);
	*bundle = (struct bundle){
		.spec = spec, .image = image, .rootfs = "/r", .hostname = "h", .seccomp = json_object()
	};
}

static void done(struct container_spec *spec, struct image *image, struct bundle *bundle)
{
	json_decref(bundle->seccomp);
	container_spec_release(spec);
	image_release(image);
}

static json_t *config_of(const struct bundle *bundle)
{
	struct baton_error err;
	json_t *config = bundle_config(bundle, &err);

	assert_non_null(config);
	return config;
}

static const char *argument(json_t *config, size_t index)
{
	return json_string_value(
	        json_array_get(json_object_get(json_object_get(config, "process"), "args"), index));
}

static void test_args_follow_compose(void **state)
{
	struct container_spec spec;
	struct image image;
	struct bundle bundle;

	(void)state;
	fill(&spec, &image, &bundle);
	cleanup_json json_t *plain = config_of(&bundle);
	assert_string_equal(argument(plain, 0), "/entry");
	assert_string_equal(argument(plain, 1), "default");
	spec.has_command = true;
	assert_int_equal(strv_append(&spec.command, "mine"), 0);
	cleanup_json json_t *command = config_of(&bundle);
	assert_string_equal(argument(command, 0), "/entry");
	assert_string_equal(argument(command, 1), "mine");
	spec.has_command = false;
	strv_free(spec.command);
	spec.command = NULL;
	spec.has_entrypoint = true;
	assert_int_equal(strv_append(&spec.entrypoint, "/other"), 0);
	cleanup_json json_t *entrypoint = config_of(&bundle);
	assert_string_equal(argument(entrypoint, 0), "/other");
	assert_null(argument(entrypoint, 1)); /* a new entrypoint drops the image's command */
	done(&spec, &image, &bundle);
}

static void test_no_command_is_an_error(void **state)
{
	struct container_spec spec;
	struct image image;
	struct bundle bundle;
	struct baton_error err = { 0 };

	(void)state;
	fill(&spec, &image, &bundle);
	strv_free(image.entrypoint);
	strv_free(image.command);
	image.entrypoint = image.command = NULL;
	assert_null(bundle_config(&bundle, &err));
	assert_non_null(strstr(err.message, "command"));
	done(&spec, &image, &bundle);
}

static void test_environment_order(void **state)
{
	struct container_spec spec;
	struct image image;
	struct bundle bundle;
	cleanup_strv char **environment = NULL;

	(void)state;
	fill(&spec, &image, &bundle);
	assert_int_equal(strv_append(&spec.environment, "A=spec"), 0);
	assert_int_equal(bundle_environment(&bundle, &environment), 0);
	assert_true(strv_contains(environment, "A=spec"));
	assert_true(strv_contains(environment, "PATH=/image"));
	assert_true(strv_contains(environment, "HOSTNAME=h"));
	assert_false(strv_contains(environment, "A=image"));
	done(&spec, &image, &bundle);
}

static void test_capabilities(void **state)
{
	struct container_spec spec = { 0 };
	cleanup_strv char **plain = NULL;
	cleanup_strv char **less = NULL;
	cleanup_strv char **only = NULL;

	(void)state;
	assert_int_equal(bundle_capabilities(&spec, &plain), 0);
	assert_int_equal(strv_length(plain), 11);
	assert_false(strv_contains(plain, "CAP_NET_RAW"));
	assert_int_equal(strv_append(&spec.cap_drop, "CHOWN"), 0);
	assert_int_equal(bundle_capabilities(&spec, &less), 0);
	assert_int_equal(strv_length(less), 10);
	assert_int_equal(strv_append(&spec.cap_drop, "ALL"), 0);
	assert_int_equal(strv_append(&spec.cap_add, "NET_RAW"), 0);
	assert_int_equal(bundle_capabilities(&spec, &only), 0);
	assert_int_equal(strv_length(only), 1);
	assert_string_equal(only[0], "CAP_NET_RAW");
	container_spec_release(&spec);
}

static void test_hardening_defaults(void **state)
{
	struct container_spec spec;
	struct image image;
	struct bundle bundle;

	(void)state;
	fill(&spec, &image, &bundle);
	cleanup_json json_t *config = config_of(&bundle);
	json_t *process = json_object_get(config, "process");
	json_t *capabilities = json_object_get(process, "capabilities");
	json_t *namespaces = json_object_get(json_object_get(config, "linux"), "namespaces");

	assert_true(json_is_true(json_object_get(process, "noNewPrivileges")));
	assert_int_equal(json_array_size(json_object_get(capabilities, "inheritable")), 0);
	assert_int_equal(json_array_size(json_object_get(capabilities, "ambient")), 0);
	assert_int_equal(json_array_size(namespaces), 6);
	assert_null(json_object_get(process, "oomScoreAdj"));
	bundle.oom_score_adj = -999;
	cleanup_json json_t *protected = config_of(&bundle);
	assert_true(json_is_integer(json_object_get(json_object_get(protected, "process"), "oomScoreAdj")));
	spec.network = NETWORK_HOST;
	cleanup_json json_t *host = config_of(&bundle);
	assert_int_equal(json_array_size(json_object_get(json_object_get(host, "linux"), "namespaces")), 5);
	done(&spec, &image, &bundle);
}

/* Exactly these, in this order. */
static void assert_list(const json_t *list, const char *const *expected, size_t count)
{
	assert_int_equal(json_array_size(list), count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(json_string_value(json_array_get(list, i)), expected[i]);
}

static void test_masked_and_readonly_paths(void **state)
{
	static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore",
		"/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
		"/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware" };
	static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
		"/proc/sysrq-trigger" };
	size_t cpus = (size_t)sysconf(_SC_NPROCESSORS_CONF);
	struct container_spec spec;
	struct image image;
	struct bundle bundle;
	cleanup_strv char **expected = NULL;

	(void)state;
	for (size_t i = 0; i < array_size(masked); i++)
		assert_int_equal(strv_append(&expected, masked[i]), 0);
	for (size_t i = 0; i < cpus; i++)
		assert_int_equal(
		        strv_appendf(&expected, "/sys/devices/system/cpu/cpu%zu/thermal_throttle", i), 0);
	fill(&spec, &image, &bundle);
	cleanup_json json_t *config = config_of(&bundle);
	json_t *kernel = json_object_get(config, "linux");

	assert_list(
	        json_object_get(kernel, "maskedPaths"), (const char *const *)expected, strv_length(expected));
	assert_list(json_object_get(kernel, "readonlyPaths"), readonly, array_size(readonly));
	done(&spec, &image, &bundle);
}

static json_t *find_mount(json_t *config, const char *destination)
{
	json_t *mount;
	size_t i;

	json_array_foreach(json_object_get(config, "mounts"), i, mount) {
		if (strcmp(json_string_value(json_object_get(mount, "destination")), destination) == 0)
			return mount;
	}
	return NULL;
}

static void test_mount_options(void **state)
{
	static const char *const bind[] = { "rbind", "rprivate", "nosuid", "nodev", "ro" };
	static const char *const tmpfs[] = { "nosuid", "nodev", "noexec", "size=4096", "mode=700", "ro" };
	static const char *const sysfs[] = { "nosuid", "noexec", "nodev", "ro" };
	char bind_target[] = "/b";
	char tmpfs_target[] = "/t";
	char default_target[] = "/default";
	char zero_target[] = "/zero";
	const struct container_mount wanted[] = {
		{ .type = MOUNT_BIND, .target = bind_target, .read_only = true },
		{ .type = MOUNT_TMPFS,
		        .target = tmpfs_target,
		        .read_only = true,
		        .tmpfs_size = 4096,
		        .tmpfs_mode = 0700 },
	};
	const struct container_mount modes[] = {
		{ .type = MOUNT_TMPFS, .target = default_target },
		{ .type = MOUNT_TMPFS, .target = zero_target, .tmpfs_mode_zero = true },
	};
	const struct bundle_mount mounts[] = { { "/source", &wanted[0] }, { NULL, &wanted[1] },
		{ NULL, &modes[0] }, { NULL, &modes[1] } };
	struct container_spec spec;
	struct image image;
	struct bundle bundle;

	(void)state;
	fill(&spec, &image, &bundle);
	bundle.mounts = mounts;
	bundle.n_mounts = array_size(mounts);
	cleanup_json json_t *config = config_of(&bundle);
	assert_int_equal(json_array_size(json_object_get(config, "mounts")), 6 + array_size(mounts));
	assert_list(json_object_get(find_mount(config, "/b"), "options"), bind, array_size(bind));
	assert_list(json_object_get(find_mount(config, "/t"), "options"), tmpfs, array_size(tmpfs));
	assert_list(json_object_get(find_mount(config, "/sys"), "options"), sysfs, array_size(sysfs));
	assert_string_equal(json_string_value(json_array_get(
	                            json_object_get(find_mount(config, "/default"), "options"), 3)),
	        "mode=1777");
	assert_string_equal(
	        json_string_value(json_array_get(json_object_get(find_mount(config, "/zero"), "options"), 3)),
	        "mode=0");
	done(&spec, &image, &bundle);
}

/* JSON cannot carry it: the container must not start without an argument, a variable or a mount. */
static void test_what_is_not_utf8_fails_the_whole(void **state)
{
	char target[] = "/\xff";
	const struct container_mount wanted = { .type = MOUNT_TMPFS, .target = target };
	const struct bundle_mount mount = { NULL, &wanted };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct container_spec spec;
		struct image image;
		struct bundle bundle;
		struct baton_error err = { 0 };

		fill(&spec, &image, &bundle);
		if (i == 0)
			assert_int_equal(strv_append(&image.command, "\xff"), 0);
		if (i == 1)
			assert_int_equal(strv_append(&image.environment, "B=\xff"), 0);
		if (i == 2)
			assert_int_equal(strv_append(&spec.sysctls, "kernel.x=\xff"), 0);
		if (i == 3) {
			bundle.mounts = &mount;
			bundle.n_mounts = 1;
		}
		assert_null(bundle_config(&bundle, &err));
		assert_non_null(strstr(err.message, "UTF-8"));
		done(&spec, &image, &bundle);
	}
}

/* One allocation of jansson fails, the others do not. */
static size_t allocations;
static size_t failing;

static void *failing_malloc(size_t size)
{
	return allocations++ == failing ? NULL : malloc(size);
}

static void test_out_of_memory_fails_the_whole(void **state)
{
	struct container_spec spec;
	struct image image;
	struct bundle bundle;

	(void)state;
	fill(&spec, &image, &bundle);
	cleanup_json json_t *expected = config_of(&bundle);
	for (failing = allocations = 0; failing <= allocations; failing++) {
		struct baton_error err = { 0 };
		cleanup_json json_t *config = NULL;

		allocations = 0;
		json_set_alloc_funcs(failing_malloc, free);
		config = bundle_config(&bundle, &err);
		json_set_alloc_funcs(malloc, free);
		/* Whole, or not at all. */
		if (config && !json_equal(config, expected))
			fail_msg("allocation %zu of jansson failed, and something is missing", failing);
	}
	assert_true(failing > 100);
	done(&spec, &image, &bundle);
}

static const json_t *rlimit_of(const json_t *config, const char *type)
{
	json_t *limit;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(config, "process"), "rlimits"), i, limit) {
		if (strcmp(json_string_value(json_object_get(limit, "type")), type) == 0)
			return limit;
	}
	return NULL;
}

static void test_descriptors_are_those_of_the_start(void **state)
{
	struct container_spec spec;
	struct image image;
	struct bundle bundle;

	(void)state;
	fill(&spec, &image, &bundle);
	cleanup_json json_t *unknown = config_of(&bundle);
	assert_null(rlimit_of(unknown, "RLIMIT_NOFILE"));
	bundle.nofile = (struct rlimit){ .rlim_cur = 1024, .rlim_max = 4096 };
	cleanup_json json_t *plain = config_of(&bundle);
	assert_int_equal(
	        json_integer_value(json_object_get(rlimit_of(plain, "RLIMIT_NOFILE"), "soft")), 1024);
	assert_int_equal(
	        json_integer_value(json_object_get(rlimit_of(plain, "RLIMIT_NOFILE"), "hard")), 4096);
	spec.ulimits = calloc(1, sizeof(*spec.ulimits));
	assert_non_null(spec.ulimits);
	spec.n_ulimits = 1;
	spec.ulimits[0] = (struct container_ulimit){ .name = strdup("nofile"), .soft = 7, .hard = 8 };
	cleanup_json json_t *own = config_of(&bundle);
	assert_int_equal(json_integer_value(json_object_get(rlimit_of(own, "RLIMIT_NOFILE"), "soft")), 7);
	assert_int_equal(json_array_size(json_object_get(json_object_get(own, "process"), "rlimits")), 2);
	done(&spec, &image, &bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args_follow_compose),
		cmocka_unit_test(test_no_command_is_an_error),
		cmocka_unit_test(test_environment_order),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_hardening_defaults),
		cmocka_unit_test(test_masked_and_readonly_paths),
		cmocka_unit_test(test_mount_options),
		cmocka_unit_test(test_what_is_not_utf8_fails_the_whole),
		cmocka_unit_test(test_out_of_memory_fails_the_whole),
		cmocka_unit_test(test_descriptors_are_those_of_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
