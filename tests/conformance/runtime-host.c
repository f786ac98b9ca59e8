/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads one runtime plugin and runs a script of verbs, one after the other, from the command line (each
 * argument is a line) or from standard input. One line of JSON on standard output for each. See
 * docs/plugins.md.
 *
 *   create ID BUNDLE [stdin=FILE] [stdout=FILE] [stderr=FILE] [cgroup=DIR]... [netns=FILE] [deadline=MS]
 *   start ID, state ID, kill ID SIGNAL, delete ID   [deadline=MS]
 *   wait ID [deadline=MS]   until the process that create returned has ended
 *   sleep MS
 *   resources               descriptors, watches, timers and children of this process
 *   reopen                  close and open the plugin again, as a restart of the daemon does
 *
 * Exit status: 0 when the script ran to its end, whatever the verbs said; 1 when the plugin cannot be used; 2
 * for a wrong command line; 3 when the plugin broke a rule of the ABI.
 */
#include <baton/runtime.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"
#include "report.h"

#define LINE_MAX_BYTES   4096
#define CONTAINERS_MAX   256
#define CGROUPS_MAX      16
#define DEFAULT_DEADLINE 10000
#define CALLBACK_GRACE   15000 /* a plugin may need time to undo what it did, on top of the deadline */
#define WAIT_PIDFD       ((idtype_t)3)

struct held {
	char id[129];
	int pidfd;
};

static struct {
	struct loop loop;
	struct baton_host host;
	const struct baton_runtime *runtime;
	void *plugin;
	uint32_t create_size;
	struct held containers[CONTAINERS_MAX];
	size_t n_containers;
} self;

/* The callback of the verb that runs, and what it got. */
static struct {
	bool inside; /* the verb has not returned yet */
	int calls;
	bool failed;
	struct baton_runtime_error error;
	int32_t pid;
	int pidfd;
	enum baton_state state;
} answer;

/* ---- the line's words ---- */

static void split(char *text, struct line *line)
{
	char *state = NULL;

	line->count = 0;
	for (char *word = strtok_r(text, " \t\r\n", &state); word && line->count < WORDS_MAX;
	        word = strtok_r(NULL, " \t\r\n", &state))
		line->words[line->count++] = word;
}

static const char *option(const struct line *line, const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 1; i < line->count; i++) {
		if (strncmp(line->words[i], key, length) == 0 && line->words[i][length] == '=')
			return line->words[i] + length + 1;
	}
	return NULL;
}

static uint32_t deadline(const struct line *line)
{
	const char *text = option(line, "deadline");

	return text ? (uint32_t)strtoul(text, NULL, 10) : DEFAULT_DEADLINE;
}

static _Noreturn void usage(const char *problem)
{
	(void)fprintf(stderr,
	        "%s\nusage: runtime-host [--set KEY=VALUE]... [--abi-major N] [--abi-minor N] [--host-size "
	        "N]\n"
	        "                    [--create-size N] PLUGIN.so [LINE]...\n",
	        problem);
	exit(2);
}

/* ---- callbacks ---- */

static void answered(const struct baton_runtime_error *error)
{
	if (answer.inside)
		broken("done was called from inside the verb");
	if (++answer.calls > 1)
		broken("done was called twice");
	answer.failed = error != NULL;
	if (!error)
		return;
	if (error->code <= 0)
		broken("an error has no code");
	if (!memchr(error->message, '\0', sizeof(error->message)) || !*error->message)
		broken("an error has no message");
	answer.error = *error;
}

static void on_created(void *arg, const struct baton_runtime_error *error, int32_t pid, int pidfd)
{
	if (arg != &answer)
		broken("done got another argument");
	answered(error);
	answer.pid = pid;
	answer.pidfd = pidfd;
	if (!error && (pid <= 0 || pidfd < 0))
		broken("create succeeded without pid and pidfd");
}

static void on_done(void *arg, const struct baton_runtime_error *error)
{
	if (arg != &answer)
		broken("done got another argument");
	answered(error);
}

static void on_state(void *arg, const struct baton_runtime_error *error, enum baton_state state, int32_t pid)
{
	if (arg != &answer)
		broken("done got another argument");
	answered(error);
	answer.state = state;
	answer.pid = pid;
}

