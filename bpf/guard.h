/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - who may open a flow, and how fast. Asked in step OPEN for a SYN of either lane and for
 * the first datagram, before a node is chosen; never for packets of known flows.
 *
 *   1. `prefixes`, longest match: denied: dropped; allowed: nothing below applies
 *   2. the source's bucket (guard.source_per_s, guard.source_burst), if it has a row; empty:
 *      dropped
 *   3. fast lane, TCP: over guard.pending_per_s unfinished handshakes the source must be proven,
 *      else step COOKIE (cookie.h)
 *   4. a row for a source that has none
 *   5. the service's bucket (guard.service_per_s, guard.service_burst): empty: dropped
 *
 * What is off costs a read of its tunable. Spoofed sources meet step 3 before they can push anybody
 * out of a row or use up the service's bucket. Measured beside a new flow that is not asked: all
 * off 40 ns (20 of them the empty trie), the defaults 90 ns, 10,000 prefixes 15 ns more.
 *
 * Buckets. tick << 32 | tokens * 256, a tick is 2^20 ns; a word of 0 is a full bucket. A refusal
 * writes nothing, so a flood of one source neither moves the line between CPUs nor loses fractions
 * of tokens. Who was silent for SL_BUCKET_FRESH ticks (18 minutes) finds it full, whatever the
 * rate. A taker that loses every race goes through and is counted (cas_lost).
 *
 * Sources. An IPv4 address, or the /64 of an IPv6 one (a host has all of it). A hash under
 * settings.guard_key, which nobody outside knows, gives two possible rows and a tag. Memory is what
 * the array has, whoever comes. Without a row of its own a source takes, of its two:
 *     one that nobody has; else of those not proven the one with the fuller bucket: a full one
 *     says nothing that a missing row would not say, and those whose buckets are empty stay known;
 *     where both are proven: none, and the source is not limited; but who proves itself takes the
 *     one of the older proof.
 * Sources with one tag and one row in common (2^-47 a pair) share their fate.
 *
 * Pending. sl_service_guard.pending holds one second (2^30 ns): its number, the handshakes begun
 * less those finished in it, and whether the second before was over the limit. A handshake begins
 * with a SYN that opens a flow or is answered by a cookie. It ends with the first ACK of the client
 * that acknowledges what the node sent; in the direct-return modes, where that is not seen, with
 * the client's next packet (who spoofs both is bounded by the service's rate and by the node's own
 * SYN cookies). What was begun in one second and ends in the next lowers the next. Every second
 * begins with nothing, so no lost packet and no lost race is carried on for longer.
 */
#ifndef SL_BPF_GUARD_H
#define SL_BPF_GUARD_H

#include "bpf/conn.h"
#include "bpf/select.h"
#include "bpf/siphash.h"
#include "bpf/table.h"

#define SL_BUCKET_TOKEN	  256u
#define SL_BUCKET_FRESH	  (1u << 20)
#define SL_BUCKET_SKEW	  (1u << 16) /* ticks that a word may be ahead of the clock */
#define SL_BUCKET_REFILL  281475ull  /* tokens * 256 of a tick at one token a second, times 2^20 */
#define SL_SECOND_SHIFT	  30u
#define SL_PENDING_OVER	  (1ull << 31)
#define SL_PENDING_COUNT  (SL_PENDING_OVER - 1)
#define SL_SOURCE_UNUSED  (~0ull)
#define SL_SOURCE_UNKNOWN (1ull << 33) /* above any age of a proof */
#define SL_PROOF_SKEW	  64u	       /* ticks */
#define SL_COOKIE_SHIFT	  36u  /* a cookie's time slot is 69 s; this one and the last count */
#define SL_GUESSES_MAX	  256u /* wrong cookies a second and service, see cookie.h */

SL_STATIC_ASSERT((SL_SOURCES_MAX & (SL_SOURCES_MAX - 1)) == 0 && SL_SOURCES_MAX <= 65536,
		 "rows are two parts of 16 bits of a hash");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_source, tag) % 8 == 0, "swapped as one word");

/* ---- buckets ------------------------------------------------------------------------------- */

static __always_inline __u32 guard_tick(__u64 now_ns)
{
	return (__u32)(now_ns >> SL_WAY_STAMP_SHIFT);
}

/*
 * Fills room->limits for `pool`, 0: of a service of the smart lane. Before any of what follows: one
 * call instead of a dozen. Always returns 0.
 */
