/* SPDX-License-Identifier: Apache-2.0 */
/* The documentation of the configuration file, from the table that also reads it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/config/config.h"
#include "core/config/keys-priv.h"

#define COLUMNS 96

/* Help text as comment lines of at most COLUMNS columns. */
static void write_comment(FILE *out, const char *indent, const char *text)
{
	while (*text) {
		size_t length = strlen(text);

		if (length > COLUMNS) {
			length = COLUMNS;
			while (length > 1 && text[length] != ' ')
				length--;
		}
		(void)fprintf(out, "%s# %.*s\n", indent, (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
}

static void write_default(FILE *out, const struct key *key)
{
	switch (key->type) {
	case KEY_TEXT:
	case KEY_CHOICE: (void)fprintf(out, "\"%s\"", key->text); break;
	case KEY_ENUM: (void)fprintf(out, "\"%s\"", key->choices[key->number]); break;
	case KEY_INT: (void)fprintf(out, "%" PRId64, key->number); break;
	case KEY_BOOL: (void)fputs(key->number ? "true" : "false", out); break;
	case KEY_LIST: (void)fprintf(out, key->text ? "[ \"%s\" ]" : "[ ]", key->text); break;
	case KEY_LABELS: (void)fputs("{ }", out); break;
	}
}

static void write_range(FILE *out, const struct key *key)
{
	if (key->type == KEY_INT)
		(void)fprintf(out, "%" PRId64 " to %" PRId64, key->min, key->max);
	for (size_t i = 0; key->choices && key->choices[i]; i++)
		(void)fprintf(out, "%s\"%s\"", i ? ", " : "", key->choices[i]);
}

static void write_key(FILE *out, const struct key *key, const char *name, const char *indent)
{
	(void)fputc('\n', out);
	write_comment(out, indent, key->help);
	if (key->type == KEY_INT || key->choices) {
		(void)fprintf(out, "%s# %s", indent, key->choices ? "One of " : "Range: ");
		write_range(out, key);
		(void)fputs(".\n", out);
	}
	(void)fprintf(out, "%s#%s = ", indent, name);
	if (key->example)
		(void)fputs(key->example, out);
	else
		write_default(out, key);
	(void)fputs(";\n", out);
}

int config_write_example(FILE *out)
{
	size_t count;
	const struct key *keys = config_keys(&count);
	const char *group = "";
	size_t length = 0;

	write_comment(out, "",
	        "Configuration of a Baton node, in the syntax of libconfig. Remove the \"#\" before a key to "
	        "set it. What is commented out is the default, or an example where the help names another "
	        "default. Unknown keys are errors. A line @include \"FILE\" puts another file here: whoever "
	        "can "
	        "write to either file decides what runs on this node.");
	for (size_t i = 0; i < count; i++) {
		const char *dot = strchr(keys[i].path, '.');
		size_t now = dot ? (size_t)(dot - keys[i].path) : 0;

		if (now != length || strncmp(group, keys[i].path, now) != 0) {
			if (length > 0)
				(void)fputs("};\n", out);
			(void)fprintf(out, "\n%.*s: {", (int)now, keys[i].path);
			group = keys[i].path;
			length = now;
		}
		write_key(out, &keys[i], dot ? dot + 1 : keys[i].path, dot ? "\t" : "");
	}
	if (length > 0)
		(void)fputs("};\n", out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

int config_write_markdown(FILE *out)
{
	size_t count;
	const struct key *keys = config_keys(&count);

	(void)fputs("| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n", out);
	for (size_t i = 0; i < count; i++) {
		(void)fprintf(out, "| `%s` | %s | `", keys[i].path, config_key_type_name(keys[i].type));
		write_default(out, &keys[i]);
		(void)fputs("` | ", out);
		write_range(out, &keys[i]);
		(void)fprintf(out, " | %s |\n", keys[i].help);
	}
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}
