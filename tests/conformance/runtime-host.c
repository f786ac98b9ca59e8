/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads one runtime plugin and runs a script of verbs, one after the other, from the command line (each
 * argument is a line) or from standard input. One line of JSON on standard output for each. A FIFO for stdout
 * or stderr is opened for reading too, as the supervisor's are, so that it has a reader at all times. See
 * docs/plugins.md.
 *
 *   create ID BUNDLE [stdin=FILE] [stdout=FILE] [stderr=FILE] [cgroup=DIR]... [netns=FILE] [deadline=MS]
 *   start ID, state ID, kill ID SIGNAL, delete ID   [deadline=MS]
 *   later VERB...           calls the verb and goes on; ok: it was accepted
 *   join                    waits for the callbacks of all `later` and tells their "results"
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
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"
#include "loop.h"
#include "report.h"

#define CONTAINERS_MAX 256
#define CGROUPS_MAX    16
#define WAIT_PIDFD     ((idtype_t)3)

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
	struct call *pending; /* of `later`, oldest first */
} self;

static _Noreturn void usage(const char *problem)
{
	(void)fprintf(stderr,
	        "%s\nusage: runtime-host [--set KEY=VALUE]... [--abi-major N] [--abi-minor N] [--host-size "
	        "N]\n"
	        "                    [--create-size N] PLUGIN.so [LINE]...\n",
	        problem);
	exit(2);
}

/* ---- verbs ---- */

static int open_option(const struct line *line, const char *key, int flags)
{
	const char *path = line_option(line, key);
	struct stat status;
	int fd;

	if (path && (flags & O_WRONLY) && stat(path, &status) == 0 && S_ISFIFO(status.st_mode))
		flags = O_RDWR;
	fd = path ? open(path, flags | O_CLOEXEC, 0600) : -1;

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

static int start_create(struct call *call)
{
	/* On the heap and of exactly the promised size, so that a sanitizer sees a read behind it. */
	struct baton_create *request = calloc(1, self.create_size);
	const struct line *line = &call->line;
	struct baton_create whole = { 0 };
	struct groups groups;
	int fds[4];
	int r;

	if (!request)
		usage("out of memory");
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
	r = self.runtime->create(
	        self.plugin, request, line_deadline(line), call_on_created, call, &call->error);
	/* The rules let the host take all this away as soon as the verb has returned. */
	for (size_t i = 0; i < 4; i++)
		close_if_open(fds[i]);
	close_groups(&groups);
	memset(request, 0xee, self.create_size);
	free(request);
	return r;
}

static int start_start(struct call *call)
{
	return self.runtime->start(self.plugin, call->line.words[1], line_deadline(&call->line), call_on_done,
	        call, &call->error);
}

static int start_state(struct call *call)
{
	return self.runtime->state(self.plugin, call->line.words[1], line_deadline(&call->line),
	        call_on_state, call, &call->error);
}

static int start_kill(struct call *call)
{
	struct baton_kill request = { .struct_size = sizeof(request), .id = call->line.words[1] };

	request.signal = (int32_t)strtol(call->line.words[2], NULL, 10);
	return self.runtime->kill(
	        self.plugin, &request, line_deadline(&call->line), call_on_done, call, &call->error);
}

static int start_delete(struct call *call)
{
	return self.runtime->delete_(self.plugin, call->line.words[1], line_deadline(&call->line),
	        call_on_done, call, &call->error);
}

static const struct {
	const char *name;
	size_t words;
	int (*start)(struct call *call);
} verbs[] = {
	{ "create", 3, start_create },
	{ "start", 2, start_start },
	{ "state", 2, start_state },
	{ "kill", 3, start_kill },
	{ "delete", 2, start_delete },
};

/* Calls the line's verb. NULL when it is none. */
static struct call *begin(const struct line *line)
{
	for (size_t i = 0; line->count > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		struct call *call;

		if (strcmp(line->words[0], verbs[i].name) != 0 || line->count < verbs[i].words)
			continue;
		call = call_new(line);
		call_returned(call, verbs[i].start(call));
		return call;
	}
	return NULL;
}

static void finish(struct call *call)
{
	call_wait(call, &self.loop);
	if (call->pidfd >= 0)
		keep(call->line.words[1], call->pidfd);
	call_print(call);
	call_free(call);
}

/* The verb's callback may come while the next lines run; `join` says what it brought. */
static void run_later(const struct line *line)
{
	struct line rest = { .count = line->count - 1 };
	struct call **last = &self.pending;
	struct call *call;

	memcpy(rest.words, line->words + 1, rest.count * sizeof(rest.words[0]));
	call = begin(&rest);
	if (!call)
		usage("later VERB");
	while (*last)
		last = &(*last)->next;
	*last = call;
	print_head(line, !call->refused);
	print_end();
}

static void run_join(const struct line *line)
{
	print_head(line, true);
	(void)printf(", \"results\": [");
	while (self.pending) {
		struct call *call = self.pending;

		self.pending = call->next;
		finish(call);
		if (self.pending)
			(void)printf(", ");
	}
	(void)putchar(']');
	print_end();
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
	int64_t until = loop_now_ms() + line_deadline(line);
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
	for (const struct call *call = self.pending; call; call = call->next) {
		if (!call->refused && call->calls == 0)
			broken("close did not call what was pending");
	}
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
	{ "later", 2, run_later },
	{ "join", 1, run_join },
	{ "wait", 2, run_wait },
	{ "sleep", 2, run_sleep },
	{ "resources", 1, run_resources },
	{ "reopen", 1, run_reopen },
};

static void run_line(char *text)
{
	struct line line;
	struct call *call;

	line_split(text, &line);
	call = begin(&line);
	if (call) {
		finish(call);
		(void)printf("\n");
		(void)fflush(stdout);
		return;
	}
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
	while (self.pending) {
		struct call *call = self.pending;

		self.pending = call->next;
		call_wait(call, &self.loop);
		call_free(call);
	}
	self.runtime->close(self.plugin);
	if (self.loop.n_watches != 0 || self.loop.n_timers != 0)
		broken("close left watches or timers");
	loop_release(&self.loop);
	return 0;
}
