/* SPDX-License-Identifier: Apache-2.0 */
/* Reading members of our own documents into fixed-size structs. Every failure is -EINVAL with the member in
 * err.
 */
#ifndef BATON_MODEL_DOCUMENT_PRIV_H
#define BATON_MODEL_DOCUMENT_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/model/text.h"

/* Required string of at most size - 1 bytes into text[size]. */
int document_text(
        const json_t *object, const char *name, char *ret_text, size_t size, struct baton_error *err);

/* As document_text, but the string must satisfy topic_name_valid. */
int document_name(
        const json_t *object, const char *name, char *ret_text, size_t size, struct baton_error *err);

/* As document_text; "" when the member is absent. */
int document_optional_text(
        const json_t *object, const char *name, char *ret_text, size_t size, struct baton_error *err);

/* Boolean, false when absent. */
int document_flag(const json_t *object, const char *name, bool *ret_flag, struct baton_error *err);

/* Required integer from 0 to INT64_MAX. */
int document_count(const json_t *object, const char *name, int64_t *ret_count, struct baton_error *err);

/* Required array of at most max strings of at most CONFIG_MAX_STRING_BYTES bytes. -ENOMEM too. */
int document_strings(
        const json_t *object, const char *name, size_t max, char ***ret_vector, struct baton_error *err);

/* Array of document_any_text. New reference, NULL when out of memory. */
json_t *document_strings_json(char *const *vector);

#endif
