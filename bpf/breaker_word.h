/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * breaker_word.h - the packed word of a breaker and the numbers that rule it.
 *
 * Accessors and arithmetic without side effects; the layout is drawn at the head of breaker.h,
 * which includes this file and is the one that others include.
 */
#ifndef SL_BPF_BREAKER_WORD_H
#define SL_BPF_BREAKER_WORD_H

#include "bpf/abi.h"

/* All of it is inlined: a BPF subprogram takes five arguments at most. */
#define SL_BREAKER_INLINE static inline __attribute__((always_inline))

/* But for what loops: in a program it is a function that the verifier walks once and by itself, so it
 * takes nothing on trust; inlined, it would be walked again on each of dozens of ways there. */
#ifdef __bpf__
#define SL_BREAKER_ONCE __attribute__((noinline))
#else
#define SL_BREAKER_ONCE SL_BREAKER_INLINE
#endif

#define SL_BREAKER_UNTIL_MASK	 ((1ull << 36) - 1)
#define SL_BREAKER_EXPONENT_MAX	 15u
#define SL_BREAKER_SUCCESSES_MAX 15u
/* The largest maximum of the tunables in ms below, and room for callers whose clocks are apart
 * (a cached time, a thread that was not run for a while). */
#define SL_BREAKER_SPAN_MAX_MS (3600000u + 600000u)
#define SL_BREAKER_DENIED_MS   1000u	 /* a trip that the cap denied is tried again after this */
#define SL_BREAKER_BUCKET_MAX  0xffffull /* counts of a bucket stop here */
#define SL_BREAKER_RAMP_MIN    10u	 /* percent of its capacity a recovered node starts with */

/* The numbers that one decision needs; the caller fills them from its row of the tunables. */
struct sl_breaker_config {
	__u32 consecutive;
	__u32 failure_percent;
	__u32 volume;
	__u32 slow_percent;
	__u32 open_ms;
	__u32 open_max_ms;
	__u32 probe_ms;
	__u32 successes;
	__u32 eject_percent;
	__u32 metrics_only;
};

/* ---- the word ------------------------------------------------------------------------------ */

SL_BREAKER_INLINE __u64 sl_breaker_load(const __u64 *at)
{
	return *(const volatile __u64 *)at;
}

SL_BREAKER_INLINE __u32 sl_breaker_load32(const __u32 *at)
{
	return *(const volatile __u32 *)at;
}

/* A value that is no state reads as forced-open: it refuses, and an operator can end it. */
SL_BREAKER_INLINE enum sl_breaker_state sl_breaker_state(__u64 word)
{
	__u32 state = (__u32)(word >> 61);

	return state < SL_BREAKER_STATES ? (enum sl_breaker_state)state : SL_BREAKER_FORCED_OPEN;
}

SL_BREAKER_INLINE __u32 sl_breaker_probe(__u64 word)
{
	return (word >> 60) & 1u;
}

SL_BREAKER_INLINE __u32 sl_breaker_exponent(__u64 word)
{
	return (word >> 56) & 15u;
}

SL_BREAKER_INLINE __u32 sl_breaker_successes(__u64 word)
{
	return (word >> 52) & 15u;
}

SL_BREAKER_INLINE __u32 sl_breaker_generation(__u64 word)
{
	return (word >> 36) & 0xffffu;
}

SL_BREAKER_INLINE __u64 sl_breaker_until_ms(__u64 word)
{
	return word & SL_BREAKER_UNTIL_MASK;
}

/* A word without probe and successes; or them in. Every value is cut to its field. */
SL_BREAKER_INLINE __u64 sl_breaker_pack(enum sl_breaker_state state, __u32 exponent,
					__u32 generation, __u64 until_ms)
{
	return (__u64)state << 61 | (__u64)(exponent & 15u) << 56 |
	       (__u64)(generation & 0xffffu) << 36 | (until_ms & SL_BREAKER_UNTIL_MASK);
}

