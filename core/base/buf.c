/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_CAPACITY 256

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max };
}

void buf_release(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ .max = buf->max };
}

void buf_reset(struct buf *buf)
{
	buf->length = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

static int reserve(struct buf *buf, size_t extra)
{
	size_t needed;
	size_t capacity = buf->capacity ? buf->capacity : BUF_FIRST_CAPACITY;
	char *grown;

	if (extra > buf->max - buf->length)
		return -EMSGSIZE;
	needed = buf->length + extra + 1;
	if (needed <= buf->capacity)
		return 0;
	while (capacity < needed)
		capacity *= 2;
	grown = realloc(buf->data, capacity);
	if (!grown)
		return -ENOMEM;
	buf->data = grown;
	buf->capacity = capacity;
	return 0;
}

int buf_append(struct buf *buf, const void *data, size_t length)
{
	int r = reserve(buf, length);

	if (r < 0)
		return r;
	if (length > 0)
		memcpy(buf->data + buf->length, data, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
	return 0;
}

int buf_appendf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int length;
	int r;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		return -EINVAL;
	r = reserve(buf, (size_t)length);
	if (r < 0)
		return r;
	va_start(args, format);
	(void)vsnprintf(buf->data + buf->length, (size_t)length + 1, format, args);
	va_end(args);
	buf->length += (size_t)length;
	return 0;
}

char *buf_steal(struct buf *buf)
{
	char *data = buf->data;

	*buf = (struct buf){ .max = buf->max };
	return data;
}
