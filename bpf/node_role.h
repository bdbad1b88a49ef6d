/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node_role.h - the node role: an inference host behind balancers of the direct-return modes.
 *
 *   a tunnel to this host        step TAKE: checks it, then
 *                                  what this host holds, UDP    outer header off, to the stack
 *                                  TCP that it does not hold    step AGAIN
 *   a packet of a service of     held: to the stack; not held: step AGAIN
 *   mode l2
 *   anything else                to the stack as it is, other people's tunnels too
 *
 *   step AGAIN                   to the next node of the flow's chain (chain.h): the outer header
 *                                gets other addresses, or in mode l2 the frame another MAC; when all
 *                                were asked, to the stack after all, which answers as it likes
 *
 * Held: by a socket of the connection that the packet belongs to, or is an ICMP error about, be it
 * half open or in TIME_WAIT; a SYN by a listener; an ACK by a SYN cookie of ours. So a server process
 * that died behind a living host costs its clients nothing: their SYNs find the next node. That is
 * told this host's own breaker as a refusal.
 *
 * Ours is a tunnel whose inner destination is a service of the configuration and whose outer one is
 * this host's own address as a node. It must come from a node of the same service, or from an
 * address that the allow list names; where the file has no allow list, from any that is not denied.
 *
 * Sockets are looked for in the network namespace of the device. Servers in namespaces of their own
 * are not found: switch node.second_chance off, or run the role there.
 */
#ifndef SL_BPF_NODE_ROLE_H
#define SL_BPF_NODE_ROLE_H

#include "bpf/chain.h"
#include "bpf/encap.h"
#include "bpf/icmp.h"
#include "bpf/lane.h"

/* Declared with the programs (sluice.bpf.c). */
static __always_inline int sl_node_step(void *ctx, bool tc, enum sl_node_step step,
					struct sl_counters *row);

#define SL_TAKE_HEADERS_MAX 192u /* link, IPv6, UDP, IPv6, TCP with all options */
#define SL_OUTER_LEN_MAX    (sizeof(struct ipv6hdr) + sizeof(struct udphdr))

/* What a tunnel carries, as far as it was read; its key is the flow's. */
struct node_inner {
	struct sl_packet packet;
	__u32 outer_len;
};

static __always_inline bool node_is_here(const struct sl_node_state *node)
{
	return addr_equal(&node->endpoint.addr, &node->snat_addr);
}

static __always_inline int node_pass_held(bool tc, struct sl_counters *row)
{
	row->v[SL_COUNTER_PASS_HELD]++;
	return sl_hook_pass(tc);
}

/* Does the packet, whose only socket listens, bring a cookie back that this host gave out? */
static __always_inline bool node_gave_cookie(struct bpf_sock *listener,
					     const struct sl_packet *packet)
{
	if (!packet->tcp)
		return false;
	if (packet->ip_v6)
		return !bpf_tcp_check_syncookie(listener, packet->ip6, sizeof(*packet->ip6),
						packet->tcp, sizeof(*packet->tcp));
	return !bpf_tcp_check_syncookie(listener, packet->ip4, sizeof(*packet->ip4), packet->tcp,
					sizeof(*packet->tcp));
}

/*
 * Has this host a socket for the packet's key? It is that of a TCP packet to a service, or of one
 * that an ICMP error is about; then packet->tcp is NULL.
 */
