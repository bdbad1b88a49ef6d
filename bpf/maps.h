/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * maps.h - the maps of the kernel plane and the smallest accessors to them.
 *
 * Layouts and writers are in abi.h; this file only declares the maps under the names it gives.
 * What the loader sets before it loads the object:
 *   flows          max_entries, and settings.flow_sets to the same
 *   ports          max_entries, SL_PORT_SETS() of that
 *   syns           max_entries, and settings.syn_count
 *   conns          max_entries, when the operator asks for another size
 *   counters       max_entries, when the host has more than SL_CPUS_MAX possible CPUs
 * Inner maps of `maglev` and `maglev_old` are ARRAYs of u32 with flag BPF_F_INNER_MAP, so that their sizes may
 * differ; user space makes them.
 *
 * A row of `tunables` that nobody wrote reads as zero and is clamped to each tunable's minimum: the
 * loader fills row 0 with the defaults and all others with SL_TUNABLE_INHERIT.
 */
#ifndef SL_BPF_MAPS_H
#define SL_BPF_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"
#include "bpf/breaker.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_POOLS_MAX *SL_TUNABLE_KEYS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} tunables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_NODES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_node_state);
} nodes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_POOLS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_pool_state);
} pools SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_CPUS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SL_ENDPOINTS_MAX);
	__type(key, struct sl_endpoint);
	__type(value, __u32);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SL_SERVICES_MAX);
	__type(key, struct sl_endpoint);
	__type(value, struct sl_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SL_DEVICES_MAX);
	__type(key, __u32);
	__type(value, struct sl_device);
} devices SEC(".maps");

/* A pool's lookup table: slots of nodes. Its size is that of the one put in. */
struct maglev_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SL_POOLS_MAX);
	__type(key, __u32);
	__type(value, __u32);
	__array(values, struct maglev_table);
} maglev SEC(".maps");

/* The tables of each pool before its last changes; see chain.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SL_POOLS_MAX *SL_OLD_TABLES);
	__type(key, __u32);
	__type(value, __u32);
	__array(values, struct maglev_table);
} maglev_old SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_NODES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_node_load);
} loads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_NODES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_node_latency);
} latencies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_SERVER_IDS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_server_id);
} server_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_SOURCES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_source);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_SERVICES_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_service_guard);
} services_guard SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SL_PREFIXES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sl_prefix);
	__type(value, __u32);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_BEACON_KEYS_MAX);
	__type(key, __u32);
	__type(value, struct sl_beacon_key);
} beacon_keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_HOPS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_hop);
} hops SEC(".maps");

/* Mapped into memory, which also makes every set begin at a cache line. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_FLOW_SETS(SL_FLOWS_MAX_DEFAULT));
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_flow_set);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_PORT_SETS(SL_FLOW_SETS(SL_FLOWS_MAX_DEFAULT)));
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_port_set);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_SYNS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_syn);
} syns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SL_CONNS_MAX_DEFAULT);
	__type(key, struct sl_flow_key);
	__type(value, struct sl_local_conn);
} conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SL_EVENT_RING_BYTES);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_trace_filter);
} trace_filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SL_TRACE_RING_BYTES);
} trace SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_CHAOS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_chaos);
} chaos SEC(".maps");

/* Entries go with their devices, and those with their process: see lag.h. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, SL_LAGS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} lag_taps SEC(".maps");

/* Of user space alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_CHAOS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_lag);
} lags SEC(".maps");

/* What is asked for a new flow, and the answer; see balance.h. */
struct sl_choice {
	__u64 hash; /* of the flow */
	__u64 now_ns;
	__u32 pool;
	__u32 size; /* of the pool's table */
	__u32 stride;
	__u32 ip_v6;
	__u32 exclude; /* slot that may not be chosen again; 0: none */
	__u32 bounded; /* the slot last refused by the load bound; 0: none was */
	__u32 ret_slot;
	__u32 ret_ticket;
	__u32 lost;	     /* slot of a node whose beacons have stopped; 0: none was met */
	__u32 bound_percent; /* tunable pool.load_bound_percent of the pool */
	/* For the trace: the slots looked at first, what each said (as sl_trace.verdict_a), and how
	 * the answer came about. */
	__u32 candidate_a;
	__u32 candidate_b;
	__u8 verdict_a;
	__u8 verdict_b;
	__u8 panic;
	__u8 spilled;
};

