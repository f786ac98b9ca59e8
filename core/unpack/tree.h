/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of a layer to files below one directory. Nothing is ever reached by a path: the parent of each
 * entry is opened beneath the root without following any symbolic link, and the entry is made in it by name.
 */
#ifndef BATON_UNPACK_TREE_H
#define BATON_UNPACK_TREE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "core/unpack/tar.h"
#include "core/unpack/unpack.h"

struct tree {
	int root_fd; /* borrowed */
	const struct unpack_limits *limits;
	struct unpack_totals *totals;
	/* The directory of the last entry: most entries lie beside the one before. */
	int parent_fd;
	char parent[PATH_MAX];
	struct timespec parent_times[2]; /* put back when it is left, as making entries in it changes them */
};

void tree_init(
        struct tree *tree, int root_fd, const struct unpack_limits *limits, struct unpack_totals *totals);
void tree_release(struct tree *tree);

/* Makes one entry, reading its data from `tar`. 0 or negative errno with the path in err. */
int tree_add(struct tree *tree, struct tar *tar, const struct tar_entry *entry, struct baton_error *err);

/* The two halves of tree_add (place.c): a free place for a name, and the file itself. */
int tree_enter(struct tree *tree, const char *path, size_t length);
int tree_make_room(struct tree *tree, const char *name, bool directory, bool *ret_hid_lower);
int tree_whiteout(struct tree *tree, const char *name);
int tree_mark_opaque(int dir_fd);

#endif
