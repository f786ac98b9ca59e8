/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/interpolate.h"

#include <baton/kconfig.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"

#define NAME_LENGTH_MAX 255
#define NESTING_MAX     8
#define PATH_SIZE       256

#define NAME_FIRST "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define NAME_NEXT  NAME_FIRST "0123456789"

struct expansion {
	const struct variables *variables;
	struct buf out;
	unsigned nesting;
	struct baton_error *err;
};

static int expand(struct expansion *expansion, const char *text, size_t length);

static int append(struct expansion *expansion, const char *text, size_t length)
{
	int r = buf_append(&expansion->out, text, length);

	if (r == -EMSGSIZE)
		return error_set(expansion->err, EMSGSIZE,
		        "longer than %d bytes after its variables are replaced", CONFIG_CLI_DOCUMENT_BYTES);
	return r < 0 ? error_set(expansion->err, ENOMEM, "out of memory") : 0;
}

/* Length of the name at `text`, 0 when there is none. */
static size_t name_length(const char *text, const char *end)
{
	size_t length = 0;

	while (text + length < end && text[length] && strchr(length ? NAME_NEXT : NAME_FIRST, text[length]))
		length++;
	return length;
}

static int copy_name(
        struct expansion *expansion, const char *text, size_t length, char name[static NAME_LENGTH_MAX + 1])
{
	if (length > NAME_LENGTH_MAX)
		return error_set(
		        expansion->err, EINVAL, "a variable's name is longer than %d bytes", NAME_LENGTH_MAX);
	memcpy(name, text, length);
	name[length] = '\0';
	return 0;
}

/*
 * The brace that closes the expression whose inside begins at `text`; NULL without. All braces count, not
 * only those of variables, as in the Compose tools: a default may be JSON.
 */
static const char *find_close(const char *text, const char *end)
{
	size_t open = 1;

	for (; text < end; text++) {
		if (text[0] == '$' && text + 1 < end && text[1] == '$')
			text++;
		else if (*text == '{')
			open++;
		else if (*text == '}' && --open == 0)
			return text;
	}
	return NULL;
}

/* The value, or what stands for it; `op` is one of - ? +, and a colon before it sets `empty_is_unset`. */
struct expression {
	char name[NAME_LENGTH_MAX + 1];
	char op; /* 0: none */
	bool empty_is_unset;
	const char *word;
	size_t word_length;
};

static int replace(struct expansion *expansion, const struct expression *expression)
{
	const struct variables *variables = expansion->variables;
	const char *value = variables->value(variables->arg, expression->name);
	bool set = value && (value[0] || !expression->empty_is_unset);

	if (expression->op == '+')
		return set ? expand(expansion, expression->word, expression->word_length) : 0;
	if (set)
		return append(expansion, value, strlen(value));
	if (expression->op == '-')
		return expand(expansion, expression->word, expression->word_length);
	if (expression->op == '?')
		return error_set(expansion->err, EINVAL, "the variable %s is required: %.*s",
		        expression->name,
		        (int)(expression->word_length < NAME_LENGTH_MAX ? expression->word_length
		                                                        : NAME_LENGTH_MAX),
		        expression->word_length ? expression->word : "set it");
	variables->unset(variables->arg, expression->name);
	return 0;
}

/* `text` is what stands between the braces. */
static int expand_braces(struct expansion *expansion, const char *text, const char *end)
{
	struct expression expression = { .name = "" };
	size_t length = name_length(text, end);
	int r;

	if (length == 0)
		return error_set(expansion->err, EINVAL, "\"${%.*s}\" does not begin with a variable's name",
		        (int)(end - text < NAME_LENGTH_MAX ? end - text : NAME_LENGTH_MAX), text);
	r = copy_name(expansion, text, length, expression.name);
	if (r < 0)
		return r;
	text += length;
	if (text < end && *text == ':') {
		expression.empty_is_unset = true;
		text++;
	}
	if (text < end && strchr("-?+", *text))
		expression.op = *text++;
	else if (text < end || expression.empty_is_unset)
		return error_set(
		        expansion->err, EINVAL, "after ${%s comes one of :- - :? ? :+ +", expression.name);
	expression.word = text;
	expression.word_length = (size_t)(end - text);
	return replace(expansion, &expression);
}

