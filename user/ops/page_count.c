/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/page_count.h"

#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"

#define COST_SHARE 200u /* a look may take one in so many of the time */

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void sl_page_counts_fini(struct sl_page_counts *counts)
{
	for (uint32_t i = 0; i < SL_STATS_ROUTES_MAX; i++)
		free(counts->routes[i]);
	memset(counts, 0, sizeof(*counts));
}

bool sl_page_counts_due(const struct sl_page_counts *counts, uint64_t now_ns, uint64_t interval_ns)
{
	uint64_t pause_ns = counts->cost_ns * COST_SHARE;

	if (pause_ns < interval_ns / 2)
		pause_ns = interval_ns / 2; /* timers are not exact */
	return !counts->at_ns || now_ns - counts->at_ns >= pause_ns;
}

/* ---- routes ---------------------------------------------------------------------------------- */

static void add_thread(const struct sl_route_stats *stats, struct sl_page_route *sum)
{
	for (int i = 0; i <= SL_STATS_STATUS_MAX - SL_STATS_STATUS_MIN; i++) {
		uint64_t count = load(&stats->by_status[i]);

		sum->requests += count;
		if (i + SL_STATS_STATUS_MIN >= 500)
			sum->errors += count;
	}
	sum->errors += load(&stats->streams_broken);
	sum->tokens += load(&stats->tokens);
	sum->retries += load(&stats->retries);
	sum->fallbacks += load(&stats->fallbacks);
	for (int step = 0; step < SL_STEPS; step++)
		sum->steps[step] += load(&stats->ladder[step]);
	sl_histogram_merge(&sum->ttft_us, &stats->ttft_us);
}

/* What came between two looks, as a histogram of its own; before becomes now. */
static void take_times(struct sl_histogram *before, const struct sl_histogram *now,
		       struct sl_histogram *between)
{
	between->max = now->max;
	between->count = now->count - before->count;
	for (uint32_t i = 0; i < SL_HISTOGRAM_BUCKETS; i++)
		between->buckets[i] = now->buckets[i] - before->buckets[i];
	*before = *now;
}

static void rate(struct sl_page_rates *rates, const struct sl_page_route *before,
		 const struct sl_page_route *now, double seconds)
{
	rates->requests = (double)(now->requests - before->requests) / seconds;
	rates->errors = (double)(now->errors - before->errors) / seconds;
	rates->tokens = (double)(now->tokens - before->tokens) / seconds;
	rates->retries = (double)(now->retries - before->retries) / seconds;
	rates->fallbacks = (double)(now->fallbacks - before->fallbacks) / seconds;
}

static void quantiles(const struct sl_histogram *times, struct sl_page_rates *rates)
{
	rates->ttft_p50_us = sl_histogram_quantile(times, 500);
	rates->ttft_p95_us = sl_histogram_quantile(times, 950);
}

static void add_rates(struct sl_page_rates *all, const struct sl_page_rates *one)
{
	all->requests += one->requests;
	all->errors += one->errors;
	all->tokens += one->tokens;
	all->retries += one->retries;
	all->fallbacks += one->fallbacks;
}

/* The sums of one route; false: nobody has asked it yet. */
static bool sum_route(const struct sl_metrics_source *source, uint32_t i, struct sl_page_route *sum)
{
	bool found = false;

	for (uint32_t k = 0; k < source->worker_count; k++) {
		const struct sl_route_stats *stats =
			__atomic_load_n(&source->workers[k]->stats.routes[i], __ATOMIC_ACQUIRE);

		if (stats)
			add_thread(stats, sum);
		found |= stats != NULL;
	}
	return found;
}

static void look_at_route(struct sl_page_counts *counts, const struct sl_metrics_source *source,
			  uint32_t i, uint64_t now_ns)
{
	struct sl_page_route *before = counts->routes[i], sum = {0};

	if (!sum_route(source, i, &sum))
		return;
	if (!before) {
		before = counts->routes[i] = calloc(1, sizeof(*before));
		if (!before)
			return; /* the next look tries again */
	}
	for (int step = 0; step < SL_STEPS; step++) {
		sum.stepped_ns[step] = before->stepped_ns[step];
		if (sum.steps[step] != before->steps[step])
			sum.stepped_ns[step] = now_ns;
	}
	counts->now = sum.ttft_us;
	take_times(&before->ttft_us, &counts->now, &counts->between);
	if (counts->seconds > 0) {
		rate(&sum.rates, before, &sum, counts->seconds);
		quantiles(&counts->between, &sum.rates);
		add_rates(&counts->all, &sum.rates);
		sl_histogram_merge(&counts->every, &counts->between);
	}
	*before = sum;
}

