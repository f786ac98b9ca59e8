/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/archive-priv.h"

#include <errno.h>

la_ssize_t archive_input_read(struct archive *archive, void *arg, const void **ret_data)
{
	struct archive_input *input = arg;
	ssize_t got = input->stream->read(
	        input->stream->arg, input->buffer, sizeof(input->buffer), &input->failure);

	if (got < 0)
		archive_set_error(archive, EIO, "read error");
	*ret_data = input->buffer;
	return got < 0 ? -1 : got;
}

int archive_input_error(const struct archive_input *input, struct archive *archive, struct baton_error *err)
{
	const char *reason = archive_error_string(archive);

	if (input->failure.code != 0)
		return error_set(err, input->failure.code, "%s", input->failure.message);
	return error_set(err, archive_errno(archive) == ENOMEM ? ENOMEM : EINVAL, "damaged archive: %s",
	        reason ? reason : "unreadable");
}
