/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/image/store-priv.h"

/*
 * Layers are named by descriptor: the whole option text of mount(2) must fit into one page, and a value of
 * fsconfig(2) into 256 bytes, however deep the store lies and however many layers there are.
 */
#define FD_PATH_SIZE 32
#define LOWERS_MAX   (CONFIG_IMAGE_LAYERS_MAX + 1)
#define OPTIONS_MAX  4095 /* mount(2): one page with the NUL */

/*
 * Of a writable overlay. No index: it would tie the lower layers to this upper one and refuse to share them.
 * redirect_dir, or rename(2) of a directory of the image fails with EXDEV; the attributes it trusts can not
 * come from a layer, as imports drop all of trusted.*.
 */
static const struct {
	const char *key;
	const char *value;
} options[] = {
	{ "index", "off" },
	{ "metacopy", "off" },
	{ "redirect_dir", "on" },
};

struct stack {
	int lower_fds[LOWERS_MAX]; /* the uppermost first, as overlayfs wants them */
	size_t n_lowers;
	int upper_fd; /* -1: read-only */
	int work_fd;
};

static void stack_release(struct stack *stack)
{
	for (size_t i = 0; i < stack->n_lowers; i++)
		close_fd(&stack->lower_fds[i]);
	close_fd(&stack->upper_fd);
	close_fd(&stack->work_fd);
}

static void fd_path(int fd, char path[static FD_PATH_SIZE])
{
	(void)snprintf(path, FD_PATH_SIZE, "/proc/self/fd/%d", fd);
}

