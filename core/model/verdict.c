/* SPDX-License-Identifier: Apache-2.0 */
/* Findings with bounded texts in a bounded list. */
#include "core/model/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/utf8.h"
#include "core/model/document-priv.h"

void verdict_init(struct verdict *verdict)
{
	*verdict = (struct verdict){ 0 };
}

void verdict_release(struct verdict *verdict)
{
	free(verdict->errors);
	free(verdict->warnings);
	*verdict = (struct verdict){ 0 };
}

/* A text cut to size, here or before, must not end with half a character. */
static void copy_text(char *text, size_t size, const char *from)
{
	(void)snprintf(text, size, "%s", from);
	text[utf8_trim(text, strlen(text))] = '\0';
}

/* A zeroed element at the end of the list, or NULL when there is no room. */
static struct finding *append(struct verdict *verdict, struct finding **list, size_t *count)
{
	struct finding *grown = NULL;

	if (*count < CONFIG_MAX_FINDINGS)
		grown = reallocarray(*list, *count + 1, sizeof(*grown));
	if (!grown) {
		verdict->truncated = true;
		return NULL;
	}
	*list = grown;
	grown[*count] = (struct finding){ 0 };
	return &grown[(*count)++];
}

__attribute__((format(printf, 3, 0))) static void fill(
        struct finding *finding, const char *path, const char *format, va_list args)
{
	int length = vsnprintf(finding->reason, sizeof(finding->reason), format, args);

	if (length < 0)
		finding->reason[0] = '\0';
	else
		finding->reason[utf8_trim(finding->reason, strlen(finding->reason))] = '\0';
	copy_text(finding->path, sizeof(finding->path), path);
}

void verdict_error(struct verdict *verdict, const char *path, const char *limit, const char *format, ...)
{
	struct finding *finding = append(verdict, &verdict->errors, &verdict->n_errors);
	va_list args;

	if (!finding)
		return;
	va_start(args, format);
	fill(finding, path, format, args);
	va_end(args);
	if (limit)
		copy_text(finding->limit, sizeof(finding->limit), limit);
}

void verdict_warning(struct verdict *verdict, const char *path, const char *format, ...)
{
	struct finding *finding = append(verdict, &verdict->warnings, &verdict->n_warnings);
	va_list args;

	if (!finding)
		return;
	va_start(args, format);
	fill(finding, path, format, args);
	va_end(args);
}

static json_t *findings_json(const struct finding *findings, size_t count)
{
	cleanup_json json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		const char *limit = findings[i].limit[0] ? findings[i].limit : NULL;
		json_t *item = json_pack("{s:o, s:o, s:s*}", "path", document_any_text(findings[i].path),
		        "reason", document_any_text(findings[i].reason), "limit", limit);

		if (!item || json_array_append_new(array, item) < 0)
			return NULL;
	}
	return steal_ptr(array);
}

json_t *verdict_errors_json(const struct verdict *verdict)
{
	return findings_json(verdict->errors, verdict->n_errors);
}

json_t *verdict_warnings_json(const struct verdict *verdict)
{
	return findings_json(verdict->warnings, verdict->n_warnings);
}
