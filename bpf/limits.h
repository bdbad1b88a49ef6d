/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limits.h - every maximum that both planes share, and the table of tunables.
 *
 * A limit is fixed at build time and sizes a map or a loop. A tunable is a number that an operator
 * may change while packets flow: `sluice tune NAME=VALUE`, or
 *
 *   bpftool map update pinned /sys/fs/bpf/sluice/v1/tunables key KEY 0 0 0 value V 0 0 0 0 0 0 0
 *
 * docs/tunables.md is generated from SL_TUNABLES.
 */
#ifndef SL_BPF_LIMITS_H
#define SL_BPF_LIMITS_H

#define SL_NODES_MAX	     4096u /* slots of the `nodes` map; slot 0 is never used */
#define SL_POOLS_MAX	     256u  /* slots of the `pools` map; slot 0 is never used */
#define SL_POOL_NODES_MAX    4096u /* nodes in one pool */
#define SL_SERVICES_MAX	     512u
#define SL_FLOWS_MAX_DEFAULT 262144u /* entries of the flow table; `sluice up` may resize */
#define SL_MAGLEV_SIZE_MAX   65537u  /* largest lookup table (prime) */
#define SL_CPUS_MAX	     256u
#define SL_EVENT_RING_BYTES  (256u * 1024u)
#define SL_TUNABLE_KEYS	     64u /* keys a row; row 0 is global, row P is pool P */
#define SL_VLAN_DEPTH_MAX    2
#define SL_CHOICES_MAX	     64	   /* Maglev entries walked past refusing nodes for one new flow */
#define SL_NAT_TRIES_MAX     32	   /* source ports tried for one new flow */
#define SL_DEVICES_MAX	     1024u /* VLAN devices that the kernel plane can send through */
#define SL_CAS_TRIES_MAX     8	   /* compare-and-swap attempts before a lost race is counted */

/* A pool's row holds this where the global row's value counts. */
#define SL_TUNABLE_INHERIT (~0ull)

/*
 * X(ID, name, default, min, max, unit, what it does and what is right for it)
 * The order is ABI: the position is the map key. Append only.
 */
#define SL_TUNABLES(X)                                                                      \
	X(BREAKER_CONSECUTIVE, "breaker.consecutive_failures", 5, 1, 1000, "failures",      \
	  "failures in a row that open the breaker of a node")                              \
	X(BREAKER_RATIO, "breaker.failure_percent", 50, 1, 100, "percent",                  \
	  "share of failures in the window that opens the breaker")                         \
	X(BREAKER_VOLUME, "breaker.minimum_outcomes", 20, 1, 100000, "outcomes",            \
	  "outcomes the window must hold before a share counts")                            \
	X(BREAKER_SLOW_PERCENT, "breaker.slow_percent", 0, 0, 100, "percent",               \
	  "share of slow calls in the window that opens the breaker; 0 is off")             \
	X(BREAKER_OPEN_MS, "breaker.open_ms", 5000, 10, 600000, "ms",                       \
	  "first open time; doubles at each failed probe, with equal jitter")               \
	X(BREAKER_OPEN_MAX_MS, "breaker.open_max_ms", 120000, 10, 3600000, "ms",            \
	  "longest open time")                                                              \
	X(BREAKER_PROBE_MS, "breaker.probe_timeout_ms", 10000, 10, 600000, "ms",            \
	  "a half-open probe without an outcome by then is a failure")                      \
	X(BREAKER_SUCCESSES, "breaker.half_open_successes", 3, 1, 15, "successes",          \
	  "probes in a row that close the breaker")                                         \
	X(BREAKER_EJECT_PERCENT, "breaker.ejection_percent", 50, 0, 100, "percent",         \
	  "largest share of a pool that may be ejected (at least one node of two or more)") \
	X(BREAKER_MODE, "breaker.mode", 0, 0, 1, "enum",                                    \
	  "0: trip and block; 1: only measure what would have been done")                   \
	X(PANIC_PERCENT, "pool.panic_percent", 30, 0, 100, "percent",                       \
	  "below this share of available nodes the pool routes to the least bad ones")      \
	X(SLOW_START_MS, "pool.slow_start_ms", 10000, 0, 600000, "ms",                      \
	  "time over which a recovered node regains its full weight")                       \
	X(CONNECT_SLOW_US, "signal.connect_slow_us", 1000000, 100, 60000000, "us",          \
	  "a connect slower than this counts as slow")                                      \
	X(FIRST_BYTE_SLOW_US, "signal.first_byte_slow_us", 30000000, 100, 600000000, "us",  \
	  "a first byte later than this counts as slow")                                    \
	X(SYN_RETRANS, "signal.syn_retransmissions", 1, 1, 10, "packets",                   \
	  "unanswered repeats of one SYN that count as a failed connect")                   \
	X(STALL_MS, "signal.stall_ms", 30000, 100, 3600000, "ms",                           \
	  "no byte from a node with requests waiting for this long is a failure")           \
	X(FLOW_IDLE_MS, "flow.idle_ms", 300000, 1000, 86400000, "ms",                       \
	  "an established flow without a packet for this long is forgotten")                \
	X(FLOW_CLOSING_MS, "flow.closing_ms", 10000, 1000, 600000, "ms",                    \
	  "a flow that saw FIN or RST is forgotten after this")                             \
	X(FAST_LANE, "fast_lane.enabled", 1, 0, 1, "bool",                                  \
	  "0 passes packets of fast services to the local stack")

#endif
