/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Import of an image from a file or directory: the trusted half. It never looks into the source:
 * `baton-unpack`, confined to one empty directory, reads it, checks the digests and leaves unpacked layers
 * and a report there. This side checks the report, looks at every inode, and moves what is whole into the
 * store.
 */
#ifndef BATON_IMAGE_IMPORT_H
#define BATON_IMAGE_IMPORT_H

#include "core/base/error.h"
#include "core/image/store.h"

/* Descriptors and arguments of the helper: `baton-unpack --import NAME|"" [DIFF-ID in the store ...]`. */
#define IMPORT_ARGUMENT  "--import"
#define IMPORT_SOURCE_FD 3
#define IMPORT_WORK_FD   4 /* empty directory; each layer becomes a directory named by its diff-id */
#define IMPORT_REPORT_FD 5 /* one JSON document: {"image", "name", "dropped_xattrs"} or {"error"} */

struct image_import {
	char ref[IMAGE_REF_MAX + 1];
	char digest[IMAGE_DIGEST_SIZE];
	uint64_t dropped_xattrs; /* extended attributes other than security.capability and user.* */
};

/*
 * Imports the OCI layout directory, OCI archive or docker-archive at `path` into ROOT/images under `name`,
 * or, when that is NULL, under the name that the source gives. `helper` is the path of baton-unpack. Needs
 * root. Blocks: waits for another import, then up to CONFIG_IMAGE_IMPORT_DEADLINE_S. Importing what is there
 * already writes nothing. 0 or negative errno; on failure the store is as before.
 */
int image_import(const char *root, const char *path, const char *name, const char *helper,
        struct image_import *ret_import, struct baton_error *err);

#endif
