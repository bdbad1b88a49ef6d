/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * breaker.h - the circuit breaker of one node, shared by both planes.
 *
 * Pure functions over struct sl_node_state and struct sl_pool_state, compiled into the BPF object,
 * the daemon, the command and the simulator. No clock, no randomness, no map access: the caller
 * passes them in. Any number of threads and CPUs may call any function at the same time.
 *
 * The word (sl_node_state.breaker), changed only by compare-and-swap; 0 is closed:
 *
 *   bits 61-63  state         enum sl_breaker_state
 *   bit  60     probe         a half-open probe is in flight
 *   bits 56-59  exponent      open time is open_ms * 2^exponent
 *   bits 52-55  successes     good probes since half-open began
 *   bits 36-51  generation    raised at every change of state and every probe that is let out
 *   bits  0-35  until_ms      modular: open until, probe lost at, no new trip before; see below
 *
 * States and events. A cell is what happens; "-" is nothing but the count of the signal.
 *
 *   event                closed           half-open         open            forced    metrics only
 *   admit                ADMIT            probe free: PROBE due: half-open, REFUSE    ADMIT
 *                                         in flight: REFUSE PROBE; else
 *                                         late: open, exp+1 REFUSE
 *   success, own ticket  row of failures  n-th: closed      -               -         as closed
 *                        ends             else: probe free
 *   failure, own ticket  counted; a rule  open, exp+1       -               -         counted; a rule
 *                        met: open                                                    met: noted
 *   neutral, own ticket  -                probe free        -               -         -
 *   ticket without probe (as above)       -                 -               -         (as above)
 *   another generation   -                -                 -               -         -
 *   metrics_only on      metrics only     admit: metrics    admit: metrics  -         -
 *   metrics_only off     -                -                 -               -         closed
 *   operator: open       forced           forced            forced          -         forced
 *   operator: close      -                closed            closed          closed    -
 *   operator: auto       -                -                 -               open, due -
 *
 * Tickets. admit() hands out generation << 1 | probe, report() takes it back. A report of another
 * generation never changes the state, the window or the row of failures. As every probe has a
 * generation of its own, a second report of one probe is another generation too. 16 bits wrap after
 * 65,536 changes: a straggler would have to be outlived by exactly that many to be taken for new,
 * and even then only as one outcome of a closed breaker.
 *
 * The place. A pool lends out at most cap = max(1, N * percent / 100) places, none where N < 2.
 * sl_node_state.ejected is 1 while the node holds one, sl_pool_state.ejected counts them. Whoever
 * turns `ejected` 0 -> 1 owns the place until it has put the word to open; then the word owns it;
 * whoever takes the word out of open, half-open or forced owns it again and gives it back: count
 * first, `ejected` last, so nobody can take a place twice or give it back twice. A trip raises the
 * count by a swap that holds it within the cap; so it is at any time at least the number of nodes
 * that refuse, and above the cap only by an operator or a configuration. An operator's forced-open
 * takes a place without asking; as long as that leaves the pool over its cap, no node trips, and a
 * node whose probe fails is closed rather than opened again. A process killed within these few
 * instructions leaves its place taken: sl_topology_repair() (user/base/topology.h) finds that.
 *
 * Races of two planes, and who wins:
 *   two trips of one node      one gets `ejected` 0 -> 1, the other sees 1 and leaves
 *   two admissions, both due   one swap wins and carries the probe, the other is refused
 *   probe's result and its     one swap wins; the other side sees a new generation
 *   time-out
 *   result and operator        one swap wins; an operator's order tries again, a result does not
 *   outcome and trip           an outcome that read the old word may still land in the window; its
 *                              own swap fails. The window is emptied before the breaker closes.
 *   trip and a place that is   the trip is denied, or sees the place as taken and leaves; the next
 *   being given back           failure tries again
 *   two failed probes, over    both may close, though one would do; the worse of them trips again
 *   the cap by one
 *   wipe and outcome           the bucket of the current second is left alone by a wipe
 *
 * Time. until_ms is CLOCK_MONOTONIC in ms modulo 2^36 (795 days). "Not yet" means: ahead by at most
 * SL_BREAKER_SPAN_MAX_MS, the longest time any tunable allows. Whatever is in the word, nothing is
 * refused for longer than that but by an operator. (The other end of it: once in 795 days the
 * until_ms of a breaker that stayed closed all the time reads as "not yet", and puts off a trip for
 * a second.)
 *
 * A bucket of the window carries 16 bits of its second, so a stamp comes again after 65,536 s (and
 * in the same bucket after 327,680 s). Therefore sl_node_state.window_s keeps the
 * whole second of the last outcome: the first outcome of a later second empties all the buckets
 * that were skipped.
 *
 * Costs: admit and peek of a closed breaker are one load and a compare. A success is two loads, one
 * swap of a bucket and an atomic add; the window is added up only at failures and slow calls.
 */
