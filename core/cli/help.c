/* SPDX-License-Identifier: Apache-2.0 */
/* Help, docs/cli.md and version, all from the tables. */
#include <stdio.h>
#include <string.h>

#include "core/cli/cli.h"

#define HELP_WIDTH       100
#define NAME_COLUMN      12
#define OPTION_TEXT_SIZE 64

static const char *const exits[CLI_EXITS] = {
	[CLI_OK] = "done",
	[CLI_FAILED] = "failed: standard error says why",
	[CLI_USAGE] = "wrong usage, or a file that cannot be used",
	[CLI_REJECTED] = "rejected: the verdict lists every fault",
	[CLI_TIMEOUT] = "not done within the time",
	[CLI_UNREACHABLE] = "the broker cannot be reached",
	[CLI_NOT_FOUND] = "not found (nodes: none is online)",
};

const char *cli_exit_help(enum cli_exit code)
{
	return exits[code];
}

/* Breaks at spaces; a line break in the text is kept. */
static void write_wrapped(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " \n");

		if (column > 0 && column + 1 + length > HELP_WIDTH) {
			(void)fputc('\n', out);
			column = 0;
		} else if (column > 0) {
			(void)fputc(' ', out);
			column++;
		}
		(void)fwrite(text, 1, length, out);
		column += length;
		text += length;
		while (*text == ' ')
			text++;
		for (; *text == '\n'; text++) {
			(void)fputc('\n', out);
			column = 0;
		}
	}
	(void)fputc('\n', out);
}

static void format_option(const struct option_row *row, char text[static OPTION_TEXT_SIZE])
{
	char shorter[8] = "    ";

	if (row->key >= 'a')
		(void)snprintf(shorter, sizeof(shorter), "-%c, ", row->key);
	(void)snprintf(text, OPTION_TEXT_SIZE, "%s--%s%s%s", shorter, row->name, row->argument ? " " : "",
	        row->argument ? row->argument : "");
}

static void write_options(FILE *out, const struct verb *verb)
{
	char text[OPTION_TEXT_SIZE];
	const struct option_row *row;
	size_t index = 0;

	while ((row = cli_next_option(verb, &index))) {
		format_option(row, text);
		(void)fprintf(out, "  %-22s %s\n", text, row->help);
	}
}

static void write_all_verbs(FILE *out)
{
	(void)fprintf(out, "Usage: baton VERB [OPTIONS] [ARGUMENTS]\n\n");
	for (const struct verb *verb = cli_verbs(); verb->name; verb++)
		(void)fprintf(out, "  %-*s %s\n", NAME_COLUMN, verb->name, verb->summary);
	(void)fprintf(out, "\n\"baton VERB --help\" says more. Exit status:\n");
	for (unsigned code = 0; code < CLI_EXITS; code++)
		(void)fprintf(out, "  %-*u %s\n", NAME_COLUMN, code, exits[code]);
}

void cli_write_usage(FILE *out, const struct verb *verb)
{
	if (!verb) {
		write_all_verbs(out);
		return;
	}
	(void)fprintf(out, "Usage: baton %s [OPTIONS]%s%s\n\n%s.\n", verb->name,
	        verb->arguments[0] ? " " : "", verb->arguments, verb->summary);
	if (verb->details[0]) {
		(void)fputc('\n', out);
		write_wrapped(out, verb->details);
	}
	(void)fprintf(out, "\nOptions:\n");
	write_options(out, verb);
}

static void markdown_options(FILE *out, const struct verb *verb, const char *keys)
{
	char text[OPTION_TEXT_SIZE];
	const struct option_row *row;
	size_t index = 0;

	while ((row = cli_next_option(verb, &index))) {
		if (!strchr(keys, row->key))
			continue;
		format_option(row, text);
		(void)fprintf(out, "| `%s` | %s |\n", text + strspn(text, " "), row->help);
	}
}

int cli_write_markdown(FILE *out)
{
	(void)fprintf(out,
	        "# The command line\n\n"
	        "Written by `baton help --markdown`; do not edit.\n\n"
	        "`baton` is a plain MQTT client: whatever it does, `mosquitto_pub` and `mosquitto_sub` can "
	        "do too (see topics.md). Results go to standard output, everything else to standard "
	        "error.\n\n"
	        "Every verb takes:\n\n| option | meaning |\n|---|---|\n");
	markdown_options(out, cli_verbs(), cli_common_options);
	(void)fprintf(out, "\n| exit status | meaning |\n|---|---|\n");
	for (unsigned code = 0; code < CLI_EXITS; code++)
		(void)fprintf(out, "| %u | %s |\n", code, exits[code]);
	for (const struct verb *verb = cli_verbs(); verb->name; verb++) {
		(void)fprintf(out, "\n## baton %s\n\n    baton %s [OPTIONS]%s%s\n\n%c%s.\n", verb->name,
		        verb->name, verb->arguments[0] ? " " : "", verb->arguments,
		        verb->summary[0] - 'a' + 'A', verb->summary + 1);
		if (verb->details[0])
			(void)fprintf(out, "\n%s\n", verb->details);
		if (verb->options[0]) {
			(void)fprintf(out, "\n| option | meaning |\n|---|---|\n");
			markdown_options(out, verb, verb->options);
		}
	}
	return ferror(out) ? CLI_FAILED : CLI_OK;
}

int verb_help(const struct cli *cli)
{
	const struct verb *verb = NULL;

	if (cli->options.markdown)
		return cli_write_markdown(stdout);
	if (cli->n_operands > 0) {
		verb = cli_verb_find(cli->operands[0]);
		if (!verb)
			return cli_error(CLI_USAGE, "there is no command \"%s\"; \"baton help\" lists them",
			        cli->operands[0]);
	}
	cli_write_usage(stdout, verb);
	return CLI_OK;
}

int verb_version(const struct cli *cli)
{
	if (cli->options.json)
		(void)printf("{\"version\":\"%s\"}\n", BATON_VERSION);
	else
		(void)printf("baton %s\n", BATON_VERSION);
	return CLI_OK;
}
