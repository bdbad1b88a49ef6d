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
 *   name        type           key                  value                      mmap  writer
 *   settings    ARRAY          u32 0                struct sl_settings         yes   loader
 *   tunables    ARRAY          row * 64 + id        u64                        yes   operator
 *   nodes       ARRAY          node slot            struct sl_node_state       yes   both planes
 *   pools       ARRAY          pool slot            struct sl_pool_state       yes   both planes
 *   loads       ARRAY          node slot            struct sl_node_load        yes   kernel
 *   latencies   ARRAY          node slot            struct sl_node_latency     yes   kernel
 *   counters    ARRAY          CPU                  struct sl_counters         yes   kernel
 *   endpoints   HASH           struct sl_endpoint   u32 node slot              no    loader, daemon
 *   services    HASH           struct sl_endpoint   struct sl_service          no    loader, daemon
 *   devices     HASH           u32 ifindex          struct sl_device           no    loader
 *   maglev      ARRAY_OF_MAPS  pool slot            ARRAY of u32 node slots    no    loader, daemon
 *   maglev_old  ARRAY_OF_MAPS  sl_old_table()       former ones of the same     no    loader, daemon
 *   server_ids  ARRAY          QUIC server id       struct sl_server_id        yes   loader, daemon
 *   flows       ARRAY          set                  struct sl_flow_set         yes   kernel
 *   ports       ARRAY          set                  struct sl_port_set         yes   kernel
 *   port_cursors PERCPU_ARRAY  node slot            u32 source port            no    kernel
 *   syns        ARRAY          flow index % size    struct sl_syn              yes   kernel
 *   hops        ARRAY          number               struct sl_hop              yes   kernel
 *   conns       LRU_HASH       struct sl_flow_key   struct sl_local_conn       no    kernel
 *   sources     ARRAY          hash of the source   struct sl_source           yes   kernel
 *   services_guard ARRAY       service index        struct sl_service_guard    yes   kernel
 *   prefixes    LPM_TRIE       struct sl_prefix     u32 rule, SL_PREFIX_*      no    operator, loader
 *   beacon_keys ARRAY          0, 1                 struct sl_beacon_key       no    loader, daemon
 *   events      RINGBUF        -                    struct sl_event            -     kernel
 *   trace_filter ARRAY         u32 0                struct sl_trace_filter     yes   operator
 *   trace       RINGBUF        -                    struct sl_trace            -     kernel
 *   chaos       ARRAY          experiment           struct sl_chaos            yes   operator, kernel
 *   lag_taps    DEVMAP_HASH    SL_LAG_OUT(), _IN()  u32 ifindex of a tap       no    operator
 *   lags        ARRAY          experiment           struct sl_lag              yes   operator
 */
#ifndef SL_BPF_ABI_H
#define SL_BPF_ABI_H

#include <linux/types.h>
#include "bpf/limits.h"

#define SL_ABI_VERSION 2u
#define SL_PIN_ROOT    "/sys/fs/bpf"
#define SL_PIN_DIR     "/sys/fs/bpf/sluice/v2" /* SLUICE_PIN_DIR in the environment overrides */

/* IPv4 addresses are stored v4-mapped (::ffff:a.b.c.d), so one key serves both families. */
struct sl_addr {
	__be32 w[4];
};

/* Key of `endpoints` and `services`. */
struct sl_endpoint {
	struct sl_addr addr;
	__be16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};

enum sl_lane {
	SL_LANE_UNSET = 0,
	SL_LANE_SMART = 1, /* pass to the local stack, where the daemon listens */
	SL_LANE_FAST = 2,  /* straight to a node of the pool */
};

/* sl_service.flags */
#define SL_SERVICE_QUIC (1u << 0) /* UDP: follow server ids in connection ids (quic.h) */

