// SPDX-License-Identifier: BSD-2-Clause
/*
 * baseline.bpf.c - what the packet benchmark compares with: the least that a balancer has to do.
 *
 *   base_empty         returns at once; its cost is taken off everything
 *   base_drop          XDP_DROP
 *   base_tx            swaps the MAC addresses, XDP_TX
 *   base_maglev        parse, service, Maglev table, node, MAC addresses; keeps nothing
 *   base_maglev_nat    the same, addresses and port rewritten with their checksums
 *   base_lru           base_maglev behind a flow table of type LRU_HASH: lookup, insert on miss
 *   base_lru_nat       both
 *
 * IPv4 and TCP only, no health, no load, no end of a flow: each omission makes them faster than a
 * balancer can be. The flow key is the 5-tuple in 16 bytes, the smallest that works. One counter
 * row a CPU, as any balancer has.
 */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "bpf/csum.h"
#include "bpf/hash.h"
#include "tests/bench/packet/baseline.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define FRAGMENT 0x3fff /* more-fragments bit and offset */

struct tuple {
	__be32 src;
	__be32 dst;
	__be16 sport;
	__be16 dport;
	__u32 proto;
};

struct parsed {
	struct ethhdr *eth;
	struct iphdr *ip;
	struct tcphdr *tcp;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct sl_base_vip);
	__type(value, __u32); /* of the pool; only presence matters here */
} base_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_BASE_RING);
	__type(key, __u32);
	__type(value, __u32);
} base_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SL_BASE_REALS);
	__type(key, __u32);
	__type(value, struct sl_base_real);
} base_reals SEC(".maps");

/* The benchmark sets max_entries to the number of flows that sluice's table is made for. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct tuple);
	__type(value, __u32);
} base_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sl_base_stats);
} base_stats SEC(".maps");

/* Returns false for what a balancer would leave to the stack. */
static __always_inline bool parse(struct xdp_md *ctx, struct parsed *ret)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(eth + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return false;
	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5)
		return false;
	if (ip->frag_off & bpf_htons(FRAGMENT) || ip->protocol != IPPROTO_TCP)
		return false;
	if ((void *)(tcp + 1) > end || tcp->doff < 5)
		return false;
	ret->eth = eth;
	ret->ip = ip;
	ret->tcp = tcp;
	return true;
}

static __always_inline __u32 ring_position(const struct tuple *tuple)
{
	__u64 hash = sl_hash_combine((__u64)tuple->src << 32 | tuple->dst,
				     (__u64)tuple->sport << 16 | tuple->dport);

	return sl_hash_scale((__u32)hash, SL_BASE_RING);
}

static __always_inline void nat(const struct parsed *packet, const struct sl_base_real *real)
{
	struct iphdr *ip = packet->ip;
	struct tcphdr *tcp = packet->tcp;
	__be16 *hops = (__be16 *)&ip->ttl;
	__u16 old_hops = *hops;
	__u64 delta = 0;

	delta = sl_csum_word(delta, ip->saddr, real->snat);
	delta = sl_csum_word(delta, ip->daddr, real->addr);
	ip->saddr = real->snat;
	ip->daddr = real->addr;
	/* One store of 16 bits: reading them back behind a store of 8 would stall for 15 ns. */
	*hops = old_hops - bpf_htons(0x0100);
	ip->check = sl_csum_apply(
		ip->check, sl_csum_word(delta, old_hops, (__u16)(old_hops - bpf_htons(0x0100))));
	delta = sl_csum_word(delta, tcp->dest, real->port);
	tcp->dest = real->port;
	tcp->check = sl_csum_apply(tcp->check, delta);
}

static __always_inline int balance(struct xdp_md *ctx, bool rewrite, bool remember)
{
	struct sl_base_stats *stats;
	struct sl_base_real *real;
	struct parsed packet;
	struct sl_base_vip vip = {};
	struct tuple tuple;
	__u32 position, zero = 0, *slot;

	if (!parse(ctx, &packet))
		return XDP_PASS;
	tuple.src = packet.ip->saddr;
	tuple.dst = packet.ip->daddr;
	tuple.sport = packet.tcp->source;
	tuple.dport = packet.tcp->dest;
	tuple.proto = IPPROTO_TCP;
	vip.addr = tuple.dst;
	vip.port = tuple.dport;
	vip.proto = IPPROTO_TCP;
	stats = bpf_map_lookup_elem(&base_stats, &zero);
	if (!stats || !bpf_map_lookup_elem(&base_vips, &vip))
		return XDP_PASS;
	slot = remember ? bpf_map_lookup_elem(&base_flows, &tuple) : NULL;
	if (!slot) {
		position = ring_position(&tuple);
		slot = bpf_map_lookup_elem(&base_ring, &position);
		if (!slot)
			return XDP_DROP;
		if (remember) {
			bpf_map_update_elem(&base_flows, &tuple, slot, BPF_ANY);
			stats->misses++;
		}
	}
	real = bpf_map_lookup_elem(&base_reals, slot);
	if (!real)
		return XDP_DROP;
	if (rewrite)
		nat(&packet, real);
	__builtin_memcpy(packet.eth->h_source, packet.eth->h_dest, ETH_ALEN);
	__builtin_memcpy(packet.eth->h_dest, real->mac, ETH_ALEN);
	stats->packets++;
	stats->bytes += ctx->data_end - ctx->data;
	return XDP_TX;
}

SEC("xdp")
int base_empty(struct xdp_md *ctx)
{
	return XDP_TX;
}

SEC("xdp")
int base_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp")
int base_tx(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return XDP_TX;
}

SEC("xdp")
int base_maglev(struct xdp_md *ctx)
{
	return balance(ctx, false, false);
}

SEC("xdp")
int base_maglev_nat(struct xdp_md *ctx)
{
	return balance(ctx, true, false);
}

SEC("xdp")
int base_lru(struct xdp_md *ctx)
{
	return balance(ctx, false, true);
}

SEC("xdp")
int base_lru_nat(struct xdp_md *ctx)
{
	return balance(ctx, true, true);
}
