/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * select.h - which service a packet is for, and which nodes a new flow may go to.
 *
 * Candidates come from the pool's Maglev table (Eisenbud et al., NSDI 2016): position = hash scaled
 * to the table. The table is an inner map that user space swaps whole; pools.maglev_size says how
 * many entries to use. While a swap changes the size, user space keeps maglev_size at the smaller
 * of the two; a position beyond the table yields no candidate.
 */
#ifndef SL_BPF_SELECT_H
#define SL_BPF_SELECT_H

#include "bpf/hash.h"
#include "bpf/maps.h"
#include "bpf/parse.h"

/* Entries looked at for a second candidate unlike the first: of two nodes it fails once in 65,536. */
#define SL_SECOND_TRIES_MAX 16
#define SL_SECOND_STRIDE    0x9e3779b9u

/* The service that a packet with this key is for, or NULL. */
static __always_inline struct sl_service *sl_service_of(const struct sl_flow_key *key)
{
	struct sl_endpoint endpoint = {};

	endpoint.addr = key->dst;
	endpoint.port = key->dport;
	endpoint.proto = key->proto;
	return bpf_map_lookup_elem(&services, &endpoint);
}

/* Slot of the node that the packet goes to, or NULL: not one of our nodes. */
static __always_inline __u32 *sl_endpoint_of(const struct sl_flow_key *key)
{
	struct sl_endpoint endpoint = {};

	endpoint.addr = key->dst;
	endpoint.port = key->dport;
	endpoint.proto = key->proto;
	return bpf_map_lookup_elem(&endpoints, &endpoint);
}

/* The node at one position of the pool's table; 0 when there is none. */
static __always_inline __u32 select_slot(__u32 pool, __u32 position)
{
	void *table = bpf_map_lookup_elem(&maglev, &pool);
	__u32 *slot;

	if (!table)
		return 0;
	slot = bpf_map_lookup_elem(table, &position);
	return slot && *slot < SL_NODES_MAX ? *slot : 0;
}

/* The same, walked once by the verifier, whoever calls it how often. */
__attribute__((noinline)) int sl_select_slot(__u32 pool, __u32 position)
{
	return select_slot(pool, position);
}

/* The same of a former table; `table` as sl_old_table() says. */
__attribute__((noinline)) int sl_select_old_slot(__u32 table, __u32 position)
{
	void *inner = bpf_map_lookup_elem(&maglev_old, &table);
	__u32 *slot;

	if (!inner)
		return 0;
	slot = bpf_map_lookup_elem(inner, &position);
	return slot && *slot < SL_NODES_MAX ? *slot : 0;
}

/* Where candidates are looked up: the table of a pool, or a former one of it. */
struct sl_select {
	__u32 table; /* key in `maglev`, or in `maglev_old` */
	__u32 size;
	bool old;
};

static __always_inline __u32 select_in(const struct sl_select *in, __u32 hash)
{
	__u32 position = sl_hash_scale(hash, in->size);

	return in->old ? sl_select_old_slot(in->table, position)
		       : sl_select_slot(in->table, position);
}

/* The first candidate of a flow with this hash. */
static __always_inline __u32 sl_select_first(const struct sl_select *in, __u64 hash)
{
	return select_in(in, (__u32)hash);
}

/*
 * A second candidate by the other half of the hash; in a small pool it often is the first again,
 * so further entries are looked at.
 */
static __always_inline __u32 sl_select_second(const struct sl_select *in, __u64 hash, __u32 first)
{
	__u32 half = hash >> 32;
	__u32 slot = 0;
	int tries;

	for (tries = 0; tries < SL_SECOND_TRIES_MAX; tries++) {
		slot = select_in(in, half);
		if (slot != first)
			break;
		half += SL_SECOND_STRIDE;
	}
	return slot;
}

/* Can a client of this family be forwarded to the node, by its mode? */
static __always_inline bool sl_select_addressed(const struct sl_node_state *node, bool ip_v6)
{
	if (sl_addr_is_ip4(&node->endpoint.addr) == ip_v6)
		return false;
	if (node->mode == SL_MODE_L2)
		return true;
	return ip_v6 ? node->snat_addr.w[0] || node->snat_addr.w[1] : node->snat_addr.w[3];
}

/*
 * May `node` get something new of this pool at all, whatever its breaker says? It must be present,
 * not draining, of the pool and the client's family, and have an address to speak to it from where
 * its mode needs one.
 */
static __always_inline bool sl_select_eligible(const struct sl_node_state *node, __u32 pool,
					       bool ip_v6)
{
	__u32 admin = sl_breaker_load32(&node->admin);

	if ((admin & (SL_NODE_PRESENT | SL_NODE_DRAINING)) != SL_NODE_PRESENT)
		return false;
	return node->pool == pool && sl_select_addressed(node, ip_v6);
}

#endif
