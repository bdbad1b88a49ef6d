/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/notice.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "user/base/clock.h"

static struct {
	pthread_mutex_t lock;
	struct sl_notice *ring; /* NULL: closed */
	uint32_t first, count;
	uint64_t lost;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

int sl_notice_open(void)
{
	struct sl_notice *ring = calloc(SL_NOTICES_MAX, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	pthread_mutex_lock(&queue.lock);
	queue.ring = ring;
	queue.first = queue.count = 0;
	queue.lost = 0;
	pthread_mutex_unlock(&queue.lock);
	return 0;
}

void sl_notice_close(void)
{
	pthread_mutex_lock(&queue.lock);
	free(queue.ring);
	queue.ring = NULL;
	queue.count = 0;
	pthread_mutex_unlock(&queue.lock);
}

void sl_notice_tell(const struct sl_notice *notice, const char *format, ...)
{
	struct sl_notice copy = *notice;
	va_list args;

	va_start(args, format);
	vsnprintf(copy.text, sizeof(copy.text), format, args);
	va_end(args);
	if (!copy.wall_ms)
		copy.wall_ms = sl_clock_wall_ms();
	pthread_mutex_lock(&queue.lock);
	if (queue.ring && queue.count < SL_NOTICES_MAX)
		queue.ring[(queue.first + queue.count++) % SL_NOTICES_MAX] = copy;
	else if (queue.ring)
		__atomic_store_n(&queue.lost, queue.lost + 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&queue.lock);
}

void sl_notice_tell_store(const char *name, bool lost, const char *detail)
{
	struct sl_notice notice = {.kind = SL_NOTICE_STORE,
				   .level = lost ? SL_NOTICE_WARN : SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_STORE,
				   .over = !lost,
				   .who = "daemon"};

	sl_notice_set(notice.name, sizeof(notice.name), name);
	sl_notice_tell(&notice, "%s%s%s", lost ? "not kept" : "kept again", *detail ? ": " : "",
		       detail);
}

bool sl_notice_take(struct sl_notice *ret_notice)
{
	bool found;

	pthread_mutex_lock(&queue.lock);
	found = queue.count > 0;
	if (found) {
		*ret_notice = queue.ring[queue.first];
		queue.first = (queue.first + 1) % SL_NOTICES_MAX;
		queue.count--;
	}
	pthread_mutex_unlock(&queue.lock);
	return found;
}

uint64_t sl_notice_lost(void)
{
	return __atomic_load_n(&queue.lost, __ATOMIC_RELAXED);
}

const char *sl_notice_kind_name(enum sl_notice_kind kind)
{
	static const char *const names[SL_NOTICE_COUNT] = {
#define X(id, name, help) [SL_NOTICE_##id] = name,
		SL_NOTICE_KINDS(X)
#undef X
	};

	return names[kind];
}

const char *sl_notice_level_name(enum sl_notice_level level)
{
	static const char *const names[SL_NOTICE_LEVELS] = {"info", "warn", "bad"};

	return names[level];
}

const char *sl_notice_of_name(enum sl_notice_of of)
{
	static const char *const names[SL_NOTICE_OFS] = {"daemon", "node",  "pool",  "route",
							 "prompt", "index", "store", "key",
							 "zone",   "region"};

	return names[of];
}

void sl_notice_set(char *field, size_t size, const char *value)
{
	snprintf(field, size, "%s", value ? value : "");
}
