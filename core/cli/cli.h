/* SPDX-License-Identifier: Apache-2.0 */
/* The `baton` command line: verbs, options and exit codes as tables that help, documentation and completion
 * read. */
#ifndef BATON_CLI_H
#define BATON_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cli_exit {
	CLI_OK,
	CLI_FAILED,
	CLI_USAGE,
	CLI_REJECTED,
	CLI_TIMEOUT,
	CLI_UNREACHABLE,
	CLI_NOT_FOUND,
	CLI_EXITS
};

#define CLI_NOT_GIVEN UINT64_MAX

/* Strings are borrowed from argv or the environment, NULL when not given. */
struct cli_options {
	const char *config;
	const char *broker;
	const char *prefix;
	const char *output;
	const char *since;
	const char *name;
	char **env_files;
	uint64_t timeout_s;
	uint64_t lines; /* or CLI_NOT_GIVEN */
	bool help;
	bool detach;
	bool dry_run;
	bool follow;
	bool timestamps;
	bool markdown;
	bool json; /* from `output` */
};

struct cli {
	const struct verb *verb;
	struct cli_options options;
	char **operands;
	size_t n_operands;
};

#define CLI_OPERANDS_ANY SIZE_MAX

struct verb {
	const char *name;
	const char *arguments; /* as shown in the usage line */
	const char *summary;   /* one line without a full stop */
	const char *details;   /* paragraphs for --help and docs/cli.md */
	const char *options;   /* keys of the rows of option_table, besides the common ones */
	size_t min_operands;
	size_t max_operands;
	int (*run)(const struct cli *cli); /* an enum cli_exit */
};

enum option_type { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST };

struct option_row {
	char key; /* lower case: also the short form; upper case: long form only */
	const char *name;
	const char *argument; /* NULL: none */
	enum option_type type;
	size_t offset; /* in struct cli_options */
	const char *help;
};

/* NULL-terminated by `name`. */
const struct verb *cli_verbs(void);
const struct option_row *cli_option_table(void);
extern const char cli_common_options[];

const struct verb *cli_verb_find(const char *name); /* NULL without */
const char *cli_exit_help(enum cli_exit code);

/* Parses what follows the verb. CLI_OK, or CLI_USAGE after telling why. */
int cli_parse(int argc, char **argv, struct cli *cli);

/* The options that a verb takes: iterate with *index from 0 until NULL. */
const struct option_row *cli_next_option(const struct verb *verb, size_t *index);

void cli_write_usage(FILE *out, const struct verb *verb); /* of all verbs when NULL */
int cli_write_markdown(FILE *out);

/* "baton: …" on standard error; control characters become '?'. Returns `code`. */
int cli_error(enum cli_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

int verb_apply(const struct cli *cli);
int verb_completion(const struct cli *cli);
int verb_doctor(const struct cli *cli);
int verb_events(const struct cli *cli);
int verb_help(const struct cli *cli);
int verb_image(const struct cli *cli);
int verb_logs(const struct cli *cli);
int verb_nodes(const struct cli *cli);
int verb_ps(const struct cli *cli);
int verb_rm(const struct cli *cli);
int verb_scale(const struct cli *cli);
int verb_status(const struct cli *cli);
int verb_version(const struct cli *cli);

#endif
