/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * abi.h - the only place for structs that the kernel plane and user space both read.
 *
 * Everything here is pinned below SL_PIN_DIR and outlives every process, so a change of any layout
 * raises SL_ABI_VERSION (the version is part of the path: an old daemon never misreads new maps).
 * Fixed-width fields, explicit padding, static asserts on sizes. Host byte order, except __be*.
 * Times are CLOCK_MONOTONIC (bpf_ktime_get_ns); `_ms` fields of the breaker are that clock in ms.
 *
 * Maps (all pinned under SL_PIN_DIR by these names):
 *
 *   name       type            key                  value                    mmap  writer
 *   settings   ARRAY           u32 0                struct sl_settings       yes   loader
 *   tunables   ARRAY           row * 64 + id        u64                      yes   operator
 *   nodes      ARRAY           node slot            struct sl_node_state     yes   both planes
 *   pools      ARRAY           pool slot            struct sl_pool_state     yes   both planes
 *   counters   ARRAY           CPU                  struct sl_counters       yes   kernel
 *   endpoints  HASH            struct sl_endpoint   u32 node slot            no    loader, daemon
 *   services   HASH            struct sl_endpoint   struct sl_service        no    loader, daemon
 *   devices    HASH            u32 ifindex          struct sl_device         no    loader
 *   maglev     ARRAY_OF_MAPS   pool slot            ARRAY of u32 node slots  no    loader, daemon
 *   flows      LRU_HASH        struct sl_flow_key   struct sl_flow           no    kernel
 *   conns      LRU_HASH        struct sl_flow_key   struct sl_conn           no    kernel
 *   events     RINGBUF         -                    struct sl_event          -     kernel
 */
#ifndef SL_BPF_ABI_H
#define SL_BPF_ABI_H

#include <linux/types.h>
#include "bpf/limits.h"

#define SL_ABI_VERSION 1u
#define SL_PIN_ROOT    "/sys/fs/bpf"
#define SL_PIN_DIR     "/sys/fs/bpf/sluice/v1" /* SLUICE_PIN_DIR in the environment overrides */

/* IPv4 addresses are stored v4-mapped (::ffff:a.b.c.d), so one key serves both families. */
struct sl_addr {
	__be32 w[4];
};

/* Key of `endpoints` and `services`. */
struct sl_endpoint {
	struct sl_addr addr;
	__be16 port;
	__u8 proto; /* IPPROTO_TCP */
	__u8 pad;
};

enum sl_lane {
	SL_LANE_UNSET = 0,
	SL_LANE_SMART = 1, /* pass to the local stack, where the daemon listens */
	SL_LANE_FAST = 2,  /* NAT straight to a node of the pool */
};

struct sl_service {
	__u32 pool; /* pool slot; 0 for the smart lane */
	__u8 lane;  /* enum sl_lane */
	__u8 pad[3];
};

/*
 * A VLAN device: XDP cannot transmit through it, so the frame leaves through the real device below
 * with this tag. Devices that are not listed are sent to as they are.
 */
struct sl_device {
	__u32 ifindex; /* of the real device */
	__u16 vlan_id;
	__be16 vlan_proto; /* ETH_P_8021Q or ETH_P_8021AD */
};

struct sl_settings {
	__u32 abi_version;
	__u32 tunable_count;
	__u32 counter_count;
	__u32 cpu_count;    /* rows of `counters` in use */
	__u64 seed;	    /* of flow hashes; equal on balancers that share an ECMP group */
	__u16 nat_port_min; /* source ports for NAT, inclusive; outside ip_local_port_range */
	__u16 nat_port_max;
	__u32 node_count; /* highest node slot in use + 1 */
	__u32 pool_count; /* highest pool slot in use + 1 */
	__u32 pad[7];
};

/* ---- breaker ------------------------------------------------------------------------------- */

