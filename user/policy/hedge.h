/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hedge.h - when a request that still waits is sent to a second node as well.
 *
 * One slow node makes the tail of a whole pool's times. A second attempt, made only when the first
 * has taken longer than nearly all others did, cuts it for little extra work (Dean and Barroso, "The
 * tail at scale", 2013). Two questions, answered by what each pool shares between all threads:
 *
 *   when    the percentile of the pool's times to the first token, or to the whole answer, by kind
 *           and by length of prompt: a long prompt must not look like a slow node. Log-linear
 *           histograms (base/latency.h, at most 12.5 % off) that are halved at SL_HEDGE_TIMES_MAX
 *           times and every SL_HEDGE_HALVE_MS, so that the past is forgotten. Never before
 *           `min_ms`, never while fewer than `samples_min` times are known.
 *   whether the budget allows it: hundredths of a hedge in `spent`; 0 is a full budget of `burst`
 *           hedges. A hedge costs 100, every first attempt gives `percent` back. So over time at
 *           most `percent` of the requests are hedged, `burst` more at once.
 *
 *   verdict   no hedge, because
 *   BUDGET    `percent` of the requests were hedged already
 *   RETRIES   the pool's retry budget is used to the half, or too many retries are under way
 *             (retry.h). A hedge takes a place among these, for it loads the pool as they do; it pays
 *             nothing there, or hedges could leave none for a request that fails
 *   PANIC     too few nodes of the pool are well: they have enough to do
 *   NO_NODE   no other node is well
 *   NO_PLACE  those that are have as many requests as they take, or requests wait for one of them in
 *             the pool's queue: a hedge does not overtake who has no answer at all yet
 *   GO        hedge; sl_hedge_done() afterwards, sl_hedge_refund() if it was not sent
 *
 * An attempt that loses is entered with the time it had when it was cancelled. That is too short,
 * but on the right side of the percentile; without it hedging would lower the percentile that it is
 * ruled by.
 *
 * Pure but for the words passed in, which any thread may change at the same time. Integers only.
 */
#ifndef SL_POLICY_HEDGE_H
#define SL_POLICY_HEDGE_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "user/policy/retry.h"

#define SL_HEDGE_COST	   100u /* hundredths */
#define SL_HEDGE_LENGTHS   4u	/* of prompts: below 1,000, 4,000, 16,000 tokens, and longer */
#define SL_HEDGE_CLASSES   (2u * SL_HEDGE_LENGTHS)
#define SL_HEDGE_TIMES_MAX 2048u
#define SL_HEDGE_HALVE_MS  600000u
#define SL_HEDGE_NEVER	   UINT64_MAX

enum sl_hedge_verdict {
	SL_HEDGE_BUDGET = 0,
	SL_HEDGE_RETRIES,
	SL_HEDGE_PANIC,
	SL_HEDGE_NO_NODE,
	SL_HEDGE_NO_PLACE,
	SL_HEDGE_GO,
	SL_HEDGE_VERDICTS
};

struct sl_hedge_config {
	uint32_t percent; /* of first attempts; 0: no hedge at all */
	uint32_t burst;
	uint32_t samples_min;
	struct sl_retry_config retry;
};

/* Of one class. All zero is empty. */
struct sl_hedge_times {
	uint64_t halved_ms;
	uint32_t count;
	uint32_t buckets[SL_LATENCY_BUCKETS];
};

/* One pool's. All zero: no time is known, the budget is full. */
struct sl_hedge_pool {
	uint32_t spent __attribute__((aligned(64))); /* a cache line of its own */
	struct sl_hedge_times times[SL_HEDGE_CLASSES] __attribute__((aligned(64)));
};

/* What the caller sees of the pool now. */
struct sl_hedge_view {
	bool panic;
	bool other; /* a node that is well and was not asked by this request */
	bool place; /* such a one takes one more request, and nobody waits for it */
	uint32_t in_flight;
	uint64_t now_ms;
};

/* Which times a request belongs to. */
uint32_t sl_hedge_class(bool stream, uint64_t prompt_tokens);

/* An attempt took so long: answered, or lost. */
void sl_hedge_note(struct sl_hedge_times *times, uint64_t us, uint64_t now_ms);

/*
 * How long a first attempt is waited for alone, in us: that many thousandths of the others took no
 * longer. SL_HEDGE_NEVER: too few are known.
 */
uint64_t sl_hedge_after_us(const struct sl_hedge_times *times, const struct sl_hedge_config *config,
			   uint32_t per_mille, uint32_t min_ms);

/* A request made its first attempt in the pool. A full budget costs one load. */
void sl_hedge_earn(struct sl_hedge_pool *pool, const struct sl_hedge_config *config);

/* May it be hedged now? GO has paid, and holds a place among the retries. */
enum sl_hedge_verdict sl_hedge_take(struct sl_hedge_pool *pool, struct sl_retry_budget *retries,
				    const struct sl_hedge_config *config,
				    const struct sl_hedge_view *view);
void sl_hedge_done(struct sl_retry_budget *retries);

/* It was not sent after all. Instead of sl_hedge_done(). */
void sl_hedge_refund(struct sl_hedge_pool *pool, struct sl_retry_budget *retries);

/* "no_node", as in metrics. */
const char *sl_hedge_verdict_name(enum sl_hedge_verdict verdict);

#endif
