/* SPDX-License-Identifier: Apache-2.0 */
/* Round trips, and every limit at maximum + 1. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/ipc/message.h"
#include "core/model/assignment.h"
#include "tests/unit/ipc/sample.h"

#define BUFFER_MAX (8U << 20)

/* ---- round trips ---- */

static bool strv_equal(char *const *a, char *const *b)
{
	size_t length = strv_length(a);

	for (size_t i = 0; i < length && i < strv_length(b); i++) {
		if (strcmp(a[i], b[i]) != 0)
			return false;
	}
	return length == strv_length(b);
}

static void assert_round_trip(const struct ipc_message *message, struct ipc_message *ret_copy)
{
	cleanup_buf struct buf first = { .data = NULL };
	cleanup_buf struct buf second = { .data = NULL };
	struct baton_error err = { 0 };

	buf_init(&first, BUFFER_MAX);
	buf_init(&second, BUFFER_MAX);
	assert_int_equal(ipc_message_encode(message, &first), 0);
	if (ipc_message_decode(first.data, first.length, ret_copy, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(ipc_message_encode(ret_copy, &second), 0);
	assert_int_equal(first.length, second.length);
	assert_memory_equal(first.data, second.data, first.length);
	/* Every member counts: no prefix of the message is the same message. */
	for (size_t length = 0; length < first.length; length++) {
		struct ipc_message part = { 0 };

		if (ipc_message_decode(first.data, length, &part, NULL) < 0)
			continue;
		buf_reset(&second);
		assert_int_equal(ipc_message_encode(&part, &second), 0);
		assert_int_equal(second.length, length);
		ipc_message_release(&part);
	}
}

static void assert_spec_equal(const struct container_spec *a, const struct container_spec *b)
{
	const struct {
		const char *a, *b;
	} texts[] = { { a->id, b->id }, { a->app, b->app }, { a->service, b->service },
		{ a->runtime, b->runtime }, { a->image, b->image }, { a->working_dir, b->working_dir },
		{ a->user, b->user }, { a->hostname, b->hostname }, { a->stop_signal, b->stop_signal } };
	const struct {
		char **a, **b;
	} lists[] = { { a->entrypoint, b->entrypoint }, { a->command, b->command },
		{ a->environment, b->environment }, { a->labels, b->labels }, { a->cap_add, b->cap_add },
		{ a->cap_drop, b->cap_drop }, { a->sysctls, b->sysctls } };
	const struct {
		uint64_t a, b;
	} numbers[] = { { a->slot, b->slot }, { a->has_entrypoint, b->has_entrypoint },
		{ a->has_command, b->has_command }, { a->network, b->network }, { a->init, b->init },
		{ a->read_only, b->read_only }, { (uint64_t)a->memory_limit, (uint64_t)b->memory_limit },
		{ (uint64_t)a->cpu_limit, (uint64_t)b->cpu_limit },
		{ (uint64_t)a->pids_limit, (uint64_t)b->pids_limit }, { a->stop_grace_ms, b->stop_grace_ms },
		{ a->log_max_size, b->log_max_size }, { a->log_max_files, b->log_max_files },
		{ a->n_ulimits, b->n_ulimits }, { a->n_mounts, b->n_mounts } };

	for (size_t i = 0; i < array_size(texts); i++)
		assert_string_equal(texts[i].a, texts[i].b);
	for (size_t i = 0; i < array_size(lists); i++)
		assert_true(strv_equal(lists[i].a, lists[i].b));
	for (size_t i = 0; i < array_size(numbers); i++)
		assert_int_equal(numbers[i].a, numbers[i].b);
}

static void assert_arrays_equal(const struct container_spec *a, const struct container_spec *b)
{
	for (size_t i = 0; i < a->n_ulimits; i++) {
		assert_string_equal(a->ulimits[i].name, b->ulimits[i].name);
		assert_int_equal(a->ulimits[i].soft, b->ulimits[i].soft);
		assert_int_equal(a->ulimits[i].hard, b->ulimits[i].hard);
	}
	for (size_t i = 0; i < a->n_mounts; i++) {
		assert_int_equal(a->mounts[i].type, b->mounts[i].type);
		assert_string_equal(a->mounts[i].source, b->mounts[i].source);
		assert_string_equal(a->mounts[i].target, b->mounts[i].target);
		assert_int_equal(a->mounts[i].read_only, b->mounts[i].read_only);
		assert_int_equal(a->mounts[i].nocopy, b->mounts[i].nocopy);
		assert_int_equal(a->mounts[i].create_host_path, b->mounts[i].create_host_path);
		assert_int_equal(a->mounts[i].tmpfs_size, b->mounts[i].tmpfs_size);
		assert_int_equal(a->mounts[i].tmpfs_mode, b->mounts[i].tmpfs_mode);
	}
}

static struct ipc_message start_message(void)
{
	return (struct ipc_message){ .type = IPC_START,
		.sequence = 7,
		.generation = UINT64_MAX,
		.has_spec = true,
		.spec = sample_spec() };
}

static void test_start(void **state)
{
	struct ipc_message message = start_message();
	struct ipc_message copy;

	(void)state;
	assert_round_trip(&message, &copy);
	assert_int_equal(copy.type, IPC_START);
	assert_int_equal(copy.sequence, 7);
	assert_int_equal(copy.generation, UINT64_MAX);
	assert_true(copy.has_spec);
	assert_spec_equal(&message.spec, &copy.spec);
	assert_arrays_equal(&message.spec, &copy.spec);
	ipc_message_release(&message);
	ipc_message_release(&copy);
	assert_null(copy.spec.id);
}

static void test_instance(void **state)
{
	struct ipc_message message = {
		.type = IPC_INSTANCE,
		.id = sample_text("shop.cart.1.0123456789"),
		.image_digest = sample_text(
		        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
		.generation = 3,
		.signal = 64,
		.state = IPC_INSTANCE_ENDED,
		.pid = 4194304,
		.has_exit_code = true,
		.exit_code = 255,
		.oom_killed = true,
		.never_ran = true,
		.limit_unenforced = true,
		.started_ns = 123456789012345ULL,
		.message = sample_text("killed"),
		.runtime = sample_text("crun"),
		.has_spec = true,
		.spec = sample_spec(),
	};
	struct ipc_message copy;

	(void)state;
	assert_round_trip(&message, &copy);
	assert_string_equal(copy.id, message.id);
	assert_string_equal(copy.image_digest, message.image_digest);
	assert_int_equal(copy.generation, 3);
	assert_int_equal(copy.signal, 64);
	assert_int_equal(copy.state, IPC_INSTANCE_ENDED);
	assert_int_equal(copy.pid, 4194304);
	assert_true(copy.has_exit_code && copy.oom_killed && copy.never_ran && copy.limit_unenforced);
	assert_int_equal(copy.exit_code, 255);
	assert_int_equal(copy.started_ns, message.started_ns);
	assert_string_equal(copy.message, "killed");
	assert_string_equal(copy.runtime, "crun");
	assert_spec_equal(&message.spec, &copy.spec);
	ipc_message_release(&message);
	ipc_message_release(&copy);
}

static void test_small_messages(void **state)
{
	struct ipc_message node = { .type = IPC_NODE,
		.version = sample_text("0.1.0"),
		.runtimes = sample_list("native", "crun"),
		.missing = sample_list("no memory controller", ""),
		.cgroup_mode = sample_text("hybrid") };
	struct ipc_message reply = {
		.type = IPC_REPLY, .sequence = UINT32_MAX, .code = ENOENT, .message = sample_text("")
	};
	struct ipc_message stop = { .type = IPC_STOP,
		.sequence = 1,
		.id = sample_text("a.b.1.c"),
		.signal = 15,
		.grace_ms = UINT32_MAX };
	struct ipc_message synced = { .type = IPC_SYNCED };
	struct ipc_message copy;

	(void)state;
	assert_round_trip(&node, &copy);
	assert_string_equal(copy.version, "0.1.0");
	assert_true(strv_equal(copy.runtimes, node.runtimes));
	assert_true(strv_equal(copy.missing, node.missing));
	assert_string_equal(copy.cgroup_mode, "hybrid");
	ipc_message_release(&copy);
	assert_round_trip(&reply, &copy);
	assert_int_equal(copy.code, ENOENT);
	assert_string_equal(copy.message, ""); /* empty is not the same as not given */
	ipc_message_release(&copy);
	assert_round_trip(&stop, &copy);
	assert_int_equal(copy.signal, 15);
	assert_int_equal(copy.grace_ms, UINT32_MAX);
	ipc_message_release(&copy);
	assert_round_trip(&synced, &copy);
	ipc_message_release(&copy);
	ipc_message_release(&node);
	ipc_message_release(&reply);
	ipc_message_release(&stop);
}

/* ---- limits of the encoder ---- */

static char *long_text(size_t length)
{
	char *text = malloc(length + 1);

	assert_non_null(text);
	memset(text, 'x', length);
	text[length] = '\0';
	return text;
}

static char **long_list(size_t items)
{
	char **list = calloc(items + 1, sizeof(*list));

	assert_non_null(list);
	for (size_t i = 0; i < items; i++)
		list[i] = sample_text("x");
	return list;
}

static void set_text(char **member, size_t length)
{
	free(*member);
	*member = long_text(length);
}

static void set_list(char ***member, size_t items)
{
	strv_free(*member);
	*member = long_list(items);
}

static void set_item(char ***member, size_t length)
{
	set_text(&(*member)[0], length);
}

static void strv_pop(char **list)
{
	size_t last = strv_length(list) - 1;

	free(list[last]);
	list[last] = NULL;
}

static void long_id(struct container_spec *spec, size_t n)
{
	set_text(&spec->id, n);
}
static void long_app(struct container_spec *spec, size_t n)
{
	set_text(&spec->app, n);
}
static void long_image(struct container_spec *spec, size_t n)
{
	set_text(&spec->image, n);
}
static void long_user(struct container_spec *spec, size_t n)
{
	set_text(&spec->user, n);
}
static void long_item(struct container_spec *spec, size_t n)
{
	set_item(&spec->environment, n);
}
static void many_arguments(struct container_spec *spec, size_t n)
{
	set_list(&spec->command, n);
}
static void many_labels(struct container_spec *spec, size_t n)
{
	set_list(&spec->labels, n);
}
static void long_target(struct container_spec *spec, size_t n)
{
	set_text(&spec->mounts[0].target, n);
}
static void mount_type(struct container_spec *spec, size_t n)
{
	spec->mounts[0].type = (enum mount_type)n;
}
static void tmpfs_mode(struct container_spec *spec, size_t n)
{
	spec->mounts[1].tmpfs_mode = (uint32_t)n;
}
static void network(struct container_spec *spec, size_t n)
{
	spec->network = (enum network_mode)n;
}

static void log_size(struct container_spec *spec, size_t n)
{
	spec->log_max_size = n;
}
static void log_files(struct container_spec *spec, size_t n)
{
	spec->log_max_files = (uint32_t)n;
}

static void many_mounts(struct container_spec *spec, size_t n)
{
	spec->mounts = reallocarray(spec->mounts, n, sizeof(*spec->mounts));
	assert_non_null(spec->mounts);
	for (; spec->n_mounts < n; spec->n_mounts++)
		spec->mounts[spec->n_mounts] =
		        (struct container_mount){ .source = sample_text(""), .target = sample_text("/m") };
}

static void many_ulimits(struct container_spec *spec, size_t n)
{
	spec->ulimits = reallocarray(spec->ulimits, n, sizeof(*spec->ulimits));
	assert_non_null(spec->ulimits);
	for (; spec->n_ulimits < n; spec->n_ulimits++)
		spec->ulimits[spec->n_ulimits] = (struct container_ulimit){ .name = sample_text("core") };
}

static const struct {
	void (*set)(struct container_spec *spec, size_t n);
	size_t max;
	int failure;
} limit_table[] = {
	{ long_id, INSTANCE_ID_MAX, -EMSGSIZE },
	{ long_app, 63, -EMSGSIZE },
	{ long_image, CONFIG_MAX_STRING_BYTES, -EMSGSIZE },
	{ long_user, CONFIG_MAX_STRING_BYTES, -EMSGSIZE },
	{ long_item, CONFIG_MAX_STRING_BYTES, -EMSGSIZE },
	{ many_arguments, CONFIG_MAX_LIST_ITEMS, -EMSGSIZE },
	{ many_labels, CONFIG_MAX_LIST_ITEMS, -EMSGSIZE },
	{ many_mounts, CONFIG_MAX_MOUNTS, -EMSGSIZE },
	{ many_ulimits, CONFIG_MAX_LIST_ITEMS, -EMSGSIZE },
	{ long_target, CONFIG_MAX_STRING_BYTES, -EMSGSIZE },
	{ mount_type, MOUNT_TMPFS, -EINVAL },
	{ tmpfs_mode, 07777, -EINVAL },
	{ network, NETWORK_HOST, -EINVAL },
	{ log_size, 1U << 30, -EINVAL },
	{ log_files, 100, -EINVAL },
};

static void test_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(limit_table); i++) {
		for (size_t over = 0; over <= 1; over++) {
			cleanup_buf struct buf out = { .data = NULL };
			struct ipc_message message = start_message();
			struct ipc_message copy;

			buf_init(&out, BUFFER_MAX);
			limit_table[i].set(&message.spec, limit_table[i].max + over);
			if (over) {
				assert_int_equal(ipc_message_encode(&message, &out), limit_table[i].failure);
				assert_int_equal(out.length, 0);
			} else {
				assert_round_trip(&message, &copy);
				ipc_message_release(&copy);
			}
			ipc_message_release(&message);
		}
	}
}

/* What can be started can be reported: the spec of the largest START fits into an INSTANCE with every member.
 */
static void test_message_limit(void **state)
{
	cleanup_buf struct buf out = { .data = NULL };
	struct ipc_message start = start_message();
	struct ipc_message copy;

	(void)state;
	buf_init(&out, BUFFER_MAX);
	while (ipc_message_encode(&start, &out) == 0) {
		cleanup_free char *item = long_text(1000);

		buf_reset(&out);
		assert_int_equal(strv_append(&start.spec.environment, item), 0);
	}
	assert_int_equal(ipc_message_encode(&start, &out), -EMSGSIZE);
	assert_int_equal(out.length, 0);
	strv_pop(start.spec.environment);
	assert_int_equal(ipc_message_encode(&start, &out), 0);

	start.type = IPC_INSTANCE;
	start.sequence = 0;
	start.id = long_text(INSTANCE_ID_MAX);
	start.state = IPC_INSTANCE_ENDED;
	start.message = long_text(CONFIG_MAX_STRING_BYTES);
	start.runtime = long_text(63);
	start.image_digest = long_text(71);
	start.has_exit_code = start.oom_killed = start.never_ran = start.limit_unenforced = true;
	start.exit_code = start.signal = start.pid = 1;
	start.started_ns = 1;
	assert_round_trip(&start, &copy);
	ipc_message_release(&copy);
	ipc_message_release(&start);
}

static void test_encoder_refuses(void **state)
{
	cleanup_buf struct buf out = { .data = NULL };
	char id[] = "a.b.1.c";
	char escape[] = "..";
	char slash[] = "a/b";
	char hidden[] = ".trash";
	char option[] = "-rf";
	struct ipc_message messages[] = {
		{ .type = 0, .sequence = 1 },
		{ .type = IPC_BROKER_SAVE + 1, .sequence = 1 },
		{ .type = IPC_SYNCED + 1 },
		{ .type = IPC_BROKER_SAVE },                                    /* a request without number */
		{ .type = IPC_SYNCED, .sequence = 1 },                          /* an event with one */
		{ .type = IPC_HELLO, .sequence = 1 },                           /* no version */
		{ .type = IPC_START, .sequence = 1 },                           /* no spec */
		{ .type = IPC_STOP, .sequence = 1 },                            /* no id */
		{ .type = IPC_INSTANCE, .id = id },                             /* no state */
		{ .type = IPC_FORGET, .sequence = 1, .id = id, .grace_ms = 1 }, /* not its member */
		{ .type = IPC_STOP, .sequence = 1, .id = escape },
		{ .type = IPC_STOP, .sequence = 1, .id = slash },
		{ .type = IPC_STOP, .sequence = 1, .id = hidden },
		{ .type = IPC_STOP, .sequence = 1, .id = option },
		{ .type = IPC_STOP, .sequence = 1, .id = id, .signal = 65 },
		{ .type = IPC_STOP, .sequence = 1, .id = id, .signal = -1 },
		{ .type = IPC_INSTANCE, .id = id, .state = IPC_INSTANCE_ENDED + 1 },
		{ .type = IPC_INSTANCE, .id = id, .state = 1, .exit_code = 256 },
		{ .type = IPC_INSTANCE, .id = id, .state = 1, .pid = -1 },
		{ .type = IPC_REPLY, .sequence = 1, .code = 4096 },
	};

	(void)state;
	buf_init(&out, BUFFER_MAX);
	for (size_t i = 0; i < array_size(messages); i++) {
		if (ipc_message_encode(&messages[i], &out) != -EINVAL)
			fail_msg("message %zu was encoded", i);
		assert_int_equal(out.length, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_instance),
		cmocka_unit_test(test_small_messages),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_message_limit),
		cmocka_unit_test(test_encoder_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
