/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/etc_files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"

static void test_hostname(void **state)
{
	static const struct {
		const char *given;
		const char *service;
		const char *expected;
	} rows[] = {
		{ NULL, "web", "web-2" },
		{ NULL, "web_api.v1", "web-api-v1-2" },
		{ "edge-1.example", "web", "edge-1.example" },
		{ "a_b", "web", "a_b" },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		cleanup_free char *given = rows[i].given ? strdup(rows[i].given) : NULL;
		cleanup_free char *service = strdup(rows[i].service);
		const struct container_spec spec = { .hostname = given, .service = service, .slot = 2 };
		char hostname[HOSTNAME_SIZE];

		assert_int_equal(etc_hostname(&spec, hostname), 0);
		assert_string_equal(hostname, rows[i].expected);
	}
}

static void test_hostname_at_the_limit(void **state)
{
	char given[HOSTNAME_SIZE + 1];
	char service[64];
	const struct container_spec spec = { .hostname = given };
	const struct container_spec derived = { .service = service, .slot = UINT32_MAX };
	char hostname[HOSTNAME_SIZE];

	(void)state;
	memset(given, 'a', sizeof(given));
	given[HOSTNAME_SIZE - 1] = '\0';
	assert_int_equal(etc_hostname(&spec, hostname), 0);
	assert_string_equal(hostname, given);
	given[HOSTNAME_SIZE - 1] = 'a';
	given[HOSTNAME_SIZE] = '\0';
	assert_int_equal(etc_hostname(&spec, hostname), -ENAMETOOLONG);
	memset(service, 's', sizeof(service));
	service[sizeof(service) - 1] = '\0';
	assert_int_equal(etc_hostname(&derived, hostname), 0);
	assert_string_equal(strchr(hostname, '-'), "-4294967295");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostname),
		cmocka_unit_test(test_hostname_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