enum sl_breaker_state {
	SL_BREAKER_CLOSED = 0,
	SL_BREAKER_HALF_OPEN = 1,
	SL_BREAKER_OPEN = 2,
	SL_BREAKER_FORCED_OPEN = 3,  /* by an operator: until `auto` or `close` */
	SL_BREAKER_METRICS_ONLY = 4, /* measures, never refuses */
	SL_BREAKER_STATES
};

/* The class of one outcome; see docs/breaker.md for what belongs where. */
enum sl_outcome {
	SL_OUTCOME_NEUTRAL = 0, /* says nothing about the node: 4xx, busy, client left */
	SL_OUTCOME_SUCCESS = 1, /* at the first byte or token */
	SL_OUTCOME_SLOW = 2,	/* success, but over the slow bound */
	SL_OUTCOME_FAILURE = 3,
};

/* Why an outcome was reported; index of sl_node_state.signals. Append only. */
#define SL_SIGNALS(X)                                                               \
	X(NONE, "none", "no signal")                                                \
	X(SUCCESS, "success", "first byte or token arrived")                        \
	X(SYN_RETRANS, "syn_retransmitted", "SYN repeated without SYN-ACK")         \
	X(RST_EARLY, "reset_early", "RST in window before the first response byte") \
	X(ICMP_UNREACH, "icmp_unreachable", "ICMP unreachable for a live flow")     \
	X(CONNECT_SLOW, "connect_slow", "connect over its slow bound")              \
	X(FIRST_BYTE_SLOW, "first_byte_slow", "first byte over its slow bound")     \
	X(STALL, "stall", "no byte from a node with requests waiting")              \
	X(CONNECT_ERROR, "connect_error", "the daemon's connect failed")            \
	X(CONNECT_TIMEOUT, "connect_timeout", "the daemon's connect timed out")     \
	X(RESET, "reset", "connection reset under a request")                       \
	X(TTFT_TIMEOUT, "ttft_timeout", "no first token within its bound")          \
	X(STREAM_STALL, "stream_stall", "no token within the inter-token bound")    \
	X(TOTAL_TIMEOUT, "total_timeout", "request over its total bound")           \
	X(STREAM_CUT, "stream_cut", "stream ended before its terminator")           \
	X(HTTP_5XX, "http_5xx", "5xx answer")                                       \
	X(BAD_BODY, "bad_body", "answer or framing is not valid")                   \
	X(BUSY, "busy", "429, or 503 with Retry-After: neutral")                    \
	X(CLIENT_ERROR, "client_error", "4xx answer: neutral")                      \
	X(CLIENT_GONE, "client_gone", "the client left: neutral")                   \
	X(PROBE_LOST, "probe_lost", "half-open probe without an outcome in time")   \
	X(OPERATOR, "operator", "an operator's command")

enum sl_signal {
#define X(id, name, help) SL_SIGNAL_##id,
	SL_SIGNALS(X)
#undef X
		SL_SIGNAL_COUNT
};

enum sl_plane {
	SL_PLANE_UNSET = 0,
	SL_PLANE_KERNEL = 1,
	SL_PLANE_DAEMON = 2,
	SL_PLANE_OPERATOR = 3,
};

#define SL_WINDOW_BUCKETS 10u /* one second each */
#define SL_FLOW_EPOCHS	  4u  /* of 2^34 ns each; a power of two that divides 128 */

/* sl_node_state.admin */
#define SL_NODE_PRESENT	 (1u << 0) /* the slot is in use */
#define SL_NODE_DRAINING (1u << 1) /* no new flow or request; established ones go on */

/*
 * One node, both planes: 8 cache lines, each with one kind of writer.
 *   line 0    identity, written by loader and daemon at configuration time only
 *   line 1    the breaker: compare-and-swap on `breaker`, see breaker.h
 *   line 2-3  the window: a bucket packs stamp:16 | success:16 | failure:16 | slow:16
 *   line 4    load: atomic adds
 *   line 5-7  signal counts
 */