/* *text stands behind the dollar sign. */
static int expand_one(struct expansion *expansion, const char **text, const char *end)
{
	struct expression expression = { .name = "" };
	size_t length = name_length(*text, end);
	const char *inside = *text + 1;
	const char *close;
	int r;

	if (length > 0) {
		r = copy_name(expansion, *text, length, expression.name);
		*text += length;
		return r < 0 ? r : replace(expansion, &expression);
	}
	if (*text < end && **text == '$') {
		(*text)++;
		return append(expansion, "$", 1);
	}
	if (*text == end || **text != '{')
		return error_set(expansion->err, EINVAL,
		        "a single \"$\" is no variable; write \"$$\" for the sign itself");
	close = find_close(inside, end);
	if (!close)
		return error_set(expansion->err, EINVAL, "\"${\" without \"}\"");
	*text = close + 1;
	return expand_braces(expansion, inside, close);
}

static int expand(struct expansion *expansion, const char *text, size_t length)
{
	const char *end = text + length;
	int r = 0;

	if (expansion->nesting++ == NESTING_MAX)
		return error_set(
		        expansion->err, EINVAL, "variables are nested deeper than %d levels", NESTING_MAX);
	while (r == 0 && text < end) {
		const char *dollar = memchr(text, '$', (size_t)(end - text));
		size_t plain = (size_t)((dollar ? dollar : end) - text);

		r = append(expansion, text, plain);
		text += plain;
		if (r < 0 || !dollar)
			break;
		text++;
		r = expand_one(expansion, &text, end);
	}
	expansion->nesting--;
	return r;
}

int interpolate_text(
        const char *text, const struct variables *variables, char **ret_text, struct baton_error *err)
{
	struct expansion expansion = { .variables = variables, .err = err };
	char *result;
	int r;

	buf_init(&expansion.out, CONFIG_CLI_DOCUMENT_BYTES);
	r = expand(&expansion, text, strlen(text));
	if (r == 0) {
		result = expansion.out.length > 0 ? buf_steal(&expansion.out) : strdup("");
		if (result)
			*ret_text = result;
		else
			r = error_set(err, ENOMEM, "out of memory");
	}
	buf_release(&expansion.out);
	return r;
}

/* ---- the tree ---- */

static int walk(json_t *value, const char *path, const struct variables *variables, struct baton_error *err);

static int walk_text(
        json_t *value, const char *path, const struct variables *variables, struct baton_error *err)
{
	cleanup_free char *text = NULL;
	int r;

	if (!strchr(json_string_value(value), '$'))
		return 0;
	r = interpolate_text(json_string_value(value), variables, &text, err);
	if (r < 0)
		return error_prefix(err, "%s", path);
	/* -1: bytes of the environment that are no UTF-8, or out of memory */
	if (json_string_set(value, text) < 0)
		return error_set(err, EINVAL, "%s: not UTF-8 after its variables are replaced", path);
	return 0;
}

static int walk(json_t *value, const char *path, const struct variables *variables, struct baton_error *err)
{
	char below[PATH_SIZE];
	const char *name;
	json_t *item;
	size_t i;
	int r = 0;

	if (json_is_string(value))
		return walk_text(value, path, variables, err);
	json_array_foreach(value, i, item) {
		(void)snprintf(below, sizeof(below), "%.200s[%zu]", path, i);
		if (r == 0)
			r = walk(item, below, variables, err);
	}
	json_object_foreach(value, name, item) {
		(void)snprintf(below, sizeof(below), "%.150s.%.100s", path, name);
		if (r == 0)
			r = walk(item, below, variables, err);
	}
	return r;
}

int interpolate_tree(json_t *value, const struct variables *variables, struct baton_error *err)
{
	return walk(value, "$", variables, err);
}