struct sl_service {
	__u32 pool;  /* pool slot; 0 for the smart lane */
	__u8 lane;   /* enum sl_lane */
	__u8 flags;  /* SL_SERVICE_* */
	__u16 index; /* row of `services_guard`, below SL_SERVICES_MAX */
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
	__u32 node_count;   /* highest node slot in use + 1 */
	__u32 pool_count;   /* highest pool slot in use + 1 */
	__u32 flow_sets;    /* entries of `flows`; `ports` has SL_PORT_SETS() of them */
	__u32 syn_count;    /* entries of `syns` */
	__u32 trace;	    /* not 0: decisions are compared with `trace_filter`; see trace.h */
	__u32 role;	    /* enum sl_role */
	__be16 beacon_port; /* UDP port on which beacons arrive; 0: none */
	__be16 gue_port;    /* UDP port of tunnels in mode gue */
	__u32 quic;	    /* bits 0-2: config rotation bits of our QUIC connection ids */
	__u32 pad0;
	__u64 guard_key[2]; /* SipHash key of SYN cookies and source buckets; secret */
	__u32 allow_count;  /* prefixes of the file that allow: the node role minds their absence */
	__u32 chaos;	    /* bit per row of `chaos` that may be at work; see chaos.h */
	__u32 profile;	    /* enum sl_profile that `tunables` were last written by; user space's */
	__u32 pad[9];
};

/* What this host does; settings.role. */
enum sl_role {
	SL_ROLE_BALANCER = 0,
	SL_ROLE_NODE =
		1, /* an inference host: takes tunnels apart, passes on what it does not own */
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
	X(OPERATOR, "operator", "an operator's command")                            \
	X(BEACON_LOST, "beacon_lost", "the node's beacons stopped")                 \
	X(BEACON_SICK, "beacon_sick", "the node's beacon says that it is not well")

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
#define SL_NODE_RETIRED	 (1u << 2) /* dead rather than sick: its flows are reset, see retire.h */

/* How packets reach a node; sl_node_state.mode, and the low bits of sl_flow.flags. */
enum sl_mode {
	SL_MODE_NAT = 0,  /* source and destination rewritten; answers come back through here */
	SL_MODE_L2 = 1,	  /* destination MAC only; the node answers the client itself */
	SL_MODE_IPIP = 2, /* IP in IP (RFC 2003, 2473), direct return */
	SL_MODE_GUE = 3,  /* IP in UDP (GUE variant 1, direct IP encapsulation), direct return */
	SL_MODES
};

/*
 * One node, both planes: 8 cache lines, each with one kind of writer.
 *   line 0    identity, written by loader and daemon at configuration time only, and the way there:
 *             all that a packet to the node reads of it
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
	__u32 incarnation; /* changes when the slot gets another endpoint; never 0 mod 2^16 */
	__u8 mode;	   /* enum sl_mode */
	__u8 zone;	   /* reserved: 0 */
	__u16 hop_stamp;   /* when `hop` was named, see hop.h; both written by the kernel */
	__u64 hop;	   /* link address of the next hop << 16 | row of `hops` */

	__u64 breaker;	     /* packed word */
	__u32 consecutive;   /* failures in a row */
	__u32 ejected;	     /* 1 while counted in sl_pool_state.ejected */
	__u64 recovered_ms;  /* last time it closed again; 0 never: start of the slow start */
	__u64 changed_ns;    /* last transition */
	__u32 last_signal;   /* enum sl_signal of the last transition */
	__u32 last_plane;    /* enum sl_plane */
	__u32 trips;	     /* closed or half-open -> open, cumulative */
	__u32 cap_denied;    /* trips that the ejection cap refused, cumulative */
	__u32 flows_evicted; /* fast lane: forgotten while alive, for want of room; cumulative */
	__u32 flows_expired; /* fast lane: forgotten after their idle time; cumulative */
	__u32 index;	     /* position within its pool; this and the next by configuration */
	__u16 server_id;     /* in QUIC connection ids; 0: none */
	__u16 pad1;

	__u64 window[SL_WINDOW_BUCKETS];
	__u64 window_s; /* second of the last outcome: what is older than ten seconds is empty */
	__u64 flow_epochs[SL_FLOW_EPOCHS]; /* fast-lane flows alive, see inflight.h */
	__u64 suspect_ns;		   /* since when it is open and owes bytes, see retire.h */

