/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limits.h - every maximum that both planes share, and the table of tunables.
 *
 * A limit is fixed at build time and sizes a map or a loop. A tunable is a number that an operator
 * may change while packets flow: `sluice tune NAME=VALUE`, or
 *
 *   bpftool map update pinned /sys/fs/bpf/sluice/v2/tunables key KEY 0 0 0 value V 0 0 0 0 0 0 0
 *
 * docs/tunables.md is generated from SL_TUNABLES.
 */
#ifndef SL_BPF_LIMITS_H
#define SL_BPF_LIMITS_H

#define SL_NODES_MAX	     4096u /* slots of the `nodes` map; slot 0 is never used */
#define SL_POOLS_MAX	     256u  /* slots of the `pools` map; slot 0 is never used */
#define SL_POOL_NODES_MAX    4096u /* nodes in one pool */
#define SL_ENDPOINTS_MAX     8192u /* entries of `endpoints`: a node's TCP and its UDP one */
#define SL_SERVICES_MAX	     512u
#define SL_FLOWS_MAX_DEFAULT 262144u /* flows in the table; `sluice up` may resize */
#define SL_FLOWS_MAX	     16777216u
/* Sets of eight for this many flows: at five of eight hardly any flow finds both its sets full. */
#define SL_FLOW_SETS(flows)  ((flows) / 5u + 1u)
#define SL_CONNS_MAX_DEFAULT 65536u /* connections of the local stack to nodes */
#define SL_HOPS_MAX	     256u   /* next hops kept; a number is one byte; a power of two */
#define SL_SYNS_MAX	     16384u /* SYNs kept for a retry at the same time */
#define SL_SOURCES_MAX	     65536u /* rows of the guard's source buckets */
#define SL_PREFIXES_MAX	     16384u /* of the allow and deny lists */
#define SL_SERVER_IDS_MAX    65536u /* QUIC server ids */
#define SL_BEACON_KEYS_MAX   2u	    /* active at once, so that one can be rotated */
#define SL_RETRIES_MAX	     7	    /* nodes that one SYN may try after the first */
#define SL_ANSWERS_MAX	     1000u  /* ICMP errors of our own a second and CPU */
#define SL_QUOTE4_MAX	     548u   /* bytes that they quote: 576 in all (RFC 1812, 4.3.2.3) */
#define SL_QUOTE6_MAX	     1232u  /* 1,280 in all (RFC 4443, 2.4) */
#define SL_TRACE_RING_BYTES  (1024u * 1024u)
#define SL_CHAOS_MAX	     16u    /* experiments at once; bits of settings.chaos */
#define SL_LAGS_MAX	     256u   /* devices whose packets are held back, twice each */
#define SL_MAGLEV_SIZE_MAX   65537u /* largest lookup table (prime) */
#define SL_OLD_TABLES	     4u /* former lookup tables of a pool that are kept; a power of two */
#define SL_CPUS_MAX	     256u
#define SL_EVENT_RING_BYTES  (256u * 1024u)
#define SL_TUNABLE_KEYS	     64u /* keys a row; row 0 is global, row P is pool P */
#define SL_VLAN_DEPTH_MAX    2
#define SL_CHOICES_MAX	     64	   /* Maglev entries walked past refusing nodes for one new flow */
#define SL_NAT_TRIES_MAX     32	   /* blocks of source ports looked at for one new flow */
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
	  "0 passes packets of fast services to the local stack")                           \
	X(FLOW_SYN_MS, "flow.syn_ms", 20000, 1000, 600000, "ms",                            \
	  "a flow whose SYN nobody answered is forgotten after this")                       \
	X(FLOW_UDP_MS, "flow.udp_ms", 60000, 1000, 86400000, "ms",                          \
	  "a UDP flow without a packet for this long is forgotten")                         \
	X(POOL_REFUSE, "pool.refuse", 1, 0, 1, "enum",                                      \
	  "new flow and no node: 0: drop in silence; 1: answer by RST or ICMP unreachable") \
	X(POOL_SPILL, "pool.spill", 1, 0, 1, "bool",                                        \
	  "new flow and no node: 1: ask the pool's fallback pool, where it names one")      \
	X(LOAD_BOUND, "pool.load_bound_percent", 125, 0, 1000, "percent",                   \
	  "a node above this share of its pool's mean load gets no new flow; 0 is off")     \
	X(CONNECT_RETRIES, "connect.retries", 2, 0, 7, "nodes",                             \
	  "further nodes that a refused or unanswered SYN is sent to; 0 is off")            \
	X(CONNECT_RETRY_MODE, "connect.retry_mode", 0, 0, 1, "enum",                        \
	  "a refused SYN: 0: is sent again at once; 1: waits for the client's repeat")      \
	X(RETIRE_MS, "flow.retire_ms", 0, 0, 3600000, "ms",                                 \
	  "flows of an open node are reset when it sent no byte for this long; 0 is off")   \
	X(GUARD_SOURCE_RATE, "guard.source_per_s", 20000, 0, 1000000, "flows/s",            \
	  "new flows a second from one source address (IPv6: its /64); 0 is off")           \
	X(GUARD_SOURCE_BURST, "guard.source_burst", 40000, 1, 1000000, "flows",             \
	  "new flows that one source may open at once")                                     \
	X(GUARD_SERVICE_RATE, "guard.service_per_s", 0, 0, 16000000, "flows/s",             \
	  "new flows a second of one service; 0 is off")                                    \
	X(GUARD_SERVICE_BURST, "guard.service_burst", 100000, 1, 16000000, "flows",         \
	  "new flows that one service takes at once")                                       \
	X(GUARD_PENDING, "guard.pending_per_s", 20000, 0, 16000000, "handshakes/s",         \
	  "unfinished handshakes a second from which on sources must answer a cookie")      \
	X(GUARD_PROVEN_MS, "guard.proven_ms", 60000, 1000, 3600000, "ms",                   \
	  "how long a source that answered a cookie needs no other")                        \
	X(BEACON_STALE_MS, "beacon.stale_ms", 3000, 100, 600000, "ms",                      \
	  "a beacon older than this says nothing about load any more")                      \
	X(BEACON_SIGNAL, "beacon.signal", 1, 0, 1, "bool",                                  \
	  "1: a beacon that stops, or says sick, counts as a failure of the node")          \
	X(MSS_CLAMP, "tunnel.mss_clamp", 1, 0, 1, "bool",                                   \
	  "1: lower the MSS of SYNs to what fits through the tunnel")                       \
	X(TOO_BIG, "tunnel.too_big", 1, 0, 1, "bool",                                       \
	  "1: answer packets that do not fit by ICMP too big; 0: drop them")                \
	X(SECOND_CHANCE, "node.second_chance", 1, 0, 1, "bool",                             \
	  "node role: 1: pass packets of unknown connections to their second candidate")    \
	X(RETRY_BUDGET, "retry.budget", 10, 0, 100000, "retries",                           \
	  "retries that a pool may run up, used to the half; 0: no limit at all")           \
	X(RETRY_EARN, "retry.earn_percent", 10, 0, 1000, "percent",                         \
	  "share of a retry that every answered request gives back to the budget")          \
	X(RETRY_RESERVE, "retry.reserve_per_min", 10, 0, 100000, "retries",                 \
	  "retries that come back a minute by themselves, for pools with little traffic")   \
	X(RETRY_CONCURRENT, "retry.concurrent_percent", 20, 1, 100, "percent",              \
	  "share of a pool's requests in flight that may be retries; more wait")            \
	X(RETRY_CONCURRENT_MIN, "retry.concurrent_min", 3, 1, 100000, "retries",            \
	  "retries at once that are always allowed")                                        \
	X(RETRY_AFTER_MAX, "retry.after_max_ms", 30000, 0, 3600000, "ms",                   \
	  "longest Retry-After of a node that is obeyed; 0: none is")                       \
	X(CONCURRENCY_ENABLED, "concurrency.enabled", 1, 0, 1, "bool",                      \
	  "0: the limits that nodes have shown by themselves do not count")                 \
	X(CONCURRENCY_GAP, "concurrency.gap_percent", 200, 101, 10000, "percent",           \
	  "mode gap: a gap between tokens above that share of the best lowers the limit")   \
	X(CONCURRENCY_WINDOW, "concurrency.window_ms", 1000, 100, 60000, "ms",              \
	  "how often a limit may move")                                                     \
	X(HEDGE_PERCENT, "hedge.budget_percent", 2, 0, 100, "percent",                      \
	  "share of a pool's requests that may be hedged; 0: none is")                      \
	X(HEDGE_BURST, "hedge.burst", 5, 1, 100000, "hedges",                               \
	  "hedges that may come at once, before that share counts")                         \
	X(HEDGE_SAMPLES_MIN, "hedge.samples_min", 100, 1, 2000, "answers",                  \
	  "answers of a kind whose times must be known before the next is hedged")

#endif
