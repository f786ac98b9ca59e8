/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as configuration file: refused with a message, or loaded with no string missing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 forgets strings that stand before a syntax error; the daemons end then anyway. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_close int fd = -1;
	char path[32];
	struct config config;
	struct baton_error err = { 0 };

	/* libconfig would open what the fuzzer dreamt up; the file is root's own, so that is no fault of
	 * ours. */
	if (memmem(data, size, "@include", strlen("@include")))
		return 0;
	fd = memfd_create("baton.conf", MFD_CLOEXEC);
	if (fd < 0 || file_write_all(fd, data, size) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, &config, &err) < 0) {
		if (err.code == 0 || err.message[0] == '\0')
			abort();
		return 0;
	}
	if (!config.node.name || !config.prefix || !config.broker.socket || !config.runtimes.crun_path)
		abort();
	config_release(&config);
	return 0;
}
