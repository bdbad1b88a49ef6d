/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/audit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "bpf/hash.h"

#define TAG_SHIFT  16u
#define OVERFLOW   (1ull << 12)
#define PORT_BLOCK 8u
#define FINISHED   (1u << 7) /* sl_conn.reported: the client has ended its handshake */

/* What the rows say of one node or pool. */
struct tally {
	uint64_t flows;
	uint64_t alive;
	uint64_t waiting;
};

static char reason[256];

uint32_t sl_audit_first_set(uint64_t hash, uint32_t sets)
{
	return sl_hash_scale((uint32_t)(hash >> 32), sets);
}

uint32_t sl_audit_second_set(uint64_t hash, uint32_t sets)
{
	return sl_hash_scale((uint32_t)(hash >> 8) * 0x9e3779b1u, sets);
}

uint32_t sl_audit_tag(uint64_t hash)
{
	uint32_t tag = (uint32_t)hash & 0xffffu;

	return tag ? tag : 1;
}

uint64_t sl_audit_key_hash(const struct sl_rig *rig, const struct sl_addr *client,
			   const struct sl_addr *vip, __be16 client_port, __be16 vip_port,
			   uint8_t proto)
{
	return sl_hash_tuple(client->w, vip->w, (uint32_t)client_port << 16 | vip_port, proto,
			     rig->settings->seed);
}

uint64_t sl_audit_answer_hash(const struct sl_rig *rig, uint32_t slot, __be16 nat_port,
			      uint8_t proto)
{
	const struct sl_node_state *node = &rig->nodes[slot];
	__be16 block = htons((uint16_t)(ntohs(nat_port) / PORT_BLOCK * PORT_BLOCK));

	return sl_hash_tuple(node->endpoint.addr.w, node->snat_addr.w,
			     (uint32_t)node->endpoint.port << 16 | block, proto,
			     rig->settings->seed);
}

static uint32_t way_kind(uint64_t word)
{
	return (uint32_t)(word >> SL_WAY_KIND_SHIFT) & 7u;
}

static uint32_t state_kind(const struct sl_conn *conn)
{
	switch (conn->state) {
	case SL_TCP_SYN_SENT:
		return SL_WAY_OPENING;
	case SL_TCP_ESTABLISHED:
		return conn->reported & FINISHED ? SL_WAY_OPEN : SL_WAY_OPENING;
	case SL_TCP_UDP:
		return SL_WAY_UDP;
	default:
		return SL_WAY_CLOSING;
	}
}

/* Entries of `ports`, in the way of this port of any set, that lead to this flow. */
static uint32_t port_entries(const struct sl_rig *rig, const struct sl_flow *flow, uint32_t index)
{
	uint64_t hash = sl_audit_answer_hash(rig, flow->conn.node, flow->nat_port, flow->proto);
	uint32_t way = ntohs(flow->nat_port) % PORT_BLOCK, count = 0;
	uint32_t sets = SL_PORT_SETS(rig->settings->flow_sets),
		 own = sl_audit_first_set(hash, sets);

	for (uint32_t set = 0; set < sets; set++) {
		if ((uint32_t)rig->ports[set].way[way] != index + 1)
			continue;
		count += set == own && rig->ports[set].way[way] >> 32 == (uint32_t)hash ? 1 : 2;
	}
	return count;
}

static bool row_holds(const struct sl_rig *rig, uint32_t index, bool exact)
{
	const struct sl_flow_set *set = &rig->flows[index / SL_FLOW_WAYS];
	const struct sl_flow *flow = &set->flow[index % SL_FLOW_WAYS];
	uint64_t word = set->way[index % SL_FLOW_WAYS];
	uint64_t hash = sl_audit_key_hash(rig, &flow->client, &flow->vip, flow->client_port,
					  flow->vip_port, flow->proto);
	uint32_t sets = rig->settings->flow_sets, tag = (uint32_t)(word >> TAG_SHIFT) & 0xffffu;
	uint32_t first = sl_audit_first_set(hash, sets), second = sl_audit_second_set(hash, sets);
	uint32_t entries = flow->nat_port ? port_entries(rig, flow, index) : 1;
	uint32_t at = index / SL_FLOW_WAYS;
	const char *what = NULL;

	if (tag != sl_audit_tag(hash))
		what = "its tag is not that of its key";
	else if (at != first && at != second)
		what = "it lies in neither of its sets";
	else if (at != first && !(rig->flows[first].way[0] & OVERFLOW))
		what = "it lies in its second set, which the first does not say";
	else if (entries != 1)
		what = entries ? "its port is there twice, or elsewhere" : "its port is not there";
	else if (!flow->nat_port != ((flow->flags & SL_FLOW_MODE) != SL_MODE_NAT))
		what = "port and mode do not agree";
	else if (exact && way_kind(word) != state_kind(&flow->conn))
		what = "its way is of another kind than its state";
	if (what)
		snprintf(reason, sizeof(reason), "flow %u (client port %u, state %u, kind %u): %s",
			 index, ntohs(flow->client_port), flow->conn.state, way_kind(word), what);
	return !what;
}