	__u64 flows_opened;  /* fast lane, cumulative */
	__u64 flows_closed;  /* seen to end; evicted and expired ones are counted apart */
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

/* What the node's beacon said last; see beacon.h. One cache line. */
struct sl_node_load {
	__u64 seen_ns;	   /* arrival here, CLOCK_MONOTONIC; 0: never */
	__u64 sequence;	   /* of the last accepted beacon */
	__u64 incarnation; /* of the sender: its start in ns of wall time; grows */
	__u32 slots;	   /* requests it works on at once; 0: not known */
	__u32 running;
	__u32 waiting;
	__u32 kv_permille; /* KV-cache use, 0..1000 */
	__u32 health;	   /* enum sl_health */
	__u32 lost;	   /* 1 once its silence has been reported */
	__u64 accepted;	   /* beacons, cumulative */
	__u64 pad[1];
};

enum sl_health {
	SL_HEALTH_UNKNOWN = 0,
	SL_HEALTH_READY = 1,
	SL_HEALTH_BUSY = 2,	/* works, but wants nothing new: no failure */
	SL_HEALTH_DRAINING = 3, /* finishes what it has: no failure */
	SL_HEALTH_SICK = 4,	/* a failure */
};

/*
 * Log-linear histograms of connect and first-byte times: SL_LATENCY_SUB buckets an octave from
 * 1 us on. Bucket of t us: below SL_LATENCY_SUB it is t; else with e = floor(log2 t), it is
 * (e - 1) * 4 + ((t >> (e - 2)) & 3). Width at most 1/4 of the value.
 */
#define SL_LATENCY_SUB	   4u
#define SL_LATENCY_BUCKETS 104u /* the last one takes all from 2^27 us (134 s) on */
struct sl_node_latency {
	__u32 connect[SL_LATENCY_BUCKETS];
	__u32 first_byte[SL_LATENCY_BUCKETS];
};

#ifdef __cplusplus
#define SL_STATIC_ASSERT static_assert
#else
#define SL_STATIC_ASSERT _Static_assert
#endif
SL_STATIC_ASSERT(sizeof(struct sl_endpoint) == 20, "sl_endpoint");
SL_STATIC_ASSERT(sizeof(struct sl_settings) == 128, "sl_settings");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_node_state, breaker) == 64, "line 1");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_node_state, window) == 128, "line 2");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_node_state, flows_opened) == 256, "line 4");
SL_STATIC_ASSERT(__builtin_offsetof(struct sl_node_state, signals) == 320, "line 5");
SL_STATIC_ASSERT(sizeof(struct sl_node_state) == 512, "sl_node_state");
SL_STATIC_ASSERT(SL_SIGNAL_COUNT <= 24, "signals");
SL_STATIC_ASSERT(sizeof(struct sl_node_load) == 64, "sl_node_load");
SL_STATIC_ASSERT(sizeof(struct sl_node_latency) == 832, "sl_node_latency");

/* Where a QUIC server id leads. 8 bytes: in mapped memory an array's values lie so far apart. */
struct sl_server_id {
	__u32 node; /* slot; 0: nobody's id */
	__u32 pad;
};
SL_STATIC_ASSERT(sizeof(struct sl_server_id) % 8 == 0, "sl_server_id");

