/* SPDX-License-Identifier: Apache-2.0 */
#include "core/supervisor/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"

#define VOLUME_NAME_MAX 200

/*
 * A volume is made as ".new.NAME" and renamed when it has been filled from the image, so that a power cut in
 * between leaves one that is filled again, never one that is half full and passes for whole. No volume's own
 * name begins with a dot: what is removed here was never finished.
 */
#define UNFINISHED ".new."

void volumes_release(struct volumes *volumes)
{
	for (size_t i = 0; volumes->sources && i < volumes->n_mounts; i++)
		free(volumes->sources[i]);
	free(volumes->sources);
	free(volumes->mounts);
	*volumes = (struct volumes){ 0 };
}

/* ---- binds ---- */

/* The allowed path that `source` lies below (or is), and how much of `source` it is; or NULL. */
static const char *allowed_prefix(const char *source, char *const *allowed, size_t *ret_length)
{
	for (size_t i = 0; allowed && allowed[i]; i++) {
		size_t length = strlen(allowed[i]);

		while (length > 1 && allowed[i][length - 1] == '/')
			length--;
		if (strncmp(source, allowed[i], length) == 0 &&
		        (length == 1 || source[length] == '\0' || source[length] == '/')) {
			*ret_length = length;
			return allowed[i];
		}
	}
	return NULL;
}

int volumes_check(const struct container_spec *spec, char *const *allowed, struct baton_error *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct container_mount *mount = &spec->mounts[i];
		size_t length;

		if (mount->type == MOUNT_BIND && !allowed_prefix(mount->source, allowed, &length))
			return error_set(err, EPERM,
			        "bind of %s: this node allows no such host path; add it to allow.bind_paths "
			        "in its baton.conf",
			        mount->source);
	}
	return 0;
}

