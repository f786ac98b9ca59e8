/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several images a machine takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/unpack/documents.h"
#include "core/unpack/platform.h"

#define D(digit)                                                                                             \
	"\"size\":1,\"digest\":\"sha256:"                                                                    \
	"000000000000000000000000000000000000000000000000000000000000000" digit "\""
#define P(architecture, variant)                                                                             \
	"\"platform\":{\"os\":\"linux\",\"architecture\":\"" architecture "\",\"variant\":\"" variant "\"}"

static const char index_text[] = "{\"manifests\":[{" D("1") "," P("arm", "v6") "},{" D("2") "," P(
        "arm", "v7") "},{" D("3") "," P("arm64", "v8") "},{" D("4") "," P("amd64",
        "") "},{" D("5") "," P("386", "") "},{" D("6") ","
                                                       "\"platform\":{\"os\":"
                                                       "\"unknown\","
                                                       "\"architecture\":"
                                                       "\"unknown\"}}]}";

static json_t *parse(const char *text)
{
	const struct json_limits limits = { .bytes = 65536, .depth = 16 };
	json_t *value = NULL;

	assert_int_equal(json_parse(text, strlen(text), limits, &value, NULL), 0);
	return value;
}

static void machines(void **state)
{
	static const struct {
		const char *machine;
		char digit;
	} cases[] = {
		{ "x86_64", '4' },
		{ "i686", '5' },
		{ "aarch64", '3' },
		{ "armv8l", '2' },
		{ "armv7l", '2' },
		{ "armv6l", '1' },
		{ "sparc64", 0 },
	};
	cleanup_json json_t *index = parse(index_text);

	(void)state;
	for (size_t i = 0; i < array_size(cases); i++) {
		struct manifest_choice choice = { .name = NULL };
		struct baton_error err = { 0 };
		int r = index_choose(index, cases[i].machine, "", &choice, &err);

		assert_int_equal(r == 0, cases[i].digit != 0);
		if (r == 0)
			assert_int_equal(choice.descriptor.hex[DIGEST_HEX_LENGTH - 1], cases[i].digit);
		else
			assert_non_null(strstr(
			        err.message, "linux/arm/v6, linux/arm/v7, linux/arm64/v8, linux/amd64"));
	}
}

static void next_best(void **state)
{
	cleanup_json json_t *index =
	        parse("{\"manifests\":[{" D("1") "," P("arm", "v6") "},{" D("2") "," P("arm", "v7") "}]}");
	struct manifest_choice choice = { .name = NULL };

	(void)state;
	assert_int_equal(index_choose(index, "aarch64", "", &choice, NULL), 0);
	assert_int_equal(choice.descriptor.hex[DIGEST_HEX_LENGTH - 1], '2');
}

static void other_systems(void **state)
{
	(void)state;
	assert_int_equal(platform_rank("x86_64", "windows", "amd64", ""), PLATFORM_UNFIT);
	assert_int_equal(platform_rank("x86_64", "linux", NULL, ""), PLATFORM_UNFIT);
	assert_int_equal(platform_rank("x86_64", "linux", "amd64", "v3"), PLATFORM_UNFIT);
	assert_true(platform_rank("x86_64", NULL, "amd64", NULL) >= 0);
	assert_string_equal(platform_architecture("armv7l"), "arm");
	assert_string_equal(platform_architecture("vax"), "vax");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines),
		cmocka_unit_test(next_best),
		cmocka_unit_test(other_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
