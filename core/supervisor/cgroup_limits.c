/* SPDX-License-Identifier: Apache-2.0 */
/* Value files: Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst of the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/supervisor/cgroup-priv.h"

#define CPU_PERIOD_US    100000
#define CPU_QUOTA_MIN_US 1000 /* the kernel refuses less */
#define CPUS_MAX         INT64_C(8192)
#define VALUE_SIZE       64
#define EVENTS_MAX       ((size_t)4096)

typedef void (*format_fn)(const struct cgroup_limits *limits, char text[static VALUE_SIZE]);

struct value_file {
	const char *name;
	enum controller controller;
	format_fn format;
	bool optional; /* the limit holds without it, as far as this kernel can */
};

static int64_t quota(const struct cgroup_limits *limits)
{
	int64_t us =
	        limits->cpu > CPUS_MAX * 1000 ? CPUS_MAX * CPU_PERIOD_US : limits->cpu * CPU_PERIOD_US / 1000;

	return us < CPU_QUOTA_MIN_US ? CPU_QUOTA_MIN_US : us;
}

static void format_memory(const struct cgroup_limits *limits, char text[static VALUE_SIZE])
{
	(void)snprintf(text, VALUE_SIZE, "%" PRId64, limits->memory);
}

static void format_zero(const struct cgroup_limits *limits, char text[static VALUE_SIZE])
{
	(void)limits;
	(void)snprintf(text, VALUE_SIZE, "0");
}

static void format_period(const struct cgroup_limits *limits, char text[static VALUE_SIZE])
{
	(void)limits;
	(void)snprintf(text, VALUE_SIZE, "%d", CPU_PERIOD_US);
}

static void format_quota(const struct cgroup_limits *limits, char text[static VALUE_SIZE])
{
	(void)snprintf(text, VALUE_SIZE, "%" PRId64, quota(limits));
}

static void format_cpu_max(const struct cgroup_limits *limits, char text[static VALUE_SIZE])
{
	(void)snprintf(text, VALUE_SIZE, "%" PRId64 " %d", quota(limits), CPU_PERIOD_US);
}

static void format_pids(const struct cgroup_limits *limits, char text[static VALUE_SIZE])
{
	(void)snprintf(text, VALUE_SIZE, "%" PRId64, limits->pids);
}

/* memsw counts memory and swap together and may never be below the memory limit, so it comes second. */
static const struct value_file v1_files[] = {
	{ "memory.limit_in_bytes", CONTROLLER_MEMORY, format_memory, false },
	{ "memory.memsw.limit_in_bytes", CONTROLLER_MEMORY, format_memory, true },
	{ "cpu.cfs_period_us", CONTROLLER_CPU, format_period, false },
	{ "cpu.cfs_quota_us", CONTROLLER_CPU, format_quota, false },
	{ "pids.max", CONTROLLER_PIDS, format_pids, false },
};

static const struct value_file v2_files[] = {
	{ "memory.max", CONTROLLER_MEMORY, format_memory, false },
	{ "memory.swap.max", CONTROLLER_MEMORY, format_zero, true },
	{ "cpu.max", CONTROLLER_CPU, format_cpu_max, false },
	{ "pids.max", CONTROLLER_PIDS, format_pids, false },
};

unsigned cgroup_limits_wanted(const struct cgroup_limits *limits)
{
	return (limits->memory > 0 ? CONTROLLER_BIT(CONTROLLER_MEMORY) : 0) |
	       (limits->cpu > 0 ? CONTROLLER_BIT(CONTROLLER_CPU) : 0) |
	       (limits->pids > 0 ? CONTROLLER_BIT(CONTROLLER_PIDS) : 0) | CONTROLLER_BIT(CONTROLLER_DEVICES);
}

/* "c 1:*": a negative number stands for all. */
static void format_number(int32_t number, char text[static 12])
{
	if (number < 0)
		(void)snprintf(text, 12, "*");
	else
		(void)snprintf(text, 12, "%" PRId32, number);
}

/* A new group has the devices of its parent: all of them are taken away first. */
static int apply_v1_devices(int dir_fd, const struct cgroup_limits *limits, struct baton_error *err)
{
	int r = file_write_text_at(dir_fd, "devices.deny", "a");
	cleanup_close int fd = -1;

	if (r < 0)
		return error_errno(err, -r, "devices.deny");
	if (limits->n_devices == 0)
		return 0;
	fd = openat(dir_fd, "devices.allow", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "devices.allow");
	for (size_t i = 0; i < limits->n_devices; i++) {
		const struct cgroup_device *device = &limits->devices[i];
		char major[12];
		char minor[12];
		char text[VALUE_SIZE];
		int length;

		format_number(device->major, major);
		format_number(device->minor, minor);
		length = snprintf(
		        text, sizeof(text), "%c %s:%s %.3s", device->type, major, minor, device->access);
		/* One rule for each write(2): the kernel parses no more. */
		if (write(fd, text, (size_t)length) < 0)
			return error_errno(err, errno, "devices.allow \"%s\"", text);
	}
	return 0;
}

int cgroup_limits_apply(int dir_fd, bool v2, unsigned wanted, const struct cgroup_limits *limits,
        unsigned *held, struct baton_error *err)
{
	const struct value_file *files = v2 ? v2_files : v1_files;
	size_t count = v2 ? array_size(v2_files) : array_size(v1_files);
	unsigned lacking = 0;
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned bit = CONTROLLER_BIT(files[i].controller);
		char text[VALUE_SIZE];

		if (!(wanted & bit))
			continue;
		files[i].format(limits, text);
		r = file_write_text_at(dir_fd, files[i].name, text);
		if (r == -ENOENT)
			lacking |= files[i].optional ? 0 : bit;
		else if (r < 0)
			return error_errno(err, -r, "%s \"%s\"", files[i].name, text);
	}
	if (!v2 && (wanted & CONTROLLER_BIT(CONTROLLER_DEVICES)))
		r = apply_v1_devices(dir_fd, limits, err);
	else
		r = 0;
	if (r == 0)
		*held |= wanted & ~lacking;
	return r;
}

/* "oom" counts how often the limit was hit; "oom_kill" counts processes. memory.oom_control has it since
 * 4.13. */
unsigned long long cgroup_limits_oom_kills(int dir_fd, bool v2)
{
	static const char key[] = "oom_kill ";
	cleanup_free char *text = NULL;
	char *state = NULL;

	if (file_read_at(dir_fd, v2 ? "memory.events" : "memory.oom_control", EVENTS_MAX, &text, NULL) < 0)
		return 0;
	for (char *line = text ? strtok_r(text, "\n", &state) : NULL; line;
	        line = strtok_r(NULL, "\n", &state)) {
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			return strtoull(line + sizeof(key) - 1, NULL, 10);
	}
	return 0;
}
