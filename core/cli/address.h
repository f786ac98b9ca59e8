/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's address as people write it: HOST, HOST:PORT, [IPv6]:PORT, unix:/PATH. */
#ifndef BATON_CLI_ADDRESS_H
#define BATON_CLI_ADDRESS_H

#include <stdint.h>

#include "core/base/error.h"

#define ADDRESS_PORT_PLAIN 1883

struct address {
	char *host; /* NULL with a socket */
	char *socket;
	uint16_t port;
};

void address_release(struct address *address);

/* 0, -ENOMEM, or -EINVAL with the reason in err. */
int address_parse(const char *text, struct address *ret_address, struct baton_error *err);

#endif
