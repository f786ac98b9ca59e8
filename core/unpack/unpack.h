/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of baton-unpack share: limits, totals, and a stream of bytes. */
#ifndef BATON_UNPACK_UNPACK_H
#define BATON_UNPACK_UNPACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <baton/kconfig.h>

#include "core/base/error.h"

#define DOCUMENT_MAX   (CONFIG_IMAGE_DOCUMENT_MAX_KIB * 1024U)
#define DOCUMENT_DEPTH 32

/* Of one image. Tests set small ones. */
struct unpack_limits {
	uint64_t bytes; /* of all layer archives together, uncompressed, and of any file */
	uint64_t files; /* entries of one layer */
	size_t path;    /* bytes */
	size_t symlink; /* bytes */
};

struct unpack_totals {
	uint64_t bytes;
	uint64_t dropped_xattrs;
};

/* Bytes read so far are gone. `read` returns 0 at the end, negative errno with err filled on failure. */
struct stream {
	ssize_t (*read)(void *arg, void *buffer, size_t size, struct baton_error *err);
	void *arg;
};

#endif
