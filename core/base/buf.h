/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer that must be given a maximum. Always NUL-terminated after the last byte. */
#ifndef BATON_BASE_BUF_H
#define BATON_BASE_BUF_H

#include <stddef.h>

struct buf {
	char *data; /* NULL while empty and never grown */
	size_t length;
	size_t capacity;
	size_t max; /* bytes, without the terminating NUL */
};

void buf_init(struct buf *buf, size_t max);
void buf_release(struct buf *buf);
void buf_reset(struct buf *buf); /* length 0, memory kept */

/* 0, -ENOMEM, or -EMSGSIZE when the maximum would be passed; the buffer is unchanged on failure. */
int buf_append(struct buf *buf, const void *data, size_t length);
int buf_appendf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Moves the bytes out (free() them); the buffer is empty afterwards. NULL only if nothing was ever appended.
 */
char *buf_steal(struct buf *buf);

#define cleanup_buf __attribute__((cleanup(buf_release)))

#endif
