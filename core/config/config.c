/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the file with libconfig and puts every value where its row of the table says. */
#include "core/config/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libconfig.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/strv.h"
#include "core/config/keys-priv.h"

#define FILE_BYTES_MAX (1U << 20)
#define PATH_TEXT_MAX  128 /* of a key */
#define PASSWD_BUFFER  16384
#define UID_LIMIT      0x7FFFFFFF

static void *at(struct config *config, const struct key *key)
{
	return (char *)config + key->offset;
}

/* Frees a config that config_load has half filled, too. */
void config_release(struct config *config)
{
	size_t count;
	const struct key *keys = config_keys(&count);

	for (size_t i = 0; i < count; i++) {
		if (keys[i].type == KEY_TEXT || keys[i].type == KEY_CHOICE)
			free(*(char **)at(config, &keys[i]));
		else if (keys[i].type == KEY_LIST || keys[i].type == KEY_LABELS)
			strv_free(*(char ***)at(config, &keys[i]));
	}
	*config = (struct config){ 0 };
}

/* ---- values ---- */

static int replace_text(char **slot, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*slot);
	*slot = copy;
	return 0;
}

static int set_default(struct config *config, const struct key *key)
{
	void *slot = at(config, key);

	switch (key->type) {
	case KEY_TEXT:
	case KEY_CHOICE: return replace_text(slot, key->text);
	case KEY_ENUM: *(unsigned *)slot = (unsigned)key->number; return 0;
	case KEY_INT: *(int64_t *)slot = key->number; return 0;
	case KEY_BOOL: *(bool *)slot = key->number != 0; return 0;
	case KEY_LIST: return key->text ? strv_append(slot, key->text) : 0;
	case KEY_LABELS: return 0;
	}
	return 0;
}

static const char *source_file(const config_setting_t *setting, const char *path)
{
	const char *file = config_setting_source_file(setting);

	return file ? file : path; /* NULL: the file itself, not one that it includes */
}

struct place {
	const char *file; /* as the user named it */
	const config_setting_t *setting;
	const struct key *key;
};