static void tally_add(struct tally *tally, const struct sl_conn *conn)
{
	tally->flows++;
	tally->alive += conn->mark != 0;
	tally->waiting += conn->state != SL_TCP_SYN_SENT && conn->begun;
}

static bool node_holds(const struct sl_rig *rig, uint32_t slot, const struct tally *tally,
		       bool exact)
{
	const struct sl_node_state *node = &rig->nodes[slot];
	uint64_t living =
		node->flows_opened - node->flows_closed - node->flows_expired - node->flows_evicted;

	if (living != tally->flows) {
		snprintf(reason, sizeof(reason),
			 "node %u: opened %llu, closed %llu, expired %u, evicted %u, but %llu rows",
			 slot, (unsigned long long)node->flows_opened,
			 (unsigned long long)node->flows_closed, node->flows_expired,
			 node->flows_evicted, (unsigned long long)tally->flows);
		return false;
	}
	if (!exact)
		return true;
	if (sl_rig_flows(rig, slot) != tally->alive || node->waiting != tally->waiting) {
		snprintf(reason, sizeof(reason),
			 "node %u: %llu alive and %u waiting, but %llu and %llu by the rows", slot,
			 (unsigned long long)sl_rig_flows(rig, slot), node->waiting,
			 (unsigned long long)tally->alive, (unsigned long long)tally->waiting);
		return false;
	}
	return true;
}

static bool counters_hold(const struct sl_rig *rig, uint64_t rows)
{
	uint64_t opened = sl_rig_counted_since_reset(rig, SL_COUNTER_FLOW_OPENED);
	uint64_t closed = sl_rig_counted_since_reset(rig, SL_COUNTER_FLOW_CLOSED);
	uint64_t expired = sl_rig_counted_since_reset(rig, SL_COUNTER_FLOW_EXPIRED);
	uint64_t evicted = sl_rig_counted_since_reset(rig, SL_COUNTER_FLOW_EVICTED);

	if (opened - closed - expired - evicted == rows)
		return true;
	snprintf(reason, sizeof(reason),
		 "counters: opened %llu, closed %llu, expired %llu, evicted %llu, but %llu rows",
		 (unsigned long long)opened, (unsigned long long)closed,
		 (unsigned long long)expired, (unsigned long long)evicted,
		 (unsigned long long)rows);
	return false;
}

const char *sl_audit(const struct sl_rig *rig, bool exact)
{
	struct tally nodes[SL_RIG_NODES_MAX] = {0};
	uint64_t rows = 0, nat_rows = 0;

	for (uint32_t i = 0; i < rig->settings->flow_sets * SL_FLOW_WAYS; i++) {
		const struct sl_flow_set *set = &rig->flows[i / SL_FLOW_WAYS];
		const struct sl_flow *flow = &set->flow[i % SL_FLOW_WAYS];
		uint64_t word = set->way[i % SL_FLOW_WAYS];

		if (way_kind(word) == SL_WAY_FREE && !(word >> TAG_SHIFT & 0xffff))
			continue;
		if (flow->conn.node >= SL_RIG_NODES_MAX || !row_holds(rig, i, exact))
			return reason;
		if ((uint16_t)rig->nodes[flow->conn.node].incarnation == flow->conn.incarnation)
			tally_add(&nodes[flow->conn.node], &flow->conn);
		rows++;
		nat_rows += flow->nat_port != 0;
	}
	for (uint32_t slot = 1; slot < SL_RIG_NODES_MAX; slot++) {
		if (!node_holds(rig, slot, &nodes[slot], exact))
			return reason;
	}
	if (sl_rig_port_count(rig) != nat_rows) {
		snprintf(reason, sizeof(reason), "%u entries of ports, but %llu flows of mode nat",
			 sl_rig_port_count(rig), (unsigned long long)nat_rows);
		return reason;
	}
	return counters_hold(rig, rows) ? NULL : reason;
}
