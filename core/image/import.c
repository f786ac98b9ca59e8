/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/import.h"

#include <dirent.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <baton/kconfig.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/process.h"
#include "core/base/strv.h"
#include "core/image/layer.h"
#include "core/image/record.h"
#include "core/image/store-priv.h"

#define WORK_NAME "import"
/* Known layers travel as arguments: 64 KiB of them, far below execve's limit; more are only unpacked again.
 */
#define KNOWN_MAX 1000

struct import {
	int source_fd;
	int store_fd;
	int lock_fd;
	int tmp_fd;
	int work_fd;
	int layers_fd;
	int report_fd;
	struct image image;
};

static void import_release(struct import *import)
{
	/* Before the lock is given back: the next import starts with an empty tmp/. */
	if (import->work_fd >= 0)
		(void)tree_remove_at(import->tmp_fd, WORK_NAME); /* else the next import does it */
	close_fd(&import->work_fd);
	close_fd(&import->source_fd);
	close_fd(&import->layers_fd);
	close_fd(&import->report_fd);
	close_fd(&import->tmp_fd);
	close_fd(&import->store_fd);
	close_fd(&import->lock_fd);
	image_release(&import->image);
}

static int open_source(struct import *import, const char *path, struct baton_error *err)
{
	struct stat status;

	/* O_NONBLOCK: a FIFO or a tape at that path must not make us wait for ever. */
	import->source_fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (import->source_fd < 0 || fstat(import->source_fd, &status) < 0)
		return error_errno(err, errno, "cannot open \"%s\"", path);
	if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
		return error_set(err, EINVAL, "\"%s\" is neither a file nor a directory", path);
	return 0;
}

/* What a power cut or a killed import left. A leftover that resists must not stop imports for ever. */
static void empty_tmp(int tmp_fd)
{
	int fd = openat(tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!directory) {
		close_fd(&fd);
		return;
	}
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)tree_remove_at(tmp_fd, entry->d_name); /* the mkdir of our own name tells */
	}
}

