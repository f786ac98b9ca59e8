/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership by scope: a variable marked cleanup_* is released when it leaves its scope, steal_* hands it on.
 */
#ifndef BATON_BASE_CLEANUP_H
#define BATON_BASE_CLEANUP_H

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *slot)
{
	free(*(void **)slot);
}

static inline void cleanup_close_(int *fd)
{
	if (*fd >= 0)
		(void)close(
		        *fd); /* nothing can be done about a failed close of a descriptor that is given up */
}

static inline void cleanup_json_(json_t **value)
{
	json_decref(*value);
}

static inline void cleanup_file_(FILE **file)
{
	if (*file)
		(void)fclose(*file); /* read-only streams; writers check fclose themselves */
}

static inline void cleanup_dir_(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
}

#define cleanup_with(function) __attribute__((cleanup(function)))
#define cleanup_free           cleanup_with(cleanup_free_)
#define cleanup_close          cleanup_with(cleanup_close_)
#define cleanup_json           cleanup_with(cleanup_json_)
#define cleanup_file           cleanup_with(cleanup_file_)
#define cleanup_dir            cleanup_with(cleanup_dir_)

/* Moves a pointer out of a variable that is cleaned up. */
#define steal_ptr(variable)                                                                                  \
	({                                                                                                   \
		__typeof__(variable) stolen_ = (variable);                                                   \
		(variable) = NULL;                                                                           \
		stolen_;                                                                                     \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/* Closes *fd if it is open and sets it to -1. */
static inline void close_fd(int *fd)
{
	cleanup_close_(fd);
	*fd = -1;
}

#define array_size(array) (sizeof(array) / sizeof((array)[0]))

#endif
