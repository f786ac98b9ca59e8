/* SPDX-License-Identifier: Apache-2.0 */
/* Extended headers of pax archives (POSIX.1-2017 pax, "pax Extended Header"): what replaces fields of the
 * next entry. */
#ifndef BATON_UNPACK_PAX_H
#define BATON_UNPACK_PAX_H

#include <stdbool.h>

#include "core/unpack/tar.h"

#define PAX_XATTRS_MAX 256

/* Texts and values point into the bytes that were parsed. */
struct pax {
	const char *path;
	const char *linkpath;
	bool has_uid;
	bool has_gid;
	bool has_size;
	bool has_mtime;
	int64_t uid;
	int64_t gid;
	int64_t size;
	struct timespec mtime;
	struct tar_xattr xattrs[PAX_XATTRS_MAX];
	size_t n_xattrs;
};

/*
 * Reads the records "LENGTH KEY=VALUE\n" of `text`, writing NUL bytes into it. Unknown keys are left alone,
 * as POSIX wants it. -EINVAL for anything malformed, -ENOTSUP for a sparse file of GNU tar, -E2BIG.
 */
int pax_parse(char *text, size_t length, struct pax *ret_pax, struct baton_error *err);

#endif
