/* SPDX-License-Identifier: Apache-2.0 */
#include "core/unpack/platform.h"

#include <stddef.h>
#include <string.h>

#include "core/base/cleanup.h"

struct fit {
	const char *machine;
	const char *architecture;
	const char *variant; /* "" matches an image that names none */
};

/* Best first for each machine. 64-bit kernels of these boards run 32-bit programs too. */
static const struct fit fits[] = {
	{ "x86_64", "amd64", "" },
	{ "x86_64", "amd64", "v1" },
	{ "x86_64", "386", "" },
	{ "aarch64", "arm64", "v8" },
	{ "aarch64", "arm64", "" },
	{ "aarch64", "arm", "v8" },
	{ "aarch64", "arm", "v7" },
	{ "aarch64", "arm", "" },
	{ "aarch64", "arm", "v6" },
	{ "aarch64", "arm", "v5" },
	{ "armv8l", "arm", "v8" },
	{ "armv8l", "arm", "v7" },
	{ "armv8l", "arm", "" },
	{ "armv8l", "arm", "v6" },
	{ "armv8l", "arm", "v5" },
	{ "armv7l", "arm", "v7" },
	{ "armv7l", "arm", "" },
	{ "armv7l", "arm", "v6" },
	{ "armv7l", "arm", "v5" },
	{ "armv6l", "arm", "v6" },
	{ "armv6l", "arm", "" },
	{ "armv6l", "arm", "v5" },
	{ "i686", "386", "" },
	{ "i586", "386", "" },
	{ "riscv64", "riscv64", "" },
	{ "ppc64le", "ppc64le", "" },
	{ "s390x", "s390x", "" },
	{ "loongarch64", "loong64", "" },
};

int platform_rank(const char *machine, const char *os, const char *architecture, const char *variant)
{
	if (os && *os && strcmp(os, "linux") != 0)
		return PLATFORM_UNFIT;
	for (size_t i = 0; architecture && i < array_size(fits); i++) {
		if (strcmp(fits[i].machine, machine) == 0 &&
		        strcmp(fits[i].architecture, architecture) == 0 &&
		        strcmp(fits[i].variant, variant ? variant : "") == 0)
			return (int)i;
	}
	return PLATFORM_UNFIT;
}

const char *platform_architecture(const char *machine)
{
	for (size_t i = 0; i < array_size(fits); i++) {
		if (strcmp(fits[i].machine, machine) == 0)
			return fits[i].architecture;
	}
	return machine;
}
