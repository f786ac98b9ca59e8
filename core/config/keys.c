/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config/keys-priv.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/distance.h"

#ifdef CONFIG_ROLE_AGENT
#define HAVE_AGENT 1
#else
#define HAVE_AGENT 0
#endif
#ifdef CONFIG_ROLE_CONTROLLER
#define HAVE_CONTROLLER 1
#else
#define HAVE_CONTROLLER 0
#endif
#ifdef CONFIG_BROKER_EMBEDDED
#define DEFAULT_MODE BROKER_EMBEDDED
#else
#define DEFAULT_MODE BROKER_EXTERNAL
#endif

#define NAME_LENGTH_MAX   63
#define PREFIX_LENGTH_MAX 63
#define SOCKET_LENGTH_MAX 107  /* sun_path of unix(7) is 108 bytes with the NUL */
#define PATH_LENGTH_MAX   1023 /* room for what is appended, below PATH_MAX */
#define TEXT_LENGTH_MAX   255

static const char *check_name(const char *text)
{
	if (!islower((unsigned char)text[0]) && !isdigit((unsigned char)text[0]))
		return "must begin with a lower-case letter or a digit";
	for (; *text; text++) {
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_.-", *text))
			return "may hold lower-case letters, digits, \"_\", \".\" and \"-\" only";
	}
	return NULL;
}

static const char *check_prefix(const char *text)
{
	if (text[0] == '/' || text[strlen(text) - 1] == '/' || strstr(text, "//"))
		return "must not have empty levels";
	if (text[0] == '$')
		return "must not begin with \"$\", which belongs to the broker";
	for (; *text; text++) {
		if (*text == '+' || *text == '#' || iscntrl((unsigned char)*text))
			return "must not hold \"+\", \"#\" or control characters";
	}
	return NULL;
}

static const char *check_path(const char *text)
{
	if (text[0] == '\0')
		return NULL;
	if (text[0] != '/' || text[1] == '\0')
		return "must be an absolute path, and not \"/\"";
	for (const char *c = text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			return "must not hold control characters";
	}
	for (const char *level = text; level; level = strchr(level + 1, '/')) {
		if (strncmp(level, "/../", 4) == 0 || strcmp(level, "/..") == 0)
			return "must not hold \"..\"";
	}
	return NULL;
}

static const char *check_group_path(const char *text)
{
	if (text[0] == '/')
		return "is relative to the root of the control groups";
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("_-/.", *text))
			return "may hold letters, digits, \"_\", \"-\", \".\" and \"/\" only";
		if (text[0] == '.' && text[1] == '.')
			return "must not hold \"..\"";
	}
	return NULL;
}

static const char *check_word(const char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text) || *text == ' ')
			return "must not hold blanks or control characters";
	}
	return NULL;
}

static const char *const mode_names[] = {
	[BROKER_EXTERNAL] = "external", [BROKER_EMBEDDED] = "embedded", NULL
};
static const char *const level_names[] = { "error", "warning", "info", "debug", NULL };

#define AT(member)     .offset = offsetof(struct config, member)
#define RANGE(low, up) .min = (low), .max = (up)