#ifndef SL_BPF_BREAKER_H
#define SL_BPF_BREAKER_H

#include "bpf/abi.h"
#include "bpf/breaker_word.h"
#include "bpf/inflight.h"

enum sl_breaker_verdict {
	SL_BREAKER_REFUSE = 0,
	SL_BREAKER_ADMIT = 1,
	SL_BREAKER_ADMIT_PROBE = 2,
};

/* What an operator may order. */
enum sl_breaker_order {
	SL_BREAKER_ORDER_AUTO = 0,  /* an operator's open ends; the node proves itself by probes */
	SL_BREAKER_ORDER_OPEN = 1,  /* refuse until told otherwise, whatever the cap */
	SL_BREAKER_ORDER_CLOSE = 2, /* admit from now on */
};

/* What a call changed; the caller turns it into an event. Always written, all zero for nothing. */
struct sl_breaker_change {
	__u8 changed;	 /* 1: from -> to happened */
	__u8 cap_denied; /* 1: would have opened (again), the ejection cap refused */
	__u8 from;	 /* enum sl_breaker_state */
	__u8 to;
	__u16 generation; /* after the change */
	__u8 would_open;  /* 1: metrics only, and would have opened now */
	__u8 lost;	  /* updates given up after losing every race: counter cas_lost */
	__u8 signal;	  /* enum sl_signal that did it; PROBE_LOST is found here, not by callers */
	__u8 plane;	  /* enum sl_plane */
	__u16 pad;
	__u32 consecutive; /* failures in a row at that moment */
};

/* The window added up: outcomes of the last ten seconds, the current one included. */
struct sl_breaker_window {
	__u32 success; /* in time */
	__u32 failure;
	__u32 slow; /* success, but slow */
};

/* ---- asking -------------------------------------------------------------------------------- */

/*
 * Would admit() let something through? Reads one word, changes nothing. ADMIT_PROBE: admit() may
 * give out a probe (it may also find that the last one was lost, and refuse).
 */
SL_BREAKER_INLINE enum sl_breaker_verdict sl_breaker_peek(const struct sl_node_state *node,
							  __u64 now_ms)
{
	__u64 word = sl_breaker_load(&node->breaker);

	if (word >> 61 == SL_BREAKER_CLOSED || word >> 61 == SL_BREAKER_METRICS_ONLY)
		return SL_BREAKER_ADMIT;
	if (word >> 61 == SL_BREAKER_OPEN || word >> 61 == SL_BREAKER_HALF_OPEN)
		return sl_breaker_wait_ms(word, now_ms) == 0 ? SL_BREAKER_ADMIT_PROBE
							     : SL_BREAKER_REFUSE;
	return SL_BREAKER_REFUSE;
}

/* May this node be chosen for something new? */
SL_BREAKER_INLINE int sl_breaker_available(const struct sl_node_state *node, __u64 now_ms)
{
	__u32 admin = sl_breaker_load32(&node->admin);

	if ((admin & (SL_NODE_PRESENT | SL_NODE_DRAINING)) != SL_NODE_PRESENT)
		return 0;
	return sl_breaker_peek(node, now_ms) != SL_BREAKER_REFUSE;
}

/*
 * The share of its weight that a node may use now, 10..100: grows evenly over slow_start_ms after
 * any recovery. A clock of another CPU that is a moment behind reads as the start.
 */
SL_BREAKER_INLINE __u32 sl_breaker_capacity_percent(const struct sl_node_state *node,
						    __u32 slow_start_ms, __u64 now_ms)
{
	__u64 recovered_ms = sl_breaker_load(&node->recovered_ms);

	if (recovered_ms == 0 || slow_start_ms == 0)
		return 100;
	if (now_ms < recovered_ms)
		return SL_BREAKER_RAMP_MIN;
	if (now_ms - recovered_ms >= slow_start_ms)
		return 100;
	return SL_BREAKER_RAMP_MIN +
	       (__u32)((100u - SL_BREAKER_RAMP_MIN) * (now_ms - recovered_ms) / slow_start_ms);
}

/* Are so few of a pool's nodes available that the breakers are to be overruled? */
SL_BREAKER_INLINE int sl_pool_in_panic(__u32 available, __u32 node_count, __u32 panic_percent)
{
	return (__u64)available * 100u < (__u64)node_count * panic_percent;
}

