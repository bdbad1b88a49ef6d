/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/chaos.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/log.h"

struct chaos {
	struct sl_watch_place place;
};

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct chaos *chaos = calloc(1, sizeof(*chaos));

	(void)routes;
	if (!chaos)
		return -ENOMEM;
	chaos->place = *place;
	*ret_part = chaos;
	return 0;
}

static void tell(const struct sl_admin_ask *ask, const char *name, bool over)
{
	struct sl_notice notice = {
		.kind = SL_NOTICE_CHAOS,
		.level = SL_NOTICE_INFO,
		.of = SL_NOTICE_OF_DAEMON,
		.over = over,
		.audit = true,
	};

	sl_notice_set(notice.name, sizeof(notice.name), name);
	sl_notice_set(notice.who, sizeof(notice.who), ask->who);
	sl_notice_tell(&notice, "experiment %s: %s", over ? "ended" : "began", name);
	sl_log(SL_LOG_WARN, "chaos: experiment %s: %s (%s)", over ? "ended" : "began", name,
	       ask->who);
}

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_route(const struct sl_route_stats *route, uint64_t *requests, uint64_t *errors,
		      struct sl_histogram *ttft_us)
{
	for (int status = SL_STATS_STATUS_MIN; status <= SL_STATS_STATUS_MAX; status++) {
		uint64_t count = load(&route->by_status[status - SL_STATS_STATUS_MIN]);

		*requests += count;
		if (status >= 500)
			*errors += count;
	}
	*errors += load(&route->streams_broken);
	sl_histogram_merge(ttft_us, &route->ttft_us);
}

static void write_facts(const struct chaos *chaos, struct sl_text *text)
{
	struct sl_histogram *ttft_us = calloc(1, sizeof(*ttft_us));
	uint64_t requests = 0, errors = 0;

	if (!ttft_us) {
		sl_text_append_string(text, "!no memory");
		return;
	}
	for (uint32_t k = 0; k < chaos->place.threads->count; k++) {
		struct sl_worker *worker = chaos->place.threads->workers[k];

		for (uint32_t i = 0; i < SL_STATS_ROUTES_MAX; i++) {
			const struct sl_route_stats *route =
				__atomic_load_n(&worker->stats.routes[i], __ATOMIC_ACQUIRE);

			if (route)
				add_route(route, &requests, &errors, ttft_us);
		}
	}
	sl_text_printf(text, "requests %llu errors %llu ttft", (unsigned long long)requests,
		       (unsigned long long)errors);
	for (uint32_t i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
		if (ttft_us->buckets[i])
			sl_text_printf(text, " %llu:%llu",
				       (unsigned long long)sl_histogram_bucket_max(i),
				       (unsigned long long)ttft_us->buckets[i]);
	}
	sl_text_append_char(text, '\n');
	free(ttft_us);
}

static void say(void *part, const struct sl_admin_ask *ask, struct sl_text *text)
{
	static const char began[] = "began ", ended[] = "ended ";
	const char *verb = strchr(ask->words, ' ');

	verb = verb ? verb + 1 : "";
	if (!strcmp(verb, "facts"))
		write_facts(part, text);
	else if (!strncmp(verb, began, sizeof(began) - 1))
		tell(ask, verb + sizeof(began) - 1, false);
	else if (!strncmp(verb, ended, sizeof(ended) - 1))
		tell(ask, verb + sizeof(ended) - 1, true);
	else
		sl_text_append_string(text, "!expected: chaos FORMAT facts|began NAME|ended NAME");
}

static void close_part(void *part)
{
	free(part);
}

const struct sl_watch_part sl_chaos_part = {
	.word = "chaos",
	.open = open_part,
	.say = say,
	.close = close_part,
};
