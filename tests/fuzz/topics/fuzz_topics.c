/* SPDX-License-Identifier: Apache-2.0 */
/* A topic that is understood is written again as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/topics.h"

#define PREFIX "baton/v1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TOPIC_MAX];
	char again[TOPIC_MAX];
	struct topic topic;

	if (size >= sizeof(text))
		size = sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)topic_name_valid(text); /* only that it ends, and stays inside of the text */
	if (topic_parse(text, PREFIX, &topic) < 0)
		return 0;
	if (topic_format(again, PREFIX, topic.kind, topic.first, topic.second) < 0 ||
	        strcmp(text, again) != 0)
		abort();
	return 0;
}