struct sl_node_state {
	struct sl_endpoint endpoint;
	__u32 pool;		  /* pool slot */
	__u32 weight;		  /* 1..1000 */
	__u32 admin;		  /* SL_NODE_* bits, atomic or/and */
	struct sl_addr snat_addr; /* this host's address towards the node */
	__u32 index;		  /* position within its pool */
	__u32 incarnation;	  /* changes when the slot gets another endpoint */
	__u32 pad0;

	__u64 breaker;	    /* packed word */
	__u32 consecutive;  /* failures in a row */
	__u32 ejected;	    /* 1 while counted in sl_pool_state.ejected */
	__u64 recovered_ms; /* last time it closed again; 0 never: start of the slow start */
	__u64 changed_ns;   /* last transition */
	__u32 last_signal;  /* enum sl_signal of the last transition */
	__u32 last_plane;   /* enum sl_plane */
	__u32 trips;	    /* closed or half-open -> open, cumulative */
	__u32 cap_denied;   /* trips that the ejection cap refused, cumulative */
	__u64 pad1[2];

	__u64 window[SL_WINDOW_BUCKETS];
	__u64 window_s; /* second of the last outcome: what is older than ten seconds is empty */
	__u64 flow_epochs[SL_FLOW_EPOCHS]; /* fast-lane flows alive, see inflight.h */
	__u64 pad2;

	__u64 flows_opened;  /* fast lane, cumulative */
	__u64 flows_closed;  /* seen to end; evicted and abandoned flows are not */
	__u32 requests;	     /* in flight in the daemon */
	__u32 connect_us;    /* moving average, 1/8 */
	__u32 first_byte_us; /* moving average, 1/8 */
	__u32 waiting;	     /* flows or requests that have sent and got no byte back yet */
	__u64 last_byte_ns;  /* last payload byte from the node */
	__u64 last_sent_ns;  /* last payload byte to the node */
	__u64 bytes_in;	     /* payload from the node */
	__u64 bytes_out;     /* payload to the node */

	__u64 signals[24];
};

#ifdef __cplusplus
#define SL_STATIC_ASSERT static_assert
#else
#define SL_STATIC_ASSERT _Static_assert
#endif
SL_STATIC_ASSERT(sizeof(struct sl_endpoint) == 20, "sl_endpoint");
SL_STATIC_ASSERT(sizeof(struct sl_settings) == 64, "sl_settings");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_node_state, breaker) == 64, "line 1");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_node_state, window) == 128, "line 2");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_node_state, flows_opened) == 256, "line 4");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_node_state, signals) == 320, "line 5");
SL_STATIC_ASSERT(sizeof(struct sl_node_state) == 512, "sl_node_state");
SL_STATIC_ASSERT(SL_SIGNAL_COUNT <= 24, "signals");

struct sl_pool_state {
	__u32 present;
	__u32 node_count;
	__u32 maglev_size; /* prime; entries of the inner map */
	__u32 ejected;	   /* nodes ejected now: atomic add, checked after the increment */
	__u32 generation;  /* raised whenever the lookup table is swapped */
	__u32 pad0[3];
	__u64 no_node; /* choices that found no node at all */
	__u64 panics;  /* choices made in panic */
	__u64 pad1[2];
	char name[64]; /* of the configuration file, NUL-terminated */
};
SL_STATIC_ASSERT(sizeof(struct sl_pool_state) == 128, "sl_pool_state");

/* ---- counters ------------------------------------------------------------------------------ */

enum sl_counter {
#define X(id, name, help) SL_COUNTER_##id,
#include "bpf/counters.def"
#undef X
	SL_COUNTER_COUNT
};

#define SL_COUNTER_SLOTS 64u
struct sl_counters {
	__u64 v[SL_COUNTER_SLOTS];
};
SL_STATIC_ASSERT(SL_COUNTER_COUNT <= SL_COUNTER_SLOTS, "counters");

