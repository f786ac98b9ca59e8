/* SPDX-License-Identifier: Apache-2.0 */
/* batond: configuration and wiring of supervisor, embedded broker and baton-control. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/embedded/embedded.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/batond/mounts.h"
#include "core/batond/state.h"
#include "core/config/config.h"
#include "core/supervisor/control.h"
#include "core/supervisor/supervisor.h"

#define EXIT_USAGE 2

static const int stop_signals[] = { SIGTERM, SIGINT, SIGHUP };

struct daemon {
	struct event_base *base;
	struct config config;
	struct supervisor *supervisor;
	struct broker_embedded *broker; /* NULL with an external one */
	struct control *control;
	struct control_spec control_spec;
	char *config_path;
	char *control_program;
	struct event *signals[array_size(stop_signals)];
	bool stopping;
};

/* ---- the end ---- */

static void on_broker_stopped(void *arg)
{
	struct daemon *daemon = arg;

	(void)event_base_loopbreak(daemon->base); /* fails only without a base */
}

static void on_control_stopped(void *arg)
{
	struct daemon *daemon = arg;

	if (daemon->broker)
		broker_embedded_stop(daemon->broker, on_broker_stopped, daemon);
	else
		on_broker_stopped(daemon);
}

/* baton-control first, so that it can say goodbye to the broker. Containers run on. */
static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)what;
	if (daemon->stopping)
		return;
	daemon->stopping = true;
	log_info("signal %d: stopping, containers run on", (int)number);
	control_stop(daemon->control, on_control_stopped, daemon);
}

static void daemon_release(struct daemon *daemon)
{
	control_free(daemon->control);
	broker_embedded_free(daemon->broker);
	supervisor_free(daemon->supervisor);
	for (size_t i = 0; i < array_size(daemon->signals); i++) {
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	}
	if (daemon->base)
		event_base_free(daemon->base);
	config_release(&daemon->config);
	free(daemon->config_path);
	free(daemon->control_program);
}

/* ---- the start ---- */