static const struct key key_table[] = {
	{ "prefix", KEY_TEXT, RANGE(1, PREFIX_LENGTH_MAX), .text = "baton/v1", .check = check_prefix,
	        AT(prefix), .help = "First levels of all topics. One prefix is one fleet." },
	{ "root", KEY_TEXT, RANGE(2, PATH_LENGTH_MAX), .text = "/var/lib/baton", .check = check_path,
	        AT(root),
	        .help = "Persistent state: images, volumes, desired state, retained messages of the embedded "
	                "broker." },
	{ "run", KEY_TEXT, RANGE(2, PATH_LENGTH_MAX), .text = "/run/baton", .check = check_path, AT(run),
	        .help = "Volatile state and container logs. Must be on a tmpfs, or logs wear out the disk." },
	{ "user", KEY_TEXT, RANGE(1, TEXT_LENGTH_MAX), .text = "baton", .check = check_word, AT(user),
	        .help = "User of baton-control and of the embedded broker: a name of the passwd database, or "
	                "a "
	                "decimal number that is taken as user and group. Never root." },
	{ "cgroup_parent", KEY_TEXT, RANGE(1, TEXT_LENGTH_MAX), .text = "baton", .check = check_group_path,
	        AT(cgroup_parent),
	        .help = "Control group above those of all containers. Daemons that share a host "
	                "need different ones." },
	{ "log_level", KEY_CHOICE, .text = "info", .choices = level_names, AT(log_level),
	        .help = "Least important messages that the daemons write to standard error." },

	{ "node.name", KEY_TEXT, RANGE(0, NAME_LENGTH_MAX), .text = "", .check = check_name, AT(node.name),
	        .example = "\"gateway-1\"",
	        .help = "Name of this node in topics. Default: the host name, in lower case." },
	{ "node.labels", KEY_LABELS, RANGE(0, TEXT_LENGTH_MAX), .check = check_word, AT(node.labels),
	        .example = "{ site = \"oslo\"; rack = \"r1\"; }",
	        .help = "Labels for placement constraints. Default: none." },

	{ "roles.agent", KEY_BOOL, RANGE(0, HAVE_AGENT), .number = HAVE_AGENT, AT(role_agent),
	        .help = "Run containers on this node." },
	{ "roles.controller", KEY_BOOL, RANGE(0, HAVE_CONTROLLER), .number = HAVE_CONTROLLER,
	        AT(role_controller),
	        .help = "Take part in turning manifests into assignments. One controller of a fleet is "
	                "active, "
	                "the others stand by." },

	{ "broker.mode", KEY_ENUM, .max = DEFAULT_MODE, .number = DEFAULT_MODE, .choices = mode_names,
	        AT(broker.mode),
	        .help = "\"embedded\": batond runs a private mosquitto. \"external\": connect to "
	                "broker.host or broker.socket." },
	{ "broker.host", KEY_TEXT, RANGE(0, TEXT_LENGTH_MAX), .text = "localhost", .check = check_word,
	        AT(broker.host), .help = "External broker: host name or address." },
	{ "broker.port", KEY_INT, RANGE(1, 65535), .number = 1883, AT(broker.port),
	        .help = "External broker: TCP port; 8883 is usual with TLS." },
	{ "broker.socket", KEY_TEXT, RANGE(0, SOCKET_LENGTH_MAX), .text = "", .check = check_path,
	        AT(broker.socket), .example = "\"/run/baton/broker.sock\"",
	        .help = "Unix socket of the broker, used instead of host and port. Embedded: where it "
	                "listens; "
	                "default broker.sock below run." },
	{ "broker.username", KEY_TEXT, RANGE(0, TEXT_LENGTH_MAX), .text = "", .check = check_word,
	        AT(broker.username), .help = "User name for the external broker." },
	{ "broker.password_file", KEY_TEXT, RANGE(0, PATH_LENGTH_MAX), .text = "", .check = check_path,
	        AT(broker.password_file), .example = "\"/etc/baton/broker.password\"",
	        .help = "File whose first line is the password. Must be readable by `user`. Default: none." },
	{ "broker.ca_file", KEY_TEXT, RANGE(0, PATH_LENGTH_MAX), .text = "", .check = check_path,
	        AT(broker.ca_file), .example = "\"/etc/baton/ca.crt\"",
	        .help = "PEM file of the authorities that may sign the broker's certificate. Turns TLS on. "
	                "Default: none." },
	{ "broker.cert_file", KEY_TEXT, RANGE(0, PATH_LENGTH_MAX), .text = "", .check = check_path,
	        AT(broker.cert_file), .example = "\"/etc/baton/node.crt\"",
	        .help = "PEM file of this node's client certificate. Needs key_file. Default: none." },
	{ "broker.key_file", KEY_TEXT, RANGE(0, PATH_LENGTH_MAX), .text = "", .check = check_path,
	        AT(broker.key_file), .example = "\"/etc/baton/node.key\"",
	        .help = "PEM file of the certificate's key. Must be readable by `user`. Default: none." },
	{ "broker.keepalive_s", KEY_INT, RANGE(5, 3600), .number = 10, AT(broker.keepalive_s),
	        .help = "MQTT keep-alive in seconds: how soon a dead connection is noticed." },
	{ "broker.tcp_port", KEY_INT, RANGE(0, 65535), .number = 0, AT(broker.tcp_port),
	        .help = "Embedded: also listen on this port of 127.0.0.1. Every local user can connect to it "
	                "then, "
	                "without a password. 0: no." },
	{ "broker.program", KEY_TEXT, RANGE(1, PATH_LENGTH_MAX), .text = "/usr/sbin/mosquitto",
	        .check = check_path, AT(broker.program), .help = "Embedded: the mosquitto to run." },

	{ "runtimes.directory", KEY_TEXT, RANGE(1, PATH_LENGTH_MAX), .text = "/usr/lib/baton/runtimes",
	        .check = check_path, AT(runtimes.directory),
	        .help = "Directory of the runtime plugins. Refused when others than root can write to it." },
	{ "runtimes.enabled", KEY_LIST, RANGE(1, NAME_LENGTH_MAX), .text = "native", .check = check_name,
	        AT(runtimes.enabled), .example = "[ \"native\", \"crun\" ]",
	        .help = "Names of the plugins to load; the first one is used when a service names none. "
	                "Default: native alone." },
	{ "runtimes.crun_path", KEY_TEXT, RANGE(1, PATH_LENGTH_MAX), .text = "/usr/bin/crun",
	        .check = check_path, AT(runtimes.crun_path),
	        .help = "The program that the plugin \"crun\" drives." },

	{ "allow.host_network", KEY_BOOL, RANGE(0, 1), .number = 0, AT(allow.host_network),
	        .help = "Let manifests use network_mode: host." },
	{ "allow.privileged_capabilities", KEY_BOOL, RANGE(0, 1), .number = 0,
	        AT(allow.privileged_capabilities),
	        .help = "Let manifests add capabilities beyond the default set." },
	{ "allow.bind_paths", KEY_LIST, RANGE(2, PATH_LENGTH_MAX), .check = check_path, AT(allow.bind_paths),
	        .example = "[ \"/srv/data\", \"/dev/serial\" ]",
	        .help = "Host directories below which manifests may bind-mount. Default: none." },

	{ "defaults.log_max_size", KEY_INT, RANGE(4096, 104857600), .number = CONFIG_LOG_FILE_MAX_BYTES,
	        AT(defaults.log_max_size), .help = "Bytes of one log file of a container." },
	{ "defaults.log_max_files", KEY_INT, RANGE(1, 10), .number = CONFIG_LOG_FILES,
	        AT(defaults.log_max_files), .help = "Log files kept for a container." },
	{ "defaults.pids", KEY_INT, RANGE(1, 4194304), .number = 1024, AT(defaults.pids),
	        .help = "Processes and threads a container may have when its service sets no pids_limit." },
};

