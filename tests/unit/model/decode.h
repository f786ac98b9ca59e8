/* SPDX-License-Identifier: Apache-2.0 */
/* Short ways to say what the Compose decoder must do with a document. */
#ifndef BATON_TESTS_MODEL_DECODE_H
#define BATON_TESTS_MODEL_DECODE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/model/compose.h"

struct decoded {
	struct app app;
	struct verdict verdict;
	int result;
};

/* A member of the service "s" of the application "a" (or of the document), and what is wrong with it. */
struct example {
	const char *text;
	const char *path;   /* behind "$.services.s" (or "$"); NULL: nothing is wrong */
	const char *reason; /* part of it */
};

static inline void decoded_release(struct decoded *decoded)
{
	if (decoded->result == 0)
		app_release(&decoded->app);
	verdict_release(&decoded->verdict);
}

static inline struct decoded decode_bytes_as(const char *text, size_t length, const char *topic_app)
{
	struct decoded decoded = { .result = 0 };

	verdict_init(&decoded.verdict);
	decoded.result = compose_decode(text, length, topic_app, &decoded.app, &decoded.verdict);
	return decoded;
}

static inline struct decoded decode_text_as(const char *text, const char *topic_app)
{
	return decode_bytes_as(text, strlen(text), topic_app);
}

/* `members` of a service behind its image; a volume "data" is declared. */
static inline struct decoded decode_members(const char *members)
{
	cleanup_free char *text = NULL;

	assert_true(asprintf(&text,
	                    "{\"name\": \"a\", \"services\": {\"s\": {\"image\": \"i\"%s%s}}, \"volumes\": "
	                    "{\"data\": null}}",
	                    *members ? ", " : "", members) > 0);
	return decode_text_as(text, "a");
}

static inline void print_errors(const struct decoded *decoded, const char *text)
{
	print_message("of %.200s:\n", text);
	for (size_t i = 0; i < decoded->verdict.n_errors; i++)
		print_message("  %s: %s [%s]\n", decoded->verdict.errors[i].path,
		        decoded->verdict.errors[i].reason, decoded->verdict.errors[i].limit);
}

static inline void check_one_error(
        const struct decoded *decoded, const char *path, const char *reason, const char *text)
{
	const struct finding *error = decoded->verdict.errors;

	if (decoded->result != -EINVAL || decoded->verdict.n_errors != 1 || strcmp(error->path, path) != 0 ||
	        (reason && !strstr(error->reason, reason))) {
		print_errors(decoded, text);
		fail_msg(
		        "result %d, wanted one error at %s: %s", decoded->result, path, reason ? reason : "");
	}
}

static inline void check_accepted(const struct decoded *decoded, const char *text)
{
	if (decoded->result != 0 || decoded->verdict.n_errors != 0) {
		print_errors(decoded, text);
		fail_msg("result %d, wanted no error", decoded->result);
	}
}

static inline void check_examples(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cleanup_with(decoded_release) struct decoded decoded = decode_members(examples[i].text);
		char path[VERDICT_TEXT_MAX];

		(void)snprintf(
		        path, sizeof(path), "$.services.s%s", examples[i].path ? examples[i].path : "");
		if (examples[i].path)
			check_one_error(&decoded, path, examples[i].reason, examples[i].text);
		else
			check_accepted(&decoded, examples[i].text);
	}
}

/* As `prefix`, `count` times `item` (a format with one %zu) with ", " between them, `suffix`. free() it. */
static inline char *repeat(const char *prefix, const char *item, size_t count, const char *suffix)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	(void)fputs(prefix, out);
	for (size_t i = 0; i < count; i++) {
		const char *number = strstr(item, "%zu");

		(void)fputs(i > 0 ? ", " : "", out);
		if (number)
			(void)fprintf(out, "%.*s%zu%s", (int)(number - item), item, i, number + 3);
		else
			(void)fputs(item, out);
	}
	(void)fputs(suffix, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* `count` times the letter "x" between prefix and suffix. free() it. */
static inline char *long_text(const char *prefix, size_t count, const char *suffix)
{
	size_t before = strlen(prefix);
	char *text = malloc(before + count + strlen(suffix) + 1);

	assert_non_null(text);
	memcpy(text, prefix, before);
	memset(text + before, 'x', count);
	memcpy(text + before + count, suffix, strlen(suffix) + 1);
	return text;
}

#endif
