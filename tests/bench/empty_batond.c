/* SPDX-License-Identifier: Apache-2.0 */
/* Memory floor of batond: links and initialises the same Debian libraries, does nothing else. */
#include <event2/event.h>
#include <jansson.h>
#include <libcgroup.h>
#include <libconfig.h>
#include <seccomp.h>
#include <stdio.h>

int main(void)
{
	struct event_base *base = event_base_new();
	config_t config;
	json_t *value = json_object();

	config_init(&config);
	(void)cgroup_init();
	(void)seccomp_api_get();
	(void)puts("ready");
	(void)fflush(stdout);
	(void)value;
	return event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}
