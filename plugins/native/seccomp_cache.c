/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/native/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/pidfd.h"

#define FILE_NAME_SIZE 64
#define FILE_BYTES_MAX (sizeof(struct file_header) + sizeof(struct sock_filter) * BPF_MAXINSNS)
#define ENTRIES_MAX    32 /* profiles in use at a time; the oldest goes */

struct entry {
	struct entry *next;
	char name[FILE_NAME_SIZE];
	struct sock_filter *filters;
	struct sock_fprog program;
};

struct seccomp_cache {
	int directory_fd;      /* -1: memory only */
	struct entry *entries; /* newest first */
};

/* What the compiling child leaves in the shared memory before the filters. */
struct result {
	int32_t code; /* 0 or a positive errno */
	uint32_t count;
	char message[ERROR_MESSAGE_MAX];
	struct sock_filter filters[BPF_MAXINSNS];
};

/*
 * A file is this and then the filters. The kernel checks that a program is one, not what it means, and flash
 * loses pages and turns bits: a file whose sum is wrong is as good as none.
 */
struct file_header {
	char magic[8];
	uint64_t sum[2];
};

static const char file_magic[8] = "btnbpf1";

int seccomp_cache_new(const char *directory, struct seccomp_cache **ret_cache)
{
	struct seccomp_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	/* Without the directory everything works, a little slower after each restart. */
	cache->directory_fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	*ret_cache = cache;
	return 0;
}

static void entry_free(struct entry *entry)
{
	free(entry->filters);
	free(entry);
}

void seccomp_cache_free(struct seccomp_cache *cache)
{
	if (!cache)
		return;
	while (cache->entries) {
		struct entry *entry = cache->entries;

		cache->entries = entry->next;
		entry_free(entry);
	}
	close_fd(&cache->directory_fd);
	free(cache);
}

/* FNV-1a over two offsets, 128 bits in all: told apart are profiles of one administrator, not an attacker's.
 */
static void hash(uint64_t state[2], const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		state[0] = (state[0] ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
		state[1] = (state[1] ^ (unsigned char)~data[i]) * UINT64_C(0x100000001b3);
	}
}

static void hash_begin(uint64_t state[2])
{
	state[0] = UINT64_C(0xcbf29ce484222325);
	state[1] = UINT64_C(0x84222325cbf29ce4);
}

/* Of a file's content. A program of another version of this compiler is as good as a spoilt one. */
static void hash_filters(uint64_t sum[2], const char *filters, size_t length)
{
	hash_begin(sum);
	hash(sum, BATON_VERSION, sizeof(BATON_VERSION));
	hash(sum, filters, length);
}

static int hash_piece(const char *data, size_t length, void *state)
{
	hash(state, data, length);
	return 0;
}

/* Everything that decides the program: the profile, the library, the kernel's architecture. */
static int entry_name(const json_t *profile, char name[static FILE_NAME_SIZE])
{
	const struct scmp_version *version = seccomp_version();
	uint64_t state[2];
	char text[192];
	struct utsname system;

	hash_begin(state);
	(void)uname(&system);
	(void)snprintf(text, sizeof(text), "%u.%u.%u %s ", version->major, version->minor, version->micro,
	        system.machine);
	hash(state, text, strlen(text));
	if (json_dump_callback(profile, hash_piece, state, JSON_COMPACT) < 0)
		return -ENOMEM;
	(void)snprintf(name, FILE_NAME_SIZE, "seccomp-%016" PRIx64 "%016" PRIx64 ".bpf", state[0], state[1]);
	return 0;
}

/* ret_program may be NULL. */
static int add_entry(struct seccomp_cache *cache, const char *name, const void *filters, size_t count,
        const struct sock_fprog **ret_program)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	struct entry **last = &cache->entries;
	size_t kept = 1;

	if (entry)
		entry->filters = calloc(count, sizeof(*entry->filters));
	if (!entry || !entry->filters) {
		free(entry);
		return -ENOMEM;
	}
	memcpy(entry->filters, filters, count * sizeof(*entry->filters));
	(void)snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->program = (struct sock_fprog){ .len = (unsigned short)count, .filter = entry->filters };
	entry->next = cache->entries;
	cache->entries = entry;
	while (*last && kept++ <= ENTRIES_MAX)
		last = &(*last)->next;
	if (*last) {
		entry_free(*last);
		*last = NULL;
	}
	if (ret_program)
		*ret_program = &entry->program;
	return 0;
}

/* A file that is not whole or not ours is compiled anew. */
static int load_file(struct seccomp_cache *cache, const char *name, const struct sock_fprog **ret_program)
{
	cleanup_close int fd = -1;
	cleanup_free char *data = NULL;
	struct file_header header;
	struct stat status;
	uint64_t sum[2];
	size_t length = 0;

	if (cache->directory_fd < 0)
		return -ENOENT;
	fd = file_open_beneath(cache->directory_fd, name, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &status) < 0 || status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	if (file_read_fd(fd, FILE_BYTES_MAX, &data, &length) < 0 || length <= sizeof(header) ||
	        (length - sizeof(header)) % sizeof(struct sock_filter))
		return -EINVAL;
	memcpy(&header, data, sizeof(header));
	length -= sizeof(header);
	hash_filters(sum, data + sizeof(header), length);
	if (memcmp(header.magic, file_magic, sizeof(file_magic)) != 0 ||
	        memcmp(header.sum, sum, sizeof(sum)) != 0)
		return -EINVAL;
	return add_entry(
	        cache, name, data + sizeof(header), length / sizeof(struct sock_filter), ret_program);
}

