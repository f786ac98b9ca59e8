/* SPDX-License-Identifier: Apache-2.0 */
/* The record of one image, images/{digest}.json: JSON to struct image and back, with every limit checked. */
#ifndef BATON_IMAGE_RECORD_H
#define BATON_IMAGE_RECORD_H

#include <jansson.h>
#include <stddef.h>

#include "core/base/error.h"
#include "core/image/store.h"

#define IMAGE_RECORD_MAX   (8U << 20)
#define IMAGE_RECORD_DEPTH 8
#define IMAGE_STRING_MAX   131071 /* execve(2): MAX_ARG_STRLEN without the NUL */

/*
 * Trusts nothing: types, lengths, counts, digests, absolute paths. 0 and *ret_image (image_release it), or
 * -EINVAL with the member in err. Used for records on disk and for what the unpack helper reports.
 */
int image_record_parse(const char *text, size_t length, struct image *ret_image, struct baton_error *err);
int image_record_from_json(const json_t *record, struct image *ret_image, struct baton_error *err);

/* The text that image_record_parse reads, free() it. NULL when out of memory. */
char *image_record_text(const struct image *image);

#endif
