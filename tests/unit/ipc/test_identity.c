/* SPDX-License-Identifier: Apache-2.0 */
/* An instance's id must be the same on every machine and for ever, and differ with every member of the spec.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/ipc/identity.h"
#include "tests/unit/ipc/sample.h"

static void hash_of(const struct container_spec *spec, char hash[static INSTANCE_HASH_LENGTH + 1])
{
	assert_int_equal(identity_hash(spec, hash), 0);
	assert_int_equal(strlen(hash), INSTANCE_HASH_LENGTH);
}

/* The value was computed apart from this code, in Python: sha256 of the encoding {app "shop", service "cart",
 * image "a"}. */
static void test_stable(void **state)
{
	char app[] = "shop";
	char service[] = "cart";
	char image[] = "a";
	struct container_spec spec = { .app = app, .service = service, .image = image };
	char hash[INSTANCE_HASH_LENGTH + 1];

	(void)state;
	hash_of(&spec, hash);
	assert_string_equal(hash, "3df2707c60");
}

static void test_id_and_slot_do_not_count(void **state)
{
	struct container_spec spec = sample_spec();
	char first[INSTANCE_HASH_LENGTH + 1];
	char second[INSTANCE_HASH_LENGTH + 1];

	(void)state;
	hash_of(&spec, first);
	free(spec.id);
	spec.id = NULL;
	spec.slot = 17;
	hash_of(&spec, second);
	assert_string_equal(first, second);
	container_spec_release(&spec);
}

static void change_app(struct container_spec *spec)
{
	spec->app[0] = 'X';
}
static void change_service(struct container_spec *spec)
{
	spec->service[0] = 'X';
}
static void change_runtime(struct container_spec *spec)
{
	spec->runtime[0] = 'X';
}
static void change_image(struct container_spec *spec)
{
	spec->image[0] = 'X';
}
static void change_entrypoint(struct container_spec *spec)
{
	spec->entrypoint[0][0] = 'X';
}
static void change_command(struct container_spec *spec)
{
	spec->command[0][0] = 'X';
}
static void change_has_entrypoint(struct container_spec *spec)
{
	spec->has_entrypoint = false;
}
static void change_has_command(struct container_spec *spec)
{
	spec->has_command = false;
}
static void change_environment(struct container_spec *spec)
{
	spec->environment[1][0] = 'X';
}
static void change_working_dir(struct container_spec *spec)
{
	spec->working_dir[1] = 'X';
}
static void change_user(struct container_spec *spec)
{
	spec->user[0] = '2';
}
static void change_hostname(struct container_spec *spec)
{
	spec->hostname[0] = 'X';
}
static void change_labels(struct container_spec *spec)
{
	spec->labels[0][0] = 'X';
}
static void change_cap_add(struct container_spec *spec)
{
	spec->cap_add[0][0] = 'X';
}
static void change_cap_drop(struct container_spec *spec)
{
	spec->cap_drop[0][0] = 'X';
}
static void change_sysctls(struct container_spec *spec)
{
	spec->sysctls[0][0] = 'X';
}
static void change_ulimit_name(struct container_spec *spec)
{
	spec->ulimits[0].name[0] = 'X';
}
static void change_ulimit_soft(struct container_spec *spec)
{
	spec->ulimits[0].soft++;
}
static void change_ulimit_hard(struct container_spec *spec)
{
	spec->ulimits[0].hard--;
}
static void change_mount_type(struct container_spec *spec)
{
	spec->mounts[0].type = MOUNT_BIND;
}
static void change_mount_source(struct container_spec *spec)
{
	spec->mounts[0].source[0] = 'X';
}
static void change_mount_target(struct container_spec *spec)
{
	spec->mounts[0].target[1] = 'X';
}
static void change_mount_read_only(struct container_spec *spec)
{
	spec->mounts[0].read_only = false;
}
static void change_mount_nocopy(struct container_spec *spec)
{
	spec->mounts[0].nocopy = false;
}
static void change_mount_create(struct container_spec *spec)
{
	spec->mounts[0].create_host_path = true;
}
static void change_tmpfs_size(struct container_spec *spec)
{
	spec->mounts[1].tmpfs_size++;
}
static void change_tmpfs_mode(struct container_spec *spec)
{
	spec->mounts[1].tmpfs_mode--;
}
static void change_tmpfs_mode_zero(struct container_spec *spec)
{
	spec->mounts[1].tmpfs_mode_zero = true;
}
static void change_network(struct container_spec *spec)
{
	spec->network = NETWORK_NONE;
}
static void change_init(struct container_spec *spec)
{
	spec->init = false;
}
static void change_read_only(struct container_spec *spec)
{
	spec->read_only = false;
}
static void change_memory(struct container_spec *spec)
{
	spec->memory_limit++;
}
static void change_cpu(struct container_spec *spec)
{
	spec->cpu_limit++;
}
static void change_pids(struct container_spec *spec)
{
	spec->pids_limit = 0;
}
static void change_stop_signal(struct container_spec *spec)
{
	spec->stop_signal[3] = 'X';
}
static void change_stop_grace(struct container_spec *spec)
{
	spec->stop_grace_ms++;
}
static void change_log_size(struct container_spec *spec)
{
	spec->log_max_size++;
}
static void change_log_files(struct container_spec *spec)
{
	spec->log_max_files++;
}