struct sl_pool_state {
	__u32 present;
	__u32 node_count;
	__u32 maglev_size; /* prime; entries of the inner map */
	__u32 ejected;	   /* nodes ejected now; a trip raises it within the cap, see breaker.h */
	__u32 generation;  /* raised whenever the lookup table is swapped */
	__u32 spill;	   /* pool slot that takes what finds no node here; 0: none */
	__u32 weight_sum;  /* of its nodes */
	__u8 ip_v6;	   /* family of its nodes */
	__u8 mode;	   /* enum sl_mode of its nodes */
	__u8 pad0[2];
	__u64 no_node; /* choices that found no node at all */
	__u64 panics;  /* choices made in panic */
	__u64 spills;  /* choices handed on to `spill` */
	__u64 pad1;
	__u64 flow_epochs[SL_FLOW_EPOCHS]; /* flows alive at all its nodes, see inflight.h */
	/* By generation, modulo: entries of its former tables in `maglev_old`; 0: there is none. */
	__u32 old_size[SL_OLD_TABLES];
	__u32 local; /* slot of its node that is this host; 0: none */
	__u32 pad2;
	__u64 pad3;
	char name[64]; /* of the configuration file, NUL-terminated */
};
SL_STATIC_ASSERT(sizeof(struct sl_pool_state) == 192, "sl_pool_state");

/* Where the pool's table of that generation lies in `maglev_old`, once another has replaced it. */
static inline __u32 sl_old_table(__u32 pool, __u32 generation)
{
	return pool * SL_OLD_TABLES + generation % SL_OLD_TABLES;
}

/* ---- counters ------------------------------------------------------------------------------ */

enum sl_counter {
#define X(id, name, help) SL_COUNTER_##id,
#include "bpf/counters.def"
#undef X
	SL_COUNTER_COUNT
};

#define SL_COUNTER_SLOTS 128u
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

/* A next hop as the kernel named it; see hop.h. Row 0 of `hops` is not used. */
struct sl_hop {
	__u64 key;
	__u64 seen_ns;
	__u32 ifindex;
	__u16 mtu; /* of the way out; 0: not known */
	__u8 dmac[6];
	__u8 smac[6];
	__u8 pad[6];
};
SL_STATIC_ASSERT(sizeof(struct sl_hop) == 40, "sl_hop");

/* ---- flows --------------------------------------------------------------------------------- */

/* A flow as it is on the wire when it arrives from the client, or from a node (mode nat). */
struct sl_flow_key {
	struct sl_addr src;
	struct sl_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};
SL_STATIC_ASSERT(sizeof(struct sl_flow_key) == 40, "sl_flow_key");

enum sl_tcp_state {
	SL_TCP_UNSET = 0, /* no flow */
	SL_TCP_SYN_SENT = 1,
	SL_TCP_ESTABLISHED = 2,
	SL_TCP_FIN_CLIENT = 3,
	SL_TCP_FIN_NODE = 4,
	SL_TCP_CLOSED = 5,
	SL_TCP_UDP = 6, /* not TCP: ends by idle time alone */
};

/*
 * What is measured of one connection to a node, on either lane. Ticks are CLOCK_MONOTONIC >> 10
 * (1.024 us), modulo 2^32 (73 minutes).
 */
struct sl_conn {
	__u32 begun;	  /* tick of the SYN until established, then of the request that awaits its
			      first byte; 0: nothing is awaited. With SYN_SENT: the node has not
			      been sent the SYN, the client's next one goes to it */
	__u16 generation; /* of the breaker; with SL_CONN_PROBE the ticket, see breaker.h */
	__u8 hop;	  /* next hop towards the client, see hop.h */
	__u8 hop_stamp;
	__u32 next_seq;	   /* end of what the node acknowledged last: lower edge of its window */
	__u32 node_seq;	   /* next sequence number expected from the node */
	__u16 node;	   /* node slot */
	__u16 incarnation; /* low half of the slot's when the connection began */
	__u8 state;	   /* enum sl_tcp_state */
	__u8 syn_retrans;  /* repeats of the SYN */
	__u8 reported;	   /* bit per kind of signal already counted for this flow */
	__u8 mark;	   /* epoch in which the flow is counted, see inflight.h */
};
SL_STATIC_ASSERT(sizeof(struct sl_conn) == 24, "sl_conn");

/* sl_flow.flags */
#define SL_FLOW_MODE	    3u	      /* enum sl_mode */
#define SL_FLOW_RETRIES	    (7u << 2) /* nodes tried before this one */
#define SL_FLOW_RETRY_SHIFT 2u

