/* SPDX-License-Identifier: Apache-2.0 */
/* Files with variables, as Docker Compose reads them: one NAME=VALUE a line. */
#ifndef BATON_CLI_ENV_FILE_H
#define BATON_CLI_ENV_FILE_H

#include <jansson.h>

#include "core/base/error.h"
#include "core/cli/interpolate.h"

/*
 * Adds the variables to the object `variables`, over those that are there. Understood are
 *
 *   - empty lines, and comments: "#" at the begin of a line, or behind a value and a blank;
 *   - "export NAME=VALUE";
 *   - NAME='text', where only \' is an escape and nothing is replaced;
 *   - NAME="text" with the escapes \n \r \t \\ \" \$. Quotes of both kinds may go over several lines;
 *   - $NAME and ${NAME...} in text without quotes and in "text", see interpolate.h. `known` answers for them;
 *     it should ask `variables` last, so that a line sees those before it;
 *   - NAME without "=": a variable of the environment. Passed over.
 *
 * 0, or negative errno with FILE:LINE.
 */
int env_file_read(
        const char *path, const struct variables *known, json_t *variables, struct baton_error *err);

#endif
