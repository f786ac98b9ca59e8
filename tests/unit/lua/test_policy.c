/* SPDX-License-Identifier: Apache-2.0 */
/* What a well-meaning policy can rely on. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/strv.h"
#include "lua/host/policy.h"
#include "tests/unit/lua/slow.h"

static char *labels[] = { (char[]){ "site=oslo" }, (char[]){ "rack=r7" }, (char[]){ "flag" }, NULL };

static struct policy_node example_node(void)
{
	return (struct policy_node){ .name = "n1",
		.architecture = "aarch64",
		.labels = labels,
		.cpu = 4000,
		.memory = 1 << 30,
		.cpu_reserved = 500,
		.memory_reserved = 1 << 20,
		.instances = 7,
		.instances_of_service = 2 };
}

static const struct policy_service service = { .app = "shop",
	.name = "cart",
	.image = "cart:1",
	.cpu = 250,
	.memory = 1 << 20,
	.replicas = 3,
	.labels = labels };

static struct policy *load(const char *source)
{
	struct policy *policy = NULL;
	struct baton_error err = { 0 };

	if (policy_load("test", source, strlen(source), policy_default_limits(), &policy, &err) < 0)
		fail_msg("%s", err.message);
	return policy;
}

static double score_seeded(const char *source, uint64_t seed)
{
	struct policy *policy = load(source);
	struct policy_node node = example_node();
	struct baton_error err = { 0 };
	double score = 0;

	if (policy_score(policy, &node, &service, seed, &score, &err) < 0)
		fail_msg("%s", err.message);
	policy_free(policy);
	return score;
}

static void sees_every_field(void **state)
{
	(void)state;
	assert_true(score_seeded(
	                    "return {score = function(n, s)"
	                    " assert(n.name == 'n1' and n.architecture == 'aarch64')"
	                    " assert(n.cpu == 4000 and n.memory == 1 << 30)"
	                    " assert(n.cpu_reserved == 500 and n.memory_reserved == 1 << 20)"
	                    " assert(n.instances == 7 and n.instances_of_service == 2)"
	                    " assert(n.labels.site == 'oslo' and n.labels.rack == 'r7')"
	                    " assert(n.labels.sit == nil and n.labels.none == nil and n.none == nil)"
	                    " assert(s.app == 'shop' and s.name == 'cart' and s.image == 'cart:1')"
	                    " assert(s.cpu == 250 and s.memory == 1 << 20 and s.replicas == 3)"
	                    " assert(s.labels.rack == 'r7')"
	                    " local t = {} for k, v in pairs(n.labels) do t[#t + 1] = k .. '=' .. v end"
	                    " assert(table.concat(t, ' ') == 'site=oslo rack=r7 flag=', table.concat(t, ' '))"
	                    " return 1 end}",
	                    0) == 1);
}

static void libraries_work(void **state)
{
	(void)state;
	assert_true(
	        score_seeded("return {score = function()"
	                     " assert(string.find('a.b', '.', 1, true) == 2 and ('abc'):find('c') == 3)"
	                     " assert(select('#', ('abc'):find('d')) == 1 and ('abc'):find('a', -2) == nil)"
	                     " assert(('abc'):find('', 4) == 4 and ('abc'):find('', 5) == nil)"
	                     " assert(string.format('%d %s %5.2f %%p', 1, nil, 2) == '1 nil  2.00 %p')"
	                     " assert(('x'):upper() == 'X' and #'abc' == 3 and ('abc'):sub(2) == 'bc')"
	                     " local t = {1, 2} table.insert(t, 3) table.insert(t, 1, 0)"
	                     " assert(table.concat(t, ',') == '0,1,2,3')"
	                     " assert(table.remove(t) == 3 and table.remove(t, 1) == 0 and #t == 2)"
	                     " assert(table.remove({}) == nil and select('#', table.unpack(t)) == 2)"
	                     " table.insert(t, 2, nil) assert(t[2] == nil)"
	                     " assert(math.floor(2.5) == 2 and math.max(1, 2) == 2)"
	                     " assert(tostring(1) == '1' and tostring(nil) == 'nil' and tostring('x') == 'x')"
	                     " assert(tonumber('0x10') == 16 and not pcall(error))"
	                     " return 1 end}",
	                0) == 1);
}

static void random_follows_the_seed(void **state)
{
	static const char source[] =
	        "return {score = function() local r = math.random() assert(r >= 0 and r < 1) "
	        "local n = math.random(6) assert(n >= 1 and n <= 6) "
	        "n = math.random(-3, 3) assert(n >= -3 and n <= 3) return r end}";

	(void)state;
	assert_true(score_seeded(source, 1) == score_seeded(source, 1));
	assert_true(score_seeded(source, 1) != score_seeded(source, 2));
}

static void filter_is_optional(void **state)
{
	struct policy_node node = example_node();
	struct policy *plain = load("return {score = function() return 0 end}");
	struct policy *strict = load("return {filter = function(n) return n.labels.site == 'rome' end, score "
	                             "= function() return 0 end}");
	struct policy *wrong =
	        load("return {filter = function() return 1 end, score = function() return 0 end}");
	struct baton_error err = { 0 };
	bool fits = false;

	(void)state;
	assert_int_equal(policy_filter(plain, &node, &service, 0, &fits, &err), 0);
	assert_true(fits);
	assert_int_equal(policy_filter(strict, &node, &service, 0, &fits, &err), 0);
	assert_false(fits);
	assert_int_equal(policy_filter(wrong, &node, &service, 0, &fits, &err), -EINVAL);
	assert_non_null(strstr(err.message, "boolean"));
	policy_free(plain);
	policy_free(strict);
	policy_free(wrong);
}

static void failure_has_place_and_traceback(void **state)
{
	struct policy_node node = example_node();
	struct policy *policy = load("local function inner(n)\n return n.none.deeper\nend\n"
	                             "return {score = function(n) return inner(n) + 1 end}");
	struct baton_error err = { 0 };
	double score;

	(void)state;
	assert_int_equal(policy_score(policy, &node, &service, 0, &score, &err), -EINVAL);
	assert_non_null(strstr(err.message, "test:2:"));
	assert_non_null(strstr(err.message, "traceback"));
	assert_non_null(strstr(err.message, "test:4:"));
	assert_null(strstr(err.message, "0x"));
	policy_free(policy);
}

static void broken_policy_stays_broken(void **state)
{
	struct policy_node node = example_node();
	struct policy *policy = load("return {score = function() while true do end end}");
	struct baton_error err = { 0 };
	double score;

	(void)state;
	assert_int_equal(policy_score(policy, &node, &service, 0, &score, &err), -ETIME);
	assert_int_equal(policy_score(policy, &node, &service, 0, &score, &err), -EINVAL);
	policy_free(policy);
	policy_free(NULL);
}

static void on_alarm(int number)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

	(void)number;
	(void)nanosleep(&pause, NULL);
}

/* Another process has the CPU in the middle of a call, five times as long as the call may take. */
static void preemption_is_not_the_policys_fault(void **state)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval once = { .it_value = { .tv_usec = 500 } };
	struct policy_node node = example_node();
	char source[SLOW_SIZE];
	struct policy *policy;
	struct baton_error err = { 0 };
	int64_t start;
	double score;

	(void)state;
	slow_policy(source, 4000); /* long enough for the alarm, and far below its budget */
	policy = load(source);
	start = clock_boot_ms();
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &once, NULL), 0);
	assert_int_equal(policy_score(policy, &node, &service, 0, &score, &err), 0);
	assert_true(clock_boot_ms() - start >= 100);
	policy_free(policy);
}

