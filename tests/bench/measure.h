/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the start benches: one root file system, the stamp program, medians as JSON. */
#ifndef BATON_BENCH_MEASURE_H
#define BATON_BENCH_MEASURE_H

#include <stdint.h>
#include <stddef.h>

#define BENCH_ROUNDS 300
#define BENCH_WARMUP 20

/* Makes FOLDER/rootfs with proc, sys, dev and the stamp program; in a private mount namespace from here on.
 */
int bench_prepare(const char *stamp, char folder[static 64]);
void bench_clean(const char *folder);

/* The boot clock that the stamp program wrote to `fd` as its first instruction, ns; 0 when it did not come.
 */
int64_t bench_read_stamp(int fd);

/* Prints {"exec_ms": median, "p90_ms": …}; sorts in place. */
void bench_print(double *values, size_t count);

#endif
