/* SPDX-License-Identifier: Apache-2.0 */
/* `volumes` and `tmpfs` in all their forms. The volume "data" is declared. */
#include "tests/unit/model/decode.h"

#define V0 ".volumes[0]"

static void test_short(void **state)
{
	static const struct example examples[] = {
		{ "\"volumes\": []", NULL, NULL },
		{ "\"volumes\": [\"data:/d\"]", NULL, NULL },
		{ "\"volumes\": [\"data:/d:ro\"]", NULL, NULL },
		{ "\"volumes\": [\"data:/d:rw,z\"]", NULL, NULL },
		{ "\"volumes\": [\"/etc/x:/d:Z,ro\"]", NULL, NULL },
		{ "\"volumes\": [\"/anonymous\"]", NULL, NULL },
		{ "\"volumes\": [\"data:/d:ro,rw\"]", V0, "both" },
		{ "\"volumes\": [\"data:/d:exec\"]", V0, "access mode" },
		{ "\"volumes\": [\"data:/d:\"]", V0, "access mode" },
		{ "\"volumes\": [\"data:/d:ro:x\"]", V0, "access mode" },
		{ "\"volumes\": [\"other:/d\"]", V0, "does not declare" },
		{ "\"volumes\": [\"./x:/d\"]", V0, "relative" },
		{ "\"volumes\": [\"~/x:/d\"]", V0, "relative" },
		{ "\"volumes\": [\":/d\"]", V0, "empty source" },
		{ "\"volumes\": [\"data:\"]", V0, "absolute" },
		{ "\"volumes\": [\"data:d\"]", V0, "absolute" },
		{ "\"volumes\": [\"data\"]", V0, "absolute" },
		{ "\"volumes\": [\"\"]", V0, "empty" },
		{ "\"volumes\": [\"data:/\"]", V0, "\"/\"" },
		{ "\"volumes\": [\"data:///\"]", V0, "\"/\"" },
		{ "\"volumes\": [\"data:/a/../b\"]", V0, "\"..\"" },
		{ "\"volumes\": [\"/a/./b:/d\"]", V0, "\".\"" },
		{ "\"volumes\": [\"data:/proc\"]", V0, "/proc" },
		{ "\"volumes\": [\"data://proc/sys\"]", V0, "/proc" },
		{ "\"volumes\": [\"data:/process\"]", NULL, NULL },
		{ "\"volumes\": [\"data:/dev/\"]", V0, "/dev" },
		{ "\"volumes\": [\"data:/dev/shm\"]", NULL, NULL },
		{ "\"volumes\": [\"data:/d\", \"/x:/d\"]", ".volumes[1]", "same target" },
		{ "\"volumes\": [\"data:/a/b\", \"/x:/a//b/\"]", ".volumes[1]", "same target" },
		{ "\"volumes\": [\"data:/d\"], \"tmpfs\": \"/d/\"", ".tmpfs", "same target" },
		{ "\"volumes\": [7]", V0, "must be an object or a string, not an integer" },
		{ "\"volumes\": \"data:/d\"", ".volumes", "must be an array" },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

#define LONG(text) "\"volumes\": [{" text "}]"

static void test_long(void **state)
{
	static const struct example examples[] = {
		{ LONG("\"type\": \"volume\", \"source\": \"data\", \"target\": \"/d\""), NULL, NULL },
		{ LONG("\"type\": \"volume\", \"target\": \"/d\""), NULL, NULL },
		{ LONG("\"type\": \"volume\", \"target\": \"/d\", \"volume\": {\"nocopy\": true}"), NULL,
		        NULL },
		{ LONG("\"type\": \"bind\", \"source\": \"/x\", \"target\": \"/d\", \"read_only\": true, "
		       "\"bind\": "
		       "{\"create_host_path\": false}"),
		        NULL, NULL },
		{ LONG("\"type\": \"bind\", \"source\": \"/\", \"target\": \"/d\""), NULL, NULL },
		{ LONG("\"type\": \"bind\", \"source\": \"/x\", \"target\": \"/d\", \"bind\": {\"selinux\": "
		       "\"z\"}"),
		        NULL, NULL },
		{ LONG("\"type\": \"tmpfs\", \"target\": \"/d\", \"tmpfs\": {\"size\": 1, \"mode\": "
		       "\"7777\"}"),
		        NULL, NULL },
		{ LONG("\"type\": \"tmpfs\", \"target\": \"/d\", \"tmpfs\": {\"size\": \"1g\", \"mode\": "
		       "4095}"),
		        NULL, NULL },
		{ LONG("\"target\": \"/d\""), V0, "needs a type" },
		{ LONG("\"type\": \"volume\""), V0, "needs a target" },
		{ LONG("\"type\": \"npipe\", \"target\": \"/d\""), V0, "not supported yet" },
		{ LONG("\"type\": \"image\", \"target\": \"/d\""), V0, "not supported yet" },
		{ LONG("\"type\": \"bind\", \"target\": \"/d\""), V0, "needs a source" },
		{ LONG("\"type\": \"bind\", \"source\": \"x\", \"target\": \"/d\""), V0, "absolute" },
		{ LONG("\"type\": \"volume\", \"source\": \"/x\", \"target\": \"/d\""), V0, "volume's name" },
		{ LONG("\"type\": \"volume\", \"source\": \"no\", \"target\": \"/d\""), V0, "declare" },
		{ LONG("\"type\": \"tmpfs\", \"source\": \"x\", \"target\": \"/d\""), V0,
		        "must not have a source" },
		{ LONG("\"type\": \"volume\", \"target\": \"/d\", \"bind\": {}"), V0, "another type" },
		{ LONG("\"type\": \"bind\", \"source\": \"/x\", \"target\": \"/d\", \"tmpfs\": {}"), V0,
		        "another type" },
		{ LONG("\"type\": \"tmpfs\", \"target\": \"/d\", \"tmpfs\": {\"size\": 0}"), V0 ".tmpfs.size",
		        "range" },
		{ LONG("\"type\": \"tmpfs\", \"target\": \"/d\", \"tmpfs\": {\"mode\": \"10000\"}"),
		        V0 ".tmpfs.mode", "octal" },
		{ LONG("\"type\": \"tmpfs\", \"target\": \"/d\", \"tmpfs\": {\"mode\": \"rwx\"}"),
		        V0 ".tmpfs.mode", "octal" },
		{ LONG("\"type\": \"tmpfs\", \"target\": \"/d\", \"tmpfs\": {\"mode\": 4096}"),
		        V0 ".tmpfs.mode", "octal" },
		{ LONG("\"type\": \"volume\", \"target\": \"/d\", \"readonly\": true"), V0 ".readonly",
		        "did you mean \"read_only\"" },
		{ LONG("\"type\": \"bind\", \"source\": \"/x\", \"target\": \"/d\", \"bind\": "
		       "{\"propagation\": "
		       "\"shared\"}"),
		        V0 ".bind.propagation", "not supported yet" },
		{ LONG("\"type\": \"volume\", \"target\": \"\""), V0 ".target", "empty" },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

static void test_tmpfs(void **state)
{
	static const struct example examples[] = {
		{ "\"tmpfs\": \"/run\"", NULL, NULL },
		{ "\"tmpfs\": [\"/run\", \"/tmp:size=64m,mode=1777\"]", NULL, NULL },
		{ "\"tmpfs\": []", NULL, NULL },
		{ "\"tmpfs\": \"run\"", ".tmpfs", "absolute" },
		{ "\"tmpfs\": [\"\"]", ".tmpfs[0]", "empty" },
		{ "\"tmpfs\": \"/run:uid=1\"", ".tmpfs", "not supported yet" },
		{ "\"tmpfs\": \"/run:\"", ".tmpfs", "not supported yet" },
		{ "\"tmpfs\": \"/run:size=\"", ".tmpfs", "size" },
		{ "\"tmpfs\": \"/run:size=0\"", ".tmpfs", "size" },
		{ "\"tmpfs\": \"/run:size=50%\"", ".tmpfs", "size" },
		{ "\"tmpfs\": \"/run:mode=8\"", ".tmpfs", "octal" },
		{ "\"tmpfs\": \"/run:mode=10000\"", ".tmpfs", "octal" },
		{ "\"tmpfs\": 1", ".tmpfs", "must be an array or a string" },
		{ "\"tmpfs\": [1]", ".tmpfs[0]", "must be a string" },
	};

	(void)state;
	check_examples(examples, array_size(examples));
}

static void test_tmpfs_without_permissions(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded =
	        decode_members("\"tmpfs\": [\"/a:mode=0\", \"/b\", \"/c:mode=0,mode=700\"], \"volumes\": "
	                       "[{\"type\": \"tmpfs\", "
	                       "\"target\": \"/d\", \"tmpfs\": {\"mode\": 0}}, {\"type\": \"tmpfs\", "
	                       "\"target\": \"/e\", \"tmpfs\": "
	                       "{\"size\": 1}}]");
	static const struct {
		const char *target;
		bool zero;
	} rows[] = { { "/a", true }, { "/b", false }, { "/c", false }, { "/d", true }, { "/e", false } };
	const struct container_spec *spec = &decoded.app.services[0].container;

	(void)state;
	check_accepted(&decoded, "modes");
	assert_int_equal(spec->n_mounts, array_size(rows));
	for (size_t i = 0; i < spec->n_mounts; i++) {
		for (size_t k = 0; k < array_size(rows); k++) {
			if (strcmp(spec->mounts[i].target, rows[k].target) == 0)
				assert_int_equal(spec->mounts[i].tmpfs_mode_zero, rows[k].zero);
		}
	}
}

static void test_values(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded = decode_members(
	        "\"volumes\": [\"data:/d//e/:ro\", \"/host//x/:/b\", \"/anon\", {\"type\": \"bind\", "
	        "\"source\": \"/\", \"target\": \"/root\"}, {\"type\": \"volume\", \"source\": \"data\", "
	        "\"target\": \"/v\", \"volume\": {\"nocopy\": \"true\"}}], \"tmpfs\": "
	        "\"/t:mode=700,size=1k\"");
	const struct container_spec *spec = &decoded.app.services[0].container;
	const struct container_mount *mounts = spec->mounts;

	(void)state;
	check_accepted(&decoded, "all values");
	assert_int_equal(spec->n_mounts, 6);
	assert_int_equal(mounts[0].type, MOUNT_VOLUME);
	assert_string_equal(mounts[0].source, "data");
	assert_string_equal(mounts[0].target, "/d/e");
	assert_true(mounts[0].read_only && !mounts[0].create_host_path);
	assert_int_equal(mounts[1].type, MOUNT_BIND);
	assert_string_equal(mounts[1].source, "/host/x");
	assert_true(mounts[1].create_host_path && !mounts[1].read_only);
	assert_int_equal(mounts[2].type, MOUNT_VOLUME);
	assert_string_equal(mounts[2].source, "");
	assert_string_equal(mounts[3].source, "/");
	assert_true(mounts[4].nocopy);
	assert_int_equal(mounts[5].type, MOUNT_TMPFS);
	assert_int_equal(mounts[5].tmpfs_size, 1024);
	assert_int_equal(mounts[5].tmpfs_mode, 0700);
}

/* Options of the long form; what is given as false is not what is absent. */
static void test_long_values(void **state)
{
	cleanup_with(decoded_release) struct decoded decoded = decode_members(
	        "\"volumes\": [{\"type\": \"tmpfs\", \"target\": \"/a\", \"tmpfs\": {\"size\": \"64m\", "
	        "\"mode\": \"1770\"}}, {\"type\": \"tmpfs\", \"target\": \"/b\", \"tmpfs\": {\"size\": 4096, "
	        "\"mode\": 511}}, {\"type\": \"tmpfs\", \"target\": \"/c\", \"read_only\": true}, "
	        "{\"type\": \"bind\", \"source\": \"/x\", \"target\": \"/d\", \"read_only\": \"true\", "
	        "\"bind\": {\"create_host_path\": false}}, {\"type\": \"bind\", \"source\": \"/x\", "
	        "\"target\": \"/e\", \"read_only\": false, \"bind\": {\"create_host_path\": \"true\"}}, "
	        "{\"type\": \"bind\", \"source\": \"/x\", \"target\": \"/f\"}, {\"type\": \"volume\", "
	        "\"source\": \"data\", \"target\": \"/g\", \"read_only\": true, \"volume\": {\"nocopy\": "
	        "false}}]");
	const struct container_spec *spec = &decoded.app.services[0].container;
	const struct container_mount *mounts = spec->mounts;

	(void)state;
	check_accepted(&decoded, "long values");
	assert_int_equal(spec->n_mounts, 7);
	assert_int_equal(mounts[0].type, MOUNT_TMPFS);
	assert_int_equal(mounts[0].tmpfs_size, 64 << 20);
	assert_int_equal(mounts[0].tmpfs_mode, 01770);
	assert_false(mounts[0].read_only);
	assert_int_equal(mounts[1].tmpfs_size, 4096);
	assert_int_equal(mounts[1].tmpfs_mode, 0777);
	assert_true(mounts[2].read_only);
	assert_int_equal(mounts[2].tmpfs_size, 0);
	assert_int_equal(mounts[2].tmpfs_mode, 0);
	assert_int_equal(mounts[3].type, MOUNT_BIND);
	assert_true(mounts[3].read_only && !mounts[3].create_host_path);
	assert_true(!mounts[4].read_only && mounts[4].create_host_path);
	assert_true(!mounts[5].read_only && mounts[5].create_host_path);
	assert_int_equal(mounts[6].type, MOUNT_VOLUME);
	assert_true(mounts[6].read_only && !mounts[6].nocopy && !mounts[6].create_host_path);
}

static void test_limit(void **state)
{
	cleanup_free char *most = repeat("\"tmpfs\": [", "\"/t%zu\"", CONFIG_MAX_MOUNTS, "]");
	cleanup_free char *above = repeat("\"tmpfs\": [", "\"/t%zu\"", CONFIG_MAX_MOUNTS + 1, "]");
	char path[32];

	(void)state;
	(void)snprintf(path, sizeof(path), ".tmpfs[%d]", CONFIG_MAX_MOUNTS);
	check_examples(&(struct example){ most, NULL, NULL }, 1);
	check_examples(&(struct example){ above, path, "too many" }, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_tmpfs_without_permissions),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
