/* SPDX-License-Identifier: Apache-2.0 */
/* The restart policy and its waits. */
#include "core/agent/restart.h"

#include "test.h"

static const struct {
	struct restart_policy policy;
	struct restart_history history;
	enum restart_decision decision;
	uint32_t attempts;
} rows[] = {
	{ { RESTART_ALWAYS, 0 }, { 0, 0, true, 0 }, RESTART_AGAIN, 0 },
	{ { RESTART_ALWAYS, 0 }, { 1000, 0, true, 1 }, RESTART_AGAIN, 1000 },
	{ { RESTART_NEVER, 0 }, { 0, 0, true, 0 }, RESTART_DONE, 0 },
	{ { RESTART_NEVER, 0 }, { 0, 0, true, 1 }, RESTART_DONE, 0 },
	{ { RESTART_NEVER, 0 }, { 0, 0, false, 0 }, RESTART_DONE, 0 },
	{ { RESTART_ON_FAILURE, 0 }, { 0, 0, true, 0 }, RESTART_DONE, 0 },
	{ { RESTART_ON_FAILURE, 0 }, { 0, 0, true, 137 }, RESTART_AGAIN, 0 },
	{ { RESTART_ON_FAILURE, 0 }, { 0, 0, false, 0 }, RESTART_AGAIN, 0 },
	{ { RESTART_ALWAYS, 3 }, { 2, 0, true, 1 }, RESTART_AGAIN, 2 },
	{ { RESTART_ALWAYS, 3 }, { 3, 0, true, 1 }, RESTART_EXHAUSTED, 3 },
	{ { RESTART_ON_FAILURE, 3 }, { 3, 0, true, 1 }, RESTART_EXHAUSTED, 3 },
	{ { RESTART_ON_FAILURE, 3 }, { 3, 0, true, 0 }, RESTART_DONE, 3 },
	/* a long run starts the count anew, one millisecond less does not */
	{ { RESTART_ALWAYS, 3 }, { 3, CONFIG_BACKOFF_RESET_MS, true, 1 }, RESTART_AGAIN, 0 },
	{ { RESTART_ALWAYS, 3 }, { 3, CONFIG_BACKOFF_RESET_MS - 1, true, 1 }, RESTART_EXHAUSTED, 3 },
};

static void test_decide(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t attempts = 77;

		if (restart_decide(&rows[i].policy, &rows[i].history, &attempts) != rows[i].decision ||
		        attempts != rows[i].attempts)
			fail_msg("row %zu: attempts %u", i, attempts);
	}
}

static void test_delay(void **state)
{
	int64_t whole = CONFIG_BACKOFF_MIN_MS;

	(void)state;
	for (uint32_t attempts = 0; attempts < 40; attempts++) {
		int64_t least = INT64_MAX;
		int64_t most = 0;

		for (uint32_t random = 0; random < 100000; random += 7) {
			int64_t delay = restart_delay_ms(attempts, random);

			least = delay < least ? delay : least;
			most = delay > most ? delay : most;
		}
		assert_int_equal(most, whole);
		assert_true(least >= whole - whole / 4 && least <= whole - whole / 5);
		whole = whole * 2 < CONFIG_BACKOFF_MAX_MS ? whole * 2 : CONFIG_BACKOFF_MAX_MS;
	}
	assert_true(restart_delay_ms(UINT32_MAX, UINT32_MAX) <= CONFIG_BACKOFF_MAX_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decide),
		cmocka_unit_test(test_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