/* One flow of the fast lane: one cache line. Read through its way in the set, see table.h. */
struct sl_flow {
	struct sl_addr client;
	struct sl_addr vip;
	__be16 client_port;
	__be16 vip_port;
	__be16 nat_port; /* our source port towards the node; 0 in the direct-return modes */
	__u8 proto;
	__u8 flags; /* SL_FLOW_* */
	struct sl_conn conn;
};
SL_STATIC_ASSERT(sizeof(struct sl_flow) == 64, "sl_flow");

/*
 * The flow table is an array of sets. A way's word says whose flow its row holds:
 *   bits 32-63  stamp     last packet, CLOCK_MONOTONIC >> 20 (1.05 ms), refreshed every 256
 *   bits 16-31  tag       of the flow's hash, never 0 where a flow is
 *   bits 13-15  kind      enum sl_way_kind
 *   bit  12     overflow  way 0 only: flows of this set may be in their second set
 *   bits 0-11   sequence  raised whenever the way gets another flow
 */
#define SL_FLOW_WAYS	   8u
#define SL_WAY_STAMP_SHIFT 20u /* of CLOCK_MONOTONIC */
#define SL_WAY_KIND_SHIFT  13u
struct sl_flow_set {
	__u64 way[SL_FLOW_WAYS];
	struct sl_flow flow[SL_FLOW_WAYS];
};
SL_STATIC_ASSERT(sizeof(struct sl_flow_set) == 576, "sl_flow_set");

enum sl_way_kind {
	SL_WAY_FREE = 0,
	SL_WAY_OPENING = 1, /* the client has not ended the handshake */
	SL_WAY_OPEN = 2,
	SL_WAY_CLOSING = 3, /* FIN or RST was seen */
	SL_WAY_UDP = 4,
	SL_WAY_KINDS
};

/*
 * From a node's answer to its flow (mode nat): tag of the hash << 32 | index of the flow + 1, where
 * the index is set * SL_FLOW_WAYS + way. It also reserves the port. 0: free.
 */
struct sl_port_set {
	__u64 way[SL_FLOW_WAYS];
};
/* Twice as many as there are sets of flows: a flow always finds a port when all places are taken. */
#define SL_PORT_SETS(flow_sets) ((flow_sets)*2u)

/* The SYN of a flow that is opening, to be sent again to another node; see retry.h. */
#define SL_SYN_OPTIONS_MAX 40u
struct sl_syn {
	__u32 flow; /* index + 1 */
	__be32 seq;
	__be16 window;
	__u8 option_len; /* a multiple of 4 */
	__u8 hops;
	__u8 tos;
	__u8 pad[3];
	__u8 options[SL_SYN_OPTIONS_MAX];
	__u8 pad1[8];
};
SL_STATIC_ASSERT(sizeof(struct sl_syn) == 64, "sl_syn");

/* A connection of the local stack to a node, observed by TC. */
struct sl_local_conn {
	struct sl_conn conn;
	__u32 last_tick;
	__u32 pad;
};
SL_STATIC_ASSERT(sizeof(struct sl_local_conn) == 32, "sl_local_conn");

/* ---- guard; see guard.h -------------------------------------------------------------------- */

/* Key of `prefixes`; IPv4 prefixes count from bit 96. */
struct sl_prefix {
	__u32 bits;
	struct sl_addr addr;
};

enum sl_prefix_rule {
	SL_PREFIX_UNSET = 0,
	SL_PREFIX_ALLOW = 1, /* never limited */
	SL_PREFIX_DENY = 2,  /* new flows are dropped */
};

/*
 * Value of `prefixes`: the rule, and whether the configuration file made the entry. Entries of the
 * file leave with it; those that an operator made by hand stay.
 */
#define SL_PREFIX_RULE	  0xffu	    /* mask: enum sl_prefix_rule */
#define SL_PREFIX_OF_FILE (1u << 8) /* mind the mask when comparing */

/* A token bucket; changed by compare-and-swap: tick (>> 20) << 32 | tokens * 256. */
struct sl_source {
	__u64 bucket;
	__u32 tag; /* of the source; who has another one takes the row when it is full again */
	__u32 proven_tick; /* >> 20, the source answered a cookie; 0: never */
};

