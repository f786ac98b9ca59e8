/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int descriptors_place(int *fds, size_t count, bool last_closes)
{
	/* First out of the way of the final numbers, then down onto them: no order can overwrite a source. */
	for (size_t i = 0; i < count; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, (int)count);
		if (fds[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < count; i++) {
		if (dup3(fds[i], (int)i, last_closes && i + 1 == count ? O_CLOEXEC : 0) < 0)
			return -errno;
	}
	return syscall(SYS_close_range, (unsigned)count, ~0U, 0) < 0 ? -errno : 0;
}
