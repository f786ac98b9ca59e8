/* SPDX-License-Identifier: Apache-2.0 */
/* Names that the kernel or a grammar knows: capabilities, limits, sysctls, hosts, users, paths. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/cleanup.h"
#include "core/model/compose_values.h"
#include "core/model/topics.h"

#define DIGITS       "0123456789"
#define LETTERS      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define RUNTIME_MAX  32 /* of the plugin ABI and nodes/{node}/reported */
#define HOSTNAME_MAX 64 /* __NEW_UTS_LEN of the kernel */
#define LABEL_MAX    63
#define USER_MAX     32 /* useradd(8) */
#define ID_MAX       INT32_MAX

/* capabilities(7), all 41 up to Linux 6.x, sorted for people. */
static const char *const capabilities[] = { "ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE",
	"BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER",
	"FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE",
	"MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID",
	"SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE",
	"SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM" };

/* getrlimit(2) */
static const char *const rlimits[] = { "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue",
	"nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack" };

static const struct {
	const char *name; /* a prefix when it ends with "." */
	enum sysctl_scope scope;
} sysctls[] = {
	{ "fs.mqueue.", SYSCTL_ALLOWED },
	{ "kernel.domainname", SYSCTL_ALLOWED },
	{ "kernel.msgmax", SYSCTL_ALLOWED },
	{ "kernel.msgmnb", SYSCTL_ALLOWED },
	{ "kernel.msgmni", SYSCTL_ALLOWED },
	{ "kernel.sem", SYSCTL_ALLOWED },
	{ "kernel.shm_rmid_forced", SYSCTL_ALLOWED },
	{ "kernel.shmall", SYSCTL_ALLOWED },
	{ "kernel.shmmax", SYSCTL_ALLOWED },
	{ "kernel.shmmni", SYSCTL_ALLOWED },
	{ "net.", SYSCTL_OF_NETWORK },
};

const char *value_capability(const char *text)
{
	if (strncasecmp(text, "CAP_", 4) == 0)
		text += 4;
	for (size_t i = 0; i < array_size(capabilities); i++) {
		if (strcasecmp(text, capabilities[i]) == 0)
			return capabilities[i];
	}
	return NULL;
}

bool value_is_rlimit(const char *name)
{
	for (size_t i = 0; i < array_size(rlimits); i++) {
		if (strcmp(name, rlimits[i]) == 0)
			return true;
	}
	return false;
}

/*
 * The kernel takes "/" for "." in these names, and crun and CRI-O were led out of /proc/sys/{net,kernel/shm}
 * with separators, ".." and "+" (CVE-2022-0811): nothing but the plain form passes.
 */
static bool is_plain_sysctl(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && strspn(name, LETTERS DIGITS "_-.") == length && name[0] != '.' &&
	       name[length - 1] != '.' && !strstr(name, "..");
}

enum sysctl_scope value_sysctl(const char *name)
{
	if (!is_plain_sysctl(name))
		return SYSCTL_REFUSED;
	for (size_t i = 0; i < array_size(sysctls); i++) {
		size_t length = strlen(sysctls[i].name);
		bool is_prefix = sysctls[i].name[length - 1] == '.';

		if (is_prefix ? strncmp(name, sysctls[i].name, length) == 0
		              : strcmp(name, sysctls[i].name) == 0)
			return sysctls[i].scope;
	}
	return SYSCTL_REFUSED;
}

const char *value_check_name(const char *text)
{
	return topic_name_valid(text)
	               ? NULL
	               : "must be 1 to 63 of a-z, 0-9, \"_\", \".\", \"-\" and start with a letter or digit";
}

const char *value_check_runtime(const char *text)
{
	if (strlen(text) > RUNTIME_MAX)
		return "must be at most 32 bytes";
	return value_check_name(text);
}

static bool is_host_label(const char *label, size_t length)
{
	return length > 0 && length <= LABEL_MAX && label[0] != '-' && label[length - 1] != '-' &&
	       strspn(label, LETTERS DIGITS "-") >= length;
}

const char *value_check_hostname(const char *text)
{
	if (strlen(text) > HOSTNAME_MAX)
		return "must be at most 64 bytes";
	for (;;) {
		size_t length = strcspn(text, ".");

		if (!is_host_label(text, length))
			return "must be a host name: labels of 1 to 63 letters, digits and inner \"-\", with "
			       "\".\" between them";
		if (text[length] == '\0')
			return NULL;
		text += length + 1;
	}
}

/* Ids as digits only, so that no "0x0", "+0" or 2^32 becomes root (CVE-2016-3697, CVE-2024-40635). */
static bool is_user_part(const char *text, size_t length)
{
	char copy[USER_MAX + 1];
	int64_t id;

	if (length == 0 || length > USER_MAX)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (strspn(copy, DIGITS) == length)
		return (copy[0] != '0' || length == 1) && value_integer(copy, 0, ID_MAX, &id) == 0;
	if (copy[length - 1] == '$') /* machine accounts of Samba */
		copy[--length] = '\0';
	return strchr(LETTERS "_", copy[0]) && copy[0] && strspn(copy, LETTERS DIGITS "_.-") == length;
}

const char *value_check_user(const char *text)
{
	size_t length = strcspn(text, ":");

	if (!is_user_part(text, length) ||
	        (text[length] == ':' && !is_user_part(text + length + 1, strlen(text + length + 1))))
		return "must be USER or USER:GROUP, each a name or a number from 0 to 2147483647 without "
		       "leading zeros";
	return NULL;
}

const char *value_check_image(const char *text)
{
	/* strchr finds the NUL of an empty text too. */
	if (text[0] == '\0' || strspn(text, LETTERS DIGITS "._:/@+-") != strlen(text) ||
	        !strchr(LETTERS DIGITS, text[0]))
		return "must be an image reference like \"registry.local/name:tag\"";
	return NULL;
}

const char *value_check_path(const char *text)
{
	if (text[0] != '/')
		return "must be an absolute path";
	while (*text) {
		size_t length;

		text += strspn(text, "/");
		length = strcspn(text, "/");
		if ((length == 1 && text[0] == '.') || (length == 2 && strncmp(text, "..", 2) == 0))
			return "must not have \".\" or \"..\" in it";
		text += length;
	}
	return NULL;
}
