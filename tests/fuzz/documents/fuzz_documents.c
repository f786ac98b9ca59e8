/* SPDX-License-Identifier: Apache-2.0 */
/* The documents that nodes and controllers send each other; a broker can put anything in their place. */
#include <baton/kconfig.h>
#include <stdint.h>

#include "core/base/cleanup.h"
#include "core/base/json.h"
#include "core/model/assignment.h"
#include "core/model/node.h"
#include "core/model/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct json_limits limits = { CONFIG_MAX_DOCUMENT_BYTES, CONFIG_MAX_DOCUMENT_DEPTH };
	cleanup_json json_t *document = NULL;
	struct node_presence presence;
	struct node_beat beat;
	struct node_info info;
	struct report report;
	struct assignment assignment;

	if (json_parse((const char *)data, size, limits, &document, NULL) < 0)
		return 0;
	(void)node_presence_decode(document, &presence, NULL);
	(void)node_beat_decode(document, &beat, NULL);
	if (node_info_decode(document, &info, NULL) == 0)
		node_info_release(&info);
	if (report_decode(document, &report, NULL) == 0)
		report_release(&report);
	if (assignment_decode(document, &assignment, NULL) == 0)
		assignment_release(&assignment);
	return 0;
}
