/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args_follow_compose),
		cmocka_unit_test(test_no_command_is_an_error),
		cmocka_unit_test(test_environment_order),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_hardening_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
