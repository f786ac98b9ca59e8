/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest is accepted, or rejected with at least one error; never both, never neither. */
#include <stdint.h>
#include <stdlib.h>

#include "core/model/compose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verdict verdict;
	struct app app;
	int r;

	verdict_init(&verdict);
	r = compose_decode((const char *)data, size, "fuzz", &app, &verdict);
	if ((r == 0) != (verdict.n_errors == 0))
		abort();
	if (r == 0)
		app_release(&app);
	verdict_release(&verdict);
	return 0;
}