__attribute__((noinline)) int sl_guard_limits_read(__u32 pool)
{
	struct sl_scratch *room = sl_scratch_row();

	if (!room)
		return 0;
	if (pool >= SL_POOLS_MAX) /* no pool at all: it has no row */
		pool = 0;
	room->limits.fast_lane = SL_TUNABLE_QUICK(pool, FAST_LANE);
	room->limits.pending = SL_TUNABLE_QUICK(pool, GUARD_PENDING);
	room->limits.source_rate = SL_TUNABLE_QUICK(pool, GUARD_SOURCE_RATE);
	room->limits.source_burst = SL_TUNABLE_QUICK(pool, GUARD_SOURCE_BURST);
	room->limits.service_rate = SL_TUNABLE_QUICK(pool, GUARD_SERVICE_RATE);
	room->limits.service_burst = SL_TUNABLE_QUICK(pool, GUARD_SERVICE_BURST);
	room->limits.proven_ms = SL_TUNABLE_QUICK(pool, GUARD_PROVEN_MS);
	return 0;
}

/* What the bucket holds now, in 1/256 tokens. */
static __always_inline __u64 bucket_level(__u64 word, __u32 tick, __u64 rate, __u64 burst)
{
	__u32 ticks = tick - (__u32)(word >> 32);
	__u64 full = burst * SL_BUCKET_TOKEN;
	__u64 level = (__u32)word;

	if (ticks > ~0u - SL_BUCKET_SKEW)
		ticks = 0;
	if (!word || !rate || ticks >= SL_BUCKET_FRESH)
		return full;
	level += (ticks * rate * SL_BUCKET_REFILL) >> 20;
	return level < full ? level : full;
}

/* Takes a token. Returns false when there is none. */
static __always_inline bool bucket_take(__u64 *bucket, __u32 tick, __u64 rate, __u64 burst)
{
	int tries;

	for (tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		__u64 old = SL_LOAD(*bucket);
		__u64 level = bucket_level(old, tick, rate, burst);

		if (level < SL_BUCKET_TOKEN)
			return false;
		if (__sync_val_compare_and_swap(
			    bucket, old, (__u64)tick << 32 | (level - SL_BUCKET_TOKEN)) == old)
			return true;
	}
	sl_count(SL_COUNTER_CAS_LOST);
	return true;
}

/* ---- what goes on in a second -------------------------------------------------------------- */

static __always_inline __u32 guard_second(__u64 now_ns)
{
	return (__u32)(now_ns >> SL_SECOND_SHIFT);
}

/* Is this second over the limit, or was the last one? */
static __always_inline bool pending_over(__u64 word, __u32 second, __u64 limit)
{
	__u32 age = second - (__u32)(word >> 32);

	if ((__s32)age <= 0)
		return (word & SL_PENDING_OVER) || (word & SL_PENDING_COUNT) > limit;
	return age == 1 && (word & SL_PENDING_COUNT) > limit;
}

/* Counts one more. Returns whether that is over the limit. */
static __always_inline bool pending_begin(__u64 *pending, __u32 second, __u64 limit)
{
	__u64 old = SL_LOAD(*pending);
	__u64 next;

	if ((__s32)(second - (__u32)(old >> 32)) > 0) {
		next = (__u64)second << 32 |
		       (pending_over(old, second, limit) ? SL_PENDING_OVER : 0) | 1;
		if (__sync_val_compare_and_swap(pending, old, next) == old)
			return pending_over(next, second, limit);
	}
	return pending_over(__sync_fetch_and_add(pending, 1) + 1, second, limit);
}

static __always_inline void pending_finish(__u64 *pending, __u32 second)
{
	int tries;

	for (tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		__u64 old = SL_LOAD(*pending);

		if ((__s32)(second - (__u32)(old >> 32)) > 0 || !(old & SL_PENDING_COUNT))
			return;
		if (__sync_val_compare_and_swap(pending, old, old - 1) == old)
			return;
	}
}

static __always_inline struct sl_service_guard *service_guard_at(__u32 index)
{
	return bpf_map_lookup_elem(&services_guard, &index);
}

/* ---- sources ------------------------------------------------------------------------------- */

/* sl_source.tag and .proven_tick, which change together. */
union source_owner {
	struct {
		__u32 tag;
		__u32 proven_tick;
	};
	__u64 word;
};

static __always_inline __u64 *source_owner_at(struct sl_source *row)
{
	return (__u64 *)&row->tag;
}