const struct key *config_keys(size_t *ret_count)
{
	*ret_count = array_size(key_table);
	return key_table;
}

const struct key *config_key_find(const char *path)
{
	for (size_t i = 0; i < array_size(key_table); i++) {
		if (strcmp(key_table[i].path, path) == 0)
			return &key_table[i];
	}
	return NULL;
}

const char *config_key_nearest(const char *path)
{
	const char *nearest = NULL;
	size_t best = strlen(path) / 3 + 2; /* farther than that, a hint is a riddle */

	for (size_t i = 0; i < array_size(key_table); i++) {
		const char *name = strchr(key_table[i].path, '.');
		size_t edits = edit_distance(path, key_table[i].path, best);

		/* A key put beside its group instead of into it. */
		if (name && strcmp(name + 1, path) == 0)
			edits = 1;
		if (edits < best) {
			best = edits;
			nearest = key_table[i].path;
		}
	}
	return nearest;
}

const char *config_key_type_name(enum key_type type)
{
	static const char *const names[] = {
		[KEY_TEXT] = "text",
		[KEY_CHOICE] = "text",
		[KEY_ENUM] = "text",
		[KEY_INT] = "number",
		[KEY_BOOL] = "true or false",
		[KEY_LIST] = "list of texts",
		[KEY_LABELS] = "group of texts",
	};

	return names[type];
}
