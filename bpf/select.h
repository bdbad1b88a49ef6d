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
__attribute__((noinline)) int sl_select_slot(__u32 pool, __u32 position)
{
	void *table = bpf_map_lookup_elem(&maglev, &pool);
	__u32 *slot;

	if (!table)
		return 0;
	slot = bpf_map_lookup_elem(table, &position);
	return slot && *slot < SL_NODES_MAX ? *slot : 0;
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
