/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * concurrency.h - how many requests a node should have at once, as it shows by itself.
 *
 * A limit a node, shared by all threads, moved once a window (concurrency.window_ms) by additive
 * increase and multiplicative decrease (Chiu and Jain, 1989), and at once by a busy answer:
 *
 *   what was seen                                           the limit
 *   the median gap between tokens is above gap_percent of   mode gap: times target / gap, between
 *     the best that the node has shown                        1/2 and 4/5; not in mode busy
 *   429, or 503 with Retry-After                            times 4/5 of what was in flight
 *   none of these, and the limit was in use                 + 1/16, at least 1; doubled in mode gap
 *                                                             until it is lowered first
 *   the limit was not in use, or the server says that       stays
 *     requests wait in it, which no gap shows
 *
 *   no limit (busy) --busy answer--> limit <--windows--> limit --reaches the highest--> no limit
 *   none yet (gap)  --first request--> SL_CONCURRENCY_INITIAL <--windows--> limit
 *
 * Twice the best gap (gap_percent 200) is where a server whose step takes a + b * n has its best ratio
 * of throughput to latency (Kleinrock's power, 1979): n = a / b.
 *
 * What keeps it steady:
 *   - the median of a window: a long prompt that holds up all streams once is an outlier, and so is a
 *     burst of tokens that a slow client had held up
 *   - lowered once a window at most, and again only after the requests in flight have come below the
 *     limit: streams end when they end
 *   - once lowered it stays below where it failed for SL_CONCURRENCY_HOLD_WINDOWS, then tries more
 *   - the best gap is worth something at the load at which it was measured: when the node is slower
 *     than that at no more load, in a row of windows, what it shows now is its best
 *
 * Tokens in flight (estimated prompt + longest answer) bound a node beside that, where its KV capacity
 * is known: it takes another request while they are below. The one that crosses the bound goes
 * through, or none as large as the bound ever would.
 *
 * A gap costs a load and a store, no lock, no system call; callers give one of several
 * (SL_CONCURRENCY_SAMPLE). Any thread; threads that race lose a gap or a step. Integers only. Pure but
 * for the words passed in.
 */
#ifndef SL_POLICY_CONCURRENCY_H
#define SL_POLICY_CONCURRENCY_H

#include <stdbool.h>
#include <stdint.h>

#define SL_CONCURRENCY_INITIAL	     4u	   /* mode gap: of a node that is new */
#define SL_CONCURRENCY_MAX	     1024u /* highest limit where neither slots nor max are given */
#define SL_CONCURRENCY_HOLD_WINDOWS  16u
#define SL_CONCURRENCY_GAPS_MIN	     16u /* of a window that says something */
#define SL_CONCURRENCY_WAIT_WINDOWS  8u	 /* one with fewer, but any, is prolonged to as many */
#define SL_CONCURRENCY_STALE_WINDOWS 3u	 /* in a row, after which the best gap is replaced */
#define SL_CONCURRENCY_SAMPLE	     8u	 /* one in so many reads of a stream is a gap to note */

/* Gaps from 0.25 ms to 4 s, 8 buckets an octave; shorter and longer ones count as these. */
#define SL_CONCURRENCY_SUB	 8u
#define SL_CONCURRENCY_FIRST_LOG 8u
#define SL_CONCURRENCY_BUCKETS	 (14u * SL_CONCURRENCY_SUB)

enum sl_concurrency_mode {
	SL_CONCURRENCY_OFF = 0,
	SL_CONCURRENCY_BUSY, /* busy answers alone */
	SL_CONCURRENCY_GAP,  /* and the gap between tokens */
};

struct sl_concurrency_config {
	enum sl_concurrency_mode mode;
	uint32_t min; /* at least 1 */
	uint32_t max; /* 0: SL_CONCURRENCY_MAX */
	uint32_t gap_percent;
	uint32_t window_ms;
	uint64_t tokens;  /* that a node takes at once; 0: any */
	bool is_queueing; /* the server says that requests wait in it: nothing grows */
};

/* One node's. All zero: nothing is known. */
struct sl_concurrency {
	/* read for each choice, written once a window */
	uint32_t limit; /* 0: none */
	uint32_t incarnation;
	uint32_t ceiling; /* it failed there; 0: nowhere */
	uint32_t best_us; /* 0: not known */
	uint32_t best_at; /* requests in flight then */
	uint32_t gap_us;  /* median of the last window that had one */
	uint32_t stale;	  /* windows in a row that were slower at no more load */
	bool grows_fast;
	bool settling; /* more in flight than the limit, when the window began */
	uint64_t lowered_ms;
	uint64_t raised, lowered, busy; /* cumulative: windows, windows, answers */
	/* written for each request */
	uint64_t window_ms __attribute__((aligned(64))); /* its start */
	uint64_t tokens;				 /* in flight */
	uint32_t peak;					 /* requests in flight in the window */
	uint32_t was_busy;				 /* in the window */
	/* written for some reads of streams */
	uint32_t gaps[SL_CONCURRENCY_BUCKETS] __attribute__((aligned(64)));
};

/*
 * What the node takes now: the lesser of this limit and the configured one (slots); 0: any. Of
 * another endpoint in the slot nothing is known.
 */
static inline uint32_t sl_concurrency_limit(const struct sl_concurrency *node, uint32_t incarnation,
					    uint32_t slots)
{
	uint32_t limit = __atomic_load_n(&node->limit, __ATOMIC_RELAXED);

	if (!limit || __atomic_load_n(&node->incarnation, __ATOMIC_RELAXED) != incarnation)
		return slots;
	return slots && slots < limit ? slots : limit;
}

/* Has it as many tokens in flight as it takes? */
static inline bool sl_concurrency_is_laden(const struct sl_concurrency *node, uint64_t tokens)
{
	return tokens && __atomic_load_n(&node->tokens, __ATOMIC_RELAXED) >= tokens;
}

/* A request has got a place; in_flight counts it. */
void sl_concurrency_enter(struct sl_concurrency *node, const struct sl_concurrency_config *config,
			  uint32_t incarnation, uint32_t in_flight, uint64_t now_ms);

/* A stream's gap between two tokens. Nothing is moved by it: sl_concurrency_tick(). */
void sl_concurrency_note_gap(struct sl_concurrency *node, uint64_t gap_us);

/*
 * Ends the window if it is over. Returns true when the node takes more from now on. Now and then;
 * one load while the window lasts.
 */
bool sl_concurrency_tick(struct sl_concurrency *node, const struct sl_concurrency_config *config,
			 uint32_t in_flight, uint64_t now_ms);

/* It said that it has too much to do; in_flight counts the request that was told so. */
void sl_concurrency_note_busy(struct sl_concurrency *node,
			      const struct sl_concurrency_config *config, uint32_t incarnation,
			      uint32_t in_flight, uint64_t now_ms);

/* Tokens of a request that is sent, and back when it has ended. */
void sl_concurrency_take_tokens(struct sl_concurrency *node, uint64_t tokens);
void sl_concurrency_give_tokens(struct sl_concurrency *node, uint64_t tokens);

#endif
