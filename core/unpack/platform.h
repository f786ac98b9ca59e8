/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms as images name them (GOOS, GOARCH, variant), and which of them a machine runs. */
#ifndef BATON_UNPACK_PLATFORM_H
#define BATON_UNPACK_PLATFORM_H

#define PLATFORM_UNFIT (-1)

/*
 * How well an image fits `machine` (as uname(2) says): 0 is best, PLATFORM_UNFIT is not at all. NULL or ""
 * for what the image does not say; without a variant the oldest one that the name has ever meant is taken.
 */
int platform_rank(const char *machine, const char *os, const char *architecture, const char *variant);

/* "amd64" for "x86_64"; `machine` itself when it is not in the table. */
const char *platform_architecture(const char *machine);

#endif
