/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define FILE_MAX   (1U << 20)
#define NAME_SIZE  256
#define ID_MAX     INT32_MAX
#define FIELDS_MAX 7 /* passwd(5): name, password, uid, gid, comment, home, shell */

enum { NAME = 0, ID = 2, PASSWD_GID = 3, GROUP_MEMBERS = 3 };

struct user {
	char name[NAME_SIZE]; /* "" when only the number is known */
	uint32_t uid;
	uint32_t gid;
};

struct groups {
	uint32_t *ids;
	size_t max;
	size_t count;
};

/* 0; -EINVAL when `text` is not all digits; -ERANGE above the limit: it must not wrap round to 0
 * (CVE-2016-3697). */
static int parse_id(const char *text, uint32_t *ret_id)
{
	uint64_t value = 0;

	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	for (; *text; text++) {
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > ID_MAX)
			return -ERANGE;
	}
	*ret_id = (uint32_t)value;
	return 0;
}

/* A missing file is an empty one: *ret_text stays NULL. */
static int read_database(int rootfs_fd, const char *path, char **ret_text, struct baton_error *err)
{
	/* O_NONBLOCK: the image may have put a FIFO there. */
	cleanup_close int fd = file_open_in_root(rootfs_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat status;
	int r;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return error_errno(err, -fd, "%s of the image", path);
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return error_set(err, EINVAL, "%s of the image is not a regular file", path);
	r = file_read_fd(fd, FILE_MAX, ret_text, NULL);
	if (r == -EFBIG)
		return error_set(err, E2BIG, "%s of the image is larger than %u bytes", path, FILE_MAX);
	return r < 0 ? error_errno(err, -r, "%s of the image", path) : 0;
}

/* Cuts the next line of *rest into fields. False at the end. */
static bool next_line(char **rest, char *fields[static FIELDS_MAX], size_t *ret_count)
{
	char *line = *rest;
	size_t count = 0;

	if (!line || *line == '\0')
		return false;
	*rest = strchr(line, '\n');
	if (*rest)
		*(*rest)++ = '\0';
	while (line && count < FIELDS_MAX) {
		fields[count++] = line;
		line = strchr(line, ':');
		if (line)
			*line++ = '\0';
	}
	*ret_count = count;
	return true;
}

/* The first line wins, as in getpwnam(3). `by_id` when the user was given as a number. */
static int find_user(char *passwd, bool by_id, struct user *user)
{
	char *fields[FIELDS_MAX];
	size_t count;

	while (next_line(&passwd, fields, &count)) {
		uint32_t uid;
		uint32_t gid;

		if (count <= PASSWD_GID || fields[NAME][0] == '\0' || strlen(fields[NAME]) >= NAME_SIZE)
			continue;
		if (!by_id && strcmp(fields[NAME], user->name) != 0)
			continue;
		if (parse_id(fields[ID], &uid) < 0 || parse_id(fields[PASSWD_GID], &gid) < 0 ||
		        (by_id && uid != user->uid))
			continue;
		memcpy(user->name, fields[NAME], strlen(fields[NAME]) + 1);
		user->uid = uid;
		user->gid = gid;
		return 0;
	}
	return -ENOENT;
}

static int find_group(char *group, const char *name, uint32_t *ret_gid)
{
	char *fields[FIELDS_MAX];
	size_t count;

	while (next_line(&group, fields, &count)) {
		if (count > ID && strcmp(fields[NAME], name) == 0 && parse_id(fields[ID], ret_gid) == 0)
			return 0;
	}
	return -ENOENT;
}

static int add_group(struct groups *groups, uint32_t gid, struct baton_error *err)
{
	for (size_t i = 0; i < groups->count; i++) {
		if (groups->ids[i] == gid)
			return 0;
	}
	if (groups->count >= groups->max)
		return error_set(err, E2BIG, "the user is in more than %zu groups", groups->max);
	groups->ids[groups->count++] = gid;
	return 0;
}

static bool is_member(const char *members, const char *name)
{
	size_t length = strlen(name);

	while (*members) {
		size_t run = strcspn(members, ",");

		if (run == length && strncmp(members, name, run) == 0)
			return true;
		members += run;
		members += strspn(members, ",");
	}
	return false;
}

static int add_memberships(char *group, const char *name, struct groups *groups, struct baton_error *err)
{
	char *fields[FIELDS_MAX];
	size_t count;

	while (name[0] != '\0' && next_line(&group, fields, &count)) {
		uint32_t gid;
		int r;

		if (count <= GROUP_MEMBERS || !is_member(fields[GROUP_MEMBERS], name) ||
		        parse_id(fields[ID], &gid) < 0)
			continue;
		r = add_group(groups, gid, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int resolve_user(int rootfs_fd, struct user *user, struct baton_error *err)
{
	cleanup_free char *passwd = NULL;
	int numeric = parse_id(user->name, &user->uid);
	int r;

	if (numeric == -ERANGE)
		return error_set(err, EINVAL, "user \"%s\" is larger than %d", user->name, ID_MAX);
	r = read_database(rootfs_fd, "etc/passwd", &passwd, err);
	if (r < 0)
		return r;
	if (find_user(passwd, numeric == 0, user) == 0)
		return 0;
	if (numeric != 0)
		return error_set(err, ENOENT, "user \"%s\" is not in /etc/passwd of the image", user->name);
	user->name[0] = '\0'; /* a number without an entry: group 0, no other groups */
	user->gid = 0;
	return 0;
}

static int resolve_group(char *database, const char *group, uint32_t *ret_gid, struct baton_error *err)
{
	int numeric = parse_id(group, ret_gid);

	if (numeric == -ERANGE)
		return error_set(err, EINVAL, "group \"%s\" is larger than %d", group, ID_MAX);
	if (numeric < 0 && find_group(database, group, ret_gid) < 0)
		return error_set(err, ENOENT, "group \"%s\" is not in /etc/group of the image", group);
	return 0;
}

/* "user[:group]" into its halves; *ret_group is NULL without one. */
static int split(const char *text, struct user *user, const char **ret_group, struct baton_error *err)
{
	size_t length = strcspn(text, ":");

	*ret_group = text[length] == ':' ? text + length + 1 : NULL;
	if (text[0] == '\0') {
		memcpy(user->name, "0", sizeof("0"));
		return 0;
	}
	if (length == 0 || length >= NAME_SIZE ||
	        (*ret_group && ((*ret_group)[0] == '\0' || strchr(*ret_group, ':'))))
		return error_set(
		        err, EINVAL, "user \"%s\" must be user or user:group, names or numbers", text);
	memcpy(user->name, text, length);
	return 0;
}

int image_user_resolve(
        int rootfs_fd, const char *user_text, struct image_user *ret_user, struct baton_error *err)
{
	struct groups groups = { .ids = ret_user->groups, .max = ret_user->max_groups };
	struct user user = { .name = "" };
	cleanup_free char *database = NULL;
	const char *group;
	int r = split(user_text, &user, &group, err);

	if (r == 0)
		r = resolve_user(rootfs_fd, &user, err);
	if (r == 0)
		r = read_database(rootfs_fd, "etc/group", &database, err);
	if (r == 0 && group)
		r = resolve_group(database, group, &user.gid, err);
	if (r == 0)
		r = add_group(&groups, user.gid, err);
	if (r == 0 && !group)
		r = add_memberships(database, user.name, &groups, err);
	if (r < 0)
		return r;
	ret_user->uid = user.uid;
	ret_user->gid = user.gid;
	ret_user->n_groups = groups.count;
	return 0;
}
