/* SPDX-License-Identifier: Apache-2.0 */
/* baton events: the topic `events` as it comes. */
#include <stdio.h>

#include "core/base/json.h"
#include "core/cli/bus.h"
#include "core/cli/table.h"
#include "core/cli/terminal.h"

static void on_event(void *arg, const struct topic *topic, json_t *event)
{
	static const char *const members[] = { "time", "node", "type", "app", "instance", "topic", "path",
		"reason" };
	const struct cli *cli = arg;

	if (topic->kind != TOPIC_EVENTS || !event)
		return;
	if (cli->options.json) {
		(void)json_write(event, stdout); /* a closed pipe ends us by SIGPIPE or at the end */
		return;
	}
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *text = json_get_string(event, members[i], NULL);

		if (!text)
			continue;
		if (i > 0)
			(void)putchar(' ');
		terminal_write(text, "", stdout);
	}
	(void)putchar('\n');
	(void)fflush(stdout);
}

int verb_events(const struct cli *cli)
{
	struct cli own = *cli;
	struct bus *bus;
	int code = bus_open(cli, on_event, &own, &bus);

	if (code != CLI_OK)
		return code;
	code = bus_subscribe(bus, TOPIC_EVENTS, NULL, NULL);
	if (code == CLI_OK)
		code = bus_sync(bus);
	if (code == CLI_OK)
		code = bus_wait(bus, 0);
	bus_close(bus);
	return code;
}