static int refuse(const struct place *place, struct baton_error *err, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static int refuse(const struct place *place, struct baton_error *err, const char *format, ...)
{
	char reason[ERROR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return error_set(err, EINVAL, "%s:%u: %s: %s", source_file(place->setting, place->file),
	        config_setting_source_line(place->setting), place->key->path, reason);
}

/* A string of the file, or an item of a list: length, then what the row checks. */
static int check_text(const struct place *place, const char *text, struct baton_error *err)
{
	size_t length = strlen(text);
	const char *wrong;

	if (length < (size_t)place->key->min)
		return length == 0
		               ? refuse(place, err, "must not be empty")
		               : refuse(place, err, "must have %" PRId64 " bytes or more", place->key->min);
	if (length > (size_t)place->key->max)
		return refuse(place, err, "must have %" PRId64 " bytes at most", place->key->max);
	if (length == 0)
		return 0;
	wrong = place->key->check ? place->key->check(text) : NULL;
	return wrong ? refuse(place, err, "%s", wrong) : 0;
}

static int find_choice(const struct place *place, unsigned *ret_index, struct baton_error *err)
{
	const char *text = config_setting_get_string(place->setting);
	char known[PATH_TEXT_MAX] = "";

	for (unsigned i = 0; place->key->choices[i]; i++) {
		size_t used = strlen(known);

		if (strcmp(place->key->choices[i], text) == 0) {
			*ret_index = i;
			return 0;
		}
		(void)snprintf(known + used, sizeof(known) - used, "%s\"%s\"", used ? ", " : "",
		        place->key->choices[i]);
	}
	return refuse(place, err, "must be one of %s", known);
}

static int read_text(const struct place *place, void *slot, struct baton_error *err)
{
	const char *text = config_setting_get_string(place->setting);
	unsigned index = 0;
	int r = place->key->choices ? find_choice(place, &index, err) : check_text(place, text, err);

	if (r < 0)
		return r;
	return replace_text(slot, text) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

static int read_enum(const struct place *place, void *slot, struct baton_error *err)
{
	unsigned index = 0;
	int r = find_choice(place, &index, err);

	if (r < 0)
		return r;
	if (index > (unsigned)place->key->max)
		return refuse(place, err, "\"%s\" is not part of this build", place->key->choices[index]);
	*(unsigned *)slot = index;
	return 0;
}

/*
 * libconfig 1.5 parses numbers of more than 32 bits without suffix L as if by atoi(3): such a number may wrap
 * into the range unseen.
 */
static int read_int(const struct place *place, void *slot, struct baton_error *err)
{
	int64_t value = config_setting_type(place->setting) == CONFIG_TYPE_INT64
	                        ? config_setting_get_int64(place->setting)
	                        : config_setting_get_int(place->setting);

	if (value < place->key->min || value > place->key->max)
		return refuse(
		        place, err, "must be %" PRId64 " to %" PRId64, place->key->min, place->key->max);
	*(int64_t *)slot = value;
	return 0;
}

static int read_bool(const struct place *place, void *slot, struct baton_error *err)
{
	bool value = config_setting_get_bool(place->setting) != 0;

	if (value && place->key->max == 0)
		return refuse(place, err, "is not part of this build");
	*(bool *)slot = value;
	return 0;
}

static int read_items(const struct place *place, void *slot, struct baton_error *err)
{
	bool named = place->key->type == KEY_LABELS;
	int count = config_setting_length(place->setting);
	cleanup_strv char **items = NULL;

	if (count > CONFIG_LIST_MAX)
		return refuse(place, err, "more than %d items", CONFIG_LIST_MAX);
	for (int i = 0; i < count; i++) {
		config_setting_t *setting = config_setting_get_elem(place->setting, (unsigned)i);
		struct place item = { place->file, setting, place->key };
		const char *text = config_setting_get_string(setting);
		int r;

		if (!text)
			return refuse(&item, err, "every item must be text in double quotes");
		r = check_text(&item, text, err);
		if (r < 0)
			return r;
		r = named ? strv_appendf(&items, "%s=%s", config_setting_name(setting), text)
		          : strv_append(&items, text);
		if (r < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	strv_free(*(char ***)slot);
	*(char ***)slot = steal_ptr(items);
	return 0;
}

static const struct {
	int types[2]; /* of libconfig */
	int (*read)(const struct place *place, void *slot, struct baton_error *err);
	const char *expected;
} type_table[] = {
	[KEY_TEXT] = { { CONFIG_TYPE_STRING, CONFIG_TYPE_STRING }, read_text, "text in double quotes" },
	[KEY_CHOICE] = { { CONFIG_TYPE_STRING, CONFIG_TYPE_STRING }, read_text, "text in double quotes" },
	[KEY_ENUM] = { { CONFIG_TYPE_STRING, CONFIG_TYPE_STRING }, read_enum, "text in double quotes" },
	[KEY_INT] = { { CONFIG_TYPE_INT, CONFIG_TYPE_INT64 }, read_int, "a whole number" },
	[KEY_BOOL] = { { CONFIG_TYPE_BOOL, CONFIG_TYPE_BOOL }, read_bool, "true or false" },
	[KEY_LIST] = { { CONFIG_TYPE_ARRAY, CONFIG_TYPE_LIST }, read_items, "a list: [ \"...\", \"...\" ]" },
	[KEY_LABELS] = { { CONFIG_TYPE_GROUP, CONFIG_TYPE_GROUP }, read_items,
	        "a group: { name = \"value\"; }" },
};

/* ---- the tree ---- */

static int read_key(const struct place *place, struct config *config, struct baton_error *err)
{
	int type = config_setting_type(place->setting);

	if (type != type_table[place->key->type].types[0] && type != type_table[place->key->type].types[1])
		return refuse(place, err, "must be %s", type_table[place->key->type].expected);
	return type_table[place->key->type].read(place, at(config, place->key), err);
}

static bool is_group_name(const char *name)
{
	size_t length = strlen(name);
	size_t count;
	const struct key *keys = config_keys(&count);

	for (size_t i = 0; i < count; i++) {
		if (strncmp(keys[i].path, name, length) == 0 && keys[i].path[length] == '.')
			return true;
	}
	return false;
}

static int refuse_unknown(
        const char *file, const config_setting_t *setting, const char *path, struct baton_error *err)
{
	const char *nearest = config_key_nearest(path);

	return error_set(err, EINVAL, "%s:%u: %s: unknown key%s%s%s", source_file(setting, file),
	        config_setting_source_line(setting), path, nearest ? ", did you mean \"" : "",
	        nearest ? nearest : "", nearest ? "\"?" : "");
}

/* `group` is the root (name NULL) or one of its groups; there is no third level but the groups that are keys.
 */
static int read_group(const char *file, const config_setting_t *group, const char *name,
        struct config *config, struct baton_error *err)
{
	int count = config_setting_length(group);

	for (int i = 0; i < count; i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
		struct place place = { .file = file, .setting = setting };
		char path[PATH_TEXT_MAX];
		int r;

		(void)snprintf(path, sizeof(path), "%s%s%s", name ? name : "", name ? "." : "",
		        config_setting_name(setting));
		place.key = config_key_find(path);
		if (place.key)
			r = read_key(&place, config, err);
		else if (!name && is_group_name(path) && config_setting_is_group(setting))
			r = read_group(file, setting, path, config, err);
		else
			r = refuse_unknown(file, setting, path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The host name, made to fit a topic level: other characters become "-". */
static int default_node_name(struct config *config)
{
	char name[64] = "";

	if (config->node.name && config->node.name[0] != '\0')
		return 0;
	if (gethostname(name, sizeof(name) - 1) < 0)
		return -errno;
	for (char *c = name; *c; c++) {
		*c = (char)tolower((unsigned char)*c);
		if (!isalnum((unsigned char)*c) && (c == name || !strchr("_.-", *c)))
			*c = c == name ? '0' : '-';
	}
	return replace_text(&config->node.name, name[0] ? name : "node");
}

static int default_socket(struct config *config)
{
	cleanup_free char *path = NULL;

	if (config->broker.mode != BROKER_EMBEDDED || config->broker.socket[0] != '\0')
		return 0;
	if (asprintf(&path, "%s/broker.sock", config->run) < 0) {
		path = NULL; /* undefined after a failure, see asprintf(3) */
		return -ENOMEM;
	}
	return replace_text(&config->broker.socket, path);
}

static int check_whole(const char *file, const struct config *config, struct baton_error *err)
{
	size_t socket_max = (size_t)config_key_find("broker.socket")->max;

	if (!config->role_agent && !config->role_controller)
		return error_set(err, EINVAL, "%s: roles: agent, controller or both must be true", file);
	if (config->role_agent && !config->runtimes.enabled)
		return error_set(err, EINVAL, "%s: runtimes.enabled: an agent needs a runtime", file);
	if (strlen(config->broker.socket) > socket_max)
		return error_set(err, EINVAL, "%s: broker.socket: \"%s\" is longer than %zu bytes", file,
		        config->broker.socket, socket_max);
	if ((config->broker.cert_file[0] == '\0') != (config->broker.key_file[0] == '\0'))
		return error_set(err, EINVAL, "%s: broker: cert_file and key_file need each other", file);
	if (config->broker.cert_file[0] != '\0' && config->broker.ca_file[0] == '\0')
		return error_set(err, EINVAL, "%s: broker: cert_file needs ca_file", file);
	if (config->broker.mode == BROKER_EXTERNAL && config->broker.host[0] == '\0' &&
	        config->broker.socket[0] == '\0')
		return error_set(err, EINVAL, "%s: broker: host or socket must be set", file);
	return 0;
}

static int fill(const char *file, const config_t *parsed, struct config *config, struct baton_error *err)
{
	size_t count;
	const struct key *keys = config_keys(&count);
	int r;

	for (size_t i = 0; i < count; i++) {
		if (set_default(config, &keys[i]) < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	r = read_group(file, config_root_setting(parsed), NULL, config, err);
	if (r < 0)
		return r;
	r = default_node_name(config);
	if (r == 0)
		r = default_socket(config);
	if (r < 0)
		return error_errno(err, -r, "%s: defaults", file);
	return check_whole(file, config, err);
}

static int open_regular(const char *path, FILE **ret_stream, struct baton_error *err)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. Without effect on regular files. */
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;
	FILE *stream;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, errno, "%s", path);
	/* libconfig's scanner calls exit() when read(2) fails, as it does on a directory. */
	if (!S_ISREG(status.st_mode))
		return error_set(err, EINVAL, "%s: not a regular file", path);
	if (status.st_size > (off_t)FILE_BYTES_MAX)
		return error_set(err, EFBIG, "%s: larger than %u bytes", path, FILE_BYTES_MAX);
	stream = fdopen(fd, "re");
	if (!stream)
		return error_errno(err, errno, "%s", path);
	(void)steal_fd(&fd); /* now owned by the stream */
	*ret_stream = stream;
	return 0;
}

int config_load(const char *path, struct config *ret_config, struct baton_error *err)
{
	struct config config = { 0 };
	cleanup_file FILE *stream = NULL;
	config_t parsed;
	int r;

	r = open_regular(path, &stream, err);
	if (r < 0)
		return r;
	config_init(&parsed);
	if (config_read(&parsed, stream) == CONFIG_TRUE) {
		r = fill(path, &parsed, &config, err);
	} else {
		const char *file = config_error_file(&parsed);
		const char *text = config_error_text(&parsed);

		r = error_set(err, EINVAL, "%s:%d: %s", file ? file : path, config_error_line(&parsed),
		        text ? text : "cannot be read");
	}
	config_destroy(&parsed);
	if (r < 0) {
		config_release(&config);
		return r;
	}
	*ret_config = config;
	return 0;
}

/* ---- user ---- */

static int parse_uid(const char *text, uint32_t *ret_uid)
{
	uint64_t uid = 0;

	for (const char *c = text; *c; c++) {
		if (!isdigit((unsigned char)*c))
			return -EINVAL;
		uid = uid * 10 + (uint64_t)(*c - '0');
		if (uid > UID_LIMIT)
			return -ERANGE;
	}
	*ret_uid = (uint32_t)uid;
	return *text ? 0 : -EINVAL;
}

int config_user(const struct config *config, uint32_t *ret_uid, uint32_t *ret_gid, struct baton_error *err)
{
	cleanup_free char *buffer = NULL;
	struct passwd entry;
	struct passwd *found = NULL;
	uint32_t uid = 0;
	uint32_t gid;
	int r = parse_uid(config->user, &uid);

	if (r == -ERANGE)
		return error_set(err, ERANGE, "user \"%s\": larger than %d", config->user, UID_LIMIT);
	gid = uid;
	if (r < 0) {
		buffer = malloc(PASSWD_BUFFER);
		if (!buffer)
			return error_set(err, ENOMEM, "out of memory");
		r = getpwnam_r(config->user, &entry, buffer, PASSWD_BUFFER, &found);
		if (!found)
			return error_set(err, r ? r : ENOENT,
			        "user \"%s\" does not exist; make it: adduser --system --group "
			        "--no-create-home "
			        "%s",
			        config->user, config->user);
		uid = found->pw_uid;
		gid = found->pw_gid;
	}
	if (uid == 0 || gid == 0)
		return error_set(
		        err, EINVAL, "user \"%s\" is root, which defeats the separation", config->user);
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}