/* What conn.h looks at in a packet. */
struct sl_segment {
	__u32 seq;
	__u32 ack;
	__u32 payload_len;
	__u8 flags;
};

/* What the steps tell each other about the packet at hand; see steps.h. */
struct sl_handover {
	__u64 hash;	 /* of the key */
	__u32 index;	 /* of the flow + 1; 0: none */
	__u32 mtu;	 /* TOO_BIG: what would fit */
	__u32 reason;	 /* enum sl_counter: why the step was called; RETRY: see retry.h */
	__u32 from_node; /* the packet came from the node's side */
	__u32 seq;	 /* of TCP */
	__u32 quic;	 /* OPEN: the node that a connection id names; 0: none */
	__u8 is_syn;	 /* a SYN that may begin a flow */
	__u8 is_first;	 /* that, or a datagram */
	__u8 ip_v6;
	__u8 fresh;	 /* SEND, TUNNEL: the packet opened its flow, or was observed already */
	__u32 cookie;	 /* COOKIE: what to acknowledge */
	__u16 service;	 /* its sl_service.index */
	__u8 is_reset;	 /* TCP with RST, without ACK and SYN */
	__u8 lane;	 /* OPEN: enum sl_lane of its service; UNSET: not looked up yet */
	__u32 slot;	 /* TUNNEL: node that it goes to. AGAIN: the one that has it now */
	__u32 pool;	 /* OPEN, AGAIN: of its service */
	__u32 outer_len; /* AGAIN: bytes of the tunnel's headers; 0: none */
	__u32 lag; /* ONWARD, SEND, TUNNEL: the experiment that holds it back, see lag.h; 0: none */
};

/* Where a flow may live; see chain.h. */
#define SL_CHAIN_MAX 8u /* a power of two */
struct sl_chain {
	__u32 slot[SL_CHAIN_MAX];
	__u32 count;
};

/* The tunables that a new flow is asked by, read in one go (sl_guard_limits_read). */
struct sl_guard_limits {
	__u64 fast_lane;
	__u64 pending;
	__u64 source_rate;
	__u64 source_burst;
	__u64 service_rate;
	__u64 service_burst;
	__u64 proven_ms;
};

/*
 * Room for what does not fit on the 512 bytes of stack that all frames of a packet share. One row a
 * CPU is enough: the programs run in soft interrupts or with those switched off, never inside each
 * other. Not pinned.
 */
struct sl_scratch {
	struct sl_flow_key key;
	struct sl_handover handover;
	struct sl_segment segment;
	__u64 now_ns;  /* of the packet at hand */
	__u64 jiffies; /* when `tick_ns` was read */
	__u64 tick_ns; /* the time at the first packet of that jiffy */
	struct sl_choice choice;
	struct sl_guard_limits limits;
	__u32 traced; /* settings.trace when `trace` was begun, see trace.h; the route's line is hot */
	__u32 pad;
	struct bpf_fib_lookup fib;
	struct sl_flow flow; /* as it was before it moved */
	struct sl_breaker_config config;
	struct sl_breaker_change change;
	struct sl_event event;
	struct sl_trace trace;
	__u64 answers; /* second << 32 | ICMP errors sent in it, see craft.h */
	struct sl_beacon beacon;
	struct sl_chain chain;
	struct sl_flow_key outer;  /* of a tunnel's outer header */
	struct sl_flow_key quoted; /* of the packet that an ICMP error is about */
	__u8 options[64] __attribute__((aligned(8))); /* of TCP */
};

/* The next source port towards each node; each CPU has its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SL_NODES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} port_cursors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sl_scratch);
} scratch SEC(".maps");

static __always_inline struct sl_scratch *sl_scratch_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

#define SL_LOAD(lvalue)		(*(volatile __typeof__(lvalue) *)&(lvalue))
#define SL_STORE(lvalue, value) (*(volatile __typeof__(lvalue) *)&(lvalue) = (value))

/*
 * The time of the packet at hand, set once by whoever gives the packet to the rest and never 0 after
 * that. Reading the clock costs as much as finding a flow, and more: it waits for every load under
 * way. So it is read where something is measured (sl_now_set); for all else the time when this CPU
 * first asked in the present jiffy (sl_now_near) is good enough: it is late by at most one, 10 ms on
 * the slowest kernels.
 */
