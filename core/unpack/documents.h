/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON documents of an image: OCI image index and manifest (image-spec image-index.md, manifest.md;
 * Docker's schema 2 is the same with other media types), image configuration (config.md), and the
 * manifest.json of a docker-archive. Pure functions over parsed JSON of any shape: everything may be missing
 * or of another type.
 */
#ifndef BATON_UNPACK_DOCUMENTS_H
#define BATON_UNPACK_DOCUMENTS_H

#include <jansson.h>
#include <stdint.h>

#include "core/base/digest.h"
#include "core/base/error.h"

/* Points to content by digest (image-spec descriptor.md). */
struct descriptor {
	char hex[DIGEST_HEX_SIZE]; /* without "sha256:" */
	int64_t size;
};

struct manifest_choice {
	struct descriptor descriptor;
	const char *name; /* borrowed from the document; NULL when it gives none */
};

/*
 * The entry of an index for `machine` (uname(2)); `wanted` is the name asked for or "". -ENOENT with what
 * there is when nothing fits, -EINVAL when several images remain and no name says which.
 */
int index_choose(const json_t *index, const char *machine, const char *wanted,
        struct manifest_choice *ret_choice, struct baton_error *err);

struct manifest_layer {
	char *path;                     /* in the source */
	char blob_hex[DIGEST_HEX_SIZE]; /* "" in a docker-archive, which has only diff-ids */
	int64_t blob_size;              /* -1 in a docker-archive */
	char diff_id[DIGEST_HEX_SIZE];  /* of the uncompressed archive; filled by config_read */
};

struct manifest {
	struct descriptor config; /* size -1 in a docker-archive, hex "" when its name is not a digest */
	char *config_path;
	char *name; /* docker-archive: the chosen RepoTag, or NULL */
	struct manifest_layer *layers;
	size_t n_layers;
};

int manifest_read(const json_t *document, struct manifest *ret_manifest, struct baton_error *err);
int docker_manifest_read(
        const json_t *document, const char *wanted, struct manifest *ret_manifest, struct baton_error *err);
void manifest_release(struct manifest *manifest);

/*
 * Takes the diff-ids into the manifest's layers and makes the record of core/image/record.h, without the
 * digest and size: -EINVAL when the number of layers differs, -ENOTSUP for another platform.
 */
int config_read(const json_t *document, const char *machine, struct manifest *manifest, json_t **ret_record,
        struct baton_error *err);

#endif
