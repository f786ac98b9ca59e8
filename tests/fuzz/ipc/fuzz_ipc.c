/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoder accepts must encode to the very same bytes: there is one encoding of a message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <baton/kconfig.h>

#include "core/ipc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf again = { .data = NULL };
	struct ipc_message message;
	struct baton_error err;

	buf_init(&again, CONFIG_IPC_MESSAGE_MAX);
	if (ipc_message_decode(data, size, &message, &err) < 0)
		return 0;
	if (ipc_message_encode(&message, &again) < 0 || again.length != size ||
	        memcmp(again.data, data, size) != 0)
		abort();
	ipc_message_release(&message);
	return 0;
}