static __always_inline __u64 sl_now(void)
{
	struct sl_scratch *room = sl_scratch_row();

	return room ? room->now_ns : bpf_ktime_get_ns();
}

static __always_inline void sl_now_set(struct sl_scratch *room)
{
	room->now_ns = bpf_ktime_get_ns();
	room->tick_ns = room->now_ns;
	room->jiffies = bpf_jiffies64();
}

static __always_inline void sl_now_near(struct sl_scratch *room)
{
	if (room->jiffies != bpf_jiffies64())
		sl_now_set(room);
	else
		room->now_ns = room->tick_ns;
}

#define SL_NS_PER_MS 1000000ull
#define SL_NS_PER_US 1000ull

/* This CPU's row of counters, or NULL when the host has more CPUs than rows. */
static __always_inline struct sl_counters *sl_counters_row(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&counters, &cpu);
}

/* For paths that do not already hold the row. */
static __always_inline void sl_count(enum sl_counter id)
{
	struct sl_counters *row = sl_counters_row();

	if (row)
		row->v[id]++;
}

static __always_inline struct sl_settings *sl_settings_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline struct sl_node_state *sl_node_at(__u32 slot)
{
	return bpf_map_lookup_elem(&nodes, &slot);
}

static __always_inline struct sl_pool_state *sl_pool_at(__u32 slot)
{
	return bpf_map_lookup_elem(&pools, &slot);
}

/*
 * One tunable of a pool: its own row, else the global one, kept within [min, max] whatever an
 * operator wrote. A function of its own, so that the verifier walks it once.
 */
__attribute__((noinline)) __u64 sl_tunable_read(__u32 pool, __u32 id, __u64 min, __u64 max)
{
	__u32 key = pool * SL_TUNABLE_KEYS + id;
	__u64 *value = bpf_map_lookup_elem(&tunables, &key);

	if (!value || *value == SL_TUNABLE_INHERIT)
		value = bpf_map_lookup_elem(&tunables, &id);
	if (!value || *value < min)
		return min;
	return *value > max ? max : *value;
}

/* A mask that the compiler may not turn into a branch again: all ones where `value` is negative. */
static __always_inline __u64 sl_if_negative(__u64 value)
{
	value = (__u64)((__s64)value >> 63);
	__asm__ volatile("" : "+r"(value));
	return value;
}

/*
 * The same without a call and with one branch only, so that the verifier can walk many of them in a
 * row: for new flows, which need a dozen.
 */
static __always_inline __u64 sl_tunable_quick(__u32 pool, __u32 id, __u64 min, __u64 max)
{
	__u32 key = pool * SL_TUNABLE_KEYS + id;
	__u64 *own = bpf_map_lookup_elem(&tunables, &key);
	__u64 *global = bpf_map_lookup_elem(&tunables, &id);
	__u64 value, mask;

	if (!own || !global)
		return min;
	value = SL_LOAD(*own);
	mask = sl_if_negative((value + 1) | -(value + 1)); /* its own, not SL_TUNABLE_INHERIT */
	value = (value & mask) | (SL_LOAD(*global) & ~mask);
	mask = sl_if_negative(value);
	value = (value & ~mask) | (mask >> 1);
	mask = sl_if_negative(value - min);
	value = (value & ~mask) | (min & mask);
	mask = sl_if_negative(max - value);
	return (value & ~mask) | (max & mask);
}

#define SL_TUNABLE_QUICK(pool, id) \
	sl_tunable_quick(pool, SL_TUNABLE_##id, SL_TUNABLE_MIN_##id, SL_TUNABLE_MAX_##id)

#define SL_TUNABLE(pool, id) \
	sl_tunable_read(pool, SL_TUNABLE_##id, SL_TUNABLE_MIN_##id, SL_TUNABLE_MAX_##id)

#endif
