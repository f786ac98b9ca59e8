/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content-addressed image store, read side. Layout below ROOT/images (0700 root):
 *
 *   layers/{diff-id}/      an unpacked layer, overlayfs form (whiteouts 0:0 devices, opaque xattr)
 *   images/{digest}.json   one record per image: {"digest", "architecture", "config", "layers", "size"}
 *   refs/{encoded ref}     text: the digest; one file per name
 *   tmp/                   work of a running import, emptied by the next one
 *   lock                   flock(2): imports and removals exclude each other; readers need no lock
 *
 * {diff-id} and {digest} are 64 hexadecimal digits. Order of writes (power-cut safe): layer unpacked in tmp/,
 * syncfs, rename to layers/; record replaced durably; ref replaced durably. What has a ref is therefore
 * whole.
 */
#ifndef BATON_IMAGE_STORE_H
#define BATON_IMAGE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

#define IMAGE_DIGEST_SIZE 72 /* "sha256:" and 64 digits and NUL */
#define IMAGE_REF_MAX     255

/* What the supervisor needs of an image configuration (OCI image-spec config.md), checked by every reader. */
struct image {
	char digest[IMAGE_DIGEST_SIZE]; /* of the manifest; of the configuration for a docker-archive */
	char **layers;                  /* diff-ids as 64 hex digits, lowest first; at least one */
	char **entrypoint;
	char **command;
	char **environment;
	char *working_dir;  /* "" when not set, else absolute */
	char *user;         /* "" when not set */
	char *stop_signal;  /* "" when not set */
	char **volumes;     /* absolute paths of anonymous volumes */
	char *architecture; /* GOARCH */
	uint64_t size;      /* bytes on disk of all its layers */
};

void image_release(struct image *image);

/*
 * A reference as people write it to the form used as a key: "busybox" -> "docker.io/library/busybox:latest",
 * "registry.local/cart:2" as it is; a digest "name@sha256:…" is kept. Grammar: distribution/reference.
 * 0 or -EINVAL with the reason in err.
 */
int image_ref_normalise(const char *ref, char normal[static IMAGE_REF_MAX + 1], struct baton_error *err);

/* Opens ROOT/images, making what is missing. Directory descriptor or negative errno. */
int image_store_open(const char *root, struct baton_error *err);

/*
 * `ref` in any written form; one with a digest finds the image whatever its name. -ENOENT when no such image
 * is here, with "image … is not on this node" in err. Reads two small files.
 */
int image_lookup(int store_fd, const char *ref, struct image *ret_image, struct baton_error *err);

/* Every ref with its image, sorted by ref, for `baton image ls`. free() the array. */
struct image_entry {
	char ref[IMAGE_REF_MAX + 1];
	char digest[IMAGE_DIGEST_SIZE];
	uint64_t size; /* 0 when the record can not be read */
};
int image_list(int store_fd, struct image_entry **ret_entries, size_t *ret_count, struct baton_error *err);

/*
 * Appends the diff-ids that are in use to *layers. Called when the ref is gone: who uses the image has looked
 * it up before, and nobody finds it by that name any more.
 */
typedef int (*image_used_fn)(void *arg, char ***layers, struct baton_error *err);

/*
 * Removes a ref and then every record and layer that nothing refers to, except layers that `used` names
 * (NULL: none). -ENOENT without such a ref; -EBUSY at once while an import runs.
 */
int image_remove(int store_fd, const char *ref, image_used_fn used, void *arg, uint64_t *ret_freed,
        struct baton_error *err);

#endif