struct sl_service_guard {
	__u64 bucket;
	__u64 pending; /* handshakes begun and not finished: 2^30 ns << 32 | before << 31 | count;
			  `before`: over the limit in the second before */
	__u64 limited; /* new flows refused by rate, cumulative */
	__u64 cookies; /* cookies sent, cumulative */
	__u64 proven;  /* sources that answered one, cumulative */
	__u64 guesses; /* RSTs that fitted no cookie, as `pending` */
	__u64 pad[2];
};
SL_STATIC_ASSERT(sizeof(struct sl_service_guard) == 64, "sl_service_guard");

/* ---- beacons; see beacon.h ----------------------------------------------------------------- */

struct sl_beacon_key {
	__u64 key[2]; /* of SipHash-2-4; both 0: not in use */
	__u32 id;     /* names the key in the beacon */
	__u32 pad;
};

#define SL_BEACON_MAGIC	  0x736c6263u /* "slbc" */
#define SL_BEACON_VERSION 1u
#define SL_BEACON_KV_MAX  1000u
/*
 * The payload of the UDP packet; all in network order. `tag` is SipHash-2-4 of all before it, with
 * the source address in place of a zero `addr`.
 */
struct sl_beacon {
	__be32 magic;
	__u8 version;
	__u8 health; /* enum sl_health */
	__be16 port; /* of the node, at the packet's source address unless `addr` is set */
	__be32 key_id;
	__be32 slots;
	__be32 running;
	__be32 waiting;
	__be32 kv_permille;
	__be32 pad;
	struct sl_addr addr; /* of the node; zero: the source address */
	__be64 incarnation;
	__be64 sequence;
	__be64 tag;
};
SL_STATIC_ASSERT(sizeof(struct sl_beacon) == 72, "sl_beacon");

/* ---- trace; see trace.h -------------------------------------------------------------------- */

struct sl_trace_filter {
	struct sl_addr client; /* compared under `mask` */
	struct sl_addr mask;   /* all 0: any client */
	struct sl_addr vip;    /* all 0: any service */
	__be16 vip_port;       /* 0: any */
	__be16 client_port;    /* 0: any */
	__u32 node;	       /* slot; 0: any */
	__u32 every_packet;    /* 0: decisions only; 1: packets of known flows too */
	__u32 pad;
	__u64 until_ns; /* CLOCK_MONOTONIC: then the kernel switches the trace off */
};
SL_STATIC_ASSERT(sizeof(struct sl_trace_filter) == 72, "sl_trace_filter");

/* sl_trace.verdict_a and _b: enum sl_breaker_state when it was asked, or */
#define SL_TRACE_BOUNDED   0xfe /* not asked: over the load bound */
#define SL_TRACE_NOT_ASKED 0xff

struct sl_trace {
	__u64 time_ns;
	struct sl_flow_key key; /* of the client's side; without a flow: as it arrived */
	__u32 node;		/* slot; 0: none */
	__u32 pool;		/* slot; 0: none was asked */
	__u32 seq;
	__u16 reason;	   /* enum sl_counter of the exit */
	__u8 step;	   /* enum sl_trace_step */
	__u8 flags;	   /* of TCP */
	__u32 candidate_a; /* node slots that the choice looked at first; 0: none was made */
	__u32 candidate_b;
	__u32 load_a;
	__u32 load_b;
	__u8 verdict_a;
	__u8 verdict_b;
	__u8 hook;	/* 0: XDP, 1: TC */
	__u8 from_node; /* 1: the packet came from the node */
	__u8 pad[4];
};
SL_STATIC_ASSERT(sizeof(struct sl_trace) == 88, "sl_trace");

