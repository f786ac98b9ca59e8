/* SPDX-License-Identifier: Apache-2.0 */
/* baton doctor: runs the tables of checks, and says of each what was found and what to do. */
#include "core/cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/cli/bus.h"
#include "core/cli/table.h"
#include "core/cli/terminal.h"

static const char *const state_names[] = {
	[CHECK_OK] = "OK",
	[CHECK_WARN] = "WARN",
	[CHECK_FAIL] = "FAIL",
};

void check_found(struct check_result *result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(result->text, sizeof(result->text), format, args);
	va_end(args);
}

void check_advise(struct check_result *result, enum check_state state, const char *format, ...)
{
	va_list args;

	result->state = state;
	va_start(args, format);
	(void)vsnprintf(result->advice, sizeof(result->advice), format, args);
	va_end(args);
}

static void run_checks(const struct doctor *doctor, const struct check *checks, json_t *results)
{
	for (const struct check *check = checks; check->name; check++) {
		struct check_result result = { .state = CHECK_OK };

		if (check->needs_config && !doctor->has_config) {
			check_found(&result, "not checked");
			check_advise(&result, CHECK_WARN, "correct the configuration first");
		} else {
			check->run(doctor, &result);
		}
		(void)json_array_append_new(
		        results, json_pack("{s:s, s:s, s:s, s:s}", "name", check->name, "state",
		                         state_names[result.state], "text", result.text, "advice",
		                         result.advice)); /* a text that is no UTF-8 is left out */
	}
}

static size_t count(const json_t *results, enum check_state state)
{
	const json_t *result;
	size_t found = 0;
	size_t i;

	json_array_foreach(results, i, result) {
		if (strcmp(json_get_string(result, "state", ""), state_names[state]) == 0)
			found++;
	}
	return found;
}

static void write_text(const json_t *results)
{
	const json_t *result;
	size_t i;

	json_array_foreach(results, i, result) {
		const char *advice = json_get_string(result, "advice", "");

		terminal_printf(stdout, "%-4s  %-14s  %s\n", json_get_string(result, "state", ""),
		        json_get_string(result, "name", ""), json_get_string(result, "text", ""));
		if (advice[0])
			terminal_printf(stdout, "%22s  -> %s\n", "", advice);
	}
	(void)printf("%zu checks, %zu warnings, %zu failed\n", json_array_size(results),
	        count(results, CHECK_WARN), count(results, CHECK_FAIL));
}

int verb_doctor(const struct cli *cli)
{
	struct doctor doctor = { .cli = cli };
	cleanup_json json_t *results = json_array();
	cleanup_json json_t *document = json_pack("{s:O}", "checks", results);
	struct baton_error err;
	int code = CLI_OK;

	if (!document)
		return cli_error(CLI_FAILED, "out of memory");
	doctor.has_config = config_load(cli_config_path(cli), &doctor.config, &err) == 0;
	if (!doctor.has_config)
		(void)snprintf(doctor.config_error, sizeof(doctor.config_error), "%s", err.message);
	run_checks(&doctor, doctor_kernel_checks, results);
	run_checks(&doctor, doctor_node_checks, results);
	if (doctor.has_config)
		config_release(&doctor.config);
	if (!cli->options.json)
		write_text(results);
	else if (json_write(document, stdout) < 0)
		code = CLI_FAILED;
	return count(results, CHECK_FAIL) > 0 ? CLI_FAILED : code;
}