static __always_inline bool node_holds(void *ctx, const struct sl_packet *packet)
{
	const struct sl_flow_key *key = packet->key;
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sock;
	bool held;

	if (packet->ip_v6) {
		__builtin_memcpy(tuple.ipv6.saddr, &key->src, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &key->dst, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = key->sport;
		tuple.ipv6.dport = key->dport;
		sock = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	} else {
		tuple.ipv4.saddr = key->src.w[3];
		tuple.ipv4.daddr = key->dst.w[3];
		tuple.ipv4.sport = key->sport;
		tuple.ipv4.dport = key->dport;
		sock = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sock)
		return false;
	held = sock->state != BPF_TCP_LISTEN || sl_packet_is_syn(packet) ||
	       node_gave_cookie(sock, packet);
	bpf_sk_release(sock);
	return held;
}

/* ---- step AGAIN ---------------------------------------------------------------------------- */

/* Takes the outer header off. The packet goes to the stack, or is dropped and counted. */
static __always_inline int node_take_off(void *ctx, bool tc, const struct sl_packet *outer,
					 const struct sl_packet *inner, __u32 outer_len,
					 struct sl_counters *row)
{
	__u32 tags = outer->tags;
	__u64 delta = 0;

	if (!sl_decap_ecn(outer, inner, &delta))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_TUNNEL);
	if (tc && delta)
		bpf_csum_update(ctx, sl_csum_fold32(delta));
	if (!sl_decap(ctx, tc, tags, outer_len))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	row->v[SL_COUNTER_DECAPSULATED]++;
	sl_trace(tc, SL_COUNTER_DECAPSULATED, 0);
	return sl_hook_pass(tc);
}

/* Hands the packet on to the step AGAIN; `self` is this host's slot. */
static __always_inline int node_again(void *ctx, bool tc, const struct sl_packet *packet,
				      __u32 self, __u32 pool, __u32 outer_len,
				      struct sl_scratch *room, struct sl_counters *row)
{
	struct sl_settings *config = sl_settings_row();

	if (!config)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	room->handover.hash = sl_key_hash(packet->key, config->seed);
	room->handover.index = 0;
	room->handover.is_syn = sl_packet_is_syn(packet);
	room->handover.ip_v6 = packet->ip_v6;
	room->handover.fresh = 0;
	room->handover.slot = self;
	room->handover.pool = pool;
	room->handover.outer_len = outer_len;
	return sl_node_step(ctx, tc, SL_NODE_STEP_AGAIN, row);
}

/* A SYN found no listener here: the same as a refusal of the server. */
static __always_inline void again_refused(const struct sl_scratch *room)
{
	struct sl_node_state *self = sl_node_at(room->handover.slot);

	if (room->handover.is_syn && self)
		sl_node_report_packed(room->handover.slot, self->incarnation,
				      sl_breaker_ticket(sl_breaker_load(&self->breaker), 0),
				      (__u32)SL_OUTCOME_FAILURE << 8 | SL_SIGNAL_RST_EARLY);
}

static __always_inline void again_addresses(const struct sl_packet *outer,
					    const struct sl_node_state *node)
{
	const struct sl_addr *src = &node->snat_addr, *dst = &node->endpoint.addr;
	struct iphdr *ip = outer->ip4;
	__u64 delta = 0;

	if (outer->ip_v6) {
		__builtin_memcpy(&outer->ip6->saddr, src, sizeof(outer->ip6->saddr));
		__builtin_memcpy(&outer->ip6->daddr, dst, sizeof(outer->ip6->daddr));
		return;
	}
	delta = sl_csum_word(delta, ip->saddr, src->w[3]);
	delta = sl_csum_word(delta, ip->daddr, dst->w[3]);
	ip->saddr = src->w[3];
	ip->daddr = dst->w[3];
	ip->check = sl_csum_apply(ip->check, delta);
}

/* Sends the packet to `node`; `passes` counts this time too. */
static __always_inline int again_send(void *ctx, bool tc, const struct sl_packet *outer,
				      const struct sl_packet *inner,
				      const struct sl_node_state *node, __u32 passes,
				      struct sl_scratch *room, struct sl_counters *row)
{
	bool tunnel = room->handover.outer_len;
	struct sl_rewrite to = {
		.src = tunnel ? &node->snat_addr : &outer->key->src,
		.dst = &node->endpoint.addr,
		.sport = outer->key->sport,
		.dport = outer->key->dport,
	};
	long route = sl_route(ctx, tc, outer, &to, &room->fib);