/* ---- nodes and queues ------------------------------------------------------------------------ */

/* Signals that are nobody's fault count neither way. */
static bool is_failure(uint32_t signal)
{
	switch (signal) {
	case SL_SIGNAL_NONE:
	case SL_SIGNAL_SUCCESS:
	case SL_SIGNAL_BUSY:
	case SL_SIGNAL_CLIENT_ERROR:
	case SL_SIGNAL_CLIENT_GONE:
	case SL_SIGNAL_OPERATOR:
		return false;
	default:
		return true;
	}
}

static void look_at_node(struct sl_page_node *before, const struct sl_node_state *node,
			 double seconds)
{
	struct sl_page_node now = {
		.incarnation = node->incarnation,
		.good = load((const uint64_t *)&node->signals[SL_SIGNAL_SUCCESS]),
	};

	for (uint32_t signal = 0; signal < SL_SIGNAL_COUNT; signal++) {
		if (is_failure(signal))
			now.bad += load((const uint64_t *)&node->signals[signal]);
	}
	if (seconds > 0 && before->incarnation == now.incarnation) {
		now.good_rate = (double)(now.good - before->good) / seconds;
		now.bad_rate = (double)(now.bad - before->bad) / seconds;
	}
	*before = now;
}

uint32_t sl_page_waiting(const struct sl_metrics_source *source, uint32_t pool,
			 uint32_t by_class[SL_QUEUE_CLASSES], uint64_t *ret_estimate_ns,
			 bool *ret_overloaded)
{
	const struct sl_rooms *rooms = source->workers[0]->desk.rooms;
	struct sl_room *room =
		rooms ? __atomic_load_n(&rooms->by_pool[pool], __ATOMIC_ACQUIRE) : NULL;
	uint32_t count = 0;

	if (!room)
		return 0;
	pthread_mutex_lock(&room->lock);
	for (int c = 0; c < SL_QUEUE_CLASSES; c++) {
		count += room->queue.classes[c].count;
		if (by_class)
			by_class[c] = room->queue.classes[c].count;
	}
	if (ret_estimate_ns)
		*ret_estimate_ns = sl_queue_estimate_ns(&room->queue, SL_KEY_CLASS_BATCH, 0);
	if (ret_overloaded)
		*ret_overloaded = room->queue.overloaded;
	pthread_mutex_unlock(&room->lock);
	return count;
}

/* ---- a look ---------------------------------------------------------------------------------- */

static void keep_sample(struct sl_page_counts *counts, const struct sl_metrics_source *source)
{
	struct sl_page_sample *sample = &counts->samples[counts->sample_count++ % SL_PAGE_SAMPLES];

	*sample = (struct sl_page_sample){.wall_ms = sl_clock_wall_ms(), .rates = counts->all};
	for (uint32_t k = 0; k < source->worker_count; k++)
		sample->in_flight += load(&source->workers[k]->stats.in_flight);
	for (uint32_t pool = 1; pool < SL_POOLS_MAX; pool++) {
		if (source->plane->pools[pool].present)
			sample->waiting += sl_page_waiting(source, pool, NULL, NULL, NULL);
	}
}

void sl_page_counts_look(struct sl_page_counts *counts, const struct sl_metrics_source *source)
{
	uint64_t now_ns = sl_clock_ns();
	uint32_t count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);

	counts->seconds = counts->at_ns ? (double)(now_ns - counts->at_ns) / 1e9 : 0;
	counts->at_ns = now_ns;
	counts->all = (struct sl_page_rates){0};
	sl_histogram_reset(&counts->every);
	for (uint32_t i = 0; i < count && i < SL_STATS_ROUTES_MAX; i++)
		look_at_route(counts, source, i, now_ns);
	quantiles(&counts->every, &counts->all);
	for (uint32_t slot = 1; slot < SL_NODES_MAX; slot++) {
		const struct sl_node_state *node = &source->plane->nodes[slot];

		if (__atomic_load_n(&node->admin, __ATOMIC_RELAXED) & SL_NODE_PRESENT)
			look_at_node(&counts->nodes[slot], node, counts->seconds);
	}
	if (counts->seconds > 0)
		keep_sample(counts, source);
	counts->cost_ns = sl_clock_ns() - now_ns;
}
