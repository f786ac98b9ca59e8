/* SPDX-License-Identifier: Apache-2.0 */
/* Removal of a name, then of every record and layer that no name leads to. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/image/layer.h"
#include "core/image/store-priv.h"
#include "core/image/store.h"

struct collection {
	int store_fd;
	char **digests; /* that a ref names */
	char **layers;  /* of those images, and those to keep */
	uint64_t freed;
};

typedef int (*name_fn)(struct collection *collection, int dir_fd, const char *name, struct baton_error *err);

static int each_name(
        struct collection *collection, const char *folder, name_fn visit, struct baton_error *err)
{
	int fd = store_directory(collection->store_fd, folder, err);
	cleanup_dir DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (fd < 0)
		return fd;
	if (!directory) {
		close_fd(&fd);
		return error_set(err, ENOMEM, "out of memory");
	}
	while (r == 0 && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			r = visit(collection, fd, entry->d_name, err);
	}
	return r;
}

static int add_once(char ***vector, const char *text, struct baton_error *err)
{
	if (strv_contains(*vector, text))
		return 0;
	return strv_append(vector, text) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

/* A ref or record that can not be read stops the collection: what it needs is unknown, so nothing may go. */
static int note_ref(struct collection *collection, int dir_fd, const char *name, struct baton_error *err)
{
	char digest[IMAGE_DIGEST_SIZE];
	int r = store_ref_read(dir_fd, name, digest);

	if (r < 0)
		return error_errno(err, -r, "cannot clean up: name \"%s\" of the image store", name);
	return add_once(&collection->digests, digest, err);
}

static int note_layers(struct collection *collection, struct baton_error *err)
{
	char **digest;
	char **layer;

	STRV_FOREACH(digest, collection->digests) {
		struct image image;
		int r = store_record_read(collection->store_fd, *digest, &image, err);

		if (r < 0)
			return error_prefix(err, "cannot clean up");
		STRV_FOREACH(layer, image.layers) {
			if (r == 0)
				r = add_once(&collection->layers, *layer, err);
		}
		image_release(&image);
		if (r < 0)
			return r;
	}
	return 0;
}

static int drop_record(struct collection *collection, int dir_fd, const char *name, struct baton_error *err)
{
	char digest[IMAGE_DIGEST_SIZE] = STORE_DIGEST_PREFIX;

	if (strlen(name) + 1 != STORE_RECORD_NAME_SIZE)
		return 0;
	strncat(digest, name, STORE_HEX_LENGTH);
	if (!store_digest_valid(digest) || strv_contains(collection->digests, digest))
		return 0;
	return unlinkat(dir_fd, name, 0) < 0 ? error_errno(err, errno, "record of image %s", digest) : 0;
}

static int drop_layer(struct collection *collection, int dir_fd, const char *name, struct baton_error *err)
{
	cleanup_close int tmp_fd = -1;
	cleanup_close int layer_fd = -1;
	uint64_t bytes = 0;
	int r;

	if (!store_hex_valid(name) || strv_contains(collection->layers, name))
		return 0;
	layer_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (layer_fd >= 0)
		(void)image_layer_measure(layer_fd, &bytes, NULL); /* only a number to show */
	tmp_fd = store_directory(collection->store_fd, STORE_TMP, err);
	if (tmp_fd < 0)
		return tmp_fd;
	/*
	 * Out of layers/ in one step first: a power cut in the middle of the removal must not leave half a
	 * layer under a name that says it is whole. What stays in tmp/ goes with the next import.
	 */
	if (renameat(dir_fd, name, tmp_fd, name) < 0)
		return error_errno(err, errno, "layer %s", name);
	r = tree_remove_at(tmp_fd, name);
	if (r < 0)
		return error_errno(err, -r, "layer %s", name);
	collection->freed += bytes;
	return 0;
}

static int collect(struct collection *collection, struct baton_error *err)
{
	int r = each_name(collection, STORE_REFS, note_ref, err);

	if (r == 0)
		r = note_layers(collection, err);
	if (r == 0)
		r = each_name(collection, STORE_IMAGES, drop_record, err);
	/* Records first: one that outlives its layers would be found by digest and then fail to mount. */
	return r == 0 ? each_name(collection, STORE_LAYERS, drop_layer, err) : r;
}

static int drop_ref(int store_fd, const char *ref, struct baton_error *err)
{
	cleanup_close int refs_fd = store_directory(store_fd, STORE_REFS, err);
	char normal[IMAGE_REF_MAX + 1];
	char name[STORE_REF_FILE_MAX + 1];
	int r;

	if (refs_fd < 0)
		return refs_fd;
	r = image_ref_normalise(ref, normal, err);
	if (r < 0)
		return r;
	r = store_ref_encode(normal, name);
	if (r < 0)
		return error_set(err, -r, "image name \"%s\" is too long", normal);
	if (unlinkat(refs_fd, name, 0) < 0) {
		if (errno == ENOENT)
			return error_set(err, ENOENT, "image %s is not on this node", normal);
		return error_errno(err, errno, "image %s", normal);
	}
	/* The name must be gone for good before anything that it leads to. */
	return fsync(refs_fd) < 0 ? error_errno(err, errno, "image %s", normal) : 0;
}

int image_remove(int store_fd, const char *ref, image_used_fn used, void *arg, uint64_t *ret_freed,
        struct baton_error *err)
{
	struct collection collection = { .store_fd = store_fd };
	cleanup_close int lock_fd = store_lock(store_fd, false, err);
	int r;

	if (lock_fd < 0)
		return lock_fd;
	r = drop_ref(store_fd, ref, err);
	if (r == 0 && used)
		r = used(arg, &collection.layers, err);
	if (r == 0)
		r = collect(&collection, err);
	strv_free(collection.digests);
	strv_free(collection.layers);
	if (r == 0)
		*ret_freed = collection.freed;
	return r;
}
