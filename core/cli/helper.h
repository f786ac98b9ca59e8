/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are not meant for people: they lie beside the directory of the runtimes. */
#ifndef BATON_CLI_HELPER_H
#define BATON_CLI_HELPER_H

#include "core/config/config.h"

/* free() it; NULL when out of memory. */
char *helper_path(const struct config *config, const char *name);

/* The program that unpacks images: that of the package baton-image-formats where it is installed. free() it.
 */
char *helper_unpack(const struct config *config);

#endif
