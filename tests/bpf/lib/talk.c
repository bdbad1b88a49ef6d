/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/talk.h"

#include <arpa/inet.h>
#include <string.h>
#include "tests/bpf/lib/audit.h"

static const uint8_t rig_mac[6] = SL_RIG_MAC_NODE(0xa0);
static const uint8_t router_mac[6] = SL_RIG_MAC_ROUTER;

struct sl_talk sl_talk_of(enum sl_rig_hook hook, bool ip6)
{
	return (struct sl_talk){
		.client = ip6 ? "2001:db8:c::7" : "198.51.100.7",
		.service = ip6 ? "2001:db8::100" : "192.0.2.100",
		.sport = 5000,
		.dport = 80,
		.hook = hook,
	};
}

struct sl_frame_spec sl_talk_client_spec(const struct sl_talk *talk, uint8_t flags,
					 uint16_t payload_len)
{
	struct sl_frame_spec spec = {
		.src = talk->client,
		.dst = talk->service,
		.sport = talk->sport,
		.dport = talk->dport,
		.seq = talk->seq ? talk->seq : SL_TALK_CLIENT_SEQ,
		.ack = flags & SL_FRAME_ACK ? talk->ack : 0,
		.flags = flags,
		.vlan = {talk->vlan[0], talk->vlan[1]},
		.payload_len = payload_len,
		.udp = talk->udp,
	};

	memcpy(spec.smac, router_mac, 6);
	memcpy(spec.dmac, rig_mac, 6);
	return spec;
}

struct sl_frame_spec sl_talk_node_spec(const struct sl_rig *rig, const struct sl_talk *talk,
				       uint8_t flags, uint16_t payload_len)
{
	const struct sl_node_state *node = &rig->nodes[talk->slot];
	struct sl_frame_spec spec = {
		.src = sl_frame_addr_text(&node->endpoint.addr),
		.dst = sl_frame_addr_text(&node->snat_addr),
		.sport = ntohs(node->endpoint.port),
		.dport = talk->nat_port,
		.seq = flags & SL_FRAME_SYN ? SL_TALK_NODE_SEQ : talk->ack,
		.ack = flags & SL_FRAME_ACK ? talk->seq : 0,
		.flags = flags,
		.payload_len = payload_len,
		.udp = talk->udp,
	};

	memcpy(spec.smac, router_mac, 6);
	memcpy(spec.dmac, rig_mac, 6);
	return spec;
}

/* The node that a frame is addressed to; 0: none of ours. */
static uint32_t slot_of(const struct sl_rig *rig, const struct sl_frame *frame)
{
	size_t at = sl_frame_l3_at(frame);
	bool ip6 = at && frame->bytes[at] >> 4 == 6;
	struct sl_addr addr = {{0, 0, htonl(0xffff), 0}};

	if (!at)
		return 0;
	memcpy(ip6 ? addr.w : &addr.w[3], frame->bytes + at + (ip6 ? 24 : 16), ip6 ? 16 : 4);
	for (uint32_t slot = 1; slot < SL_RIG_NODES_MAX; slot++) {
		const struct sl_endpoint *endpoint = &rig->nodes[slot].endpoint;

		if (endpoint->port && !memcmp(&endpoint->addr, &addr, sizeof(addr)) &&
		    !memcmp(&endpoint->port, frame->bytes + at + (ip6 ? 42 : 22), 2))
			return slot;
	}
	return 0;
}

static uint32_t advance_of(uint8_t flags, uint16_t payload_len)
{
	return payload_len + !!(flags & SL_FRAME_SYN) + !!(flags & SL_FRAME_FIN);
}

enum sl_rig_verdict sl_talk_client(struct sl_rig *rig, struct sl_talk *talk, uint8_t flags,
				   uint16_t payload_len)
{
	struct sl_frame_spec spec = sl_talk_client_spec(talk, flags, payload_len);
	enum sl_rig_verdict verdict;
	struct sl_frame in, out;

	sl_frame_build(&in, &spec);
	verdict = sl_rig_run(rig, talk->hook, &in, &out);
	/* Passed with another length: handed to TC with a mark, to be sent there. */
	if (verdict != SL_RIG_FORWARD && (verdict != SL_RIG_PASS || out.len == in.len)) {
		talk->slot = 0;
		return verdict;
	}
	talk->seq = spec.seq + advance_of(flags, payload_len);
	talk->slot = slot_of(rig, &out);
	talk->nat_port = sl_frame_sport(&out);
	return verdict;
}

enum sl_rig_verdict sl_talk_node(struct sl_rig *rig, struct sl_talk *talk, uint8_t flags,
				 uint16_t payload_len)
{
	struct sl_frame_spec spec = sl_talk_node_spec(rig, talk, flags, payload_len);
	enum sl_rig_verdict verdict;
	struct sl_frame in, out;

	sl_frame_build(&in, &spec);
	verdict = sl_rig_run(rig, talk->hook, &in, &out);
	if (verdict == SL_RIG_FORWARD)
		talk->ack = spec.seq + advance_of(flags, payload_len);
	return verdict;
}

bool sl_talk_establish(struct sl_rig *rig, struct sl_talk *talk)
{
	return sl_talk_client(rig, talk, SL_FRAME_SYN, 0) == SL_RIG_FORWARD &&
	       sl_talk_node(rig, talk, SL_FRAME_SYN | SL_FRAME_ACK, 0) == SL_RIG_FORWARD &&
	       sl_talk_client(rig, talk, SL_FRAME_ACK, 0) == SL_RIG_FORWARD;
}

bool sl_talk_finish(struct sl_rig *rig, struct sl_talk *talk)
{
	return sl_talk_client(rig, talk, SL_FRAME_FIN | SL_FRAME_ACK, 0) == SL_RIG_FORWARD &&
	       sl_talk_node(rig, talk, SL_FRAME_FIN | SL_FRAME_ACK, 0) == SL_RIG_FORWARD &&
	       sl_talk_client(rig, talk, SL_FRAME_ACK, 0) == SL_RIG_FORWARD;
}

uint64_t sl_talk_hash(const struct sl_rig *rig, const struct sl_talk *talk)
{
	struct sl_addr client = sl_frame_addr(talk->client), vip = sl_frame_addr(talk->service);

	return sl_audit_key_hash(rig, &client, &vip, htons(talk->sport), htons(talk->dport),
				 talk->udp ? IPPROTO_UDP : IPPROTO_TCP);
}

uint32_t sl_talk_index(const struct sl_rig *rig, const struct sl_talk *talk)
{
	struct sl_addr client = sl_frame_addr(talk->client), vip = sl_frame_addr(talk->service);

	for (uint32_t i = 0; i < rig->settings->flow_sets * SL_FLOW_WAYS; i++) {
		const struct sl_flow_set *set = &rig->flows[i / SL_FLOW_WAYS];
		const struct sl_flow *flow = &set->flow[i % SL_FLOW_WAYS];

		if ((set->way[i % SL_FLOW_WAYS] >> SL_WAY_KIND_SHIFT & 7) != SL_WAY_FREE &&
		    flow->client_port == htons(talk->sport) &&
		    flow->vip_port == htons(talk->dport) &&
		    flow->proto == (talk->udp ? IPPROTO_UDP : IPPROTO_TCP) &&
		    !memcmp(&flow->client, &client, sizeof(client)) &&
		    !memcmp(&flow->vip, &vip, sizeof(vip)))
			return i;
	}
	return UINT32_MAX;
}
