/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references. Grammar (distribution/reference):
 *   reference = name [":" tag] ["@" digest]      name = [domain "/"] component {"/" component}
 * The first part is a domain when it holds "." or ":" or an upper-case letter or is "localhost".
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/image/store-priv.h"
#include "core/image/store.h"

#define DOMAIN_DEFAULT "docker.io"
#define TAG_MAX        128
#define PORT_DIGITS    5

#define LOWER_ALNUM "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALNUM       "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER_ALNUM

struct reference {
	char text[2 * IMAGE_REF_MAX]; /* the parts point into this copy */
	const char *domain;
	const char *path;
	const char *tag;
	const char *digest;
};

/* Separators between runs of letters and digits: one ".", one or two "_", any number of "-". */
static size_t separator_length(const char *text)
{
	size_t length = strspn(text, "-");

	if (length > 0)
		return length;
	if (text[0] == '.')
		return 1;
	return text[0] != '_' ? 0 : text[1] == '_' ? 2 : 1;
}

static bool is_component(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length) {
		size_t run = strspn(text + at, LOWER_ALNUM);

		if (run == 0)
			return false;
		at += run;
		if (at >= length)
			break;
		run = separator_length(text + at);
		if (run == 0)
			return false;
		at += run;
		if (at >= length)
			return false;
	}
	return length > 0;
}

static bool is_path(const char *path)
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (!is_component(path, length))
			return false;
		if (path[length] == '\0')
			return true;
		path += length + 1;
	}
}

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits <= PORT_DIGITS && text[digits] == '\0';
}

static bool is_domain(const char *domain)
{
	size_t at = 0;

	if (domain[0] == '[') { /* an IPv6 address */
		at = 1 + strspn(domain + 1, "0123456789abcdefABCDEF:");
		if (at < 3 || domain[at] != ']')
			return false;
		at++;
		return domain[at] == '\0' || (domain[at] == ':' && is_port(domain + at + 1));
	}
	for (;;) {
		size_t run = strspn(domain + at, ALNUM "-");

		if (run == 0 || domain[at] == '-' || domain[at + run - 1] == '-')
			return false;
		at += run;
		if (domain[at] != '.')
			break;
		at++;
	}
	return domain[at] == '\0' || (domain[at] == ':' && is_port(domain + at + 1));
}

static bool is_tag(const char *tag)
{
	size_t length = strlen(tag);

	return length > 0 && length <= TAG_MAX && tag[0] != '.' && tag[0] != '-' &&
	       strspn(tag, ALNUM "_.-") == length;
}

static bool has_domain(const char *first, size_t length)
{
	if (first[length] != '/')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (first[i] == '.' || first[i] == ':' || isupper((unsigned char)first[i]))
			return true;
	}
	return length == strlen("localhost") && strncmp(first, "localhost", length) == 0;
}

/* Cuts the copy into its parts, from the end. */
static void split(struct reference *reference)
{
	char *at = strchr(reference->text, '@');
	char *slash;
	char *colon;
	size_t first;

	if (at) {
		*at = '\0';
		reference->digest = at + 1;
	}
	slash = strrchr(reference->text, '/');
	colon = strchr(slash ? slash : reference->text, ':');
	if (colon) {
		*colon = '\0';
		reference->tag = colon + 1;
	}
	reference->path = reference->text;
	reference->domain = DOMAIN_DEFAULT;
	first = strcspn(reference->text, "/");
	if (has_domain(reference->text, first)) {
		reference->text[first] = '\0';
		reference->domain = reference->text;
		reference->path = reference->text + first + 1;
	}
	if (strcmp(reference->domain, "index.docker.io") == 0)
		reference->domain = DOMAIN_DEFAULT;
}

static const char *fault(const struct reference *reference)
{
	if (!is_domain(reference->domain))
		return "the registry is not a host name with an optional port";
	if (!is_path(reference->path))
		return "the name must consist of lower-case letters and digits, separated by one of . _ __ - "
		       "/";
	if (store_hex_valid(reference->path))
		return "64 hexadecimal digits are an image id, not a name";
	if (reference->tag && !is_tag(reference->tag))
		return "the tag must be 1 to 128 of letters, digits, _ . -, not beginning with . or -";
	if (reference->digest && !store_digest_valid(reference->digest))
		return "the digest must be sha256: and 64 hexadecimal digits";
	return NULL;
}

int image_ref_normalise(const char *ref, char normal[static IMAGE_REF_MAX + 1], struct baton_error *err)
{
	struct reference reference = { 0 };
	char name[STORE_REF_FILE_MAX + 1];
	char result[IMAGE_REF_MAX + 1];
	const char *reason;
	bool official;
	int length;

	if (strlen(ref) >= sizeof(reference.text))
		return error_set(err, EINVAL, "image name is longer than %d bytes", IMAGE_REF_MAX);
	(void)memcpy(reference.text, ref, strlen(ref) + 1);
	split(&reference);
	reason = fault(&reference);
	if (reason)
		return error_set(err, EINVAL, "image name \"%s\": %s", ref, reason);
	official = strcmp(reference.domain, DOMAIN_DEFAULT) == 0 && !strchr(reference.path, '/');
	/* With a digest the tag says nothing any more: two writings of one image must give one key. */
	length = snprintf(result, sizeof(result), "%s/%s%s%s%s", reference.domain, official ? "library/" : "",
	        reference.path, reference.digest ? "@" : ":",
	        reference.digest ? reference.digest
	        : reference.tag  ? reference.tag
	                         : "latest");
	if (length < 0 || (size_t)length >= sizeof(result) || store_ref_encode(result, name) < 0)
		return error_set(
		        err, EINVAL, "image name \"%.64s…\" is longer than %d bytes", ref, IMAGE_REF_MAX);
	(void)memcpy(normal, result, (size_t)length + 1);
	return 0;
}

int store_ref_encode(const char *normal, char name[static STORE_REF_FILE_MAX + 1])
{
	static const char digits[] = "0123456789ABCDEF";
	size_t used = 0;

	for (; *normal; normal++) {
		unsigned char c = (unsigned char)*normal;
		bool plain = isalnum(c) || (c != '\0' && strchr("._:@-", c));

		if (used + (plain ? 1 : 3) > STORE_REF_FILE_MAX)
			return -ENAMETOOLONG;
		if (plain) {
			name[used++] = (char)c;
			continue;
		}
		name[used++] = '%';
		name[used++] = digits[c >> 4];
		name[used++] = digits[c & 0xF];
	}
	name[used] = '\0';
	return 0;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789ABCDEF";
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

int store_ref_decode(const char *name, char normal[static IMAGE_REF_MAX + 1])
{
	size_t used = 0;

	while (*name) {
		char c = *name++;

		if (used >= IMAGE_REF_MAX)
			return -ENAMETOOLONG;
		if (c == '%') {
			int high = hex_digit(name[0]);
			int low = high < 0 ? -1 : hex_digit(name[1]);

			if (low < 0)
				return -EINVAL;
			c = (char)(high * 16 + low);
			name += 2;
		}
		normal[used++] = c;
	}
	normal[used] = '\0';
	return 0;
}