#define SL_BREAKER_PROBE_BIT	(1ull << 60)
#define SL_BREAKER_SUCCESS_UNIT (1ull << 52)

SL_BREAKER_INLINE __u32 sl_breaker_ticket(__u64 word, __u32 probe)
{
	return sl_breaker_generation(word) << 1 | probe;
}

/* ms until the word's time comes, 0 when it has (or when it is farther off than span_ms). */
SL_BREAKER_INLINE __u32 sl_breaker_ahead_ms(__u64 word, __u64 now_ms, __u32 span_ms)
{
	__u64 ahead = (sl_breaker_until_ms(word) - now_ms) & SL_BREAKER_UNTIL_MASK;

	return ahead <= span_ms ? (__u32)ahead : 0;
}

/* ms for which an open breaker still refuses, or a probe has left; for showing. */
SL_BREAKER_INLINE __u32 sl_breaker_wait_ms(__u64 word, __u64 now_ms)
{
	enum sl_breaker_state state = sl_breaker_state(word);

	if (state != SL_BREAKER_OPEN && !(state == SL_BREAKER_HALF_OPEN && sl_breaker_probe(word)))
		return 0;
	return sl_breaker_ahead_ms(word, now_ms, SL_BREAKER_SPAN_MAX_MS);
}

/* ---- numbers ------------------------------------------------------------------------------- */

enum sl_tunable_bound {
#define X(id, name, def, min, max, unit, help) \
	SL_TUNABLE_DEFAULT_##id = def, SL_TUNABLE_MIN_##id = min, SL_TUNABLE_MAX_##id = max,
	SL_TUNABLES(X)
#undef X
};

SL_BREAKER_INLINE __u32 sl_breaker_clamp(__u64 value, __u32 min, __u32 max)
{
	return value < min ? min : value > max ? max : (__u32)value;
}

/* Puts every number into its range: `bpftool map update` checks nothing. */
SL_BREAKER_INLINE void sl_breaker_config_clamp(struct sl_breaker_config *config)
{
#define SL_CLAMP(field, id) \
	config->field = sl_breaker_clamp(config->field, SL_TUNABLE_MIN_##id, SL_TUNABLE_MAX_##id)
	SL_CLAMP(consecutive, BREAKER_CONSECUTIVE);
	SL_CLAMP(failure_percent, BREAKER_RATIO);
	SL_CLAMP(volume, BREAKER_VOLUME);
	SL_CLAMP(slow_percent, BREAKER_SLOW_PERCENT);
	SL_CLAMP(open_ms, BREAKER_OPEN_MS);
	SL_CLAMP(open_max_ms, BREAKER_OPEN_MAX_MS);
	SL_CLAMP(probe_ms, BREAKER_PROBE_MS);
	SL_CLAMP(successes, BREAKER_SUCCESSES);
	SL_CLAMP(eject_percent, BREAKER_EJECT_PERCENT);
	SL_CLAMP(metrics_only, BREAKER_MODE);
#undef SL_CLAMP
}

/* Places a pool of node_count may lend out. */
SL_BREAKER_INLINE __u32 sl_breaker_cap(__u32 node_count, __u32 eject_percent)
{
	__u32 cap = (__u32)((__u64)node_count * eject_percent / 100u);

	if (node_count < 2)
		return 0;
	return cap == 0 ? 1 : cap;
}

/*
 * How long an open breaker refuses: base = min(open_ms * 2^exponent, open_max_ms), and of that
 * half for sure and up to another half by rnd ("equal jitter": nodes that failed together are not
 * probed together, and none is probed at once).
 */
SL_BREAKER_INLINE __u32 sl_breaker_open_time_ms(const struct sl_breaker_config *config,
						__u32 exponent, __u32 rnd)
{
	__u64 base = (__u64)config->open_ms << (exponent & SL_BREAKER_EXPONENT_MAX);
	__u32 half;

	if (base > config->open_max_ms)
		base = config->open_max_ms;
	half = (__u32)(base / 2);
	return half == 0 ? 1 : half + rnd % half;
}

#endif