	if (!sl_route_usable(route))
		return sl_unforwarded(tc, row, sl_route_failure(route));
	sl_ip_hops_set(inner, SL_CHAIN_MAX - passes);
	if (tunnel) {
		sl_ip_hops_set(outer, SL_ENCAP_HOPS);
		again_addresses(outer, node);
	}
	row->v[SL_COUNTER_FORWARD_AGAIN]++;
	sl_trace(tc, SL_COUNTER_FORWARD_AGAIN, 0);
	return sl_transmit(ctx, tc, outer->eth, outer->tags, outer->ip_v6, route, &room->fib, row);
}

/* The step AGAIN. */
static __always_inline int sl_again(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet outer = {}, inner;
	struct sl_node_state *node;
	struct sl_cursor cursor;
	__u32 passes, outer_len, next;
	enum sl_parse parse;

	if (!row || !room)
		return sl_hook_pass(tc);
	parse = sl_parse_packet(ctx, tc, &cursor, &outer, &room->outer);
	outer_len = room->handover.outer_len;
	if ((parse != SL_PARSE_TCP && parse != SL_PARSE_UDP && parse != SL_PARSE_PROTOCOL) ||
	    outer_len > SL_OUTER_LEN_MAX)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	inner = outer;
	inner.ip4 = (void *)outer.ip4 + outer_len;
	/* An IPv4 packet has 40 bytes too, its TCP header was read. */
	if ((void *)(inner.ip6 + 1) > cursor.end)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	outer.l3_len = tc ? 0 : (__u16)sl_ip_len(ctx, tc, &outer);
	sl_chain_make(room, room->handover.hash, room->handover.pool, room->handover.ip_v6);
	passes = sl_chain_passes(sl_ip_hops(&inner));
	next = sl_chain_next(&room->chain, room->handover.slot, passes);
	node = next ? sl_node_at(next) : NULL;
	if (node && !node_is_here(node)) {
		again_refused(room);
		return again_send(ctx, tc, &outer, &inner, node, passes + 1, room, row);
	}
	if (outer_len)
		return node_take_off(ctx, tc, &outer, &inner, outer_len, row);
	return node_pass_held(tc, row);
}

/* ---- step TAKE ----------------------------------------------------------------------------- */

/* At TC: both headers in one piece. */
static __always_inline bool take_pull(struct __sk_buff *skb)
{
	__u32 want = skb->len < SL_TAKE_HEADERS_MAX ? skb->len : SL_TAKE_HEADERS_MAX;

	if ((__u64)skb->data + want <= (__u64)skb->data_end)
		return true;
	return !bpf_skb_pull_data(skb, want);
}

static __always_inline bool is_gue(const struct sl_packet *packet, const struct sl_settings *config)
{
	return packet->protocol == IPPROTO_UDP && config->gue_port &&
	       packet->key->dport == config->gue_port;
}