static void (*const change_table[])(struct container_spec *spec) = { change_app, change_service,
	change_runtime, change_image, change_entrypoint, change_command, change_has_entrypoint,
	change_has_command, change_environment, change_working_dir, change_user, change_hostname,
	change_labels, change_cap_add, change_cap_drop, change_sysctls, change_ulimit_name,
	change_ulimit_soft, change_ulimit_hard, change_mount_type, change_mount_source, change_mount_target,
	change_mount_read_only, change_mount_nocopy, change_mount_create, change_tmpfs_size,
	change_tmpfs_mode, change_tmpfs_mode_zero, change_network, change_init, change_read_only,
	change_memory, change_cpu, change_pids, change_stop_signal, change_stop_grace, change_log_size,
	change_log_files };

static void test_every_member_counts(void **state)
{
	char seen[array_size(change_table) + 1][INSTANCE_HASH_LENGTH + 1];
	struct container_spec original = sample_spec();

	(void)state;
	hash_of(&original, seen[array_size(change_table)]);
	container_spec_release(&original);
	for (size_t i = 0; i < array_size(change_table); i++) {
		struct container_spec spec = sample_spec();

		change_table[i](&spec);
		hash_of(&spec, seen[i]);
		container_spec_release(&spec);
	}
	for (size_t i = 0; i < array_size(seen); i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(seen[i], seen[j]) == 0)
				fail_msg("changes %zu and %zu give the same hash", j, i);
		}
	}
}

/* Bytes must not wander between neighbours: {"ab", "c"} is not {"a", "bc"}. */
static void test_no_ambiguity(void **state)
{
	struct container_spec a = { .command = sample_list("ab", "c") };
	struct container_spec b = { .command = sample_list("a", "bc") };
	char first[INSTANCE_HASH_LENGTH + 1];
	char second[INSTANCE_HASH_LENGTH + 1];

	(void)state;
	hash_of(&a, first);
	hash_of(&b, second);
	assert_string_not_equal(first, second);
	container_spec_release(&a);
	container_spec_release(&b);
}

static void test_format(void **state)
{
	char id[INSTANCE_ID_MAX + 1] = "untouched";
	char name[INSTANCE_ID_MAX];

	(void)state;
	assert_int_equal(identity_format("shop", "cart", UINT32_MAX, "0123456789", id), 0);
	assert_string_equal(id, "shop.cart.4294967295.0123456789");
	memset(name, 'n', sizeof(name));
	name[INSTANCE_ID_MAX - strlen(".c.1.0123456789")] = '\0';
	assert_int_equal(identity_format(name, "c", 1, "0123456789", id), 0);
	assert_int_equal(strlen(id), INSTANCE_ID_MAX);
	assert_int_equal(identity_format(name, "cc", 1, "0123456789", id), -EMSGSIZE);
	assert_int_equal(strlen(id), INSTANCE_ID_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stable),
		cmocka_unit_test(test_id_and_slot_do_not_count),
		cmocka_unit_test(test_every_member_counts),
		cmocka_unit_test(test_no_ambiguity),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