/* ---- the window ---------------------------------------------------------------------------- */

/*
 * The verifier of 6.1 knows no bound for the result of a modulo, and the compiler, which knows it,
 * would drop the comparison: hence the empty asm.
 */
SL_BREAKER_INLINE __u32 sl_breaker_bucket_index(__u64 second)
{
	__u32 index = (__u32)(second % SL_WINDOW_BUCKETS);

	__asm__ volatile("" : "+r"(index));
	return index < SL_WINDOW_BUCKETS ? index : 0;
}

/* Empties the buckets between the second of the last outcome and this one. One caller wins. */
SL_BREAKER_INLINE void sl_breaker_window_advance(struct sl_node_state *node, __u64 second)
{
	__u64 last = sl_breaker_load(&node->window_s);

	if (second <= last || __sync_val_compare_and_swap(&node->window_s, last, second) != last)
		return;
	for (__u32 i = 1; i <= SL_WINDOW_BUCKETS; i++) {
		__u64 *at = &node->window[sl_breaker_bucket_index(last + i)];
		__u64 bucket = sl_breaker_load(at);

		if (last + i > second)
			return;
		if (bucket >> 48 != (second & 0xffffu))
			(void)__sync_val_compare_and_swap(at, bucket, 0);
	}
}

/* Counts one outcome. Returns 0, or 1 when every race was lost and it is not counted. */
SL_BREAKER_ONCE int sl_breaker_window_add(struct sl_node_state *node, __u64 now_ms, __u32 outcome)
{
	__u64 second = now_ms / 1000u;
	__u32 shift;
	__u64 *at;

	if (!node)
		return 1;
	sl_breaker_window_advance(node, second);
	/* Decided after that loop, or the verifier walks it once for each outcome. */
	__asm__ volatile("" : "+r"(outcome));
	shift = outcome == SL_OUTCOME_SUCCESS ? 32 : outcome == SL_OUTCOME_FAILURE ? 16 : 0;
	at = &node->window[sl_breaker_bucket_index(second)];
	for (int tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		__u64 old = sl_breaker_load(at);
		__u64 next = old;

		if (old >> 48 != (second & 0xffffu))
			next = (second & 0xffffu) << 48;
		if (((next >> shift) & SL_BREAKER_BUCKET_MAX) == SL_BREAKER_BUCKET_MAX)
			return 0;
		next += 1ull << shift;
		if (__sync_val_compare_and_swap(at, old, next) == old)
			return 0;
	}
	return 1;
}

/* Adds up what the ten seconds up to now_ms hold. */
SL_BREAKER_INLINE void sl_breaker_window_sum(const struct sl_node_state *node, __u64 now_ms,
					     struct sl_breaker_window *ret_window)
{
	__u64 second = now_ms / 1000u;
	struct sl_breaker_window sum = {0, 0, 0};

	*ret_window = sum;
	if (second >= sl_breaker_load(&node->window_s) + SL_WINDOW_BUCKETS)
		return;
	for (__u32 i = 0; i < SL_WINDOW_BUCKETS; i++) {
		__u64 bucket = sl_breaker_load(&node->window[i]);

		if (((second - (bucket >> 48)) & 0xffffu) >= SL_WINDOW_BUCKETS)
			continue;
		sum.success += (bucket >> 32) & 0xffffu;
		sum.failure += (bucket >> 16) & 0xffffu;
		sum.slow += bucket & 0xffffu;
	}
	*ret_window = sum;
}

/* Is a rule for opening met? `consecutive` includes the outcome at hand. */
SL_BREAKER_INLINE int sl_breaker_rule_met(const struct sl_node_state *node,
					  const struct sl_breaker_config *config, __u64 now_ms,
					  __u32 consecutive)
{
	struct sl_breaker_window sum;
	__u64 total;

	if (consecutive >= config->consecutive)
		return 1;
	sl_breaker_window_sum(node, now_ms, &sum);
	total = (__u64)sum.success + sum.failure + sum.slow;
	if (total < config->volume)
		return 0;
	if ((__u64)sum.failure * 100u >= total * config->failure_percent)
		return 1;
	return config->slow_percent != 0 && (__u64)sum.slow * 100u >= total * config->slow_percent;
}

/* ---- places and swaps; not for callers ----------------------------------------------------- */

/* The arguments of the call at hand; lives in registers once everything is inlined. */
struct sl_breaker_call {
	struct sl_node_state *node;
	struct sl_pool_state *pool;
	const struct sl_breaker_config *config;
	struct sl_breaker_change *change;
	__u64 now_ms;
	__u32 rnd;
	__u32 signal;
	__u32 plane;
};

