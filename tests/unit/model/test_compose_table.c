/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the tables: order, help, and what the decoder does with it when it is not supported. */
#include "tests/unit/model/decode.h"

#define SERVICE "services.*."

/* The document with only the attribute `path`, whose value is {}. free() it; NULL for a path of another form.
 */
static char *document_with(const char *path)
{
	static const struct {
		const char *prefix;
		const char *before;
		const char *after;
	} places[] = {
		{ SERVICE "volumes[].bind.",
		        "\"volumes\": [{\"type\": \"bind\", \"source\": \"/a\", \"target\": \"/b\", "
		        "\"bind\": {",
		        "}}]" },
		{ SERVICE "volumes[].volume.",
		        "\"volumes\": [{\"type\": \"volume\", \"target\": \"/b\", \"volume\": {", "}}]" },
		{ SERVICE "volumes[].", "\"volumes\": [{\"type\": \"volume\", \"target\": \"/b\", ", "}]" },
		{ SERVICE "deploy.resources.reservations.",
		        "\"deploy\": {\"resources\": {\"reservations\": {", "}}}" },
		{ SERVICE "deploy.", "\"deploy\": {", "}" },
		{ SERVICE, "", "" },
	};
	char *text = NULL;

	if (strncmp(path, "volumes.*.", 10) == 0) {
		assert_true(asprintf(&text,
		                    "{\"services\": {\"s\": {\"image\": \"i\"}}, \"volumes\": {\"v\": "
		                    "{\"%s\": {}}}}",
		                    path + 10) > 0);
		return text;
	}
	if (!strchr(path, '.')) {
		assert_true(
		        asprintf(&text, "{\"services\": {\"s\": {\"image\": \"i\"}}, \"%s\": {}}", path) > 0);
		return text;
	}
	for (size_t i = 0; i < array_size(places); i++) {
		if (strncmp(path, places[i].prefix, strlen(places[i].prefix)) != 0)
			continue;
		if (strchr(path + strlen(places[i].prefix), '.'))
			return NULL;
		assert_true(asprintf(&text, "{\"services\": {\"s\": {\"image\": \"i\", %s\"%s\": {}%s}}}",
		                    places[i].before, path + strlen(places[i].prefix), places[i].after) > 0);
		return text;
	}
	return NULL;
}

/* "services.*.volumes[].image" as "$.services.s.volumes[0].image"; "volumes.*" as "$.volumes.v" */
static void finding_path(const char *path, char text[static VERDICT_TEXT_MAX])
{
	char *to = stpcpy(text, "$.");

	for (; *path; path++) {
		if (*path == '*')
			*to++ = strncmp(text, "$.volumes", 9) == 0 ? 'v' : 's';
		else
			*to++ = *path;
		if (*path == '[')
			*to++ = '0';
	}
	*to = '\0';
}

static void test_unsupported_rows(void **state)
{
	const struct attribute_row *row;
	size_t rejected = 0;

	(void)state;
	for (size_t i = 0; (row = compose_attribute(i)); i++) {
		cleanup_free char *text = NULL;
		char path[VERDICT_TEXT_MAX];

		if (row->support == ATTRIBUTE_SUPPORTED)
			continue;
		text = document_with(row->path);
		assert_non_null(text);
		finding_path(row->path, path);
		{
			cleanup_with(decoded_release) struct decoded decoded = decode_text_as(text, "a");

			if (row->support == ATTRIBUTE_IGNORED) {
				check_accepted(&decoded, text);
				assert_string_equal(decoded.verdict.warnings[0].path, path);
			} else {
				check_one_error(&decoded, path, "not supported yet", text);
				rejected++;
			}
		}
	}
	assert_true(rejected > 80);
}

static void test_rows_are_unique_and_explained(void **state)
{
	const struct attribute_row *row;

	(void)state;
	for (size_t i = 0; (row = compose_attribute(i)); i++) {
		const struct attribute_row *other;

		assert_true(row->support == ATTRIBUTE_UNSUPPORTED || row->help[0]);
		for (size_t j = i + 1; (other = compose_attribute(j)); j++)
			assert_string_not_equal(row->path, other->path);
	}
}

/* A row that the binary search can not find would be an unknown attribute. */
static void test_rows_are_found(void **state)
{
	const struct attribute_row *row;

	(void)state;
	for (size_t i = 0; (row = compose_attribute(i)); i++) {
		cleanup_free char *text = document_with(row->path);

		if (!text || strcmp(row->path, "services") == 0 ||
		        strcmp(row->path, "services.*.image") == 0 || strstr(row->path, "[].type") ||
		        strstr(row->path, "[].target"))
			continue; /* would be there twice, which is no JSON for us */
		{
			cleanup_with(decoded_release) struct decoded decoded = decode_text_as(text, "a");

			for (size_t e = 0; e < decoded.verdict.n_errors; e++)
				assert_null(strstr(decoded.verdict.errors[e].reason, "unknown attribute"));
			for (size_t e = 0; e < decoded.verdict.n_errors; e++)
				assert_null(strstr(decoded.verdict.errors[e].reason, "not valid JSON"));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unsupported_rows),
		cmocka_unit_test(test_rows_are_unique_and_explained),
		cmocka_unit_test(test_rows_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
