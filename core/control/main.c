/* SPDX-License-Identifier: Apache-2.0 */
/* baton-control: configuration and wiring of the agent and controller roles. Started by batond. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/control/daemon.h"
#include "core/control/sandbox.h"

#define EXIT_USAGE   2
#define KEEP_FREE    (64 * 1024) /* bytes that malloc keeps at the top of the heap instead of returning them */
#define READABLE_MAX 24

static const char usage[] = "usage: baton-control --config FILE --channel FD\n"
                            "\n"
                            "Started by batond; not meant to be started by hand.\n"
                            "\n"
                            "  --config FILE  configuration file, " BATON_CONFIG_PATH " by default\n"
                            "  --channel FD   descriptor of the socket to batond\n"
                            "  --version      write the version\n"
                            "  --help         write this text\n";

enum option_code { OPTION_CONFIG = 1, OPTION_CHANNEL, OPTION_VERSION, OPTION_HELP };

static const struct option options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "channel", required_argument, NULL, OPTION_CHANNEL },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

struct arguments {
	const char *config_path;
	int channel_fd; /* -1: none given */
};

static int parse_fd(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	return end != text && *end == '\0' && number > STDERR_FILENO && number < 1024 ? (int)number : -1;
}

/* 0: go on; else one more than the status to end with. */
static int parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	int code;

	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch ((enum option_code)code) {
		case OPTION_CONFIG: arguments->config_path = optarg; break;
		case OPTION_CHANNEL: arguments->channel_fd = parse_fd(optarg); break;
		case OPTION_VERSION: return 1 + (puts("baton-control " BATON_VERSION) < 0);
		case OPTION_HELP: return 1 + (fputs(usage, stdout) < 0);
		default: (void)fputs(usage, stderr); return 1 + EXIT_USAGE;
		}
	}
	if (optind < argc || arguments->channel_fd < 0) {
		(void)fputs(usage, stderr);
		return 1 + EXIT_USAGE;
	}
	return 0;
}

static int check_channel(int fd, struct baton_error *err)
{
	int type = 0;
	socklen_t length = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return error_errno(err, errno, "--channel %d", fd);
	if (type != SOCK_SEQPACKET)
		return error_set(err, EPROTOTYPE, "--channel %d is no socket of batond", fd);
	/* It was inherited, so it has neither. */
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return error_errno(err, errno, "--channel %d", fd);
	return 0;
}

static int load(struct daemon *daemon, const char *path, struct baton_error *err)
{
	enum log_level level = LOG_LEVEL_INFO;
	int r = config_load(path, &daemon->config, err);

	if (r < 0)
		return r;
	(void)log_level_parse(daemon->config.log_level, &level); /* config_load accepts known names only */
	log_open("baton-control", level);
	return connection_read_password(daemon, err);
}

/*
 * The broker's certificates are read anew at every connection, so the directories of these files stay
 * readable: a file that is replaced has another inode, and a rule for the old one would not help.
 */
static int enter_sandbox(const struct config *config, int channel_fd, struct baton_error *err)
{
	const char *readable[READABLE_MAX] = { "/etc", "/usr", "/lib", "/lib64", "/lib32", "/proc", "/sys",
		"/dev/null", "/dev/urandom", "/dev/random", "/run/systemd/resolve", "/run/resolvconf",
		"/run/NetworkManager", config->run };
	const char *const files[] = { config->broker.ca_file, config->broker.cert_file,
		config->broker.key_file };
	cleanup_free char *state = NULL;
	const char *writable[2] = { NULL };
	const struct sandbox_spec spec = { .keep_fd = channel_fd, .read = readable, .write = writable };
	char directories[array_size(files)][1024];
	bool landlock = false;
	size_t count = 0;
	int r;

	while (readable[count])
		count++;
	for (size_t i = 0; i < array_size(files); i++) {
		const char *slash = strrchr(files[i], '/');

		if (!slash || (size_t)(slash - files[i]) >= sizeof(directories[i]))
			continue;
		(void)snprintf(
		        directories[i], sizeof(directories[i]), "%.*s", (int)(slash - files[i]), files[i]);
		readable[count++] = directories[i];
	}
	if (asprintf(&state, "%s/control", config->root) < 0) {
		state = NULL; /* undefined after a failure, see asprintf(3) */
		return error_set(err, ENOMEM, "out of memory");
	}
	writable[0] = state;
	r = sandbox_enter(&spec, &landlock, err);
	if (r == 0 && !landlock)
		log_info("this kernel has no Landlock: file access is limited by permissions only");
	return r;
}

static int run(struct daemon *daemon, const struct arguments *arguments)
{
	struct baton_error err;
	int r = load(daemon, arguments->config_path, &err);

	if (r == 0)
		r = check_channel(arguments->channel_fd, &err);
	if (r == 0)
		r = enter_sandbox(&daemon->config, arguments->channel_fd, &err);
	if (r == 0)
		r = daemon_start(daemon, arguments->channel_fd, &err);
	if (r < 0) {
		log_error("%s", err.message);
		return EXIT_FAILURE;
	}
	(void)malloc_trim(KEEP_FREE); /* says only whether there was something to return */
	if (event_base_dispatch(daemon->base) < 0) {
		log_error("event loop failed");
		return EXIT_FAILURE;
	}
	return daemon->status;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .config_path = BATON_CONFIG_PATH, .channel_fd = -1 };
	struct daemon daemon = { 0 };
	int status = parse_arguments(argc, argv, &arguments);

	if (status != 0)
		return status - 1;
	log_open("baton-control", LOG_LEVEL_INFO);
	status = run(&daemon, &arguments);
	daemon_release(&daemon);
	return status;
}
