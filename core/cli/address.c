/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"

#define UNIX_SCHEME "unix:"

void address_release(struct address *address)
{
	free(address->host);
	free(address->socket);
	*address = (struct address){ 0 };
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

/* Where the host ends: at the bracket, at the only colon, or (an IPv6 address without brackets) nowhere. */
static const char *host_end(const char *text)
{
	const char *colon = strchr(text, ':');

	if (text[0] == '[')
		return strchr(text, ']');
	return colon && !strchr(colon + 1, ':') ? colon : text + strlen(text);
}

int address_parse(const char *text, struct address *ret_address, struct baton_error *err)
{
	size_t scheme = strlen(UNIX_SCHEME);
	struct address address = { .port = ADDRESS_PORT_PLAIN };
	const char *start = text[0] == '[' ? text + 1 : text;
	const char *end;
	const char *rest;

	if (strncmp(text, UNIX_SCHEME, scheme) == 0) {
		if (text[scheme] != '/')
			return error_set(
			        err, EINVAL, "broker \"%s\": the path after unix: must be absolute", text);
		address.socket = strdup(text + scheme);
		if (!address.socket)
			return error_set(err, ENOMEM, "out of memory");
		*ret_address = address;
		return 0;
	}
	end = host_end(text);
	rest = end && *end == ']' ? end + 1 : end;
	if (!end || end == start || (*rest && *rest != ':') ||
	        (*rest && parse_port(rest + 1, &address.port) < 0))
		return error_set(err, EINVAL,
		        "broker \"%s\" is none of HOST, HOST:PORT, [IPV6]:PORT, unix:/PATH", text);
	address.host = strndup(start, (size_t)(end - start));
	if (!address.host)
		return error_set(err, ENOMEM, "out of memory");
	*ret_address = address;
	return 0;
}