static __always_inline bool is_ipip(const struct sl_packet *packet)
{
	return packet->protocol == (packet->ip_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
}

/*
 * A tunnel that cannot be read. It is dropped where it is for this host, which only the kernel's
 * addresses can tell: no route leads on. Where forwarding is off, it is for nobody else either.
 */
static __always_inline int take_malformed(void *ctx, bool tc, const struct sl_packet *outer,
					  struct sl_scratch *room, struct sl_counters *row)
{
	long route;

	route_begin(ctx, tc, &room->fib, outer->ip_v6, &outer->key->src, &outer->key->dst);
	route = bpf_fib_lookup(ctx, &room->fib, sizeof(room->fib), 0);
	if (route == BPF_FIB_LKUP_RET_NOT_FWDED || route == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_TUNNEL);
	return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
}

/*
 * Of an ICMP error: the packet that it quotes was sent by the service. The key becomes that of the
 * flow, as a packet of the client would carry it.
 */
static __always_inline enum sl_parse take_quoted(void *ctx, bool tc, struct sl_cursor *cursor,
						 struct sl_scratch *room, struct sl_packet *packet)
{
	enum sl_parse parse;

	if (!SL_TAKE(cursor, struct sl_icmp_head))
		return SL_PARSE_UNREADABLE;
	packet->key = &room->quoted;
	parse = packet->ip_v6 ? parse_ip6(ctx, tc, cursor, packet)
			      : parse_ip4(ctx, tc, cursor, packet);
	packet->key = &room->key;
	packet->tcp = NULL;
	packet->flags = 0;
	packet->l3_len = 0;
	/* A quote is cut short by nature. */
	if (parse != SL_PARSE_TCP && parse != SL_PARSE_UDP && parse != SL_PARSE_BAD)
		return SL_PARSE_PROTOCOL;
	sl_flow_key_reverse(&room->key, &room->quoted);
	return SL_PARSE_ICMP;
}

/* What is behind the outer header; the cursor stands there. */
static __always_inline enum sl_parse take_parse(void *ctx, bool tc, struct sl_cursor *cursor,
						const struct sl_packet *outer,
						struct sl_scratch *room, struct node_inner *inner)
{
	struct sl_packet *packet = &inner->packet;
	enum sl_parse parse;
	void *ip = cursor->pos;

	*packet = *outer;
	packet->key = &room->key;
	*(__u32 *)&packet->key->proto = 0;
	packet->l3_at = outer->l3_at + inner->outer_len;
	packet->l3_len = 0;
	parse = outer->ip_v6 ? parse_ip6(ctx, tc, cursor, packet)
			     : parse_ip4(ctx, tc, cursor, packet);
	if (parse == SL_PARSE_ICMP) {
		parse = take_quoted(ctx, tc, cursor, room, packet);
		packet->ip4 = ip;
	}
	return parse;
}

/* The node at `addr` that serves what the tunnel carries: its slot, or NULL. */
static __always_inline __u32 *take_node(const struct sl_addr *addr, const struct sl_flow_key *key)
{
	struct sl_endpoint endpoint = {};

	endpoint.addr = *addr;
	endpoint.port = key->dport;
	endpoint.proto = key->proto;
	return bpf_map_lookup_elem(&endpoints, &endpoint);
}

/* This host's slot as the node that the tunnel leads to; 0: it does not lead here. */
static __always_inline __u32 take_self(const struct sl_packet *outer, const struct sl_flow_key *key)
{
	__u32 *slot = take_node(&outer->key->dst, key);
	struct sl_node_state *node = slot ? sl_node_at(*slot) : NULL;

	return node && node_is_here(node) ? *slot : 0;
}

/*
 * Is the sender one that may send tunnels? See the head of the file. Who can write another's address
 * on a packet is stopped by the network's own filters alone; this keeps out all others.
 */
static __always_inline bool take_sender(const struct sl_packet *outer,
					const struct sl_flow_key *key,
					const struct sl_settings *config)
{
	struct sl_prefix prefix = {.bits = 128};
	__u32 *value;
	__u32 rule;

	prefix.addr = outer->key->src;
	value = bpf_map_lookup_elem(&prefixes, &prefix);
	rule = value ? *value & SL_PREFIX_RULE : SL_PREFIX_UNSET;
	if (rule != SL_PREFIX_UNSET)
		return rule == SL_PREFIX_ALLOW;
	if (!config->allow_count)
		return true;
	return take_node(&outer->key->src, key);
}

/* The packet inside is longer than its tunnel says. */
static __always_inline bool take_overlong(void *ctx, bool tc, const struct sl_packet *outer,
					  const struct node_inner *inner)
{
	return inner->packet.l3_len &&
	       inner->packet.l3_len + inner->outer_len > sl_ip_len(ctx, tc, outer);
}

/* It is for this host: `self` is its slot. */
static __always_inline int take_ours(void *ctx, bool tc, const struct sl_packet *outer,
				     const struct node_inner *inner, enum sl_parse parse,
				     __u32 self, __u32 pool, struct sl_scratch *room,
				     struct sl_counters *row)
{
	struct sl_node_state *node = sl_node_at(self);

	if (parse == SL_PARSE_BAD || take_overlong(ctx, tc, outer, inner))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_TUNNEL);
	if (room->key.proto == IPPROTO_TCP && node && node->pool == pool &&
	    SL_TUNABLE(pool, SECOND_CHANCE) && !node_holds(ctx, &inner->packet))
		return node_again(ctx, tc, &inner->packet, self, pool, inner->outer_len, room, row);
	return node_take_off(ctx, tc, outer, &inner->packet, inner->outer_len, row);
}