/* mkdir -p below base_fd, one level at a time, never through a symbolic link. */
static int make_bind_source(int base_fd, const char *relative)
{
	cleanup_free char *copy = strdup(relative);
	cleanup_close int level = openat(base_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *rest = copy;
	char *name;

	if (!copy || level < 0)
		return copy ? -errno : -ENOMEM;
	while ((name = strsep(&rest, "/"))) {
		int next;

		if (*name == '\0')
			continue;
		if (mkdirat(level, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		next = file_open_beneath(level, name, O_PATH | O_DIRECTORY, 0);
		if (next < 0)
			return next;
		close_fd(&level);
		level = next;
	}
	return 0;
}

/*
 * Opens the source beneath the allowed directory without following any symbolic link: a container that may
 * write to one bind cannot point another one elsewhere.
 */
static int open_bind(const struct container_mount *mount, char *const *allowed, struct baton_error *err)
{
	size_t length = 0;
	const char *prefix = allowed_prefix(mount->source, allowed, &length);
	const char *relative = mount->source + length;
	cleanup_close int base = -1;
	int fd;
	int r;

	if (!prefix)
		return error_set(
		        err, EPERM, "bind source %s is below no path of allow.bind_paths", mount->source);
	base = open(prefix, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return error_errno(err, errno, "allowed bind path %s", prefix);
	while (*relative == '/')
		relative++;
	if (*relative == '\0')
		return steal_fd(&base);
	fd = file_open_beneath(base, relative, O_PATH, 0);
	if (fd == -ENOENT && mount->create_host_path) {
		r = make_bind_source(base, relative);
		if (r < 0)
			return error_errno(err, -r, "cannot make bind source %s", mount->source);
		fd = file_open_beneath(base, relative, O_PATH, 0);
	}
	if (fd < 0)
		return error_errno(err, -fd, "bind source %s", mount->source);
	return fd;
}

/*
 * Attaches what was checked at a place of our own, and gives the runtime that path: between check and mount
 * nobody can swap it. We live in a private mount namespace, so the host never sees this.
 */
static int attach_bind(const struct volumes_place *place, const struct container_mount *mount, size_t index,
        char **ret_source, struct baton_error *err)
{
	cleanup_close int source = open_bind(mount, place->allowed, err);
	cleanup_close int tree = -1;
	cleanup_close int binds = -1;
	cleanup_free char *path = NULL;
	struct stat status;
	char name[24];
	int r;

	if (source < 0)
		return source;
	(void)snprintf(name, sizeof(name), "%zu", index);
	binds = dir_open_make_at(place->instance_fd, "binds", 0700);
	if (binds < 0 || fstat(source, &status) < 0)
		return error_errno(err, binds < 0 ? -binds : errno, "bind of %s", mount->source);
	r = S_ISDIR(status.st_mode) ? mkdirat(binds, name, 0700) : mknodat(binds, name, S_IFREG | 0600, 0);
	if (r < 0 && errno != EEXIST)
		return error_errno(err, errno, "bind of %s", mount->source);
	tree = (int)syscall(SYS_open_tree, source, "",
	        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0 || syscall(SYS_move_mount, tree, "", binds, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, errno, "bind of %s", mount->source);
	if (asprintf(&path, "%s/binds/%s", place->instance, name) < 0) {
		path = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	*ret_source = steal_ptr(path);
	return 0;
}

void volumes_detach(const char *instance, size_t n_mounts)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < n_mounts; i++) {
		(void)snprintf(path, sizeof(path), "%s/binds/%zu", instance, i);
		(void)umount2(
		        path, MNT_DETACH | UMOUNT_NOFOLLOW); /* not every mount is a bind: EINVAL or ENOENT */
	}
}

/* ---- named volumes ---- */

/* An anonymous volume belongs to this instance alone; its name cannot clash with a named one, which has no
 * '@'. */
static int volume_name(const struct container_spec *spec, size_t index, char name[static VOLUME_NAME_MAX])
{
	const struct container_mount *mount = &spec->mounts[index];
	int length;

	if (*mount->source)
		length = snprintf(name, VOLUME_NAME_MAX, "%s", mount->source);
	else
		length = snprintf(name, VOLUME_NAME_MAX, "%s.%u@%zu", spec->service, spec->slot, index);
	if (length < 0 || length + (int)sizeof(UNFINISHED) > VOLUME_NAME_MAX)
		return -ENAMETOOLONG;
	return strchr(name, '/') || name[0] == '.' ? -EINVAL : 0;
}

static int make_volume(const struct volumes_place *place, const struct container_spec *spec, size_t index,
        char **ret_source, struct baton_error *err)
{
	char name[VOLUME_NAME_MAX];
	char unfinished[VOLUME_NAME_MAX + sizeof(UNFINISHED)];
	cleanup_close int app = dir_open_make_at(place->volumes_fd, spec->app, 0711);
	cleanup_close int volume = -1;
	int r = volume_name(spec, index, name);

	if (app < 0 || r < 0)
		return error_errno(err, app < 0 ? -app : -r, "volume \"%s\"", spec->mounts[index].source);
	volume = openat(app, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (volume < 0) {
		(void)snprintf(unfinished, sizeof(unfinished), UNFINISHED "%s", name);
		r = tree_remove_at(app, unfinished); /* what a crash left; normally nothing */
		if (r < 0 || mkdirat(app, unfinished, 0755) < 0)
			return error_errno(err, r < 0 ? -r : errno, "volume \"%s\"", name);
	}
	if (asprintf(ret_source, "%s/volumes/%s/%s", place->root, spec->app, name) < 0) {
		*ret_source = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static int make_source(const struct volumes_place *place, const struct container_spec *spec, size_t index,
        char **ret_source, struct baton_error *err)
{
	switch (spec->mounts[index].type) {
	case MOUNT_BIND: return attach_bind(place, &spec->mounts[index], index, ret_source, err);
	case MOUNT_VOLUME: return make_volume(place, spec, index, ret_source, err);
	case MOUNT_TMPFS: return 0;
	}
	return error_set(err, EINVAL, "unknown kind of mount");
}

int volumes_make(const struct volumes_place *place, const struct container_spec *spec,
        struct volumes *ret_volumes, struct baton_error *err)
{
	struct volumes volumes = { .n_mounts = spec->n_mounts };
	int r = 0;

	volumes.mounts = calloc(spec->n_mounts + 1, sizeof(*volumes.mounts));
	volumes.sources = calloc(spec->n_mounts + 1, sizeof(*volumes.sources));
	if (!volumes.mounts || !volumes.sources) {
		volumes_release(&volumes);
		return error_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; r == 0 && i < spec->n_mounts; i++) {
		r = make_source(place, spec, i, &volumes.sources[i], err);
		volumes.mounts[i] =
		        (struct bundle_mount){ .source = volumes.sources[i], .mount = &spec->mounts[i] };
	}
	if (r < 0) {
		volumes_release(&volumes);
		return r;
	}
	*ret_volumes = volumes;
	return 0;
}

/* ---- filling a new volume from the image ---- */

static int open_unfinished(const struct volumes_place *place, const struct container_spec *spec, size_t index,
        int *ret_app_fd, char name[static VOLUME_NAME_MAX])
{
	char unfinished[VOLUME_NAME_MAX + sizeof(UNFINISHED)];
	cleanup_close int app = -1;
	int volume;
	int r = volume_name(spec, index, name);

	if (r < 0)
		return r;
	app = openat(place->volumes_fd, spec->app, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (app < 0)
		return -errno;
	(void)snprintf(unfinished, sizeof(unfinished), UNFINISHED "%s", name);
	volume = openat(app, unfinished, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (volume < 0)
		return -errno;
	*ret_app_fd = steal_fd(&app);
	return volume;
}

int volumes_copied(
        struct volumes *volumes, const struct volumes_place *place, const struct container_spec *spec)
{
	char name[VOLUME_NAME_MAX];
	char unfinished[VOLUME_NAME_MAX + sizeof(UNFINISHED)];
	cleanup_close int app = -1;
	cleanup_close int volume = open_unfinished(place, spec, volumes->copy_next, &app, name);

	if (volume < 0)
		return volume;
	(void)snprintf(unfinished, sizeof(unfinished), UNFINISHED "%s", name);
	/* The directory itself: what was copied into it is on the disk already. */
	if (fsync(volume) < 0 || renameat(app, unfinished, app, name) < 0 || fsync(app) < 0)
		return -errno;
	volumes->copy_next++;
	return 0;
}

static bool directory_empty(int fd)
{
	cleanup_close int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!directory)
		return true;
	(void)steal_fd(&copy); /* now the stream's */
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return false;
	}
	return true;
}

/* 1 when there is something to copy, 0 when the volume is finished as it is. */
static int prepare_copy(int volume, int rootfs_fd, const struct container_mount *mount, int *ret_image_fd)
{
	cleanup_close int image = file_open_in_root(rootfs_fd, mount->target, O_RDONLY | O_DIRECTORY, 0);
	struct stat status;

	if (image < 0)
		return 0; /* the image has nothing there */
	/* Docker and Compose: a new volume takes owner and mode of the image's directory, or non-root users
	 * cannot write. */
	if (fstat(image, &status) < 0 || fchown(volume, status.st_uid, status.st_gid) < 0 ||
	        fchmod(volume, status.st_mode & 07777) < 0)
		return -errno;
	if (mount->nocopy || directory_empty(image))
		return 0;
	*ret_image_fd = steal_fd(&image);
	return 1;
}

int volumes_next_copy(struct volumes *volumes, const struct volumes_place *place, int rootfs_fd,
        const struct container_spec *spec, int ret_fds[static 2], struct baton_error *err)
{
	while (volumes->copy_next < spec->n_mounts) {
		char name[VOLUME_NAME_MAX];
		const struct container_mount *mount = &spec->mounts[volumes->copy_next];
		cleanup_close int app = -1;
		cleanup_close int volume = -1;
		int r;

		if (mount->type == MOUNT_VOLUME)
			volume = open_unfinished(place, spec, volumes->copy_next, &app, name);
		if (volume < 0) {
			volumes->copy_next++; /* not a volume, or one that was finished before */
			continue;
		}
		r = prepare_copy(volume, rootfs_fd, mount, &ret_fds[0]);
		if (r == 1) {
			ret_fds[1] = steal_fd(&volume);
			return 1;
		}
		if (r == 0)
			r = volumes_copied(volumes, place, spec);
		if (r < 0)
			return error_errno(err, -r, "new volume \"%s\"", mount->source);
	}
	return 0;
}
