/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: ROOT/broker              the database, private to `user`
 *        RUN/broker               root's, entered by the group of `user` only
 *        RUN/broker/mosquitto.conf
 *        RUN/broker/lock          locked by every process that has the running mosquitto's descriptor
 *        RUN/broker/listen/socket where mosquitto listens: it must be able to make and remove the socket
 *        broker.socket            a symbolic link to it, the path that clients know
 */
#include "broker/embedded/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "broker/embedded/settings.h"
#include "core/base/backoff.h"
#include "core/base/become.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/process.h"
#include "core/base/timeval.h"

#define SETTINGS_MAX     16384
#define LOCK_RETRY_MS    50
#define LIFE_RESET_MS    10000
#define STOP_DEADLINE_MS 5000

struct broker_embedded {
	struct event_base *base;
	const struct config *config;
	struct become user;
	int run_fd; /* RUN/broker */
	char *database;
	char *listen; /* path of the real socket */
	char *settings;
	struct process *process;
	struct event *timer; /* next try to start; while stopping: the deadline */
	struct backoff backoff;
	bool waiting_for_old; /* said so in the log */
	void (*stopped)(void *arg);
	void *stopped_arg;
};

static void arm(struct broker_embedded *broker, unsigned milliseconds)
{
	struct timeval delay = timeval_of_ms(milliseconds);

	/* The timer exists, so adding it fails only when the heap of timers cannot grow. */
	if (event_add(broker->timer, &delay) < 0)
		log_error("embedded broker: out of memory, it is not started again");
}

/* ---- files ---- */

static char *join(const char *directory, const char *separator, const char *name)
{
	char *path;

	return asprintf(&path, "%s%s%s", directory, separator, name) < 0 ? NULL : path;
}

/* Clients connect to broker.socket; where mosquitto binds, its user must own the directory. */
static int link_socket(struct broker_embedded *broker, struct baton_error *err)
{
	const char *link = broker->config->broker.socket;
	cleanup_free char *temporary = NULL;
	struct stat status;

	if (strcmp(link, broker->listen) == 0)
		return 0;
	if (lstat(link, &status) == 0 && !S_ISLNK(status.st_mode) && !S_ISSOCK(status.st_mode))
		return error_set(
		        err, EEXIST, "broker.socket: \"%s\" exists and is neither socket nor link", link);
	temporary = join(link, "", ".new");
	if (!temporary)
		return error_set(err, ENOMEM, "out of memory");
	(void)unlink(temporary); /* of an interrupted run */
	if (symlink(broker->listen, temporary) < 0 || rename(temporary, link) < 0)
		return error_errno(err, errno, "broker.socket: cannot make \"%s\"", link);
	return 0;
}

static int write_settings(struct broker_embedded *broker, struct baton_error *err)
{
	cleanup_buf struct buf text = { .data = NULL };
	int r;

	buf_init(&text, SETTINGS_MAX);
	r = embedded_settings(&text, broker->listen, broker->database, broker->config->broker.tcp_port);
	if (r == 0)
		r = file_replace_at(
		        broker->run_fd, "mosquitto.conf", text.data, text.length, 0644, FILE_VOLATILE);
	return r < 0 ? error_errno(err, -r, "embedded broker: \"%s\"", broker->settings) : 0;
}

static int make_directories(struct broker_embedded *broker, const char *run_dir, struct baton_error *err)
{
	cleanup_free char *listen_dir = join(run_dir, "/", "listen");
	cleanup_close int database_fd = -1;
	cleanup_close int listen_fd = -1;

	if (!listen_dir)
		return error_set(err, ENOMEM, "out of memory");
	database_fd = dir_open_owned(broker->database, 0700, broker->user.uid, broker->user.gid, err);
	if (database_fd < 0)
		return database_fd;
	broker->run_fd = dir_open_owned(run_dir, 0750, 0, broker->user.gid, err);
	if (broker->run_fd < 0)
		return broker->run_fd;
	listen_fd = dir_open_owned(listen_dir, 0750, broker->user.uid, broker->user.gid, err);
	return listen_fd < 0 ? listen_fd : 0;
}

