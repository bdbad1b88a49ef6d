/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retry.h - may a request that failed be sent once more?
 *
 * Retries save single requests and kill overloaded pools. So each pool has a budget, shared by all
 * threads, of two numbers:
 *
 *   spent     hundredths of a retry; 0 is a full budget. A retry costs 100, an answered request
 *             gives `earn` back, and `reserve_per_min` trickles in. Above half of `budget` no retry
 *             is made: in a pool that fails as a whole the attempts stay below 1.2 x the requests.
 *             (The scheme is gRPC's retry throttling, proposal A6, which charges failures.)
 *   running   retries under way, those that back off included; at most `concurrent_percent` of the
 *             requests in flight, and never fewer than `concurrent_min`.
 *
 *   verdict    what it means                          what the caller does
 *   SPENT      budget used up                         next pool, or the cause to the client
 *   CROWDED    too many at once                       waits and asks again
 *   CHARGED    go                                     done() afterwards, refund() if not used
 *   MOVED      go, at no cost                         nothing
 *
 * MOVED: the node that failed is out (its breaker refuses, or would but for the ejection cap) and a
 * healthy one is there. The request moves away with the others of a dead node, each once, and the
 * next ones do not meet that node: nothing multiplies. In a pool without a healthy node it does not
 * exist. The first attempt in each pool of a chain is no retry of that pool.
 *
 * Pure but for the words passed in, which any thread may change at the same time. Integers only.
 */
#ifndef SL_POLICY_RETRY_H
#define SL_POLICY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define SL_RETRY_COST 100u /* hundredths */

enum sl_retry_verdict {
	SL_RETRY_SPENT = 0,
	SL_RETRY_CROWDED,
	SL_RETRY_CHARGED,
	SL_RETRY_MOVED,
	SL_RETRY_VERDICTS
};

struct sl_retry_config {
	uint32_t budget; /* retries; 0: no limit at all */
	uint32_t earn;	 /* hundredths of a retry that an answered request gives back */
	uint32_t reserve_per_min;
	uint32_t concurrent_percent;
	uint32_t concurrent_min;
};

/* One pool's. All zero is a full budget. On a cache line of its own: every thread writes it. */
struct sl_retry_budget {
	uint64_t refilled_ms; /* the reserve has been given up to here */
	uint32_t spent;
	uint32_t running;
} __attribute__((aligned(64)));

/*
 * in_flight: attempts of the pool under way, without those that back off. charge false: only the
 * place among the running ones is asked for (a request that waits before its first attempt; a
 * hedge, which has a budget of its own).
 * CHARGED takes a place: give it back with sl_retry_done().
 */
enum sl_retry_verdict sl_retry_take(struct sl_retry_budget *budget,
				    const struct sl_retry_config *config, uint32_t in_flight,
				    bool charge, uint64_t now_ms);
void sl_retry_done(struct sl_retry_budget *budget);

/* Is it spent? A retry that was to be charged would be refused. */
bool sl_retry_is_spent(struct sl_retry_budget *budget, const struct sl_retry_config *config,
		       uint64_t now_ms);

/* The retry that was charged did not take place. Beside sl_retry_done(). */
void sl_retry_refund(struct sl_retry_budget *budget);

/* A request was answered. A full budget costs one load. */
void sl_retry_earn(struct sl_retry_budget *budget, const struct sl_retry_config *config);

/* ---- Retry-After ----------------------------------------------------------------------------- */

/*
 * A node that says Retry-After is left alone until then. One word a node slot: the time above, the
 * low bits of the node's incarnation below, so that another endpoint in the slot inherits nothing.
 */
uint64_t sl_retry_hold_word(uint64_t until_ms, uint32_t incarnation);

/* How long the node is still left alone; 0: it is not. */
uint64_t sl_retry_held_ms(uint64_t word, uint32_t incarnation, uint64_t now_ms);

#endif