static int prepare(struct import *import, const char *root, struct baton_error *err)
{
	import->store_fd = image_store_open(root, err);
	if (import->store_fd < 0)
		return import->store_fd;
	import->lock_fd = store_lock(import->store_fd, true, err);
	if (import->lock_fd < 0)
		return import->lock_fd;
	import->tmp_fd = store_directory(import->store_fd, STORE_TMP, err);
	if (import->tmp_fd < 0)
		return import->tmp_fd;
	import->layers_fd = store_directory(import->store_fd, STORE_LAYERS, err);
	if (import->layers_fd < 0)
		return import->layers_fd;
	empty_tmp(import->tmp_fd);
	if (mkdirat(import->tmp_fd, WORK_NAME, 0700) < 0)
		return error_errno(err, errno, "work directory of the image store");
	import->work_fd = openat(import->tmp_fd, WORK_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (import->work_fd < 0)
		return error_errno(err, errno, "work directory of the image store");
	/* A file in memory and not a pipe: nobody has to read it while the helper runs. */
	import->report_fd = memfd_create("baton-import-report", MFD_CLOEXEC);
	return import->report_fd < 0 ? error_errno(err, errno, "report of the import") : 0;
}

static int list_known_layers(int layers_fd, char ***argv)
{
	int fd = openat(layers_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!directory) {
		close_fd(&fd);
		return -ENOMEM;
	}
	for (size_t count = 0; r == 0 && count < KNOWN_MAX && (entry = readdir(directory));) {
		if (!store_hex_valid(entry->d_name))
			continue;
		r = strv_append(argv, entry->d_name);
		count++;
	}
	return r;
}

static void on_exit_copy(struct process *process, const struct process_exit *exit, void *arg)
{
	(void)process;
	*(struct process_exit *)arg = *exit;
}

static int run_helper(struct import *import, const char *helper, char *const *argv,
        struct process_exit *ret_exit, struct baton_error *err)
{
	const int fds[] = { import->source_fd, import->work_fd, import->report_fd };
	cleanup_close int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct event_base *base = event_base_new();
	struct process *process = NULL;
	struct process_exit exit = { .code = -1 };
	const struct process_spec spec = {
		.path = helper,
		.argv = argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = null_fd, /* nothing that an image made it say reaches the terminal unchecked */
		.keep_fds = fds,
		.n_keep_fds = array_size(fds),
		.deadline_ms = CONFIG_IMAGE_IMPORT_DEADLINE_S * 1000U,
		.parent_death_signal = SIGKILL,
		.on_exit = on_exit_copy,
		.arg = &exit,
	};
	int r;

	if (!base)
		return error_set(err, ENOMEM, "out of memory");
	r = process_spawn(base, &spec, &process, err);
	/* The loop ends by itself: the exit of the child removes the only events there are. */
	if (r == 0 && event_base_dispatch(base) < 0)
		r = error_set(err, EIO, "event loop of the import");
	process_free(process);
	event_base_free(base);
	if (r == 0)
		*ret_exit = exit;
	return r;
}

static int unpack(struct import *import, const char *name, const char *helper, struct baton_error *err)
{
	cleanup_strv char **argv = NULL;
	struct process_exit exit = { .code = -1 };
	int r;

	if (strv_append(&argv, helper) < 0 || strv_append(&argv, IMPORT_ARGUMENT) < 0 ||
	        strv_append(&argv, name ? name : "") < 0 || list_known_layers(import->layers_fd, &argv) < 0)
		return error_set(err, ENOMEM, "out of memory");
	r = run_helper(import, helper, argv, &exit, err);
	if (r < 0)
		return r;
	if (exit.timed_out)
		return error_set(
		        err, ETIMEDOUT, "unpacking took longer than %d s", CONFIG_IMAGE_IMPORT_DEADLINE_S);
	if (exit.signal != 0)
		return error_set(err, EIO, "the unpack helper was stopped by signal %d", exit.signal);
	return exit.code == 0 ? 0 : error_set(err, EIO, "the unpack helper failed with status %d", exit.code);
}

/* Text of the helper for a terminal or a log: printable ASCII only. */
static int helper_error(const json_t *report, struct baton_error *err)
{
	char message[ERROR_MESSAGE_MAX];
	size_t length = 0;
	int64_t code = json_get_int(report, "code", EIO);

	for (const char *text = json_get_string(report, "error", ""); *text && length + 1 < sizeof(message);
	        text++)
		message[length++] = *text < ' ' || *text > '~' ? '?' : *text;
	message[length] = '\0';
	return error_set(err, code > 0 && code < 4096 ? (int)code : EIO, "%s", message);
}

static uint64_t counter(const json_t *report, const char *name)
{
	int64_t value = json_get_int(report, name, 0);

	return value > 0 ? (uint64_t)value : 0;
}

static int read_report(
        struct import *import, const char *name, struct image_import *result, struct baton_error *err)
{
	const struct json_limits limits = { .bytes = IMAGE_RECORD_MAX, .depth = IMAGE_RECORD_DEPTH };
	cleanup_json json_t *report = NULL;
	cleanup_free char *text = NULL;
	size_t length = 0;
	int r;

	if (lseek(import->report_fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "report of the unpack helper");
	r = file_read_fd(import->report_fd, IMAGE_RECORD_MAX, &text, &length);
	if (r < 0)
		return error_errno(err, -r, "report of the unpack helper");
	r = json_parse(text ? text : "", length, limits, &report, err);
	if (r == 0 && json_object_get(report, "error"))
		return helper_error(report, err);
	if (r == 0)
		r = image_record_from_json(json_object_get(report, "image"), &import->image, err);
	if (r < 0)
		return error_prefix(err, "report of the unpack helper");
	result->dropped_xattrs = counter(report, "dropped_xattrs");
	memcpy(result->digest, import->image.digest, sizeof(result->digest));
	if (!name)
		name = json_get_string(report, "name", "");
	if (name[0] == '\0')
		return error_set(err, EINVAL, "the image has no name: give one with --name");
	return image_ref_normalise(name, result->ref, err);
}

/* Opens a layer in the store, or else in the work directory and seals it. *fresh tells which. */
static int take_layer(struct import *import, const char *hex, bool *fresh, struct baton_error *err)
{
	cleanup_close int fd = file_open_beneath(import->layers_fd, hex, O_RDONLY | O_DIRECTORY, 0);
	uint64_t bytes = 0;
	int r;

	*fresh = fd == -ENOENT;
	if (*fresh)
		fd = file_open_beneath(import->work_fd, hex, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return error_errno(err, -fd, "layer %s", hex);
	r = *fresh ? image_layer_seal(fd, &bytes, err) : image_layer_measure(fd, &bytes, err);
	if (r < 0)
		return error_prefix(err, "layer %s", hex);
	import->image.size += bytes;
	return 0;
}

static bool seen_before(char *const *layers, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(layers[i], layers[index]) == 0)
			return true;
	}
	return false;
}

static int store_layers(struct import *import, struct baton_error *err)
{
	bool fresh[CONFIG_IMAGE_LAYERS_MAX] = { false };
	char **layers = import->image.layers;
	bool any = false;

	assert(layers); /* image_record_from_json sees to it */
	import->image.size = 0;
	for (size_t i = 0; layers[i]; i++) {
		int r = seen_before(layers, i) ? 0 : take_layer(import, layers[i], &fresh[i], err);

		if (r < 0)
			return r;
		any = any || fresh[i];
	}
	/* Contents first, then the name that says they are whole. */
	if (any && syncfs(import->work_fd) < 0)
		return error_errno(err, errno, "cannot write the layers");
	for (size_t i = 0; layers[i]; i++) {
		if (fresh[i] && renameat(import->work_fd, layers[i], import->layers_fd, layers[i]) < 0)
			return error_errno(err, errno, "layer %s", layers[i]);
	}
	return any && fsync(import->layers_fd) < 0 ? error_errno(err, errno, "cannot write the layers") : 0;
}

/* Flash wears: a file that holds the same bytes already is left alone. */
static int replace_if_changed(struct import *import, const char *folder, const char *name, const char *text,
        struct baton_error *err)
{
	cleanup_close int fd = store_directory(import->store_fd, folder, err);
	cleanup_free char *old = NULL;
	int r;

	if (fd < 0)
		return fd;
	if (file_read_at(fd, name, IMAGE_RECORD_MAX, &old, NULL) == 0 && old && strcmp(old, text) == 0)
		return 0;
	r = file_replace_at(fd, name, text, strlen(text), 0600, FILE_DURABLE);
	return r < 0 ? error_errno(err, -r, "\"%s/%s\" of the image store", folder, name) : 0;
}

static int store_names(struct import *import, const char *ref, struct baton_error *err)
{
	cleanup_free char *text = image_record_text(&import->image);
	char record[STORE_RECORD_NAME_SIZE];
	char name[STORE_REF_FILE_MAX + 1];
	int r;

	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	store_record_name(import->image.digest, record);
	r = replace_if_changed(import, STORE_IMAGES, record, text, err);
	if (r < 0)
		return r;
	if (store_ref_encode(ref, name) < 0)
		return error_set(err, ENAMETOOLONG, "image name \"%s\" is too long", ref);
	return replace_if_changed(import, STORE_REFS, name, import->image.digest, err);
}

int image_import(const char *root, const char *path, const char *name, const char *helper,
        struct image_import *ret_import, struct baton_error *err)
{
	cleanup_with(import_release) struct import import = { -1, -1, -1, -1, -1, -1, -1, { .size = 0 } };
	struct image_import result = { 0 };
	char normal[IMAGE_REF_MAX + 1];
	int r = name ? image_ref_normalise(name, normal, err) : 0;

	if (r == 0)
		r = open_source(&import, path, err);
	if (r == 0)
		r = prepare(&import, root, err);
	if (r < 0)
		return r;
	r = unpack(&import, name, helper, err);
	if (r == 0)
		r = read_report(&import, name, &result, err);
	if (r == 0)
		r = store_layers(&import, err);
	if (r == 0)
		r = store_names(&import, result.ref, err);
	if (r < 0)
		return error_prefix(err, "cannot import \"%s\"", path);
	*ret_import = result;
	return 0;
}
