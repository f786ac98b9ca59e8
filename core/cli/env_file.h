/* SPDX-License-Identifier: Apache-2.0 */
/* Files with variables, as Docker Compose reads them: one NAME=VALUE a line. */
#ifndef BATON_CLI_ENV_FILE_H
#define BATON_CLI_ENV_FILE_H

#include <jansson.h>

#include "core/base/error.h"

/*
 * Adds the variables to the object `variables`, over those that are there. Empty lines, comments ("#" at the
 * begin
 * of a line, or after a blank behind a value without quotes), "export NAME=VALUE", 'text', "text" with \n \r
 * \t \\
 * \" \$; quotes may go over several lines. Values are taken as they are: nothing in them is replaced. A name
 * without "=" stands for a variable of the environment and is passed over. 0, or negative errno with
 * FILE:LINE.
 */
int env_file_read(const char *path, json_t *variables, struct baton_error *err);

#endif