static void begin(void)
{
	memset(&answer, 0, sizeof(answer));
	answer.inside = true;
	answer.pidfd = -1;
}

/* Waits for the callback of a verb that returned `r`. True for success; else the line is complete. */
static bool finish(const struct line *line, int r)
{
	int64_t until = loop_now_ms() + deadline(line) + CALLBACK_GRACE;

	answer.inside = false;
	if (r > 0)
		broken("a verb returned a positive number");
	if (r < 0) {
		if (answer.error.code != -r || !*answer.error.message)
			broken("a refused verb did not fill its error");
		print_head(line, false);
		print_error(&answer.error, false);
		print_end();
		return false;
	}
	while (answer.calls == 0) {
		if (!loop_once(&self.loop, until))
			broken("done was not called");
	}
	if (!answer.failed)
		return true;
	print_head(line, false);
	print_error(&answer.error, true);
	print_end();
	return false;
}

/* ---- verbs ---- */

static int open_option(const struct line *line, const char *key, int flags)
{
	const char *path = option(line, key);
	int fd = path ? open(path, flags | O_CLOEXEC, 0600) : -1;

	if (path && fd < 0)
		usage(path);
	return fd;
}

struct groups {
	int procs[CGROUPS_MAX];
	struct baton_cgroup view;
};