static __always_inline struct sl_source *source_at(__u32 index)
{
	return bpf_map_lookup_elem(&sources, &index);
}

static __always_inline __u32 source_tag(__u64 hash)
{
	return (__u32)(hash >> 32) | 1;
}

static __always_inline __u32 source_place(__u64 hash, bool second)
{
	return (__u32)(second ? hash >> 16 : hash) & (SL_SOURCES_MAX - 1);
}

/*
 * Of the source of room->key. Nobody sees what comes out, so two products under the secret do
 * (hash.h); SipHash would cost six times as much.
 */
static __always_inline __u64 source_hash(const struct sl_scratch *room)
{
	const struct sl_settings *config = sl_settings_row();
	const struct sl_addr *addr = &room->key.src;
	__u64 key[2], sum;

	if (!config)
		return 0;
	key[0] = config->guard_key[0];
	key[1] = config->guard_key[1];
	sum = sl_hash_nh(addr->w[0], addr->w[1], (__u32)key[0], (__u32)(key[0] >> 32));
	if (sl_addr_is_ip4(addr)) /* of IPv6 the /64 alone */
		sum += sl_hash_nh(addr->w[2], addr->w[3], (__u32)key[1], (__u32)(key[1] >> 32));
	return sl_mix64(sum ^ key[1]);
}

/* The source's row, or NULL: it has none. */
static __always_inline struct sl_source *source_find(__u64 hash)
{
	struct sl_source *row = source_at(source_place(hash, false));

	if (row && SL_LOAD(row->tag) == source_tag(hash))
		return row;
	row = source_at(source_place(hash, true));
	return row && SL_LOAD(row->tag) == source_tag(hash) ? row : NULL;
}

/* Loads both rows that the source may have; what for, lane.h says. */
static __always_inline void source_warm(const struct sl_scratch *room)
{
	__u64 hash = source_hash(room);
	struct sl_source *first = source_at(source_place(hash, false));
	struct sl_source *second = source_at(source_place(hash, true));

	if (first && second) {
		(void)SL_LOAD(first->bucket);
		(void)SL_LOAD(second->bucket);
	}
}

/* Does a proof of that tick still count? */
static __always_inline bool proof_counts(__u32 proven_tick, __u32 tick, __u64 proven_ms)
{
	return proven_tick &&
	       tick - proven_tick + SL_PROOF_SKEW <= proven_ms - proven_ms / 22 + SL_PROOF_SKEW;
}

/* How ready a row is for another source: the readier goes. 0: there is no row. */
static __always_inline __u64 source_readiness(struct sl_source *row, __u32 tick,
					      const struct sl_guard_limits *limits)
{
	union source_owner owner;

	if (!row)
		return 0;
	owner.word = SL_LOAD(*source_owner_at(row));
	if (!owner.word)
		return SL_SOURCE_UNUSED;
	if (proof_counts(owner.proven_tick, tick, limits->proven_ms))
		return tick - owner.proven_tick + SL_PROOF_SKEW;
	return SL_SOURCE_UNKNOWN +
	       bucket_level(SL_LOAD(row->bucket), tick, limits->source_rate, limits->source_burst);
}

/*
 * A row for a source that has none, by the rule above; `proven` is 1 when it has just proven
 * itself, else it takes its first token. Always returns 0: where no row is to be had, or another
 * CPU took it, the source is not limited this time.
 */
__attribute__((noinline)) int sl_source_claim(__u64 hash, __u32 proven)
{
	__u32 first = source_place(hash, false), second = source_place(hash, true);
	union source_owner owner = {.tag = source_tag(hash)};
	struct sl_scratch *room = sl_scratch_row();
	__u64 ready, ready_second, old;
	struct sl_source *row;
	__u32 tick;

	if (!room)
		return 0;
	tick = guard_tick(room->now_ns);
	ready = source_readiness(source_at(first), tick, &room->limits);
	ready_second = source_readiness(source_at(second), tick, &room->limits);
	row = source_at(ready_second > ready ? second : first);
	if (ready_second > ready)
		ready = ready_second;
	if (!row || (!proven && ready < SL_SOURCE_UNKNOWN))
		return 0;
	if (proven)
		owner.proven_tick = tick | 1;
	old = SL_LOAD(*source_owner_at(row));
	if (__sync_val_compare_and_swap(source_owner_at(row), old, owner.word) != old)
		return 0;
	SL_STORE(row->bucket, 0);
	if (!proven)
		bucket_take(&row->bucket, tick, room->limits.source_rate,
			    room->limits.source_burst);
	return 0;
}