enum sl_tunable {
#define X(id, name, def, min, max, unit, help) SL_TUNABLE_##id,
	SL_TUNABLES(X)
#undef X
		SL_TUNABLE_COUNT
};
SL_STATIC_ASSERT(SL_TUNABLE_COUNT <= SL_TUNABLE_KEYS, "tunables");

/* ---- flows --------------------------------------------------------------------------------- */

/* One direction of a flow as it is on the wire when it arrives here. */
struct sl_flow_key {
	struct sl_addr src;
	struct sl_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};
SL_STATIC_ASSERT(sizeof(struct sl_flow_key) == 40, "sl_flow_key");

enum sl_flow_dir {
	SL_FLOW_UNSET = 0,
	SL_FLOW_TO_NODE = 1,   /* key is client -> service; rewrite to snat -> node */
	SL_FLOW_TO_CLIENT = 2, /* key is node -> snat; rewrite to service -> client */
};

enum sl_tcp_state {
	SL_TCP_UNSET = 0,
	SL_TCP_SYN_SENT = 1,
	SL_TCP_ESTABLISHED = 2,
	SL_TCP_FIN_CLIENT = 3,
	SL_TCP_FIN_NODE = 4,
	SL_TCP_CLOSED = 5,
};

/* What is measured of one connection to a node, on either lane. */
struct sl_conn {
	__u64 syn_ns;	   /* first SYN sent to the node */
	__u64 request_ns;  /* first payload byte to the node since its last byte back; 0 none */
	__u64 last_ns;	   /* last packet either way */
	__u32 node;	   /* node slot */
	__u32 incarnation; /* of the slot when the connection began */
	__u32 ticket;	   /* breaker ticket: generation and probe flag, see breaker.h */
	__u32 next_seq;	   /* end of what the node acknowledged last: lower edge of its window */
	__u32 node_seq;	   /* next sequence number expected from the node */
	__u8 state;	   /* enum sl_tcp_state */
	__u8 syn_retrans;  /* repeats of the SYN */
	__u8 reported;	   /* bit per kind of signal already counted for this flow */
	__u8 mark;	   /* epoch in which the flow is counted, see inflight.h */
};
SL_STATIC_ASSERT(sizeof(struct sl_conn) == 48, "sl_conn");

/*
 * Both directions of a fast-lane flow have an entry. The TO_NODE entry holds the measurements; the
 * TO_CLIENT entry finds it through `peer`.
 */
struct sl_flow {
	struct sl_flow_key peer; /* key of the other direction's entry */
	struct sl_addr new_src;
	struct sl_addr new_dst;
	__be16 new_sport;
	__be16 new_dport;
	__u8 dir; /* enum sl_flow_dir */
	__u8 pad[3];
	struct sl_conn conn;
};
SL_STATIC_ASSERT(sizeof(struct sl_flow) == 128, "sl_flow");

/* ---- events -------------------------------------------------------------------------------- */

enum sl_event_kind {
	SL_EVENT_UNSET = 0,
	SL_EVENT_TRANSITION = 1, /* breaker of `node` went from -> to */
	SL_EVENT_CAP_DENIED = 2, /* would have opened, the ejection cap refused */
	SL_EVENT_NO_NODE = 3,	 /* a new flow of `pool` found no node */
	SL_EVENT_WOULD_OPEN = 4, /* metrics only: would have opened now */
};

struct sl_event {
	__u64 time_ns;
	__u32 node;
	__u32 pool;
	__u32 incarnation;
	__u32 consecutive;
	__u16 generation;
	__u8 kind; /* enum sl_event_kind */
	__u8 from; /* enum sl_breaker_state */
	__u8 to;
	__u8 signal; /* enum sl_signal */
	__u8 plane;  /* enum sl_plane */
	__u8 pad;
};
SL_STATIC_ASSERT(sizeof(struct sl_event) == 32, "sl_event");

#endif
