/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create: "crun create", then a pidfd for the process that it left. When crun fails or is killed, whatever is
 * there of the container is deleted before the callback.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/pidfd.h"
#include "plugins/crun/crun-priv.h"

#define CLEANUP_MS   5000
#define PID_FILE_MAX ((size_t)32)
/* No container is called so: an id starts with a letter or digit. */
#define PID_FILE    ".pid-"
#define CONFIG_FILE ".config-"
#define NAME_SIZE   (CRUN_ID_MAX + sizeof(CONFIG_FILE))

static void file_name(char name[static NAME_SIZE], const char *prefix, const char *id)
{
	(void)snprintf(name, NAME_SIZE, "%s%s", prefix, id);
}

static int read_pid_file(const struct operation *operation, pid_t *ret_pid)
{
	cleanup_free char *text = NULL;
	char name[NAME_SIZE];
	char *end;
	long pid;
	int r;

	file_name(name, PID_FILE, operation->id);
	r = file_read_at(operation->crun->state_fd, name, PID_FILE_MAX, &text, NULL);
	if (r < 0)
		return r;
	pid = text ? strtol(text, &end, 10) : 0;
	if (pid <= 1 || pid > INT32_MAX)
		return -EIO;
	*ret_pid = (pid_t)pid;
	return 0;
}

/*
 * The number comes from a file, so it has to be proved. crun has ended, its child has come to this process
 * (open() made it a subreaper), and a child's number is not given to anybody else before it is waited for: so
 * a pidfd on which this process may wait is the container's.
 */
static int open_pidfd(pid_t pid, struct baton_error *err)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	siginfo_t info = { 0 };

	if (pidfd < 0)
		return error_errno(err, errno, "process %d of the container", (int)pid);
	if (waitid(PIDFD_WAIT, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return error_errno(
		        err, errno, "process %d of the container is not a child of this process", (int)pid);
	return steal_fd(&pidfd);
}

void create_remove_files(const struct crun *crun, const char *id)
{
	char name[NAME_SIZE];

	file_name(name, PID_FILE, id);
	(void)unlinkat(crun->state_fd, name, 0); /* ENOENT: crun did not get so far */
	file_name(name, CONFIG_FILE, id);
	(void)unlinkat(crun->state_fd, name, 0); /* ENOENT: the bundle's own was used */
}

void create_undo(const struct crun *crun, const char *id)
{
	create_remove_files(crun, id);
	if (container_half_made(crun, id))
		(void)tree_remove_at(crun->state_fd, id); /* or the next delete does */
}

static void on_cleaned(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;

	(void)result; /* the first failure is told */
	command_free(steal_ptr(operation->command));
	/* What crun cannot read it does not delete, and the id would be in use for ever. */
	(void)tree_remove_at(operation->crun->state_fd, operation->id);
	operation_finish(operation);
}

/* Time for this comes on top of the deadline: a half-made container must not stay. */
static void fail(struct operation *operation)
{
	const char *const force[] = { "--force", operation->id, NULL };
	struct baton_error first = operation->err;
	struct baton_error none;
	int r;

	create_remove_files(operation->crun, operation->id);
	if (container_exists(operation->crun, operation->id, &none) < 0) {
		operation_finish(operation);
		return;
	}
	operation->deadline += CLEANUP_MS;
	r = operation_run(operation, "delete", force, on_cleaned);
	operation->err = first;
	if (r < 0)
		operation_finish(operation);
}

static void on_created(void *arg, const struct command_result *result)
{
	struct operation *operation = arg;
	baton_created_fn done = operation->created;
	void *done_arg = operation->arg;
	cleanup_close int pidfd = -1;
	pid_t pid = 0;
	int r;

	operation->log_fd = command_take_log(operation->command);
	r = operation_result(operation, "create", result);
	if (r == 0) {
		r = read_pid_file(operation, &pid);
		if (r < 0)
			(void)error_errno(&operation->err, -r, "crun create: pid file");
	}
	if (r == 0)
		r = pidfd = open_pidfd(pid, &operation->err);
	if (r >= 0)
		r = created_keep(operation->crun, operation->id, operation->log_fd, &operation->err);
	if (r < 0) {
		fail(operation);
		return;
	}
	(void)steal_fd(&operation->log_fd); /* kept */
	create_remove_files(operation->crun, operation->id);
	operation_free(operation);
	done(done_arg, NULL, (int32_t)pid, steal_fd(&pidfd));
}

/* A host of an older minor version may not know the members at the end. */
static struct baton_create complete(const struct baton_create *request)
{
	struct baton_create whole = { .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .netns_fd = -1 };
	size_t size = request->struct_size < sizeof(whole) ? request->struct_size : sizeof(whole);

	memcpy(&whole, request, size);
	return whole;
}

static int check(
        const struct operation *operation, const struct baton_create *request, struct baton_error *err)
{
	struct baton_error none;

	if (!request->bundle || request->bundle[0] != '/')
		return error_set(err, EINVAL, "the bundle must be an absolute path");
	if (operation_pending(operation->crun, "create", operation->id, operation) ||
	        container_exists(operation->crun, operation->id, &none) != -ENOENT)
		return error_set(err, EEXIST, "there is a container %s already", operation->id);
	/* crun would ask for config.json only after it has made a directory for the container. */
	return config_check_root(request->bundle, err);
}

static int run(struct operation *operation, const struct baton_create *request)
{
	const struct crun *crun = operation->crun;
	struct command_spec spec = {
		.stdio = { request->stdin_fd, request->stdout_fd, request->stderr_fd },
		.hide_unified = crun->hide_unified,
		.cgroup = request->cgroup,
		.netns_fd = request->netns_fd,
		.done = on_created,
	};
	char pid_name[NAME_SIZE];
	char config_name[NAME_SIZE];
	cleanup_free char *pid_path = NULL;
	cleanup_free char *config_path = NULL;
	const char *arguments[] = { "--bundle", request->bundle, "--pid-file", NULL, operation->id, NULL,
		NULL, NULL };

	file_name(pid_name, PID_FILE, operation->id);
	file_name(config_name, CONFIG_FILE, operation->id);
	if (asprintf(&pid_path, "%s/%s", crun->state_dir, pid_name) < 0 ||
	        asprintf(&config_path, "%s/%s", crun->state_dir, config_name) < 0)
		return error_set(&operation->err, ENOMEM, "out of memory");
	arguments[3] = pid_path;
	if (request->netns_fd >= 0) {
		int r = config_without_network(request->bundle, crun->state_fd, config_name, &operation->err);

		if (r < 0)
			return r;
		arguments[4] = "--config";
		arguments[5] = config_path;
		arguments[6] = operation->id;
	}
	return operation_run_spec(operation, "create", arguments, &spec);
}

int verb_create(void *plugin, const struct baton_create *request, uint32_t deadline_ms, baton_created_fn done,
        void *arg, struct baton_runtime_error *error)
{
	const struct baton_create whole = complete(request);
	struct baton_error err;
	struct operation *operation =
	        operation_new(plugin, "create", whole.id ? whole.id : "", deadline_ms, arg, &err);
	int r;

	if (!operation) {
		*error = runtime_error(&err);
		return -error->code;
	}
	operation->created = done;
	r = check(operation, &whole, &err);
	if (r == 0) {
		r = run(operation, &whole);
		if (r < 0) {
			err = operation->err;
			create_remove_files(operation->crun, operation->id);
		}
	}
	if (r < 0) {
		*error = runtime_error(&err);
		operation_free(operation);
		return -error->code;
	}
	return 0;
}
