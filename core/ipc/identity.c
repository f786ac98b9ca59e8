/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ipc/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/digest.h"
#include "core/ipc/message.h"

/* Each string, list and array of a spec has its own limit; this one only keeps a mistake there from eating
 * memory. */
#define SPEC_BYTES_MAX (64U << 20)

int identity_hash(const struct container_spec *spec, char hash[static INSTANCE_HASH_LENGTH + 1])
{
	cleanup_buf struct buf encoded = { .data = NULL };
	char hex[DIGEST_HEX_SIZE];
	int r;

	buf_init(&encoded, SPEC_BYTES_MAX);
	r = ipc_spec_encode(spec, &encoded);
	if (r == 0)
		r = digest_sha256(encoded.length > 0 ? encoded.data : "", encoded.length, hex);
	if (r < 0)
		return r;
	memcpy(hash, hex, INSTANCE_HASH_LENGTH);
	hash[INSTANCE_HASH_LENGTH] = '\0';
	return 0;
}

int identity_format(const char *app, const char *service, uint32_t slot, const char *hash,
        char id[static INSTANCE_ID_MAX + 1])
{
	char text[INSTANCE_ID_MAX + 1];
	int length = snprintf(text, sizeof(text), "%s.%s.%" PRIu32 ".%s", app, service, slot, hash);

	if (length < 0 || (size_t)length >= sizeof(text))
		return -EMSGSIZE;
	memcpy(id, text, (size_t)length + 1);
	return 0;
}
