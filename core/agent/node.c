/* SPDX-License-Identifier: Apache-2.0 */
/* What the node says of itself: presence, info, beat. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/agent/agent-priv.h"
#include "core/base/cleanup.h"
#include "core/base/files.h"
#include "core/base/strv.h"
#include "core/base/utf8.h"
#include "core/model/node.h"

#define MEMORY_LINE    "MemAvailable:" /* proc(5): followed by spaces and a number of KiB */
#define SMALL_FILE_MAX 65536

void node_publish_presence(struct agent *agent, bool online)
{
	struct node_presence presence = { .online = online };
	cleanup_json json_t *document = NULL;

	(void)snprintf(presence.boot, sizeof(presence.boot), "%s", agent->boot);
	(void)snprintf(presence.session, sizeof(presence.session), "%s", agent->session);
	document = node_presence_encode(&presence);
	agent_publish(agent, TOPIC_NODE_PRESENCE, NULL, document, true, 1);
}

/* ---- info ---- */

static int64_t processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count > 0 ? count : 1;
}

/* Device tree on ARM boards, DMI on PCs; neither in many virtual machines. */
static void find_board(char board[static 64])
{
	static const char *const sources[] = { "/proc/device-tree/model", "/sys/class/dmi/id/product_name" };

	for (size_t i = 0; i < array_size(sources); i++) {
		cleanup_free char *text = NULL;
		size_t length = 0;

		if (file_read_at(AT_FDCWD, sources[i], SMALL_FILE_MAX, &text, &length) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		utf8_copy(board, 64, text);
		if (*board)
			return;
	}
}

void node_publish_info(struct agent *agent)
{
	struct node_info info = {
		.cpu = processors() * 1000,
		/* Borrowed, so node_info_release is not for this one. strv functions do not write through it.
		 */
		.runtimes = agent->runtimes,
		.missing = agent->missing,
	};
	cleanup_strv char **labels = NULL;
	cleanup_json json_t *document = NULL;
	struct utsname kernel;
	struct sysinfo memory;

	/* Without the supervisor's part, a controller would place nothing here. */
	if (!agent->connected || !agent->has_node || strv_copy(agent->config->labels, &labels) < 0)
		return;
	info.labels = labels;
	utf8_copy(info.name, sizeof(info.name), agent->config->node);
	utf8_copy(info.version, sizeof(info.version), BATON_VERSION);
	utf8_copy(info.cgroup, sizeof(info.cgroup), agent->cgroup_mode);
	if (uname(&kernel) == 0) {
		utf8_copy(info.architecture, sizeof(info.architecture), kernel.machine);
		utf8_copy(info.kernel, sizeof(info.kernel), kernel.release);
	}
	if (sysinfo(&memory) == 0)
		info.memory = (int64_t)memory.totalram * memory.mem_unit;
	find_board(info.board);
	document = node_info_encode(&info);
	agent_publish(agent, TOPIC_NODE_INFO, NULL, document, true, 1);
}

/* ---- beat ---- */

static int64_t free_memory(void)
{
	cleanup_free char *text = NULL;
	const char *line;
	size_t length;

	if (file_read_at(AT_FDCWD, "/proc/meminfo", SMALL_FILE_MAX, &text, &length) < 0)
		return 0;
	line = strstr(text, MEMORY_LINE);
	return line ? (int64_t)strtoll(line + strlen(MEMORY_LINE), NULL, 10) * 1024 : 0;
}

/* proc(5), first line of /proc/stat: user nice system idle iowait irq softirq steal, in ticks. */
static void read_cpu(uint64_t *ret_idle, uint64_t *ret_total)
{
	uint64_t ticks[8] = { 0 };
	char text[256];
	cleanup_close int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *next = text + 3; /* behind "cpu" */

	*ret_idle = *ret_total = 0;
	if (length < 3)
		return;
	text[length] = '\0';
	for (size_t i = 0; i < array_size(ticks); i++) {
		ticks[i] = strtoull(next, &next, 10);
		*ret_total += ticks[i];
	}
	*ret_idle = ticks[3] + ticks[4];
}

static int64_t free_cpu(struct agent *agent)
{
	uint64_t last_idle = agent->cpu_idle;
	uint64_t last_total = agent->cpu_total;

	read_cpu(&agent->cpu_idle, &agent->cpu_total);
	if (agent->cpu_total <= last_total || agent->cpu_idle < last_idle) /* iowait may run backwards */
		return 0;
	return (int64_t)((uint64_t)processors() * 1000 * (agent->cpu_idle - last_idle) /
	                 (agent->cpu_total - last_total));
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	struct node_beat beat = {
		.seq = ++agent->beat_seq,
		.term = agent->desired.term,
		.revision = agent->desired.revision,
		.free_memory = free_memory(),
		.free_cpu = free_cpu(agent),
	};
	cleanup_json json_t *document = NULL;

	(void)fd;
	(void)what;
	(void)snprintf(beat.boot, sizeof(beat.boot), "%s", agent->boot);
	document = node_beat_encode(&beat);
	agent_publish(agent, TOPIC_NODE_BEAT, NULL, document, false, 0);
	agent_timer_set(agent->beat_timer, CONFIG_BEAT_MS);
}

void node_beat_start(struct agent *agent)
{
	on_beat(-1, 0, agent);
}

void node_beat_stop(struct agent *agent)
{
	agent_timer_set(agent->beat_timer, -1);
}

int node_init(struct agent *agent)
{
	agent->beat_timer = agent_timer(agent, on_beat, agent);
	read_cpu(&agent->cpu_idle, &agent->cpu_total);
	return agent->beat_timer ? 0 : -ENOMEM;
}
