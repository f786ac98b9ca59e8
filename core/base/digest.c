/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct digest {
	EVP_MD_CTX *context;
};

int digest_new(struct digest **ret_digest)
{
	struct digest *digest = calloc(1, sizeof(*digest));

	if (!digest)
		return -ENOMEM;
	digest->context = EVP_MD_CTX_new();
	if (!digest->context || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
		digest_free(digest);
		return -ENOMEM;
	}
	*ret_digest = digest;
	return 0;
}

int digest_update(struct digest *digest, const void *data, size_t length)
{
	return EVP_DigestUpdate(digest->context, data, length) == 1 ? 0 : -EIO;
}

int digest_finish(struct digest *digest, char hex[static DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (EVP_DigestFinal_ex(digest->context, raw, &length) != 1 || length * 2 != DIGEST_HEX_LENGTH)
		return -EIO;
	for (unsigned i = 0; i < length; i++) {
		hex[2 * i] = digits[raw[i] >> 4];
		hex[2 * i + 1] = digits[raw[i] & 0xF];
	}
	hex[DIGEST_HEX_LENGTH] = '\0';
	return 0;
}

void digest_free(struct digest *digest)
{
	if (!digest)
		return;
	EVP_MD_CTX_free(digest->context);
	free(digest);
}

int digest_sha256(const void *data, size_t length, char hex[static DIGEST_HEX_SIZE])
{
	struct digest *digest;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	r = digest_update(digest, data, length);
	if (r == 0)
		r = digest_finish(digest, hex);
	digest_free(digest);
	return r;
}

bool digest_is_valid(const char *hex)
{
	return strlen(hex) == DIGEST_HEX_LENGTH && strspn(hex, "0123456789abcdef") == DIGEST_HEX_LENGTH;
}
