/* SPDX-License-Identifier: Apache-2.0 */
/* What a terminal would obey never reaches one; what people write does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cleanup.h"
#include "core/cli/terminal.h"

static const struct {
	const char *text;
	const char *keep;
	const char *clean;
} rows[] = {
	{ "", "", "" },
	{ "plain, with \"quotes\"", "", "plain, with \"quotes\"" },
	{ "\033[2J\033]0;title\007", "", "?[2J?]0;title?" },
	{ "a\tb\nc\rd\177", "", "a?b?c?d?" },
	{ "a\tb\nc\rd", "\n", "a?b\nc?d" },
	{ "a\tb\nc\rd", "\t", "a\tb?c?d" },
	{ "\302\200|\302\233"
	  "2J|\302\237",
	        "", "?|?2J|?" }, /* C1 in UTF-8: PAD, CSI, APC */
	{ "\302\240|\302\251|\303\233", "",
	        "\302\240|\302\251|\303\233" }, /* no-break space, (c), U circumflex */
	{ "\346\257\233 \342\202\254 \360\237\220\233", "",
	        "\346\257\233 \342\202\254 \360\237\220\233" }, /* parts are 80-9F */
	{ "\233"
	  "2J|\217",
	        "", "?2J|?" },    /* C1 of 8 bits */
	{ "x\302", "", "x\302" }, /* the end of the text inside of a character */
	{ "\302\302\233", "", "\302?" },
};

static void test_clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		cleanup_free char *text = strdup(rows[i].text);

		assert_non_null(text);
		terminal_clean(text, rows[i].keep);
		assert_string_equal(text, rows[i].clean);
	}
}

/* What was written to a stream. */
static void check_written(FILE *out, char **text, const char *wanted)
{
	assert_int_equal(fclose(out), 0);
	assert_string_equal(*text, wanted);
	free(*text);
}

static void test_write(void **state)
{
	char *text = NULL;
	size_t length = 0;

	(void)state;
	for (size_t i = 0; i < array_size(rows); i++) {
		FILE *out = open_memstream(&text, &length);

		assert_non_null(out);
		terminal_write(rows[i].text, rows[i].keep, out);
		check_written(out, &text, rows[i].clean);
	}
}

static void test_printf(void **state)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_non_null(out);
	terminal_printf(out, "%s is %d\n", "a\033\302\233b", 3);
	check_written(out, &text, "a??b is 3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_printf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
