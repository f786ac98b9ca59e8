/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of `baton doctor` share. */
#ifndef BATON_CLI_DOCTOR_H
#define BATON_CLI_DOCTOR_H

#include <stdbool.h>

#include "core/cli/cli.h"
#include "core/config/config.h"

enum check_state { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct check_result {
	enum check_state state; /* CHECK_OK before the check */
	char text[384];         /* what was found */
	char advice[256];       /* what to do, "" when nothing has to be done */
};

struct doctor {
	const struct cli *cli;
	bool has_config;
	struct config config; /* with has_config only */
	char config_error[384];
};

typedef void (*check_fn)(const struct doctor *doctor, struct check_result *result);

struct check {
	const char *name;
	bool needs_config;
	check_fn run;
};

/* Ends with a NULL name. */
extern const struct check doctor_kernel_checks[];
extern const struct check doctor_node_checks[];

void check_found(struct check_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_advise(struct check_result *result, enum check_state state, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#endif