/*
 * A cache: losing the file costs a compilation, so nothing here is an error, and nothing waits for the disk:
 * what a power cut leaves of the file has a wrong sum.
 */
static void save_file(const struct seccomp_cache *cache, const char *name, const struct result *result)
{
	size_t length = result->count * sizeof(*result->filters);
	cleanup_free char *data = malloc(sizeof(struct file_header) + length);
	struct file_header header;

	if (!data || cache->directory_fd < 0)
		return;
	memcpy(header.magic, file_magic, sizeof(file_magic));
	hash_filters(header.sum, (const char *)result->filters, length);
	memcpy(data, &header, sizeof(header));
	memcpy(data + sizeof(header), result->filters, length);
	(void)file_replace_at(cache->directory_fd, name, data, sizeof(header) + length, 0600, FILE_VOLATILE);
}

/* It holds the daemon's locks as long as it lives, so it does not outlive the daemon. */
static _Noreturn void compile_and_exit(const json_t *profile, struct result *result, pid_t parent)
{
	cleanup_free struct sock_filter *filters = NULL;
	struct baton_error err = { 0 };
	size_t count = 0;
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* always accepted for a valid signal */
	if (getppid() != parent)
		_exit(1);
	r = seccomp_compile(profile, &filters, &count, &err);
	if (r == 0) {
		memcpy(result->filters, filters, count * sizeof(*filters));
		result->count = (uint32_t)count;
	}
	memcpy(result->message, err.message, sizeof(result->message));
	result->code = -r;
	_exit(0);
}

struct seccomp_job {
	struct seccomp_cache *cache;
	int pidfd;
	char name[FILE_NAME_SIZE];
	struct result *result; /* shared with the child */
};

static void job_free(struct seccomp_job *job)
{
	if (job->result)
		(void)munmap(job->result, sizeof(*job->result));
	close_fd(&job->pidfd);
	free(job);
}

/* fork(2) as glibc does it: the child uses the heap and libseccomp, which it may, as the daemon has one
 * thread. */
static int spawn(struct seccomp_job *job, const json_t *profile)
{
	void *memory =
	        mmap(NULL, sizeof(*job->result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid();
	pid_t pid;
	int r;

	if (memory == MAP_FAILED)
		return -errno;
	job->result = memory;
	job->result->code = EIO;
	(void)snprintf(job->result->message, sizeof(job->result->message), "the compiling process died");
	pid = fork();
	if (pid == 0)
		compile_and_exit(profile, job->result, parent);
	if (pid < 0)
		return -errno;
	job->pidfd =
	        (int)syscall(SYS_pidfd_open, pid, 0); /* nobody else waits for it: the number is its own */
	if (job->pidfd >= 0)
		return 0;
	r = -errno;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0); /* it dies at once: nothing of it waits for a disk */
	return r;
}

int seccomp_job_start(struct seccomp_cache *cache, const json_t *profile, struct seccomp_job **ret_job,
        struct baton_error *err)
{
	struct seccomp_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return error_set(err, ENOMEM, "out of memory");
	job->cache = cache;
	job->pidfd = -1;
	r = entry_name(profile, job->name);
	if (r == 0)
		r = spawn(job, profile);
	if (r < 0) {
		job_free(job);
		return error_errno(err, -r, "linux.seccomp");
	}
	*ret_job = job;
	return 0;
}

int seccomp_job_pidfd(const struct seccomp_job *job)
{
	return job->pidfd;
}

int seccomp_job_finish(struct seccomp_job *job, struct baton_error *err)
{
	const struct result *result = job->result;
	int r = 0;

	pidfd_end(job->pidfd);
	if (result->code != 0)
		r = error_set(err, result->code, "linux.seccomp: %.*s", (int)sizeof(result->message) - 1,
		        result->message);
	else if (add_entry(job->cache, job->name, result->filters, result->count, NULL) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	else
		save_file(job->cache, job->name, result);
	job_free(job);
	return r;
}

void seccomp_job_cancel(struct seccomp_job *job)
{
	if (!job)
		return;
	pidfd_end(job->pidfd);
	job_free(job);
}

int seccomp_find(struct seccomp_cache *cache, const json_t *profile, const struct sock_fprog **ret_program)
{
	char name[FILE_NAME_SIZE];
	int r = entry_name(profile, name);

	if (r < 0)
		return r;
	for (struct entry *entry = cache->entries; entry; entry = entry->next) {
		if (strcmp(entry->name, name) == 0) {
			*ret_program = &entry->program;
			return 0;
		}
	}
	return load_file(cache, name, ret_program) == 0 ? 0 : -ENOENT;
}