static int make_files(struct broker_embedded *broker, struct baton_error *err)
{
	cleanup_free char *run_dir = join(broker->config->run, "/", "broker");
	int r;

	broker->database = join(broker->config->root, "/", "broker");
	broker->settings = join(broker->config->run, "/", "broker/mosquitto.conf");
	broker->listen = join(broker->config->run, "/", "broker/listen/socket");
	if (!run_dir || !broker->database || !broker->settings || !broker->listen)
		return error_set(err, ENOMEM, "out of memory");
	if (strlen(broker->listen) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return error_set(err, ENAMETOOLONG, "run: \"%s\" is too long for the broker's socket",
		        broker->config->run);
	r = make_directories(broker, run_dir, err);
	return r < 0 ? r : write_settings(broker, err);
}

/* ---- the process ---- */

static void finish_stop(struct broker_embedded *broker)
{
	void (*stopped)(void *arg) = broker->stopped;

	(void)event_del(broker->timer);
	stopped(broker->stopped_arg); /* may free the broker */
}

static void on_exit_of_broker(struct process *process, const struct process_exit *exit, void *arg)
{
	struct broker_embedded *broker = arg;
	unsigned wait;

	process_free(process);
	broker->process = NULL;
	if (broker->stopped) {
		finish_stop(broker);
		return;
	}
	wait = backoff_ended(&broker->backoff);
	if (exit->signal)
		log_error("embedded broker: killed by signal %d, next start in %u ms", exit->signal, wait);
	else
		log_error("embedded broker: ended with status %d, next start in %u ms", exit->code, wait);
	arm(broker, wait);
}

/*
 * The lock belongs to the open file description that mosquitto inherits, and lasts exactly as long as
 * mosquitto: after a kill -9 of batond, the next one waits here until the old mosquitto has written its
 * database and is gone.
 */
static int lock_or_wait(struct broker_embedded *broker)
{
	cleanup_close int fd =
	        openat(broker->run_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : steal_fd(&fd);
}

/* Ignored signals stay ignored across execve(2): one that comes before mosquitto has its handler must not end
 * it. */
static int prepare(void *user)
{
	if (signal(SIGUSR1, SIG_IGN) == SIG_ERR)
		return -errno;
	return become_prepare(user);
}

static int spawn(struct broker_embedded *broker, int lock_fd, struct baton_error *err)
{
	char name[] = "mosquitto";
	char option[] = "-c";
	char *const argv[] = { name, option, broker->settings, NULL };
	struct process_spec spec = {
		.path = broker->config->broker.program,
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.keep_fds = &lock_fd,
		.n_keep_fds = 1,
		.prepare = prepare,
		.prepare_arg = &broker->user,
		.on_exit = on_exit_of_broker,
		.arg = broker,
	};

	return process_spawn(broker->base, &spec, &broker->process, err);
}

static void try_start(struct broker_embedded *broker)
{
	cleanup_close int lock_fd = lock_or_wait(broker);
	struct baton_error err = { 0 };
	unsigned wait;

	if (lock_fd == -EWOULDBLOCK) {
		if (!broker->waiting_for_old)
			log_info("embedded broker: waiting for the one of an earlier batond to end");
		broker->waiting_for_old = true;
		arm(broker, LOCK_RETRY_MS);
		return;
	}
	broker->waiting_for_old = false;
	if (lock_fd < 0)
		(void)error_errno(&err, -lock_fd, "\"%s/broker/lock\"", broker->config->run);
	else if (link_socket(broker, &err) == 0)
		(void)spawn(broker, lock_fd, &err); /* its failure is in err */
	if (!broker->process) {
		wait = backoff_ended(&broker->backoff);
		log_error("embedded broker: %s; next start in %u ms", err.message, wait);
		arm(broker, wait);
		return;
	}
	backoff_started(&broker->backoff);
	log_info("embedded broker: pid %d on %s", (int)process_pid(broker->process),
	        broker->config->broker.socket);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct broker_embedded *broker = arg;

	(void)fd;
	(void)what;
	if (!broker->stopped)
		try_start(broker);
	else if (broker->process)
		(void)process_signal(broker->process, SIGKILL); /* ESRCH: its exit is on the way */
	else
		finish_stop(broker);
}

int broker_embedded_new(struct event_base *base, const struct config *config,
        struct broker_embedded **ret_broker, struct baton_error *err)
{
	struct broker_embedded *broker = calloc(1, sizeof(*broker));
	int r;

	if (!broker)
		return error_set(err, ENOMEM, "out of memory");
	broker->base = base;
	broker->config = config;
	broker->run_fd = -1;
	broker->user.parent = getpid();
	broker->user.parent_death_signal = SIGTERM; /* mosquitto writes its database and ends */
	backoff_init(
	        &broker->backoff, CONFIG_BROKER_RESTART_MIN_MS, CONFIG_BROKER_RESTART_MAX_MS, LIFE_RESET_MS);
	broker->timer = evtimer_new(base, on_timer, broker);
	r = broker->timer ? config_user(config, &broker->user.uid, &broker->user.gid, err)
	                  : error_set(err, ENOMEM, "out of memory");
	if (r == 0)
		r = make_files(broker, err);
	if (r < 0) {
		broker_embedded_free(broker);
		return r;
	}
	try_start(broker);
	*ret_broker = broker;
	return 0;
}

int broker_embedded_save(void *arg)
{
	struct broker_embedded *broker = arg;

	return broker->process ? process_signal(broker->process, SIGUSR1) : -ENOTCONN;
}

void broker_embedded_stop(struct broker_embedded *broker, void (*stopped)(void *arg), void *arg)
{
	broker->stopped = stopped;
	broker->stopped_arg = arg;
	if (broker->process)
		(void)process_signal(broker->process, SIGTERM); /* ESRCH: its exit is on the way */
	arm(broker, broker->process ? STOP_DEADLINE_MS : 0);
}

void broker_embedded_free(struct broker_embedded *broker)
{
	if (!broker)
		return;
	process_free(broker->process);
	if (broker->timer)
		event_free(broker->timer);
	close_fd(&broker->run_fd);
	free(broker->database);
	free(broker->listen);
	free(broker->settings);
	free(broker);
}
