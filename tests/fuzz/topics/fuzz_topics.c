/* SPDX-License-Identifier: Apache-2.0 */
/* A topic that is understood is written again as it was. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/model/topics.h"

#define PREFIX "baton/v1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long as it is: what reads behind the end is found by the sanitizer. */
	cleanup_free char *text = malloc(size + 1);
	char again[TOPIC_MAX];
	struct topic topic;
	int r;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	(void)topic_name_valid(text); /* only that it ends, and stays inside of the text */
	if (topic_parse(text, PREFIX, &topic) < 0)
		return 0;
	r = topic_format(again, PREFIX, topic.kind, topic.first, topic.second);
	/* Each level may fit, and all of them not. */
	if (r == -EMSGSIZE && strlen(text) >= TOPIC_MAX)
		return 0;
	if (r < 0 || strcmp(text, again) != 0)
		abort();
	return 0;
}