/* baton-control lies beside batond: both must be of one build. */
static int find_control(struct daemon *daemon, struct baton_error *err)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
	const char *slash;

	if (length < 0 || (size_t)length >= sizeof(path))
		return error_errno(err, length < 0 ? errno : ENAMETOOLONG, "/proc/self/exe");
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (!slash ||
	        asprintf(&daemon->control_program, "%.*s/baton-control", (int)(slash - path), path) < 0) {
		daemon->control_program = NULL; /* undefined after a failure, see asprintf(3) */
		return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int watch_signals(struct daemon *daemon)
{
	for (size_t i = 0; i < array_size(stop_signals); i++) {
		daemon->signals[i] = evsignal_new(daemon->base, stop_signals[i], on_signal, daemon);
		if (!daemon->signals[i] || event_add(daemon->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -errno : 0;
}

static int start_broker(struct daemon *daemon, struct baton_error *err)
{
	int r;

	if (daemon->config.broker.mode != BROKER_EMBEDDED)
		return 0;
	r = broker_embedded_new(daemon->base, &daemon->config, &daemon->broker, err);
	if (r == 0)
		supervisor_set_broker_save(daemon->supervisor, broker_embedded_save, daemon->broker);
	return r;
}

static int daemon_start(struct daemon *daemon, struct baton_error *err)
{
	int r = state_prepare(&daemon->config, err);

	if (r == 0)
		r = find_control(daemon, err);
	if (r < 0)
		return r;
	daemon->base = event_base_new();
	if (!daemon->base || watch_signals(daemon) < 0)
		return error_set(err, ENOMEM, "event loop");
	r = supervisor_new(daemon->base, &daemon->config, &daemon->supervisor, err);
	if (r == 0)
		r = start_broker(daemon, err);
	if (r < 0)
		return r;
	daemon->control_spec = (struct control_spec){
		.program = daemon->control_program,
		.config_path = daemon->config_path,
		.config = &daemon->config,
		.supervisor = daemon->supervisor,
	};
	return control_new(daemon->base, &daemon->control_spec, &daemon->control, err);
}

static int run(struct daemon *daemon, char **argv)
{
	struct baton_error err;

	/* Files get the modes that are asked for; nothing here relies on the mask of whoever started us. */
	(void)umask(0022);
	if (geteuid() != 0) {
		log_error("batond must be started as root");
		return EXIT_FAILURE;
	}
	if (mounts_enter(argv, &err) < 0 || daemon_start(daemon, &err) < 0) {
		log_error("%s", err.message);
		return EXIT_FAILURE;
	}
	log_info("ready: node %s, version " BATON_VERSION, daemon->config.node.name);
	if (event_base_dispatch(daemon->base) < 0) {
		log_error("event loop failed");
		return EXIT_FAILURE;
	}
	log_info("stopped");
	return EXIT_SUCCESS;
}

/* ---- the command line ---- */

static const char usage[] = "usage: batond [--config FILE] [--check-config]\n"
                            "\n"
                            "  --config FILE      configuration file, " BATON_CONFIG_PATH " by default\n"
                            "  --check-config     read the file, say whether it is right, and end\n"
                            "  --example-config   write a commented example to standard output\n"
                            "  --markdown-config  write the table of all keys to standard output\n"
                            "  --version          write the version\n"
                            "  --help             write this text\n";

enum option_code {
	OPTION_CONFIG = 1,
	OPTION_CHECK,
	OPTION_EXAMPLE,
	OPTION_MARKDOWN,
	OPTION_VERSION,
	OPTION_HELP
};

static const struct option options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "check-config", no_argument, NULL, OPTION_CHECK },
	{ "example-config", no_argument, NULL, OPTION_EXAMPLE },
	{ "markdown-config", no_argument, NULL, OPTION_MARKDOWN },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

struct arguments {
	const char *config_path;
	bool check;
};

/* 0: go on; else one more than the status to end with. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	int code;

	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch ((enum option_code)code) {
		case OPTION_CONFIG: arguments->config_path = optarg; break;
		case OPTION_CHECK: arguments->check = true; break;
		case OPTION_EXAMPLE: return 1 + (config_write_example(stdout) < 0);
		case OPTION_MARKDOWN: return 1 + (config_write_markdown(stdout) < 0);
		case OPTION_VERSION: return 1 + (puts("batond " BATON_VERSION) < 0);
		case OPTION_HELP: return 1 + (fputs(usage, stdout) < 0);
		default: (void)fputs(usage, stderr); return 1 + EXIT_USAGE;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "batond: unexpected argument \"%s\"\n%s", argv[optind], usage);
		return 1 + EXIT_USAGE;
	}
	return 0;
}

static int load(struct daemon *daemon, const char *path, struct baton_error *err)
{
	enum log_level level = LOG_LEVEL_INFO;
	int r = config_load(path, &daemon->config, err);

	if (r < 0)
		return r;
	(void)log_level_parse(daemon->config.log_level, &level); /* config_load accepts known names only */
	log_open("batond", level);
	/* baton-control reads it too, from another directory. */
	daemon->config_path = realpath(path, NULL);
	return daemon->config_path ? 0 : error_errno(err, errno, "%s", path);
}

static int check(const struct daemon *daemon)
{
	struct baton_error err;
	uint32_t uid;
	uint32_t gid;

	if (config_user(&daemon->config, &uid, &gid, &err) < 0) {
		log_error("%s: %s", daemon->config_path, err.message);
		return EXIT_FAILURE;
	}
	(void)printf("%s: right\n", daemon->config_path);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .config_path = BATON_CONFIG_PATH };
	struct daemon daemon = { 0 };
	struct baton_error err;
	int status = parse_arguments(argc, argv, &arguments);

	if (status != 0)
		return status - 1;
	log_open("batond", LOG_LEVEL_INFO);
	if (load(&daemon, arguments.config_path, &err) < 0) {
		log_error("%s", err.message);
		status = EXIT_FAILURE;
	} else {
		status = arguments.check ? check(&daemon) : run(&daemon, argv);
	}
	daemon_release(&daemon);
	return status;
}
