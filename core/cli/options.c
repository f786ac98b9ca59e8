/* SPDX-License-Identifier: Apache-2.0 */
/* Options of all verbs in one table; getopt's own tables are made from it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/cli/cli.h"

#define OPTIONS_MAX 24 /* rows of the table, with room */

#define AT(member) offsetof(struct cli_options, member)

const char cli_common_options[] = "CBPoh";

static const struct option_row table[] = {
	{ 'C', "config", "FILE", OPTION_TEXT, AT(config),
	        "configuration file of the node (default: $BATON_CONFIG, then /etc/baton/baton.conf)" },
	{ 'B', "broker", "ADDRESS", OPTION_TEXT, AT(broker),
	        "HOST, HOST:PORT, [IPV6]:PORT or unix:/PATH instead of the broker of the configuration "
	        "(default: "
	        "$BATON_BROKER)" },
	{ 'P', "prefix", "PREFIX", OPTION_TEXT, AT(prefix),
	        "first levels of all topics (default: $BATON_PREFIX, then the configuration, then "
	        "baton/v1)" },
	{ 'o', "output", "FORMAT", OPTION_TEXT, AT(output), "table or json" },
	{ 'h', "help", NULL, OPTION_FLAG, AT(help), "show this help" },
	{ 'D', "dry-run", NULL, OPTION_FLAG, AT(dry_run), "check the document here and publish nothing" },
	{ 'd', "detach", NULL, OPTION_FLAG, AT(detach), "do not wait until it is done" },
	{ 'T', "timeout", "SECONDS", OPTION_NUMBER, AT(timeout_s), "how long to wait (default: 60)" },
	{ 'E', "env-file", "FILE", OPTION_LIST, AT(env_files),
	        "variables, one NAME=VALUE a line; may be repeated" },
	{ 'N', "name", "NAME", OPTION_TEXT, AT(name),
	        "name of the application or image, instead of its own" },
	{ 'f', "follow", NULL, OPTION_FLAG, AT(follow), "go on with new lines" },
	{ 'n', "lines", "NUMBER", OPTION_NUMBER, AT(lines),
	        "the last NUMBER lines of each instance (default: 100; with --since, all that a node "
	        "sends)" },
	{ 'S', "since", "WHEN", OPTION_TEXT, AT(since),
	        "only lines after a time, or not older than a duration" },
	{ 't', "timestamps", NULL, OPTION_FLAG, AT(timestamps), "begin each line with its time" },
	{ 'M', "markdown", NULL, OPTION_FLAG, AT(markdown), "write the reference of all verbs" },
	{ 0, NULL, NULL, OPTION_FLAG, 0, NULL },
};

const struct option_row *cli_option_table(void)
{
	return table;
}

const struct option_row *cli_next_option(const struct verb *verb, size_t *index)
{
	while (table[*index].name) {
		const struct option_row *row = &table[(*index)++];

		if (strchr(cli_common_options, row->key) || strchr(verb->options, row->key))
			return row;
	}
	return NULL;
}

static int parse_number(const struct option_row *row, const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || *ret_number > UINT32_MAX)
		return cli_error(CLI_USAGE, "--%s: \"%s\" is not a number", row->name, text);
	return CLI_OK;
}

static const struct option_row *find(char key)
{
	for (const struct option_row *row = table; row->name; row++) {
		if (row->key == key)
			return row;
	}
	return NULL;
}

static int store(char key, const char *text, struct cli_options *options)
{
	const struct option_row *row = find(key);
	char *member = (char *)options + (row ? row->offset : 0);

	if (!row)
		return CLI_FAILED; /* getopt knows the keys of the table only */

	switch (row->type) {
	case OPTION_FLAG: *(bool *)member = true; return CLI_OK;
	case OPTION_TEXT: *(const char **)member = text; return CLI_OK;
	case OPTION_NUMBER: return parse_number(row, text, (uint64_t *)member);
	case OPTION_LIST:
		if (strv_append((char ***)member, text) < 0)
			return cli_error(CLI_FAILED, "out of memory");
		return CLI_OK;
	}
	return CLI_FAILED;
}

/* ":" first: getopt tells a missing argument from an unknown option and prints nothing itself. */
static void make_tables(const struct verb *verb, char *shorts, struct option *longs)
{
	const struct option_row *row;
	size_t index = 0;

	*shorts++ = ':';
	while ((row = cli_next_option(verb, &index))) {
		*longs++ = (struct option){ row->name, row->argument ? required_argument : no_argument, NULL,
			row->key };
		if (row->key < 'a')
			continue;
		*shorts++ = row->key;
		if (row->argument)
			*shorts++ = ':';
	}
	*shorts = '\0';
	*longs = (struct option){ 0 };
}

static int check_operands(const struct cli *cli)
{
	const struct verb *verb = cli->verb;

	if (cli->options.help)
		return CLI_OK;
	if (cli->n_operands < verb->min_operands || cli->n_operands > verb->max_operands)
		return cli_error(CLI_USAGE, "usage: baton %s [OPTIONS]%s%s; \"baton %s --help\" says more",
		        verb->name, verb->arguments[0] ? " " : "", verb->arguments, verb->name);
	return CLI_OK;
}

static int check_output(struct cli_options *options)
{
	if (!options->output || strcmp(options->output, "table") == 0)
		return CLI_OK;
	if (strcmp(options->output, "json") != 0)
		return cli_error(CLI_USAGE, "--output: \"%s\" is neither table nor json", options->output);
	options->json = true;
	return CLI_OK;
}

int cli_parse(int argc, char **argv, struct cli *cli)
{
	char shorts[2 * OPTIONS_MAX + 2];
	struct option longs[OPTIONS_MAX + 1];
	int code = CLI_OK;
	int key;

	cli->options.timeout_s = 60;
	cli->options.lines = CLI_NOT_GIVEN;
	make_tables(cli->verb, shorts, longs);
	while (code == CLI_OK && (key = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
		if (key == '?')
			code = cli_error(CLI_USAGE,
			        "%s: unknown option \"%s\"; \"baton %s --help\" lists them", cli->verb->name,
			        argv[optind - 1], cli->verb->name);
		else if (key == ':')
			code = cli_error(CLI_USAGE, "%s: option \"%s\" needs a value", cli->verb->name,
			        argv[optind - 1]);
		else
			code = store((char)key, optarg, &cli->options);
	}
	if (code != CLI_OK)
		return code;
	cli->operands = argv + optind;
	cli->n_operands = (size_t)(argc - optind);
	code = check_operands(cli);
	return code == CLI_OK ? check_output(&cli->options) : code;
}