/* The source answered a cookie. Always returns 0. */
__attribute__((noinline)) int sl_source_prove(__u64 hash)
{
	union source_owner old = {.tag = source_tag(hash)}, owner;
	struct sl_source *row = source_find(hash);

	if (!row) {
		sl_source_claim(hash, 1);
		return 0;
	}
	owner.tag = old.tag;
	owner.proven_tick = guard_tick(sl_now()) | 1;
	old.proven_tick = SL_LOAD(row->proven_tick);
	__sync_val_compare_and_swap(source_owner_at(row), old.word, owner.word);
	return 0;
}

/* ---- cookies ------------------------------------------------------------------------------- */

/* What both forms of a cookie are cut from: of room->key, in time slot `slot`. */
__attribute__((noinline)) __u64 sl_cookie_hash(__u32 slot)
{
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	__u64 words[5], key[2];

	if (!config || !room)
		return 0;
	__builtin_memcpy(words, &room->key, 4 * sizeof(words[0])); /* both addresses */
	words[4] = (__u64)room->key.sport << 48 | (__u64)room->key.dport << 32 | slot;
	key[0] = config->guard_key[0];
	key[1] = config->guard_key[1];
	return sl_siphash24(words, 5, key);
}

/* The acknowledgment number that answers a SYN of sequence number `seq`; see cookie.h. */
static __always_inline __u32 cookie_make(__u64 hash, __u32 seq, bool far)
{
	__u32 cookie = (__u32)hash;

	if (far && cookie - seq - 1 > 0xffff)
		return cookie;
	cookie = (seq & 0xffff0000) | (__u32)(hash >> 48);
	return (__s32)(cookie - seq) > 0 ? cookie - 0x10000 : cookie;
}

static __always_inline bool cookie_is(__u32 seq, __u64 hash, bool near)
{
	return seq == (__u32)hash || (near && (seq & 0xffff) == (__u32)(hash >> 48));
}

static __always_inline void cookie_prepare(struct sl_scratch *room, struct sl_service_guard *guard,
					   __u64 now_ns)
{
	bool far = pending_over(SL_LOAD(guard->guesses), guard_second(now_ns), SL_GUESSES_MAX);

	room->handover.cookie = cookie_make(sl_cookie_hash((__u32)(now_ns >> SL_COOKIE_SHIFT)),
					    room->handover.seq, far);
	__sync_fetch_and_add(&guard->cookies, 1);
}

/*
 * A RST of no known flow: is it a cookie that comes back? Then its source is proven. Asked only
 * while its service demands proof. Returns 1 when it is.
 */
__attribute__((noinline)) int sl_guard_prove(void)
{
	struct sl_scratch *room = sl_scratch_row();
	__u64 now_ns = sl_now();
	__u32 second = guard_second(now_ns), slot = (__u32)(now_ns >> SL_COOKIE_SHIFT);
	struct sl_service_guard *guard;
	struct sl_service *service;
	__u64 limit;
	bool near;

	service = room ? sl_service_of(&room->key) : NULL;
	if (!service || service->lane != SL_LANE_FAST)
		return 0;
	guard = service_guard_at(service->index);
	sl_guard_limits_read(service->pool);
	limit = room->limits.pending;
	if (!guard || !limit || !pending_over(SL_LOAD(guard->pending), second, limit))
		return 0;
	near = !pending_over(SL_LOAD(guard->guesses), second, SL_GUESSES_MAX);
	if (!cookie_is(room->handover.seq, sl_cookie_hash(slot), near) &&
	    !cookie_is(room->handover.seq, sl_cookie_hash(slot - 1), near)) {
		pending_begin(&guard->guesses, second, SL_GUESSES_MAX);
		return 0;
	}
	sl_source_prove(source_hash(room));
	pending_finish(&guard->pending, second);
	__sync_fetch_and_add(&guard->proven, 1);
	return 1;
}

/* ---- the question -------------------------------------------------------------------------- */

/* enum sl_prefix_rule of the source of room->key. */
static __always_inline __u32 guard_rule(const struct sl_scratch *room)
{
	struct sl_prefix prefix = {.bits = 128};
	__u32 *value;

	prefix.addr = room->key.src;
	value = bpf_map_lookup_elem(&prefixes, &prefix);
	return value ? *value & SL_PREFIX_RULE : SL_PREFIX_UNSET;
}

