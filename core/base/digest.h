/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) through libcrypto. A library of its own, so that batond does not load libcrypto. */
#ifndef BATON_BASE_DIGEST_H
#define BATON_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_HEX_LENGTH 64
#define DIGEST_HEX_SIZE   (DIGEST_HEX_LENGTH + 1)

/* Lower-case hexadecimal text without the "sha256:" prefix. 0 or -ENOMEM. */
int digest_sha256(const void *data, size_t length, char hex[static DIGEST_HEX_SIZE]);

struct digest; /* a running computation */
int digest_new(struct digest **ret_digest);
int digest_update(struct digest *digest, const void *data, size_t length);
int digest_finish(struct digest *digest, char hex[static DIGEST_HEX_SIZE]);
void digest_free(struct digest *digest); /* takes NULL */

/* True for exactly 64 lower-case hexadecimal digits. */
bool digest_is_valid(const char *hex);

#endif
