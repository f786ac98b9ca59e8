/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

struct baton_timer {
	struct baton_timer *next;
	int64_t due; /* boot clock, ms; -1 once it has fired */
	void (*fn)(void *arg);
	void *arg;
};

struct baton_watch {
	int fd;
	void (*fn)(void *arg, uint32_t events);
	void *arg;
};

int64_t loop_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for this clock */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void host_log(void *host, enum baton_log_level level, const char *message)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };

	(void)host;
	(void)fprintf(stderr, "%s: %s\n", (unsigned)level < 4 ? names[level] : "?", message);
}

static struct baton_timer *host_timer_add(void *host, uint64_t ms, void (*fn)(void *arg), void *arg)
{
	struct loop *loop = host;
	struct baton_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->due = loop_now_ms() + (int64_t)ms;
	timer->fn = fn;
	timer->arg = arg;
	timer->next = loop->timers;
	loop->timers = timer;
	loop->n_timers++;
	return timer;
}

static void host_timer_free(void *host, struct baton_timer *timer)
{
	struct loop *loop = host;

	for (struct baton_timer **link = &loop->timers; timer && *link; link = &(*link)->next) {
		if (*link == timer) {
			*link = timer->next;
			loop->n_timers--;
			free(timer);
			return;
		}
	}
}

static struct baton_watch *host_watch_add(
        void *host, int fd, uint32_t events, void (*fn)(void *arg, uint32_t events), void *arg)
{
	struct loop *loop = host;
	struct baton_watch *watch = calloc(1, sizeof(*watch));
	struct epoll_event event = { 0 };

	if (!watch)
		return NULL;
	watch->fd = fd;
	watch->fn = fn;
	watch->arg = arg;
	event.events = ((events & BATON_WATCH_READ) ? (uint32_t)EPOLLIN : 0) |
	               ((events & BATON_WATCH_WRITE) ? (uint32_t)EPOLLOUT : 0);
	event.data.ptr = watch;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(watch);
		return NULL;
	}
	loop->n_watches++;
	return watch;
}

static void host_watch_free(void *host, struct baton_watch *watch)
{
	struct loop *loop = host;

	if (!watch)
		return;
	/* The plugin must not have closed it yet: a number that is in use again would be another's. */
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL) < 0) {
		(void)fprintf(stderr, "the plugin closed descriptor %d before watch_free\n", watch->fd);
		abort();
	}
	loop->n_watches--;
	free(watch);
}

static const char *host_config(void *host, const char *key)
{
	const struct loop *loop = host;
	size_t length = strlen(key);

	for (size_t i = 0; i < loop->n_settings; i++) {
		if (strncmp(loop->settings[i], key, length) == 0 && loop->settings[i][length] == '=')
			return loop->settings[i] + length + 1;
	}
	return NULL;
}

void loop_init(struct loop *loop, struct baton_host *host)
{
	*loop = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (loop->epoll_fd < 0) {
		perror("epoll_create1");
		exit(2);
	}
	*host = (struct baton_host){
		.abi_major = BATON_RUNTIME_ABI_MAJOR,
		.abi_minor = BATON_RUNTIME_ABI_MINOR,
		.struct_size = sizeof(*host),
		.host = loop,
		.log = host_log,
		.timer_add = host_timer_add,
		.timer_free = host_timer_free,
		.watch_add = host_watch_add,
		.watch_free = host_watch_free,
		.config = host_config,
	};
}

static struct baton_timer *first_timer(const struct loop *loop)
{
	struct baton_timer *first = NULL;

	for (struct baton_timer *timer = loop->timers; timer; timer = timer->next) {
		if (timer->due >= 0 && (!first || timer->due < first->due))
			first = timer;
	}
	return first;
}

bool loop_once(struct loop *loop, int64_t until)
{
	struct baton_timer *timer = first_timer(loop);
	int64_t now = loop_now_ms();
	int64_t wait = (timer && timer->due < until ? timer->due : until) - now;
	struct epoll_event event;
	int n;

	if (timer && timer->due <= now) {
		timer->due = -1;
		timer->fn(timer->arg); /* may free the timer */
		return true;
	}
	if (now >= until)
		return false;
	/* One event at a time: a callback may free any other watch. */
	n = epoll_wait(loop->epoll_fd, &event, 1, wait > 1000 ? 1000 : (int)wait);
	if (n < 0 && errno != EINTR) {
		perror("epoll_wait");
		exit(2);
	}
	if (n == 1) {
		struct baton_watch *watch = event.data.ptr;
		uint32_t ready = (event.events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? BATON_WATCH_READ : 0) |
		                 (event.events & (EPOLLOUT | EPOLLERR) ? BATON_WATCH_WRITE : 0);

		watch->fn(watch->arg, ready);
	}
	return true;
}

void loop_release(struct loop *loop)
{
	(void)close(loop->epoll_fd);
}
