/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel of this machine can do: asked by trying, never by its version. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/cli/doctor.h"
#include "core/supervisor/cgroup.h"

#define PROC_TEXT_MAX 65536

static void check_version(const struct doctor *doctor, struct check_result *result)
{
	struct utsname name;

	(void)doctor;
	if (uname(&name) < 0)
		check_advise(result, CHECK_FAIL, "uname fails: %s", strerrordesc_np(errno));
	else
		check_found(result, "%s %s on %s", name.sysname, name.release, name.machine);
}

/* With arguments that are wrong in any case, a kernel that knows the call says something else than ENOSYS. */
static bool has_call(long number)
{
	return syscall(number, -1L, 0L, 0L, 0L, 0L) >= 0 || errno != ENOSYS;
}

static void check_calls(const struct doctor *doctor, struct check_result *result)
{
	static const struct {
		const char *name;
		long number;
	} calls[] = {
		{ "clone3", SYS_clone3 },
		{ "pidfd_open", SYS_pidfd_open },
		{ "pidfd_send_signal", SYS_pidfd_send_signal },
		{ "openat2", SYS_openat2 },
		{ "open_tree", SYS_open_tree },
		{ "move_mount", SYS_move_mount },
		{ "fsopen", SYS_fsopen },
		{ "mount_setattr", SYS_mount_setattr },
	};
	const char *missing = NULL;

	(void)doctor;
	for (size_t i = 0; i < array_size(calls); i++) {
		if (!has_call(calls[i].number))
			missing = calls[i].name;
	}
	check_found(result, "%s%s", missing ? "this kernel lacks " : "clone3, pidfds, openat2, mount API",
	        missing ? missing : "");
	if (missing)
		check_advise(result, CHECK_FAIL, "Baton needs Linux 5.12 or newer");
}

static void check_namespaces(const struct doctor *doctor, struct check_result *result)
{
	static const char *const names[] = { "mnt", "pid", "ipc", "uts", "net", "cgroup" };

	(void)doctor;
	check_found(result, "mount, pid, ipc, uts, network, cgroup");
	for (size_t i = 0; i < array_size(names); i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		if (access(path, F_OK) == 0)
			continue;
		check_found(result, "no %s namespaces", names[i]);
		check_advise(result, CHECK_FAIL,
		        "this kernel was built without them: use that of the distribution");
	}
}

/* One word of a text whose words are separated by blanks. */
static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + length, word)) {
		if ((at == text || strchr(" \t\n", at[-1])) &&
		        (at[length] == '\0' || strchr(" \t\n", at[length])))
			return true;
	}
	return false;
}

static bool file_has_word(const char *path, const char *word)
{
	cleanup_free char *text = NULL;

	return file_read_at(AT_FDCWD, path, PROC_TEXT_MAX, &text, NULL) == 0 && has_word(text, word);
}

static void check_seccomp(const struct doctor *doctor, struct check_result *result)
{
	uint32_t action = SECCOMP_RET_ERRNO;

	(void)doctor;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0) {
		check_found(result, "filters work");
		return;
	}
	check_found(result, "no filters: %s", strerrordesc_np(errno));
	check_advise(result, CHECK_FAIL, "use a kernel with CONFIG_SECCOMP_FILTER");
}

static void check_landlock(const struct doctor *doctor, struct check_result *result)
{
	long version =
	        syscall(SYS_landlock_create_ruleset, NULL, 0, 1U /* LANDLOCK_CREATE_RULESET_VERSION */);

	(void)doctor;
	if (version > 0) {
		check_found(result, "version %ld", version);
		return;
	}
	check_found(result, "not available: %s", strerrordesc_np(errno));
	check_advise(result, CHECK_WARN,
	        "baton-control is confined by its user and seccomp alone; for more, boot with "
	        "lsm=landlock,... in the "
	        "kernel's command line");
}

/* What is a module is in no list before its first use, and asking for it loads it as the first mount would.
 */
static bool has_file_system(const char *name)
{
	cleanup_close int fd = -1;

	if (file_has_word("/proc/filesystems", name))
		return true;
	fd = fsopen(name, FSOPEN_CLOEXEC);
	return fd >= 0;
}

static void check_overlay(const struct doctor *doctor, struct check_result *result)
{
	(void)doctor;
	if (has_file_system("overlay")) {
		check_found(result, "available");
		return;
	}
	check_found(result, "not available");
	check_advise(result, CHECK_FAIL, "modprobe overlay, and name it in /etc/modules-load.d/baton.conf");
}

/* The groups that it makes are those of batond, which uses them when they are there. */
static void check_cgroup(const struct doctor *doctor, struct check_result *result)
{
	struct cgroup_root *root;
	struct baton_error err;
	size_t used = 0;

	if (cgroup_root_new(doctor->config.cgroup_parent, &root, &err) < 0) {
		check_found(result, "%s", err.message);
		check_advise(result, CHECK_FAIL,
		        geteuid() == 0 ? "mount control groups: see docs/operations.md" : "run this as root");
		return;
	}
	check_found(result, "%s, all of memory, cpu, pids, devices", cgroup_mode(root));
	for (char *const *missing = cgroup_missing(root); missing && *missing; missing++) {
		if (used < sizeof(result->text))
			used += (size_t)snprintf(result->text + used, sizeof(result->text) - used, "%s%s",
			        used > 0 ? "; " : "", *missing);
		check_advise(result, CHECK_WARN,
		        "services that need the limit are not placed here; on a Raspberry Pi add "
		        "cgroup_enable=memory to "
		        "cmdline.txt");
	}
	cgroup_root_free(root);
}

const struct check doctor_kernel_checks[] = {
	{ "kernel", false, check_version },
	{ "system calls", false, check_calls },
	{ "namespaces", false, check_namespaces },
	{ "seccomp", false, check_seccomp },
	{ "landlock", false, check_landlock },
	{ "overlayfs", false, check_overlay },
	{ "cgroups", true, check_cgroup },
	{ NULL, false, NULL },
};