/* What asking for a place came to. */
enum sl_breaker_place {
	SL_BREAKER_PLACE_BUSY = 0, /* another thread is at this node's place, or every race lost */
	SL_BREAKER_PLACE_TAKEN = 1,
	SL_BREAKER_PLACE_DENIED = 2, /* the pool has lent out all it may */
};

/*
 * Takes the node's place if that keeps the pool within its cap. The count never rises above the
 * cap here, not even to be undone at once: a failed probe of another node would read the pool as
 * over its cap and close, and with this trip denied nobody would be ejected.
 */
SL_BREAKER_INLINE enum sl_breaker_place sl_breaker_place_ask(const struct sl_breaker_call *call)
{
	enum sl_breaker_place got = SL_BREAKER_PLACE_BUSY;
	__u32 cap = sl_breaker_cap(sl_breaker_load32(&call->pool->node_count),
				   call->config->eject_percent);

	if (__sync_val_compare_and_swap(&call->node->ejected, 0u, 1u) != 0)
		return got;
	for (int tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		__u32 taken = sl_breaker_load32(&call->pool->ejected);

		if ((__s32)taken >= (__s32)cap) {
			got = SL_BREAKER_PLACE_DENIED;
			break;
		}
		if (__sync_val_compare_and_swap(&call->pool->ejected, taken, taken + 1u) == taken)
			return SL_BREAKER_PLACE_TAKEN;
	}
	(void)__sync_lock_test_and_set(&call->node->ejected, 0u);
	if (got == SL_BREAKER_PLACE_BUSY)
		call->change->lost = 1;
	return got;
}

/* Takes the node's place whatever the cap. Returns 0 when another thread is at it. */
SL_BREAKER_INLINE int sl_breaker_place_take(struct sl_node_state *node, struct sl_pool_state *pool)
{
	if (__sync_val_compare_and_swap(&node->ejected, 0u, 1u) != 0)
		return 0;
	__sync_fetch_and_add(&pool->ejected, 1u);
	return 1;
}

/* Gives the place back. A state that was emptied by configuration has none to give. */
SL_BREAKER_INLINE void sl_breaker_place_give(struct sl_node_state *node, struct sl_pool_state *pool)
{
	if (sl_breaker_load32(&node->ejected) == 0)
		return;
	__sync_fetch_and_add(&pool->ejected, ~0u);
	(void)__sync_lock_test_and_set(&node->ejected, 0u);
}

/*
 * Is the pool over its cap (fewer nodes, a lower percentage, an operator's doing)? The count is
 * read as signed: what a killed process left behind must not look like a huge one.
 */
SL_BREAKER_INLINE int sl_breaker_over_cap(const struct sl_breaker_call *call)
{
	__u32 cap = sl_breaker_cap(sl_breaker_load32(&call->pool->node_count),
				   call->config->eject_percent);

	return (__s32)sl_breaker_load32(&call->pool->ejected) > (__s32)cap;
}

