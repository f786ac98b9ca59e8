/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain YAML scalar means: the core schema of YAML 1.2 (chapter 10.3). */
#ifndef BATON_CLI_SCALAR_H
#define BATON_CLI_SCALAR_H

#include <jansson.h>

#include "core/base/error.h"

/*
 * null, boolean, integer, real or string, a new reference. One rule differs from the core schema and is that
 * of the Compose tools: digits after a leading 0 are octal ("mode: 0440"). NULL with the reason in err for a
 * number that JSON cannot hold (".inf", ".nan", more than 64 bits).
 */
json_t *scalar_resolve(const char *text, struct baton_error *err);

#endif