/* The step TAKE: something that looks like a tunnel of ours. */
static __always_inline int sl_take(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_service *service;
	struct node_inner inner;
	struct sl_packet outer = {};
	struct sl_cursor cursor;
	enum sl_parse parse;
	__u32 self;

	if (!row || !config || !room || (tc && !take_pull(ctx)))
		return sl_hook_pass(tc);
	parse = sl_parse_packet(ctx, tc, &cursor, &outer, &room->outer);
	if (parse == SL_PARSE_BAD)
		return take_malformed(ctx, tc, &outer, room, row);
	/* At TC the kernel does not shorten frames with a tag in them. */
	if ((parse != SL_PARSE_UDP && parse != SL_PARSE_PROTOCOL) || (tc && outer.tags))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	inner.outer_len = sl_encap_len(outer.ip_v6, parse == SL_PARSE_UDP);
	parse = take_parse(ctx, tc, &cursor, &outer, room, &inner);
	if (parse == SL_PARSE_UNREADABLE)
		return take_malformed(ctx, tc, &outer, room, row);
	if (parse > SL_PARSE_BAD)
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	if (parse == SL_PARSE_TCP || parse == SL_PARSE_UDP)
		sl_trace_begin(config, &inner.packet);
	else
		sl_trace_begin_odd(&room->key, true);
	service = sl_service_of(&room->key);
	self = service ? take_self(&outer, &room->key) : 0;
	if (!self)
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_SERVICE);
	if (!take_sender(&outer, &room->key, config))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_TUNNEL);
	return take_ours(ctx, tc, &outer, &inner, parse, self, service->pool, room, row);
}

/* ---- the first program --------------------------------------------------------------------- */

/* TCP without a tunnel: of interest where it may have come by mode l2. */
static __always_inline int node_plain(void *ctx, bool tc, const struct sl_packet *packet,
				      struct sl_scratch *room, struct sl_counters *row)
{
	struct sl_service *service = sl_service_of(packet->key);
	struct sl_pool_state *pool;
	__u32 self;

	if (!service)
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_SERVICE);
	pool = sl_pool_at(service->pool);
	self = pool && pool->mode == SL_MODE_L2 ? SL_LOAD(pool->local) : 0;
	if (!self || !SL_TUNABLE(service->pool, SECOND_CHANCE) || node_holds(ctx, packet))
		return node_pass_held(tc, row);
	return node_again(ctx, tc, packet, self, service->pool, 0, room, row);
}

static __always_inline int sl_node_role(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;

	if (!row || !config || !room)
		return sl_hook_pass(tc);
	sl_now_set(room);
	row->v[tc ? SL_COUNTER_PACKETS_TC : SL_COUNTER_PACKETS]++;
	switch (sl_parse_hook(ctx, tc, &cursor, &packet, &room->key)) {
	case SL_PARSE_TCP:
		sl_trace_begin(config, &packet);
		return node_plain(ctx, tc, &packet, room, row);
	case SL_PARSE_UDP:
	case SL_PARSE_BAD:
		if (is_gue(&packet, config))
			return sl_node_step(ctx, tc, SL_NODE_STEP_TAKE, row);
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_SERVICE);
	case SL_PARSE_PROTOCOL:
		if (is_ipip(&packet))
			return sl_node_step(ctx, tc, SL_NODE_STEP_TAKE, row);
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	case SL_PARSE_ICMP:
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	case SL_PARSE_FRAGMENT:
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_FRAGMENT);
	case SL_PARSE_OPTIONS:
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_OPTIONS);
	case SL_PARSE_NOT_IP:
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_IP);
	case SL_PARSE_UNREADABLE:
		break;
	}
	return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_SERVICE);
}

#endif