static void open_groups(const struct line *line, struct groups *groups)
{
	groups->view = (struct baton_cgroup){
		.struct_size = sizeof(groups->view), .dir_fd = -1, .procs_fds = groups->procs
	};
	for (size_t i = 3; i < line->count; i++) {
		char path[LINE_MAX_BYTES];
		const char *directory = line->words[i] + strlen("cgroup=");
		struct statfs status;

		if (strncmp(line->words[i], "cgroup=", strlen("cgroup=")) != 0 ||
		        groups->view.n_procs_fds == CGROUPS_MAX)
			continue;
		(void)snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
		groups->procs[groups->view.n_procs_fds] = open(path, O_WRONLY | O_CLOEXEC);
		if (groups->procs[groups->view.n_procs_fds++] < 0)
			usage(path);
		if (statfs(directory, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC)
			groups->view.dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static void close_groups(const struct groups *groups)
{
	for (size_t i = 0; i < groups->view.n_procs_fds; i++)
		close_if_open(groups->procs[i]);
	close_if_open(groups->view.dir_fd);
}

static void keep(const char *id, int pidfd)
{
	struct held *held = &self.containers[self.n_containers];

	if (self.n_containers == CONTAINERS_MAX)
		usage("too many containers");
	(void)snprintf(held->id, sizeof(held->id), "%s", id);
	held->pidfd = pidfd;
	self.n_containers++;
}

static void run_create(const struct line *line)
{
	/* On the heap and of exactly the promised size, so that a sanitizer sees a read behind it. */
	struct baton_create *request = calloc(1, self.create_size);
	struct baton_create whole = { 0 };
	struct groups groups;
	int fds[4];
	int r;

	if (line->count < 3 || !request)
		usage("create ID BUNDLE");
	fds[0] = open_option(line, "stdin", O_RDONLY);
	fds[1] = open_option(line, "stdout", O_WRONLY | O_CREAT | O_APPEND);
	fds[2] = open_option(line, "stderr", O_WRONLY | O_CREAT | O_APPEND);
	fds[3] = open_option(line, "netns", O_RDONLY);
	open_groups(line, &groups);
	whole.struct_size = self.create_size;
	whole.id = strcmp(line->words[1], "''") == 0 ? "" : line->words[1];
	whole.bundle = line->words[2];
	whole.stdin_fd = fds[0];
	whole.stdout_fd = fds[1];
	whole.stderr_fd = fds[2];
	whole.cgroup = groups.view.n_procs_fds > 0 ? &groups.view : NULL;
	whole.netns_fd = fds[3];
	memcpy(request, &whole, self.create_size < sizeof(whole) ? self.create_size : sizeof(whole));
	begin();
	r = self.runtime->create(self.plugin, request, deadline(line), on_created, &answer, &answer.error);
	/* The rules let the host take all this away as soon as the verb has returned. */
	for (size_t i = 0; i < 4; i++)
		close_if_open(fds[i]);
	close_groups(&groups);
	memset(request, 0xee, self.create_size);
	free(request);
	if (!finish(line, r))
		return;
	if (!(fcntl(answer.pidfd, F_GETFD) & FD_CLOEXEC))
		broken("the pidfd is not close-on-exec");
	keep(line->words[1], answer.pidfd);
	print_head(line, true);
	(void)printf(", \"pid\": %d", answer.pid);
	print_end();
}

static void run_start(const struct line *line)
{
	begin();
	if (finish(line, self.runtime->start(self.plugin, line->words[1], deadline(line), on_done, &answer,
	                         &answer.error))) {
		print_head(line, true);
		print_end();
	}
}

static void run_state(const struct line *line)
{
	static const char *const names[] = { "creating", "created", "running", "stopped" };

	begin();
	if (!finish(line, self.runtime->state(self.plugin, line->words[1], deadline(line), on_state, &answer,
	                          &answer.error)))
		return;
	if ((unsigned)answer.state > BATON_STATE_STOPPED)
		broken("state is none of the four");
	print_head(line, true);
	(void)printf(", \"state\": \"%s\", \"pid\": %d", names[answer.state], answer.pid);
	print_end();
}

static void run_kill(const struct line *line)
{
	struct baton_kill request = { .struct_size = sizeof(request), .id = line->words[1] };

	if (line->count < 3)
		usage("kill ID SIGNAL");
	request.signal = (int32_t)strtol(line->words[2], NULL, 10);
	begin();
	if (finish(line, self.runtime->kill(
	                         self.plugin, &request, deadline(line), on_done, &answer, &answer.error))) {
		print_head(line, true);
		print_end();
	}
}

static void run_delete(const struct line *line)
{
	begin();
	if (finish(line, self.runtime->delete_(self.plugin, line->words[1], deadline(line), on_done, &answer,
	                         &answer.error))) {
		print_head(line, true);
		print_end();
	}
}

/* ---- what is not a verb of the ABI ---- */

static void on_ready(void *arg, uint32_t events)
{
	(void)events;
	*(bool *)arg = true;
}

static struct held *find_held(const char *id)
{
	/* The newest: an id may have been used before. */
	for (size_t i = self.n_containers; i-- > 0;) {
		if (strcmp(self.containers[i].id, id) == 0)
			return &self.containers[i];
	}
	return NULL;
}

static void run_wait(const struct line *line)
{
	struct held *held = find_held(line->words[1]);
	int64_t until = loop_now_ms() + deadline(line);
	struct baton_watch *watch;
	siginfo_t info = { 0 };
	bool ended = false;

	if (!held)
		usage("wait for a container that was not created here");
	watch = self.host.watch_add(&self.loop, held->pidfd, BATON_WATCH_READ, on_ready, &ended);
	while (!ended && loop_once(&self.loop, until))
		;
	self.host.watch_free(&self.loop, watch);
	if (ended && waitid(WAIT_PIDFD, (id_t)held->pidfd, &info, WEXITED) < 0)
		broken("the container's process is not a child of the host");
	print_head(line, ended);
	if (!ended)
		(void)printf(", \"code\": \"ETIMEDOUT\"");
	else if (info.si_code == CLD_EXITED)
		(void)printf(", \"exit\": %d", info.si_status);
	else
		(void)printf(", \"signal\": %d", info.si_status);
	print_end();
	if (ended) {
		(void)close(held->pidfd);
		*held = self.containers[--self.n_containers];
	}
}

static void run_sleep(const struct line *line)
{
	int64_t until = loop_now_ms() + strtol(line->words[1], NULL, 10);

	while (loop_once(&self.loop, until))
		;
	print_head(line, true);
	print_end();
}

static int count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = -3; /* ".", ".." and the directory itself */

	while (directory && readdir(directory))
		count++;
	if (directory)
		(void)closedir(directory);
	return count;
}

static int count_children(void)
{
	char path[64];
	FILE *file;
	int count = 0;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	while (file && fscanf(file, "%d", &pid) == 1)
		count++;
	if (file)
		(void)fclose(file);
	return count;
}

static void run_resources(const struct line *line)
{
	print_head(line, true);
	(void)printf(", \"descriptors\": %d, \"watches\": %zu, \"timers\": %zu, \"children\": %d",
	        count_descriptors(), self.loop.n_watches, self.loop.n_timers, count_children());
	print_end();
}

static void open_plugin(void)
{
	struct baton_runtime_error error = { 0 };
	int r = self.runtime->open(&self.host, &self.plugin, &error);

	if (r == 0)
		return;
	if (error.code != -r || !*error.message)
		broken("a refused open did not fill its error");
	(void)printf("{\"verb\": \"open\", \"ok\": false");
	print_error(&error, false);
	print_end();
	exit(1);
}

static void run_reopen(const struct line *line)
{
	self.runtime->close(self.plugin);
	if (self.loop.n_watches != 0 || self.loop.n_timers != 0)
		broken("close left watches or timers");
	open_plugin();
	print_head(line, true);
	print_end();
}

/* ---- the script ---- */

static const struct {
	const char *name;
	size_t words;
	void (*run)(const struct line *line);
} commands[] = {
	{ "create", 3, run_create },
	{ "start", 2, run_start },
	{ "state", 2, run_state },
	{ "kill", 3, run_kill },
	{ "delete", 2, run_delete },
	{ "wait", 2, run_wait },
	{ "sleep", 2, run_sleep },
	{ "resources", 1, run_resources },
	{ "reopen", 1, run_reopen },
};

static void run_line(char *text)
{
	struct line line;

	split(text, &line);
	for (size_t i = 0; line.count > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(line.words[0], commands[i].name) == 0 && line.count >= commands[i].words) {
			commands[i].run(&line);
			return;
		}
	}
	if (line.count > 0)
		usage(line.words[0]);
}

static void load(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	baton_runtime_entry_fn entry = NULL;

	if (object)
		*(void **)&entry = dlsym(object, BATON_RUNTIME_ENTRY);
	if (entry)
		self.runtime = entry(&self.host);
	if (!self.runtime) {
		(void)printf("{\"verb\": \"load\", \"ok\": false, \"message\": ");
		print_string(!object || !entry ? dlerror() : "the plugin refuses this host");
		print_end();
		exit(1);
	}
	if (self.runtime->abi_major != BATON_RUNTIME_ABI_MAJOR)
		broken("the table is of another major version than the host");
	if (self.runtime->struct_size <
	        offsetof(struct baton_runtime, delete_) + sizeof(self.runtime->delete_))
		broken("the table lacks verbs of version 1.0");
	open_plugin();
}

static int run_options(int argc, char **argv)
{
	int i = 1;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		uint32_t number = (uint32_t)strtoul(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "--set") == 0 && self.loop.n_settings < LOOP_SETTINGS_MAX)
			self.loop.settings[self.loop.n_settings++] = argv[i + 1];
		else if (strcmp(argv[i], "--abi-major") == 0)
			self.host.abi_major = (uint16_t)number;
		else if (strcmp(argv[i], "--abi-minor") == 0)
			self.host.abi_minor = (uint16_t)number;
		else if (strcmp(argv[i], "--host-size") == 0)
			self.host.struct_size = number;
		else if (strcmp(argv[i], "--create-size") == 0)
			self.create_size = number;
		else
			usage(argv[i]);
	}
	return i;
}

int main(int argc, char **argv)
{
	char line[LINE_MAX_BYTES];
	int next;

	loop_init(&self.loop, &self.host);
	self.create_size = sizeof(struct baton_create);
	next = run_options(argc, argv);
	if (next >= argc)
		usage("no plugin");
	load(argv[next++]);
	if (next < argc) {
		for (; next < argc; next++) {
			(void)snprintf(line, sizeof(line), "%s", argv[next]);
			run_line(line);
		}
	} else {
		while (fgets(line, sizeof(line), stdin))
			run_line(line);
	}
	self.runtime->close(self.plugin);
	if (self.loop.n_watches != 0 || self.loop.n_timers != 0)
		broken("close left watches or timers");
	loop_release(&self.loop);
	return 0;
}
