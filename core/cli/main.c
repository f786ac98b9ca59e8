/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs, and running one of them. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/strv.h"
#include "core/cli/cli.h"
#include "core/cli/terminal.h"

static const struct verb verbs[] = {
	{ "apply", "FILE", "publish a manifest and wait until it runs",
	        "FILE is a Compose document in YAML or JSON, \"-\" is standard input. Variables ($NAME, "
	        "${NAME}, "
	        "${NAME:-default}, ${NAME-default}, ${NAME:?error}, ${NAME?error}, ${NAME:+other}, "
	        "${NAME+other}, "
	        "$$ for a dollar sign) come from the environment and then from --env-file; without that "
	        "option, from the file .env beside FILE. In JSON nothing is replaced. The application is "
	        "called as --name says, "
	        "else by `name` in FILE, else $COMPOSE_PROJECT_NAME, else like the directory of FILE.\n\n"
	        "What is published is the same as with `mosquitto_pub -r -q 1 -t PREFIX/apps/APP/desired -f "
	        "FILE` "
	        "and the document in JSON. The verdict is shown with the path and the reason of every fault; "
	        "then "
	        "the command waits until the application runs. It fails early when the application stays "
	        "degraded.",
	        "DdTEN", 1, 1, verb_apply },
	{ "completion", "bash", "print a completion script",
	        "Put the output into /etc/bash_completion.d/baton, or: eval \"$(baton completion bash)\"", "",
	        1, 1, verb_completion },
	{ "doctor", "", "check what this machine lacks to be a node",
	        "Checks kernel features, control groups, configuration, directories, runtimes and the "
	        "broker. Each "
	        "line is OK, WARN (works with less) or FAIL (does not work), with what to do. Exit status 1 "
	        "when "
	        "something is FAIL. Run it as root on the node.",
	        "", 0, 0, verb_doctor },
	{ "events", "", "print events as they happen",
	        "Ends with Ctrl-C. Events are news, not state: what happened before is shown by ps and "
	        "status.",
	        "", 0, 0, verb_events },
	{ "help", "[VERB]", "explain a verb",
	        "With --markdown, writes the reference of all verbs (docs/cli.md).", "M", 0, 1, verb_help },
	{ "image", "import PATH | ls | rm NAME", "images on this node",
	        "Works on the image store of this machine, as root, without a broker. `import` takes an OCI "
	        "layout "
	        "(directory or archive) or an archive of `docker save`. `rm` removes a name, and then what "
	        "no other "
	        "name needs; an image that a container on this node runs is not removed.",
	        "N", 1, 2, verb_image },
	{ "logs", "INSTANCE | APP/SERVICE | APP", "print log lines",
	        "Lines of several instances are merged by time and begin with the instance. --since takes a "
	        "duration (90s, 10m, 1h30m, 2d) or a time (2026-11-24T10:00:00Z). With --follow the command "
	        "goes on "
	        "until Ctrl-C; nodes cap the rate.",
	        "fnSt", 1, 1, verb_logs },
	{ "nodes", "", "list the nodes of the fleet", "Exit status 6 when no node is online.", "", 0, 0,
	        verb_nodes },
	{ "ps", "[APP]", "list instances",
	        "Joins the status of the applications with the reports of the nodes. With -o json, an object "
	        "with "
	        "the array \"instances\".",
	        "", 0, 1, verb_ps },
	{ "rm", "APP", "remove an application", "Waits until all its instances are gone, unless --detach.",
	        "dT", 1, 1, verb_rm },
	{ "scale", "APP/SERVICE=REPLICAS", "change the number of replicas",
	        "Also `baton scale APP SERVICE=REPLICAS`. Holds until the next apply of another document. "
	        "Waits "
	        "until the replicas run, unless --detach.",
	        "dT", 1, 2, verb_scale },
	{ "status", "APP", "show the verdict and state of an application",
	        "With -o json, the document of apps/APP/status as it is.", "", 1, 1, verb_status },
	{ "version", "", "print the version", "", "", 0, 0, verb_version },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};

const struct verb *cli_verbs(void)
{
	return verbs;
}

const struct verb *cli_verb_find(const char *name)
{
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (strcmp(verb->name, name) == 0)
			return verb;
	}
	return NULL;
}

static void tell(const char *kind, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void tell(const char *kind, const char *format, va_list args)
{
	char text[2048];

	(void)vsnprintf(text, sizeof(text), format, args);
	/* Reasons come from the network, and a terminal obeys escape sequences. */
	terminal_clean(text, "\n");
	(void)fprintf(stderr, "baton: %s%s\n", kind, text);
}

int cli_error(enum cli_exit code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell("", format, args);
	va_end(args);
	return (int)code;
}

void cli_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell("warning: ", format, args);
	va_end(args);
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int code;

	log_open("baton", LOG_LEVEL_WARNING);
	if (argc < 2) {
		cli_write_usage(stderr, NULL);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		cli_write_usage(stdout, NULL);
		return CLI_OK;
	}
	if (strcmp(argv[1], "--version") == 0)
		return verb_version(&cli);
	cli.verb = cli_verb_find(argv[1]);
	if (!cli.verb)
		return cli_error(
		        CLI_USAGE, "there is no command \"%s\"; \"baton --help\" lists them", argv[1]);
	code = cli_parse(argc - 1, argv + 1, &cli);
	if (code == CLI_OK && cli.options.help)
		cli_write_usage(stdout, cli.verb);
	else if (code == CLI_OK)
		code = cli.verb->run(&cli);
	strv_free(cli.options.env_files);
	/* A full disk or a closed pipe behind standard output is a failure too. */
	if (fflush(stdout) != 0 && code == CLI_OK)
		code = cli_error(CLI_FAILED, "cannot write to standard output");
	return code;
}
