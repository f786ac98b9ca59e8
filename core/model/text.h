/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of others in our own documents. */
#ifndef BATON_MODEL_TEXT_H
#define BATON_MODEL_TEXT_H

#include <jansson.h>

/*
 * A JSON string of any bytes: what is not UTF-8 becomes "?". Reasons quote what workloads, images and
 * firmware say, and are cut to size wherever that is; one bad byte there must not keep a document from being
 * sent. NULL when out of memory.
 */
json_t *document_any_text(const char *text);

#endif