enum sl_trace_step {
	SL_TRACE_UNSET = 0,
	SL_TRACE_FORWARD = 1, /* a packet of a known flow */
	SL_TRACE_OPEN = 2,    /* a new flow */
	SL_TRACE_RETRY = 3,   /* a SYN that went to another node */
	SL_TRACE_ICMP = 4,
	SL_TRACE_GUARD = 5,
	SL_TRACE_NODE = 6,   /* decapsulated, passed on or refused by the node role */
	SL_TRACE_BEACON = 7, /* UDP to the port of beacons */
};

/* ---- chaos; see chaos.h -------------------------------------------------------------------- */

enum sl_chaos_kind {
	SL_CHAOS_UNSET = 0,
	SL_CHAOS_DROP = 1,
	SL_CHAOS_RESET = 2,   /* TCP: the packet becomes a RST */
	SL_CHAOS_CORRUPT = 3, /* its payload and its checksum: the receiver drops it */
	SL_CHAOS_GARBLE = 4,  /* its payload, the checksum is right: the application gets it */
	SL_CHAOS_LAG = 5,     /* it comes later: its owner holds it back, see lag.h */
	SL_CHAOS_KINDS
};

/* Keys of `lag_taps`: what is held back on its way out by a device, and on its way in from one. */
#define SL_LAG_OUT(ifindex) (ifindex)
#define SL_LAG_IN(ifindex)  ((ifindex) | 1u << 31)

/* skb->tc_index of what comes in a second time, after it was held back. */
#define SL_TC_HELD 0x736du

/* sl_chaos.ways */
#define SL_CHAOS_TO_NODE   (1u << 0)
#define SL_CHAOS_FROM_NODE (1u << 1)

#define SL_CHAOS_ALL 65536u /* sl_chaos.share: every packet */

/*
 * One experiment. A row is free when its time is over; who takes it swaps `until_ns`, fills the rest
 * and sets its bit in settings.chaos.
 */
struct sl_chaos {
	__u64 until_ns; /* CLOCK_MONOTONIC: then the kernel plane ends it, whoever lives; a lease */
	__u64 begun_ns;
	__u64 end_ns;	/* up to which its owner means to renew the lease */
	__u64 hits_max; /* ends it too */
	__u64 seen;	/* packets of its nodes, in its ways; cumulative */
	__u64 hits;	/* packets that it changed, dropped or held back; cumulative */
	__u32 share;	/* of SL_CHAOS_ALL: the chance of a packet */
	__u32 number;	/* of the experiment; another one at each start */
	__u8 kind;	/* enum sl_chaos_kind */
	__u8 ways;	/* SL_CHAOS_TO_NODE, SL_CHAOS_FROM_NODE */
	__u8 pad[6];
	char name[64];			/* what the operator aimed at, NUL-terminated */
	__u64 nodes[SL_NODES_MAX / 64]; /* bit per slot */
};
SL_STATIC_ASSERT(sizeof(struct sl_chaos) == 640, "sl_chaos");

/* What the owner of an experiment SL_CHAOS_LAG says of the packets that it holds back. */
struct sl_lag {
	__u32 number; /* of the experiment; the rest is another's where it differs from the row's */
	__u32 pad;
	__u64 delay_us;
	__u64 jitter_us;
	__u64 held;	/* taken, cumulative as all but `now` */
	__u64 now;	/* waiting */
	__u64 late;	/* sent later than they were to be */
	__u64 overflow; /* sent at once, for want of room */
	__u64 lost;	/* that nobody took or could be sent */
};
SL_STATIC_ASSERT(sizeof(struct sl_lag) == 64, "sl_lag");

/* ---- events -------------------------------------------------------------------------------- */

enum sl_event_kind {
	SL_EVENT_UNSET = 0,
	SL_EVENT_TRANSITION = 1, /* breaker of `node` went from -> to */
	SL_EVENT_CAP_DENIED = 2, /* would have opened, the ejection cap refused */
	SL_EVENT_NO_NODE = 3,	 /* a new flow of `pool` found no node */
	SL_EVENT_WOULD_OPEN = 4, /* metrics only: would have opened now */
	SL_EVENT_RETIRED = 5,	 /* `node` is dead: its flows are reset */
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
