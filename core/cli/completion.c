/* SPDX-License-Identifier: Apache-2.0 */
/* baton completion bash: a script from the tables of verbs and options. */
#include <stdio.h>
#include <string.h>

#include "core/cli/cli.h"

/* After these options comes a file; other values cannot be guessed. */
static bool takes_file(const struct option_row *row)
{
	return row->argument && strcmp(row->argument, "FILE") == 0;
}

static void write_options(const struct verb *verb)
{
	const struct option_row *row;
	size_t index = 0;

	while ((row = cli_next_option(verb, &index))) {
		(void)printf(" --%s", row->name);
		if (row->key >= 'a')
			(void)printf(" -%c", row->key);
	}
}

static void write_file_options(void)
{
	const char *separator = "";

	for (const struct option_row *row = cli_option_table(); row->name; row++) {
		if (!takes_file(row))
			continue;
		(void)printf("%s--%s", separator, row->name);
		separator = " | ";
	}
}

int verb_completion(const struct cli *cli)
{
	if (strcmp(cli->operands[0], "bash") != 0)
		return cli_error(
		        CLI_USAGE, "completion: \"%s\" is not known; there is bash", cli->operands[0]);
	(void)printf("# bash completion of baton, written by \"baton completion bash\"\n"
	             "_baton() {\n"
	             "\tCOMPREPLY=()\n"
	             "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words\n"
	             "\tif ((COMP_CWORD == 1)); then\n"
	             "\t\twords='");
	for (const struct verb *verb = cli_verbs(); verb->name; verb++)
		(void)printf("%s ", verb->name);
	(void)printf("--help --version'\n"
	             "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	             "\t\treturn\n"
	             "\tfi\n"
	             "\tcase $before in\n"
	             "\t");
	write_file_options();
	(void)printf(") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
	             "\t--output | -o) COMPREPLY=($(compgen -W 'table json' -- \"$word\")); return ;;\n"
	             "\tesac\n"
	             "\tcase ${COMP_WORDS[1]} in\n");
	for (const struct verb *verb = cli_verbs(); verb->name; verb++) {
		(void)printf("\t%s) words='", verb->name);
		write_options(verb);
		(void)printf("' ;;\n");
	}
	(void)printf("\tesac\n"
	             "\tcase ${COMP_WORDS[1]}:$before in\n"
	             "\timage:image) words+=' import ls rm' ;;\n"
	             "\tcompletion:completion) words+=' bash' ;;\n"
	             "\tapply:* | image:import) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
	             "\tesac\n"
	             "\tCOMPREPLY+=($(compgen -W \"$words\" -- \"$word\"))\n"
	             "}\n"
	             "complete -o filenames -F _baton baton\n");
	return CLI_OK;
}
