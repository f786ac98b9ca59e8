/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of core/image share about the store's layout. */
#ifndef BATON_IMAGE_STORE_PRIV_H
#define BATON_IMAGE_STORE_PRIV_H

#include <limits.h>
#include <stdbool.h>

#include "core/image/store.h"

#define STORE_LAYERS "layers"
#define STORE_IMAGES "images"
#define STORE_REFS   "refs"
#define STORE_TMP    "tmp"
#define STORE_LOCK   "lock"

#define STORE_DIGEST_PREFIX "sha256:"
#define STORE_HEX_LENGTH    64

/* "." + name + ".tmp" of file_replace_at must fit into NAME_MAX. */
#define STORE_REF_FILE_MAX (NAME_MAX - 5)

/* Takes ROOT/images/lock exclusively. Descriptor, whose close gives it back, or negative errno: -EBUSY
 * without `wait`. */
int store_lock(int store_fd, bool wait, struct baton_error *err);

/* One of the STORE_* directories, made when missing. Descriptor or negative errno. */
int store_directory(int store_fd, const char *name, struct baton_error *err);

bool store_hex_valid(const char *hex);
bool store_digest_valid(const char *digest);

/* Normal form of a reference <-> file name in refs/: every byte but [A-Za-z0-9._:@-] as %XX. 0 or -EINVAL. */
int store_ref_encode(const char *normal, char name[static STORE_REF_FILE_MAX + 1]);
int store_ref_decode(const char *name, char normal[static IMAGE_REF_MAX + 1]);

/* 0, -ENOENT, or -EBADMSG for a file that does not hold a digest. */
int store_ref_read(int refs_fd, const char *name, char digest[static IMAGE_DIGEST_SIZE]);

/* File name of the record of "sha256:HEX". */
#define STORE_RECORD_NAME_SIZE (STORE_HEX_LENGTH + sizeof(".json"))
void store_record_name(const char *digest, char name[static STORE_RECORD_NAME_SIZE]);
int store_record_read(int store_fd, const char *digest, struct image *ret_image, struct baton_error *err);

#endif