/* The edges of the state machine; to itself: probe out and back, and a new until_ms. */
#define SL_BREAKER_EDGE(from, to) \
	(1ull << (SL_BREAKER_##from * SL_BREAKER_STATES + SL_BREAKER_##to))
#define SL_BREAKER_EDGES                                                                \
	(SL_BREAKER_EDGE(CLOSED, CLOSED) | SL_BREAKER_EDGE(CLOSED, OPEN) |              \
	 SL_BREAKER_EDGE(CLOSED, FORCED_OPEN) | SL_BREAKER_EDGE(CLOSED, METRICS_ONLY) | \
	 SL_BREAKER_EDGE(HALF_OPEN, CLOSED) | SL_BREAKER_EDGE(HALF_OPEN, HALF_OPEN) |   \
	 SL_BREAKER_EDGE(HALF_OPEN, OPEN) | SL_BREAKER_EDGE(HALF_OPEN, FORCED_OPEN) |   \
	 SL_BREAKER_EDGE(HALF_OPEN, METRICS_ONLY) | SL_BREAKER_EDGE(OPEN, CLOSED) |     \
	 SL_BREAKER_EDGE(OPEN, HALF_OPEN) | SL_BREAKER_EDGE(OPEN, FORCED_OPEN) |        \
	 SL_BREAKER_EDGE(OPEN, METRICS_ONLY) | SL_BREAKER_EDGE(FORCED_OPEN, CLOSED) |   \
	 SL_BREAKER_EDGE(FORCED_OPEN, OPEN) | SL_BREAKER_EDGE(METRICS_ONLY, CLOSED) |   \
	 SL_BREAKER_EDGE(METRICS_ONLY, FORCED_OPEN) | SL_BREAKER_EDGE(METRICS_ONLY, METRICS_ONLY))

/* Writes down what happened, for the caller and for whoever reads the node. */
SL_BREAKER_INLINE void sl_breaker_note(const struct sl_breaker_call *call, __u64 old, __u64 next)
{
	call->change->from = (__u8)sl_breaker_state(old);
	call->change->to = (__u8)sl_breaker_state(next);
	call->change->generation = (__u16)sl_breaker_generation(next);
	call->change->signal = (__u8)call->signal;
	call->change->plane = (__u8)call->plane;
	call->change->consecutive = sl_breaker_load32(&call->node->consecutive);
}

/* The one place where the word changes. Returns 1 when it did. */
SL_BREAKER_INLINE int sl_breaker_swap(const struct sl_breaker_call *call, __u64 old, __u64 next)
{
	enum sl_breaker_state from = sl_breaker_state(old);
	enum sl_breaker_state to = sl_breaker_state(next);

	if ((SL_BREAKER_EDGES >> ((__u32)from * SL_BREAKER_STATES + (__u32)to) & 1u) == 0)
		return 0;
	if (__sync_val_compare_and_swap(&call->node->breaker, old, next) != old)
		return 0;
	if (from == to)
		return 1;
	sl_breaker_note(call, old, next);
	call->change->changed = 1;
	*(volatile __u64 *)&call->node->changed_ns = call->now_ms * 1000000u;
	*(volatile __u32 *)&call->node->last_signal = call->signal;
	*(volatile __u32 *)&call->node->last_plane = call->plane;
	if (to == SL_BREAKER_OPEN && from != SL_BREAKER_FORCED_OPEN)
		__sync_fetch_and_add(&call->node->trips, 1u);
	return 1;
}

/* Before a breaker closes: no failure of before may count, and the slow start begins. */
SL_BREAKER_INLINE void sl_breaker_forget(struct sl_node_state *node, __u64 now_ms)
{
	for (__u32 i = 0; i < SL_WINDOW_BUCKETS; i++)
		*(volatile __u64 *)&node->window[i] = 0;
	*(volatile __u32 *)&node->consecutive = 0;
	if (sl_breaker_load32(&node->admin) & SL_NODE_RETIRED)
		__sync_fetch_and_and(&node->admin, ~SL_NODE_RETIRED);
	*(volatile __u64 *)&node->recovered_ms = now_ms == 0 ? 1 : now_ms;
}

/* Out of open, half-open or forced-open into `to`, which holds no place. */
SL_BREAKER_INLINE int sl_breaker_leave(const struct sl_breaker_call *call, __u64 word,
				       enum sl_breaker_state to, __u64 until_ms)
{
	sl_breaker_forget(call->node, call->now_ms);
	if (!sl_breaker_swap(call, word,
			     sl_breaker_pack(to, 0, sl_breaker_generation(word) + 1, until_ms)))
		return 0;
	sl_breaker_place_give(call->node, call->pool);
	return 1;
}

/* A probe failed or was lost. Over the cap the node is closed instead of opened again. */
SL_BREAKER_INLINE int sl_breaker_reopen(const struct sl_breaker_call *call, __u64 word)
{
	__u32 generation = sl_breaker_generation(word) + 1;
	__u32 exponent = sl_breaker_exponent(word);

	if (sl_breaker_over_cap(call)) {
		if (!sl_breaker_leave(call, word, SL_BREAKER_CLOSED,
				      call->now_ms + SL_BREAKER_DENIED_MS))
			return 0;
		__sync_fetch_and_add(&call->node->cap_denied, 1u);
		call->change->cap_denied = 1;
		return 1;
	}
	if (exponent < SL_BREAKER_EXPONENT_MAX)
		exponent++;
	return sl_breaker_swap(
		call, word,
		sl_breaker_pack(
			SL_BREAKER_OPEN, exponent, generation,
			call->now_ms + sl_breaker_open_time_ms(call->config, exponent, call->rnd)));
}

/* ---- admission ----------------------------------------------------------------------------- */

/* Lets the next probe out of an open or half-open breaker. Returns 1 when this caller has it. */
SL_BREAKER_INLINE int sl_breaker_probe_take(const struct sl_breaker_call *call, __u64 word,
					    __u32 *ret_ticket)
{
	__u32 exponent = sl_breaker_exponent(word);
	__u64 next =
		sl_breaker_pack(SL_BREAKER_HALF_OPEN, exponent, sl_breaker_generation(word) + 1,
				call->now_ms + call->config->probe_ms);

	next |= SL_BREAKER_PROBE_BIT;
	if (sl_breaker_state(word) == SL_BREAKER_HALF_OPEN)
		next |= sl_breaker_successes(word) * SL_BREAKER_SUCCESS_UNIT;
	if (!sl_breaker_swap(call, word, next))
		return 0;
	*ret_ticket = sl_breaker_ticket(next, 1);
	return 1;
}

/* admit() for every state but closed. */
SL_BREAKER_INLINE enum sl_breaker_verdict sl_breaker_admit_slow(struct sl_breaker_call *call,
								__u32 *ret_ticket)
{
	for (int tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		__u64 word = sl_breaker_load(&call->node->breaker);
		enum sl_breaker_state state = sl_breaker_state(word);

		*ret_ticket = sl_breaker_ticket(word, 0);
		if (state == SL_BREAKER_CLOSED || state == SL_BREAKER_METRICS_ONLY)
			return SL_BREAKER_ADMIT;
		if (state == SL_BREAKER_FORCED_OPEN)
			return SL_BREAKER_REFUSE;
		if (call->config->metrics_only) {
			(void)sl_breaker_leave(call, word, SL_BREAKER_METRICS_ONLY, call->now_ms);
			continue;
		}
		if (sl_breaker_wait_ms(word, call->now_ms) != 0)
			return SL_BREAKER_REFUSE;
		if (!sl_breaker_probe(word)) {
			if (sl_breaker_probe_take(call, word, ret_ticket))
				return SL_BREAKER_ADMIT_PROBE;
			continue;
		}
		call->signal = SL_SIGNAL_PROBE_LOST;
		if (sl_breaker_reopen(call, word))
			__sync_fetch_and_add(&call->node->signals[SL_SIGNAL_PROBE_LOST], 1ull);
	}
	call->change->lost = 1;
	return SL_BREAKER_REFUSE;
}

SL_BREAKER_INLINE void sl_breaker_change_clear(struct sl_breaker_change *change)
{
	struct sl_breaker_change none = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

	*change = none;
}

/*
 * The gate for a new flow or request to this node. Takes the steps whose time has come: an open
 * breaker that is due lets one probe out, a probe past its time-out opens it again.
 * ADMIT and ADMIT_PROBE: send it, and hand *ret_ticket to report() with each outcome. A probe must
 * be reported; if it never is, that counts as a failure after probe_timeout_ms. *ret_ticket is
 * valid with REFUSE too, for a caller that sends all the same because the pool is in panic.
 * `plane` of a change found here is SL_PLANE_UNSET: the caller knows its own.
 */
SL_BREAKER_INLINE enum sl_breaker_verdict
sl_breaker_admit(struct sl_node_state *node, struct sl_pool_state *pool,
		 const struct sl_breaker_config *config, __u64 now_ms, __u32 rnd, __u32 *ret_ticket,
		 struct sl_breaker_change *ret_change)
{
	__u64 word = sl_breaker_load(&node->breaker);
	struct sl_breaker_call call = {
		node, pool, config, ret_change, now_ms, rnd, SL_SIGNAL_NONE, SL_PLANE_UNSET,
	};

	sl_breaker_change_clear(ret_change);
	if (word >> 61 == SL_BREAKER_CLOSED) {
		*ret_ticket = sl_breaker_ticket(word, 0);
		return SL_BREAKER_ADMIT;
	}
	return sl_breaker_admit_slow(&call, ret_ticket);
}

/* ---- outcomes ------------------------------------------------------------------------------ */

/* A rule is met. Closed: take a place and open. Metrics only: note it, once per open time. */
SL_BREAKER_INLINE void sl_breaker_trip(const struct sl_breaker_call *call, __u64 word)
{
	__u32 generation = sl_breaker_generation(word);
	__u64 until_ms = call->now_ms + sl_breaker_open_time_ms(call->config, 0, call->rnd);
	enum sl_breaker_place place;

	if (sl_breaker_state(word) == SL_BREAKER_METRICS_ONLY) {
		if (sl_breaker_ahead_ms(word, call->now_ms, SL_BREAKER_SPAN_MAX_MS) != 0 ||
		    !sl_breaker_swap(
			    call, word,
			    sl_breaker_pack(SL_BREAKER_METRICS_ONLY, 0, generation, until_ms)))
			return;
		sl_breaker_note(call, word, word);
		call->change->would_open = 1;
		__sync_fetch_and_add(&call->node->trips, 1u);
		return;
	}
	if (sl_breaker_ahead_ms(word, call->now_ms, SL_BREAKER_DENIED_MS) != 0)
		return;
	place = sl_breaker_place_ask(call);
	if (place == SL_BREAKER_PLACE_TAKEN &&
	    !sl_breaker_swap(call, word,
			     sl_breaker_pack(SL_BREAKER_OPEN, 0, generation + 1, until_ms)))
		sl_breaker_place_give(call->node, call->pool);
	if (place != SL_BREAKER_PLACE_DENIED)
		return;
	if (!sl_breaker_swap(call, word,
			     sl_breaker_pack(SL_BREAKER_CLOSED, 0, generation,
					     call->now_ms + SL_BREAKER_DENIED_MS)))
		return;
	sl_breaker_note(call, word, word);
	call->change->cap_denied = 1;
	__sync_fetch_and_add(&call->node->cap_denied, 1u);
}

/* The empty asm is there for the same reason as in sl_breaker_bucket_index(). */
SL_BREAKER_INLINE void sl_breaker_count(struct sl_node_state *node, __u32 signal)
{
	if (signal == SL_SIGNAL_NONE)
		return;
	__asm__ volatile("" : "+r"(signal));
	if (signal < SL_SIGNAL_COUNT)
		__sync_fetch_and_add(&node->signals[signal], 1ull);
}

/* An outcome of a closed or metrics-only breaker. */
SL_BREAKER_INLINE void sl_breaker_report_closed(const struct sl_breaker_call *call, __u64 word,
						enum sl_outcome outcome)
{
	enum sl_breaker_state want =
		call->config->metrics_only ? SL_BREAKER_METRICS_ONLY : SL_BREAKER_CLOSED;
	__u32 consecutive = 0;

	if (sl_breaker_state(word) != want) {
		/* The generation stays, so outcomes under way count on. */
		__u64 next = sl_breaker_pack(want, 0, sl_breaker_generation(word), call->now_ms);

		if (!sl_breaker_swap(call, word, next))
			return;
		word = next;
	}
	if (outcome == SL_OUTCOME_NEUTRAL)
		return;
	call->change->lost = (__u8)sl_breaker_window_add(call->node, call->now_ms, outcome);
	if (outcome == SL_OUTCOME_FAILURE)
		consecutive = __sync_fetch_and_add(&call->node->consecutive, 1u) + 1u;
	else if (sl_breaker_load32(&call->node->consecutive) != 0)
		*(volatile __u32 *)&call->node->consecutive = 0;
	if (outcome != SL_OUTCOME_SUCCESS &&
	    sl_breaker_rule_met(call->node, call->config, call->now_ms, consecutive))
		sl_breaker_trip(call, word);
}

/* The outcome of the probe in flight. */
SL_BREAKER_INLINE void sl_breaker_report_probe(struct sl_breaker_call *call, __u64 word,
					       enum sl_outcome outcome)
{
	__u32 successes = sl_breaker_successes(word);

	if (sl_breaker_wait_ms(word, call->now_ms) == 0 && outcome != SL_OUTCOME_FAILURE) {
		/* Too late; the same verdict whether or not somebody looked in the meantime. */
		call->signal = SL_SIGNAL_PROBE_LOST;
		outcome = SL_OUTCOME_FAILURE;
	}
	if (outcome == SL_OUTCOME_SLOW)
		outcome = call->config->slow_percent != 0 ? SL_OUTCOME_FAILURE : SL_OUTCOME_SUCCESS;
	if (outcome == SL_OUTCOME_FAILURE) {
		if (sl_breaker_reopen(call, word) && call->signal == SL_SIGNAL_PROBE_LOST)
			__sync_fetch_and_add(&call->node->signals[SL_SIGNAL_PROBE_LOST], 1ull);
		return;
	}
	if (outcome == SL_OUTCOME_SUCCESS && successes + 1 >= call->config->successes) {
		(void)sl_breaker_leave(call, word, SL_BREAKER_CLOSED, call->now_ms);
		return;
	}
	if (outcome == SL_OUTCOME_SUCCESS && successes < SL_BREAKER_SUCCESSES_MAX)
		successes++;
	(void)sl_breaker_swap(call, word,
			      sl_breaker_pack(SL_BREAKER_HALF_OPEN, sl_breaker_exponent(word),
					      sl_breaker_generation(word), call->now_ms) |
				      successes * SL_BREAKER_SUCCESS_UNIT);
}

/*
 * One outcome of a flow or request that admit() let through with `ticket`. Counts the signal in any
 * case. May be called more than once for one ticket (first token, then a cut stream); a probe's
 * first outcome that is not neutral decides. `plane` is who reports.
 */
SL_BREAKER_INLINE void sl_breaker_report(struct sl_node_state *node, struct sl_pool_state *pool,
					 const struct sl_breaker_config *config, __u64 now_ms,
					 __u32 rnd, __u32 ticket, enum sl_outcome outcome,
					 enum sl_signal signal, enum sl_plane plane,
					 struct sl_breaker_change *ret_change)
{
	__u64 word = sl_breaker_load(&node->breaker);
	enum sl_breaker_state state = sl_breaker_state(word);
	struct sl_breaker_call call = {
		node, pool, config, ret_change, now_ms, rnd, (__u32)signal, (__u32)plane,
	};

	sl_breaker_change_clear(ret_change);
	sl_breaker_count(node, (__u32)signal);
	if (sl_breaker_generation(word) != ticket >> 1)
		return;
	if (state == SL_BREAKER_CLOSED || state == SL_BREAKER_METRICS_ONLY) {
		if ((ticket & 1u) == 0)
			sl_breaker_report_closed(&call, word, outcome);
	} else if (state == SL_BREAKER_HALF_OPEN && (ticket & 1u) != 0 && sl_breaker_probe(word)) {
		sl_breaker_report_probe(&call, word, outcome);
	}
}

/*
 * The node is known to serve nobody (failed health checks, no byte on any stream): opens a closed
 * breaker whatever the rules' counts say, within the ejection cap. Every other state stays: what is
 * open comes back by a probe and by nothing else.
 */
SL_BREAKER_INLINE void sl_breaker_condemn(struct sl_node_state *node, struct sl_pool_state *pool,
					  const struct sl_breaker_config *config, __u64 now_ms,
					  __u32 rnd, enum sl_signal signal, enum sl_plane plane,
					  struct sl_breaker_change *ret_change)
{
	__u64 word = sl_breaker_load(&node->breaker);
	enum sl_breaker_state state = sl_breaker_state(word);
	struct sl_breaker_call call = {
		node, pool, config, ret_change, now_ms, rnd, (__u32)signal, (__u32)plane,
	};

	sl_breaker_change_clear(ret_change);
	sl_breaker_count(node, (__u32)signal);
	if (state == SL_BREAKER_CLOSED || state == SL_BREAKER_METRICS_ONLY)
		sl_breaker_trip(&call, word);
}

/* ---- an operator's orders ------------------------------------------------------------------ */

/* One try of an order. Returns 1 when the breaker is as ordered. */
SL_BREAKER_INLINE int sl_breaker_force_once(const struct sl_breaker_call *call,
					    enum sl_breaker_order to)
{
	__u64 word = sl_breaker_load(&call->node->breaker);
	enum sl_breaker_state state = sl_breaker_state(word);
	int holds = state != SL_BREAKER_CLOSED && state != SL_BREAKER_METRICS_ONLY;
	__u32 generation = sl_breaker_generation(word) + 1;

	if (to == SL_BREAKER_ORDER_CLOSE)
		return !holds || sl_breaker_leave(call, word, SL_BREAKER_CLOSED, call->now_ms);
	if (to == SL_BREAKER_ORDER_AUTO)
		return state != SL_BREAKER_FORCED_OPEN ||
		       sl_breaker_swap(
			       call, word,
			       sl_breaker_pack(SL_BREAKER_OPEN, 0, generation, call->now_ms));
	if (state == SL_BREAKER_FORCED_OPEN)
		return 1;
	if (!holds && !sl_breaker_place_take(call->node, call->pool))
		return 0;
	if (sl_breaker_swap(call, word,
			    sl_breaker_pack(SL_BREAKER_FORCED_OPEN, 0, generation, call->now_ms)))
		return 1;
	if (!holds)
		sl_breaker_place_give(call->node, call->pool);
	return 0;
}

/*
 * An operator's order. AUTO ends a forced open: the node is due for a probe at once and has to
 * prove itself. Returns 1 when the breaker is as ordered (also when it was before), 0 when every
 * race was lost: try again in a moment.
 */
SL_BREAKER_INLINE int sl_breaker_force(struct sl_node_state *node, struct sl_pool_state *pool,
				       enum sl_breaker_order to, __u64 now_ms, enum sl_plane plane,
				       struct sl_breaker_change *ret_change)
{
	struct sl_breaker_call call = {
		node, pool, 0, ret_change, now_ms, 0, SL_SIGNAL_OPERATOR, (__u32)plane,
	};

	sl_breaker_change_clear(ret_change);
	for (int tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		if (!sl_breaker_force_once(&call, to))
			continue;
		if (ret_change->changed)
			__sync_fetch_and_add(&node->signals[SL_SIGNAL_OPERATOR], 1ull);
		return 1;
	}
	ret_change->lost = 1;
	return 0;
}

#endif