static int open_layer(int store_fd, const char *hex, struct baton_error *err)
{
	char path[sizeof(STORE_LAYERS "/") + STORE_HEX_LENGTH];
	int fd;

	(void)snprintf(path, sizeof(path), STORE_LAYERS "/%.64s", hex);
	fd = file_open_beneath(store_fd, path, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? error_errno(err, -fd, "layer %s", hex) : fd;
}

/* overlayfs always merges the roots of all layers: what an opaque one hides is left out of the stack here. */
static bool is_opaque(int layer_fd)
{
	char value;

	return fgetxattr(layer_fd, "trusted.overlay.opaque", &value, sizeof(value)) == 1 && value == 'y';
}

/* A new empty directory that looks like the image's "/": the uppermost layer decides its owner and mode. */
static int make_upper(int parent_fd, int top_layer_fd, struct baton_error *err)
{
	cleanup_close int fd = -1;
	struct stat status;

	if (mkdirat(parent_fd, "upper", 0700) < 0)
		return error_errno(err, errno, "writable layer");
	fd = openat(parent_fd, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(top_layer_fd, &status) < 0 || fchown(fd, status.st_uid, status.st_gid) < 0 ||
	        fchmod(fd, status.st_mode & 07777) < 0)
		return error_errno(err, errno, "writable layer");
	return steal_fd(&fd);
}

static int make_work(int parent_fd, struct baton_error *err)
{
	int fd;

	if (mkdirat(parent_fd, "work", 0700) < 0)
		return error_errno(err, errno, "work directory of the writable layer");
	fd = openat(parent_fd, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "work directory of the writable layer") : fd;
}

static int open_stack(int store_fd, const struct image *image, int upper_parent_fd, bool read_only,
        struct stack *stack, struct baton_error *err)
{
	size_t count = strv_length(image->layers);
	int top_fd;
	int upper_fd;

	if (count == 0 || count > CONFIG_IMAGE_LAYERS_MAX)
		return error_set(err, EINVAL, "an image must have 1 to %d layers", CONFIG_IMAGE_LAYERS_MAX);
	top_fd = open_layer(store_fd, image->layers[count - 1], err);
	if (top_fd < 0)
		return top_fd;
	upper_fd = make_upper(upper_parent_fd, top_fd, err);
	/* Without an upper layer overlayfs wants two lower ones: the empty directory is always the second. */
	if (read_only && upper_fd >= 0)
		stack->lower_fds[stack->n_lowers++] = upper_fd;
	else
		stack->upper_fd = upper_fd;
	stack->lower_fds[stack->n_lowers++] = top_fd;
	if (upper_fd < 0)
		return upper_fd;
	for (size_t i = count - 1; i > 0 && !is_opaque(stack->lower_fds[stack->n_lowers - 1]); i--) {
		int fd = open_layer(store_fd, image->layers[i - 1], err);

		if (fd < 0)
			return fd;
		stack->lower_fds[stack->n_lowers++] = fd;
	}
	if (!read_only)
		stack->work_fd = make_work(upper_parent_fd, err);
	return !read_only && stack->work_fd < 0 ? stack->work_fd : 0;
}

static int configure(int context_fd, const char *key, int fd)
{
	char path[FD_PATH_SIZE];

	fd_path(fd, path);
	return fsconfig(context_fd, FSCONFIG_SET_STRING, key, path, 0) < 0 ? -errno : 0;
}

static int set_options(int context_fd)
{
	for (size_t i = 0; i < array_size(options); i++) {
		if (fsconfig(context_fd, FSCONFIG_SET_STRING, options[i].key, options[i].value, 0) < 0)
			return -errno;
	}
	return 0;
}

/* -EINVAL from a kernel that does not know "lowerdir+". */
static int create_overlay(const struct stack *stack, int context_fd)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < stack->n_lowers; i++)
		r = configure(context_fd, "lowerdir+", stack->lower_fds[i]);
	if (r == 0 && stack->upper_fd >= 0) {
		r = configure(context_fd, "upperdir", stack->upper_fd);
		if (r == 0)
			r = configure(context_fd, "workdir", stack->work_fd);
		if (r == 0)
			r = set_options(context_fd);
		if (r == 0 && fsconfig(context_fd, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
			r = -errno;
	}
	if (r == 0 && fsconfig(context_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	return r;
}

static int mount_by_context(const struct stack *stack, const char *target)
{
	cleanup_close int context_fd = fsopen("overlay", FSOPEN_CLOEXEC);
	cleanup_close int mount_fd = -1;
	unsigned attributes = MOUNT_ATTR_NODEV | (stack->upper_fd < 0 ? MOUNT_ATTR_RDONLY : 0U);
	int r;

	if (context_fd < 0)
		return -errno;
	r = create_overlay(stack, context_fd);
	if (r < 0)
		return r;
	mount_fd = fsmount(context_fd, FSMOUNT_CLOEXEC, attributes);
	if (mount_fd < 0)
		return -errno;
	return move_mount(mount_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int writable_text(const struct stack *stack, struct buf *text)
{
	char upper[FD_PATH_SIZE];
	char work[FD_PATH_SIZE];
	int r;

	fd_path(stack->upper_fd, upper);
	fd_path(stack->work_fd, work);
	r = buf_appendf(text, ",upperdir=%s,workdir=%s,volatile", upper, work);
	for (size_t i = 0; r == 0 && i < array_size(options); i++)
		r = buf_appendf(text, ",%s=%s", options[i].key, options[i].value);
	return r;
}

/* Linux before 6.7 has no "lowerdir+" (Debian 12: 6.1): everything in one text. */
static int mount_by_text(const struct stack *stack, const char *target)
{
	unsigned long flags = MS_NODEV | (stack->upper_fd < 0 ? MS_RDONLY : 0UL);
	cleanup_buf struct buf text = { .data = NULL };
	int r = 0;

	buf_init(&text, OPTIONS_MAX);
	for (size_t i = 0; r == 0 && i < stack->n_lowers; i++) {
		char path[FD_PATH_SIZE];

		fd_path(stack->lower_fds[i], path);
		r = buf_appendf(&text, "%s%s", i == 0 ? "lowerdir=" : ":", path);
	}
	if (r == 0 && stack->upper_fd >= 0)
		r = writable_text(stack, &text);
	if (r < 0)
		return r == -EMSGSIZE ? -E2BIG : r;
	return mount("overlay", target, "overlay", flags, text.data) < 0 ? -errno : 0;
}

int image_rootfs_mount(int store_fd, const struct image *image, int upper_parent_fd, const char *target,
        bool read_only, struct baton_error *err)
{
	cleanup_with(stack_release) struct stack stack = { .upper_fd = -1, .work_fd = -1 };
	int r = open_stack(store_fd, image, upper_parent_fd, read_only, &stack, err);

	if (r < 0)
		return error_prefix(err, "root file system of image %s", image->digest);
	r = mount_by_context(&stack, target);
	if (r == -EINVAL || r == -ENOSYS)
		r = mount_by_text(&stack, target);
	return r < 0 ? error_errno(err, -r, "cannot mount image %s on \"%s\"", image->digest, target) : 0;
}