/* Step 3. Returns true when the source must answer a cookie first. */
static __always_inline bool guard_demands(const struct sl_scratch *room,
					  struct sl_service_guard *guard, struct sl_source *row,
					  __u64 limit, __u64 now_ns)
{
	if (!pending_begin(&guard->pending, guard_second(now_ns), limit))
		return false;
	if (!row) /* where sources have no rate, it was not looked for */
		row = source_find(source_hash(room));
	return !row ||
	       !proof_counts(SL_LOAD(row->proven_tick), guard_tick(now_ns), room->limits.proven_ms);
}

/* Steps 2 to 5. */
static __always_inline __u32 guard_rates(struct sl_scratch *room, struct sl_service_guard *guard,
					 __u32 pool)
{
	__u64 limit = pool && room->handover.is_syn ? room->limits.pending : 0;
	__u64 rate = room->limits.source_rate;
	__u64 service_rate = room->limits.service_rate;
	struct sl_source *row = NULL;
	__u64 hash = 0, now_ns;

	if (!(limit | rate | service_rate))
		return 0;
	now_ns = room->now_ns;
	if (rate) {
		hash = source_hash(room);
		row = source_find(hash);
	}
	if (row && !bucket_take(&row->bucket, guard_tick(now_ns), rate, room->limits.source_burst))
		return SL_COUNTER_DROP_RATE_SOURCE;
	if (limit && guard_demands(room, guard, row, limit, now_ns)) {
		cookie_prepare(room, guard, now_ns);
		return SL_COUNTER_DROP_COOKIE;
	}
	if (rate && !row)
		sl_source_claim(hash, 0);
	if (service_rate && !bucket_take(&guard->bucket, guard_tick(now_ns), service_rate,
					 room->limits.service_burst))
		return SL_COUNTER_DROP_RATE_SERVICE;
	return 0;
}

/*
 * May room->key open a flow to service handover.service, whose pool this is (0: smart lane)? The
 * pool's limits are in room->limits.
 * Returns 0, or the counter of the reason why not; for DROP_COOKIE handover.cookie is what to
 * answer.
 */
__attribute__((noinline)) __u32 sl_guard_ask(__u32 pool)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_service_guard *guard;
	__u32 rule, reason;

	if (!room)
		return 0;
	rule = guard_rule(room);
	if (rule == SL_PREFIX_DENY)
		return SL_COUNTER_DROP_DENIED;
	guard = service_guard_at(room->handover.service);
	if (rule == SL_PREFIX_ALLOW || !guard)
		return 0;
	reason = guard_rates(room, guard, pool);
	if (reason && reason != SL_COUNTER_DROP_COOKIE)
		__sync_fetch_and_add(&guard->limited, 1);
	return reason;
}

/* ---- the end of a handshake ---------------------------------------------------------------- */

/*
 * Does this packet of the client end its handshake? True once for a connection. What has ended it
 * costs one test of a byte that the packet path has at hand.
 */
static __always_inline bool sl_guard_ends(struct sl_conn *conn, const struct sl_segment *segment,
					  enum sl_view view)
{
	if (conn->reported & SL_CONN_FINISHED)
		return false;
	if (conn->state == SL_TCP_SYN_SENT || conn->state == SL_TCP_UDP ||
	    (segment->flags & (SL_TCPF_ACK | SL_TCPF_SYN | SL_TCPF_RST)) != SL_TCPF_ACK)
		return false;
	if (view == SL_VIEW_LANE && !seq_in_window(conn->node_seq, segment->ack))
		return false;
	conn->reported |= SL_CONN_FINISHED;
	return true;
}

/* Tells the service of the flow at `index` that a handshake has ended. Always returns 0. */
__attribute__((noinline)) int sl_guard_finish(__u32 index)
{
	struct sl_flow *flow = sl_flow_at(index);
	struct sl_service_guard *guard;
	struct sl_endpoint vip = {};
	struct sl_service *service;

	if (!flow)
		return 0;
	vip.addr = flow->vip;
	vip.port = flow->vip_port;
	vip.proto = flow->proto;
	service = bpf_map_lookup_elem(&services, &vip);
	guard = service ? service_guard_at(service->index) : NULL;
	if (guard)
		pending_finish(&guard->pending, guard_second(sl_now()));
	return 0;
}

#endif