static double builtin_score(const char *name, struct policy_node node)
{
	size_t length = 0;
	const char *source = policy_builtin(name, &length);
	struct policy *policy = NULL;
	struct baton_error err = { 0 };
	double score = 0;

	assert_non_null(source);
	assert_int_equal(strlen(source), length);
	assert_int_equal(policy_load(name, source, length, policy_default_limits(), &policy, &err), 0);
	assert_int_equal(policy_score(policy, &node, &service, 0, &score, &err), 0);
	policy_free(policy);
	return score;
}

static void builtins_do_what_their_names_say(void **state)
{
	struct policy_node empty = { .name = "a", .architecture = "x", .cpu = 1000, .memory = 1 << 30 };
	struct policy_node half = empty;
	struct policy_node crowded = empty;
	struct policy_node bare = { .name = "b", .architecture = "x" };
	size_t length;

	(void)state;
	half.cpu_reserved = 500;
	half.memory_reserved = 1 << 29;
	crowded.instances_of_service = 1;
	assert_true(builtin_score("spread", empty) > builtin_score("spread", half));
	assert_true(builtin_score("spread", half) > builtin_score("spread", crowded));
	assert_true(builtin_score("binpack", half) > builtin_score("binpack", empty));
	(void)builtin_score("spread", bare); /* a node without capacities divides by nothing */
	(void)builtin_score("binpack", bare);
	assert_null(policy_builtin("none", &length));
}

static void a_call_is_cheap(void **state)
{
	size_t length;
	const char *source = policy_builtin("spread", &length);
	struct policy_node node = example_node();
	struct policy *policy = NULL;
	struct baton_error err = { 0 };
	int64_t start;
	double score;

	(void)state;
	assert_int_equal(policy_load("spread", source, length, policy_default_limits(), &policy, &err), 0);
	start = clock_boot_ns();
	for (int i = 0; i < 100000; i++)
		assert_int_equal(policy_score(policy, &node, &service, 0, &score, &err), 0);
	print_message("score of spread: %.0f ns a call\n", (double)(clock_boot_ns() - start) / 100000);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_every_field),
		cmocka_unit_test(libraries_work),
		cmocka_unit_test(random_follows_the_seed),
		cmocka_unit_test(filter_is_optional),
		cmocka_unit_test(failure_has_place_and_traceback),
		cmocka_unit_test(broken_policy_stays_broken),
		cmocka_unit_test(preemption_is_not_the_policys_fault),
		cmocka_unit_test(builtins_do_what_their_names_say),
		cmocka_unit_test(a_call_is_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
