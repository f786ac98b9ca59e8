/* SPDX-License-Identifier: Apache-2.0 */
/* --broker as people write it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/cli/address.h"

static void test_good(void **state)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: a socket */
		const char *socket;
		uint16_t port;
	} rows[] = {
		{ "broker", "broker", NULL, 1883 },
		{ "broker.local:8883", "broker.local", NULL, 8883 },
		{ "192.0.2.1:1", "192.0.2.1", NULL, 1 },
		{ "localhost:65535", "localhost", NULL, 65535 },
		{ "[2001:db8::1]:8883", "2001:db8::1", NULL, 8883 },
		{ "[::1]", "::1", NULL, 1883 },
		{ "2001:db8::1", "2001:db8::1", NULL, 1883 },
		{ "unix:/run/broker.sock", NULL, "/run/broker.sock", 1883 },
		{ "unix:/odd:name]", NULL, "/odd:name]", 1883 },
	};

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct address address;
		struct baton_error err;

		assert_int_equal(address_parse(rows[i].text, &address, &err), 0);
		assert_int_equal(address.port, rows[i].port);
		if (rows[i].host)
			assert_string_equal(address.host, rows[i].host);
		else
			assert_null(address.host);
		if (rows[i].socket)
			assert_string_equal(address.socket, rows[i].socket);
		else
			assert_null(address.socket);
		address_release(&address);
		assert_null(address.host);
	}
}

static void test_bad(void **state)
{
	static const char *const rows[] = { "", ":1883", "host:", "host:0", "host:65536", "host:x", "host:1x",
		"host:-1", "host: 1", "host:+1", "host:99999999999999999999", "[]", "[]:1", "[::1", "[::1]x",
		"[::1]1883", "[::1]:", "[::1]:0", "unix:", "unix:relative", "unix:./x" };

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		struct address address;
		struct baton_error err = { 0 };

		assert_int_equal(address_parse(rows[i], &address, &err), -EINVAL);
		assert_non_null(strstr(err.message, rows[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
