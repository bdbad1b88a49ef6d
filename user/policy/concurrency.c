/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/concurrency.h"

#define LOWER_MOST_PERCENT  50u /* at one step, at most and at least */
#define LOWER_LEAST_PERCENT 80u
#define GROW_SHARE	    16u /* grows by this part of itself */
#define USED_SHARE	    8u	/* in use: all but this part of it */

#define LOAD(field)	    __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)

/* Threads' clocks may differ by a turn. */
static uint64_t since_ms(uint64_t then_ms, uint64_t now_ms)
{
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

static uint32_t highest_of(const struct sl_concurrency_config *config)
{
	return config->max ? config->max : SL_CONCURRENCY_MAX;
}

/* ---- gaps ------------------------------------------------------------------------------------ */

static uint32_t bucket_of(uint64_t gap_us)
{
	uint32_t log, sub;

	if (gap_us < 1u << SL_CONCURRENCY_FIRST_LOG)
		return 0;
	log = 63u - (uint32_t)__builtin_clzll(gap_us);
	sub = (uint32_t)(gap_us >> (log - 3)) & (SL_CONCURRENCY_SUB - 1);
	log = (log - SL_CONCURRENCY_FIRST_LOG) * SL_CONCURRENCY_SUB + sub;
	return log < SL_CONCURRENCY_BUCKETS ? log : SL_CONCURRENCY_BUCKETS - 1;
}

/* Where the bucket begins, and how wide it is. */
static uint32_t start_of(uint32_t bucket, uint32_t *ret_width)
{
	uint32_t log = bucket / SL_CONCURRENCY_SUB + SL_CONCURRENCY_FIRST_LOG;
	uint32_t sub = bucket % SL_CONCURRENCY_SUB;

	*ret_width = 1u << (log - 3);
	return (1u << log) + sub * *ret_width;
}

void sl_concurrency_note_gap(struct sl_concurrency *node, uint64_t gap_us)
{
	uint32_t *count = &node->gaps[bucket_of(gap_us)];

	STORE(*count, LOAD(*count) + 1);
}

/* Their median, and how many there are; the bucket's gaps are taken as evenly spread in it. */
static uint32_t median_of(const struct sl_concurrency *node, uint32_t *ret_count)
{
	uint32_t counts[SL_CONCURRENCY_BUCKETS];
	uint32_t i, count = 0, before = 0, start, width;

	for (i = 0; i < SL_CONCURRENCY_BUCKETS; i++) {
		counts[i] = LOAD(node->gaps[i]);
		count += counts[i];
	}
	*ret_count = count;
	if (!count)
		return 0;
	for (i = 0; (before + counts[i]) * 2 < count; i++)
		before += counts[i];
	start = start_of(i, &width);
	return start + (uint32_t)((uint64_t)width * (count - 2 * before) / (2 * counts[i]));
}

static void forget_gaps(struct sl_concurrency *node)
{
	uint32_t i;

	for (i = 0; i < SL_CONCURRENCY_BUCKETS; i++)
		STORE(node->gaps[i], 0);
}

/* The best gap is one at a load: at no more load the node has to be as fast. */
static void note_best(struct sl_concurrency *node, const struct sl_concurrency_config *config,
		      uint32_t gap_us, uint32_t used)
{
	uint32_t limit = LOAD(node->limit);

	if (node->best_us && gap_us > node->best_us) {
		if (used > node->best_at + node->best_at / 4 && limit > config->min) {
			node->stale = 0;
			return;
		}
		if (++node->stale < SL_CONCURRENCY_STALE_WINDOWS)
			return;
		if (config->mode == SL_CONCURRENCY_GAP &&
		    gap_us > node->best_us + node->best_us / 4) {
			STORE(node->grows_fast, true);
			STORE(node->ceiling, 0); /* that was seen by another measure */
		}
	} else if (gap_us < node->best_us / 2) {
		gap_us = node->best_us / 2; /* one window alone does not make it that good */
	}
	STORE(node->best_us, gap_us);
	STORE(node->best_at, used);
	node->stale = 0;
}

/* ---- the limit ------------------------------------------------------------------------------- */

static void lower(struct sl_concurrency *node, const struct sl_concurrency_config *config,
		  uint32_t from, uint32_t percent, uint64_t now_ms)
{
	uint32_t to = (uint32_t)((uint64_t)from * percent / 100);

	if (to < config->min)
		to = config->min;
	STORE(node->lowered_ms, now_ms);
	STORE(node->ceiling, from > to ? from : 0);
	STORE(node->grows_fast, false);
	STORE(node->limit, to);
	STORE(node->lowered, LOAD(node->lowered) + 1);
}

/* Returns true when it has grown. */
static bool grow(struct sl_concurrency *node, const struct sl_concurrency_config *config,
		 uint32_t used, uint64_t now_ms)
{
	uint32_t limit = LOAD(node->limit), ceiling = LOAD(node->ceiling), to;
	uint32_t step = LOAD(node->grows_fast) ? limit : limit / GROW_SHARE;
	uint64_t held_ms = (uint64_t)config->window_ms * SL_CONCURRENCY_HOLD_WINDOWS;

	if (!limit || config->is_queueing || used < limit - limit / USED_SHARE)
		return false;
	to = limit + (step ? step : 1);
	if (ceiling && to >= ceiling) {
		if (since_ms(LOAD(node->lowered_ms), now_ms) < held_ms)
			to = ceiling - 1;
		else
			STORE(node->ceiling, 0);
	}
	if (to >= highest_of(config)) {
		to = highest_of(config);
		if (config->mode == SL_CONCURRENCY_BUSY)
			to = 0;
	}
	if (to && to <= limit)
		return false;
	STORE(node->limit, to);
	STORE(node->raised, LOAD(node->raised) + 1);
	return true;
}

/* More than what a race for the last place, or a limit lowered by one, leaves in flight. */
static bool is_over(uint32_t limit, uint32_t in_flight)
{
	return limit && in_flight > limit + limit / USED_SHARE;
}

/* A window is over: what does it say? used: the most in flight in it. gap_us 0: it had none. */
static bool judge(struct sl_concurrency *node, const struct sl_concurrency_config *config,
		  uint32_t used, uint32_t gap_us, uint64_t now_ms)
{
	uint32_t limit = LOAD(node->limit), from = limit && limit < used ? limit : used;
	uint64_t target_us, percent;

	if (gap_us) {
		STORE(node->gap_us, gap_us);
		note_best(node, config, gap_us, used);
	}
	target_us = (uint64_t)node->best_us * config->gap_percent / 100;
	if (gap_us > target_us && config->mode == SL_CONCURRENCY_GAP) {
		percent = target_us * 100 / gap_us;
		if (percent > LOWER_LEAST_PERCENT)
			percent = LOWER_LEAST_PERCENT;
		if (percent < LOWER_MOST_PERCENT)
			percent = LOWER_MOST_PERCENT;
		if (since_ms(LOAD(node->lowered_ms), now_ms) >= config->window_ms)
			lower(node, config, from, (uint32_t)percent, now_ms);
		return false;
	}
	if (LOAD(node->was_busy))
		return false;
	return grow(node, config, used, now_ms);
}

/* What is known of the endpoint that had the slot before is void. Its tokens go as its requests end. */
static void begin(struct sl_concurrency *node, const struct sl_concurrency_config *config,
		  uint32_t incarnation, uint64_t now_ms)
{
	uint32_t known = LOAD(node->incarnation);

	if (known == incarnation ||
	    !__atomic_compare_exchange_n(&node->incarnation, &known, incarnation, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	STORE(node->limit, 0);
	STORE(node->ceiling, 0);
	STORE(node->best_us, 0);
	STORE(node->best_at, 0);
	STORE(node->gap_us, 0);
	STORE(node->lowered_ms, 0);
	STORE(node->grows_fast, config->mode == SL_CONCURRENCY_GAP);
	node->stale = 0;
	node->settling = false;
	forget_gaps(node);
	STORE(node->window_ms, now_ms);
}

/* A mode that begins with a limit has none yet, or had none under another mode. */
static void limit_first(struct sl_concurrency *node, const struct sl_concurrency_config *config)
{
	uint32_t first = SL_CONCURRENCY_INITIAL, highest = highest_of(config);

	if (config->mode != SL_CONCURRENCY_GAP || LOAD(node->limit))
		return;
	if (first < config->min)
		first = config->min;
	STORE(node->limit, first < highest ? first : highest);
}

void sl_concurrency_enter(struct sl_concurrency *node, const struct sl_concurrency_config *config,
			  uint32_t incarnation, uint32_t in_flight, uint64_t now_ms)
{
	begin(node, config, incarnation, now_ms);
	limit_first(node, config);
	if (LOAD(node->peak) < in_flight)
		STORE(node->peak, in_flight);
	sl_concurrency_tick(node, config, in_flight, now_ms);
}

bool sl_concurrency_tick(struct sl_concurrency *node, const struct sl_concurrency_config *config,
			 uint32_t in_flight, uint64_t now_ms)
{
	uint64_t start_ms = LOAD(node->window_ms);
	uint32_t gap_us, count, used = LOAD(node->peak);
	bool over, grown = false;

	if (now_ms < start_ms + config->window_ms)
		return false;
	gap_us = median_of(node, &count);
	if (count && count < SL_CONCURRENCY_GAPS_MIN &&
	    now_ms < start_ms + (uint64_t)config->window_ms * SL_CONCURRENCY_WAIT_WINDOWS)
		return false;
	if (!__atomic_compare_exchange_n(&node->window_ms, &start_ms, now_ms, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	if (used < in_flight)
		used = in_flight;
	over = is_over(LOAD(node->limit), in_flight);
	if (!over && !node->settling)
		grown = judge(node, config, used, count >= SL_CONCURRENCY_GAPS_MIN ? gap_us : 0,
			      now_ms);
	node->settling = over || is_over(LOAD(node->limit), in_flight);
	forget_gaps(node);
	STORE(node->peak, in_flight);
	STORE(node->was_busy, 0);
	return grown;
}

void sl_concurrency_note_busy(struct sl_concurrency *node,
			      const struct sl_concurrency_config *config, uint32_t incarnation,
			      uint32_t in_flight, uint64_t now_ms)
{
	uint32_t limit;
	uint64_t lowered_ms;

	begin(node, config, incarnation, now_ms);
	STORE(node->was_busy, 1);
	STORE(node->busy, LOAD(node->busy) + 1);
	limit = LOAD(node->limit);
	lowered_ms = LOAD(node->lowered_ms);
	if (since_ms(lowered_ms, now_ms) < config->window_ms || is_over(limit, in_flight))
		return;
	if (!__atomic_compare_exchange_n(&node->lowered_ms, &lowered_ms, now_ms, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	lower(node, config, limit && limit < in_flight ? limit : in_flight, LOWER_LEAST_PERCENT,
	      now_ms);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

void sl_concurrency_take_tokens(struct sl_concurrency *node, uint64_t tokens)
{
	__atomic_fetch_add(&node->tokens, tokens, __ATOMIC_RELAXED);
}

void sl_concurrency_give_tokens(struct sl_concurrency *node, uint64_t tokens)
{
	__atomic_fetch_sub(&node->tokens, tokens, __ATOMIC_RELAXED);
}
