/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sluice.bpf.c - the programs of the kernel plane.
 *
 *   sluice_xdp         the fast lane: parse -> flow (or service -> choose -> open) -> route ->
 *                      observe -> rewrite -> send
 *   sluice_tc_egress   observes connections of the local stack to nodes
 *   sluice_tc_ingress  the same, the other way; and sends what XDP could not for want of a
 *                      neighbour (forward.h)
 *
 * The flow is looked up first: an established packet costs one lookup towards the node, two from
 * it (its measurements are in the other direction's entry), and one of the route. The service is
 * looked up only where there is no flow. One exit counts the reason of each pass and drop.
 *
 * Packets that are not for a service or a flow of ours are passed as they are, whatever their
 * state. The TC programs never drop. sluice_tc_ingress must be attached wherever sluice_xdp is;
 * the pair of TC programs to one device on each way to the nodes (not to a VLAN device and its
 * parent: bytes would count twice).
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"
#include "bpf/flow.h"
#include "bpf/forward.h"
#include "bpf/icmp.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* ---- XDP ----------------------------------------------------------------------------------- */

/* The one exit for packets that are not forwarded. */
static __always_inline int unforwarded(struct sl_counters *row, __u32 reason)
{
	if (reason >= SL_COUNTER_COUNT)
		reason = SL_COUNTER_DROP_INTERNAL;
	row->v[reason & (SL_COUNTER_SLOTS - 1)]++;
	return reason >= SL_COUNTER_PASS_NOT_IP && reason <= SL_COUNTER_PASS_NEIGHBOUR ? XDP_PASS
										       : XDP_DROP;
}

static __always_inline __u32 route_failure(long result)
{
	return result == BPF_FIB_LKUP_RET_FRAG_NEEDED ? SL_COUNTER_DROP_TOO_BIG
						      : SL_COUNTER_DROP_NO_ROUTE;
}

/* Counts an established flow in the present epoch; once in 17 s it costs more than a compare. */
static __always_inline void count_alive(struct sl_conn *conn, __u64 now_ns)
{
	if (conn->mark != sl_flow_mark(now_ns) && conn->state != SL_TCP_SYN_SENT)
		conn->mark = sl_node_flow_move(conn->node, conn->incarnation, conn->mark, 1);
}

/* What the packet says about its connection. Returns true when the flow is over. */
static __always_inline bool observe(struct sl_flow *flow, const struct sl_packet *packet)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct sl_segment segment;
	struct sl_flow *to_node;
	bool over;

	sl_segment_from(&segment, packet);
	if (flow->dir == SL_FLOW_TO_NODE) {
		over = sl_conn_sent(&flow->conn, &segment, now_ns, true);
		count_alive(&flow->conn, now_ns);
		return over;
	}
	to_node = bpf_map_lookup_elem(&flows, &flow->peer);
	if (!to_node)
		return false;
	over = sl_conn_received(&to_node->conn, &segment, now_ns, true);
	count_alive(&to_node->conn, now_ns);
	return over;
}

/* A packet of a flow, from the lookup of its route to its way out. */
static __always_inline int forward(struct xdp_md *ctx, struct sl_packet *packet,
				   struct sl_flow *flow, bool opened, struct sl_counters *row)
{
	struct bpf_fib_lookup fib;
	long route;
	int verdict;

	route = sl_route(ctx, packet, flow, &fib);
	if (route != BPF_FIB_LKUP_RET_SUCCESS && route != BPF_FIB_LKUP_RET_NO_NEIGH) {
		if (opened)
			sl_flow_close(&packet->key);
		return unforwarded(row, route_failure(route));
	}
	sl_nat_apply(packet, flow);
	row->v[flow->dir == SL_FLOW_TO_NODE ? SL_COUNTER_FORWARD_TO_NODE
					    : SL_COUNTER_FORWARD_TO_CLIENT]++;
	if (!opened && observe(flow, packet))
		sl_flow_close(flow->dir == SL_FLOW_TO_NODE ? &packet->key : &flow->peer);
	if (route == BPF_FIB_LKUP_RET_SUCCESS) {
		verdict = sl_transmit(ctx, packet->eth, packet->tags, packet->ip_v6, &fib);
		if (verdict == XDP_ABORTED)
			row->v[SL_COUNTER_DROP_INTERNAL]++;
		return verdict;
	}
	verdict = sl_neighbour_hand_over(ctx, packet->eth, packet->tags, packet->ip_v6, &fib);
	row->v[verdict == XDP_PASS ? SL_COUNTER_PASS_NEIGHBOUR : SL_COUNTER_DROP_NO_NEIGHBOUR]++;
	return verdict;
}

/* A packet without a flow. Returns SL_FLOW_OPENED or the counter of the reason why not. */
static __always_inline int admit(struct sl_packet *packet, bool is_syn)
{
	int pool = sl_flow_pool(&packet->key, is_syn, 0);

	if (pool <= 0)
		return -pool;
	if (!sl_balance_choose(&packet->key, pool))
		return SL_COUNTER_DROP_NO_NODE;
	return sl_flow_open(&packet->key, bpf_ntohl(packet->tcp->seq));
}

static __always_inline int tcp_packet(struct xdp_md *ctx, struct sl_packet *packet,
				      struct sl_counters *row)
{
	struct sl_flow *flow = bpf_map_lookup_elem(&flows, &packet->key);
	bool is_syn = sl_packet_is_syn(packet);
	bool opened = false;
	int result;

	if (flow && is_syn && sl_flow_replaceable(&packet->key, bpf_ntohl(packet->tcp->seq))) {
		sl_flow_close(&packet->key);
		flow = NULL;
	}
	if (!flow) {
		result = admit(packet, is_syn);
		if (result != SL_FLOW_OPENED)
			return unforwarded(row, result);
		flow = bpf_map_lookup_elem(&flows, &packet->key);
		if (!flow)
			return unforwarded(row, SL_COUNTER_DROP_TABLE);
		opened = true;
	}
	if (sl_nat_hops_spent(packet)) {
		if (opened)
			sl_flow_close(&packet->key);
		return unforwarded(row, SL_COUNTER_PASS_TTL);
	}
	return forward(ctx, packet, flow, opened, row);
}

/* The ports are known, the rest of the header is cut short or lies. */
static __always_inline int bad_packet(struct sl_packet *packet, struct sl_counters *row)
{
	if (bpf_map_lookup_elem(&flows, &packet->key))
		return unforwarded(row, SL_COUNTER_DROP_MALFORMED);
	return unforwarded(row, -sl_flow_pool(&packet->key, 0, 1));
}

/* An ICMP error about a segment to a node: the segment as NAT sent it leads to the flow. */
__attribute__((noinline)) int sl_icmp_fast(struct xdp_md *ctx)
{
	struct sl_cursor cursor = {(void *)(long)ctx->data, (void *)(long)ctx->data_end};
	struct sl_flow_key quoted, back;
	struct sl_packet packet;
	struct sl_flow *flow;
	__u32 seq;

	if (sl_parse_packet(&cursor, &packet, cursor.end - cursor.pos, false) != SL_PARSE_ICMP ||
	    !sl_icmp_parse(&cursor, packet.ip_v6, &quoted, &seq))
		return 0;
	sl_flow_key_reverse(&back, &quoted);
	flow = bpf_map_lookup_elem(&flows, &back);
	if (!flow || flow->dir != SL_FLOW_TO_CLIENT)
		return 0;
	flow = bpf_map_lookup_elem(&flows, &flow->peer);
	if (flow)
		sl_conn_unreachable(&flow->conn, seq);
	return 0;
}

SEC("xdp")
int sluice_xdp(struct xdp_md *ctx)
{
	struct sl_cursor cursor = {(void *)(long)ctx->data, (void *)(long)ctx->data_end};
	struct sl_counters *row = sl_counters_row();
	struct sl_packet packet;

	if (!row)
		return XDP_PASS;
	row->v[SL_COUNTER_PACKETS]++;
	switch (sl_parse_packet(&cursor, &packet, cursor.end - cursor.pos, false)) {
	case SL_PARSE_TCP:
		return tcp_packet(ctx, &packet, row);
	case SL_PARSE_BAD:
		return bad_packet(&packet, row);
	case SL_PARSE_ICMP:
		sl_icmp_fast(ctx);
		return unforwarded(row, SL_COUNTER_PASS_PROTOCOL);
	case SL_PARSE_FRAGMENT:
		return unforwarded(row, SL_COUNTER_PASS_FRAGMENT);
	case SL_PARSE_OPTIONS:
		return unforwarded(row, SL_COUNTER_PASS_OPTIONS);
	case SL_PARSE_PROTOCOL:
		return unforwarded(row, SL_COUNTER_PASS_PROTOCOL);
	case SL_PARSE_NOT_IP:
		return unforwarded(row, SL_COUNTER_PASS_NOT_IP);
	case SL_PARSE_UNREADABLE:
		break;
	}
	return unforwarded(row, SL_COUNTER_PASS_NOT_SERVICE);
}

/* ---- TC ------------------------------------------------------------------------------------ */

#define SL_TC_HEADERS_MAX 128u /* Ethernet, two tags, IPv6, TCP with all options */

static __always_inline enum sl_parse tc_parse_once(struct __sk_buff *skb, struct sl_cursor *cursor,
						   struct sl_packet *packet)
{
	cursor->pos = (void *)(long)skb->data;
	cursor->end = (void *)(long)skb->data_end;
	return sl_parse_packet(cursor, packet, skb->len, true);
}

/* Parses; where the headers do not lie in one piece, brings them together and tries again. */
static __always_inline enum sl_parse tc_parse(struct __sk_buff *skb, struct sl_cursor *cursor,
					      struct sl_packet *packet)
{
	enum sl_parse parse = tc_parse_once(skb, cursor, packet);
	__u32 want = skb->len < SL_TC_HEADERS_MAX ? skb->len : SL_TC_HEADERS_MAX;

	if (parse != SL_PARSE_UNREADABLE && parse != SL_PARSE_BAD && parse != SL_PARSE_ICMP)
		return parse;
	if ((__u64)skb->data + want <= (__u64)skb->data_end)
		return parse;
	if (bpf_skb_pull_data(skb, want))
		return SL_PARSE_UNREADABLE;
	return tc_parse_once(skb, cursor, packet);
}

static __always_inline void conn_forget(struct sl_flow_key *key, struct sl_conn *conn)
{
	sl_conn_over(conn, false);
	if (!bpf_map_delete_elem(&conns, key))
		sl_count(SL_COUNTER_CONN_CLOSED);
}

/* A source port of the fast lane: its packet was handed over by XDP and is observed there. */
static __always_inline bool is_nat_port(__be16 port)
{
	__u32 zero = 0;
	struct sl_settings *config = bpf_map_lookup_elem(&settings, &zero);
	__u16 number = bpf_ntohs(port);

	return config && number >= config->nat_port_min && number <= config->nat_port_max;
}

/*
 * The local stack connects to a node. The breaker's ticket is one of the generation now and never
 * a probe: a probe that the daemon sends has its own ticket, which the daemon reports.
 */
static __always_inline void conn_begin(struct sl_flow_key *key, __u32 seq, __u64 now_ns)
{
	__u32 *slot = sl_endpoint_of(key);
	struct sl_node_state *node;
	struct sl_conn conn;

	if (!slot || is_nat_port(key->sport))
		return;
	node = sl_node_at(*slot);
	if (!node || !(SL_LOAD(node->admin) & SL_NODE_PRESENT))
		return;
	sl_conn_init(&conn, *slot, node->incarnation,
		     sl_breaker_ticket(sl_breaker_load(&node->breaker), 0), seq, now_ns);
	if (!bpf_map_update_elem(&conns, key, &conn, BPF_ANY))
		sl_count(SL_COUNTER_CONN_OBSERVED);
}

static __always_inline void tc_sent(struct sl_packet *packet)
{
	struct sl_conn *conn = bpf_map_lookup_elem(&conns, &packet->key);
	__u64 now_ns = bpf_ktime_get_ns();
	struct sl_segment segment;

	sl_segment_from(&segment, packet);
	if (sl_packet_is_syn(packet) &&
	    (!conn || conn->state != SL_TCP_SYN_SENT || segment.seq + 1 != conn->next_seq)) {
		if (conn)
			conn_forget(&packet->key, conn);
		conn_begin(&packet->key, segment.seq, now_ns);
		return;
	}
	if (conn && sl_conn_sent(conn, &segment, now_ns, false))
		conn_forget(&packet->key, conn);
}

static __always_inline void tc_received(struct sl_packet *packet)
{
	struct sl_segment segment;
	struct sl_flow_key key;
	struct sl_conn *conn;

	sl_flow_key_reverse(&key, &packet->key);
	conn = bpf_map_lookup_elem(&conns, &key);
	if (!conn)
		return;
	sl_segment_from(&segment, packet);
	if (sl_conn_received(conn, &segment, bpf_ktime_get_ns(), false))
		conn_forget(&key, conn);
}

static __always_inline void icmp_smart(struct sl_cursor *cursor, bool ip_v6)
{
	struct sl_flow_key quoted;
	struct sl_conn *conn;
	__u32 seq;

	if (!sl_icmp_parse(cursor, ip_v6, &quoted, &seq))
		return;
	conn = bpf_map_lookup_elem(&conns, &quoted);
	if (conn)
		sl_conn_unreachable(conn, seq);
}

/* Sends what XDP marked. Returns TC_ACT_UNSPEC for all other packets. */
static __always_inline int neighbour_send(struct __sk_buff *skb)
{
	struct sl_neighbour_mark *mark = (void *)(long)skb->data_meta;
	__u32 ifindex;

	if ((void *)(mark + 1) > (void *)(long)skb->data || mark->magic != SL_NEIGHBOUR_MAGIC)
		return TC_ACT_UNSPEC;
	ifindex = mark->ifindex;
	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return TC_ACT_UNSPEC;
	return bpf_redirect_neigh(ifindex, NULL, 0, 0);
}

SEC("tc")
int sluice_tc_egress(struct __sk_buff *skb)
{
	struct sl_packet packet;
	struct sl_cursor cursor;

	if (tc_parse(skb, &cursor, &packet) == SL_PARSE_TCP)
		tc_sent(&packet);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int sluice_tc_ingress(struct __sk_buff *skb)
{
	struct sl_packet packet;
	struct sl_cursor cursor;
	int verdict = neighbour_send(skb);

	if (verdict != TC_ACT_UNSPEC)
		return verdict;
	switch (tc_parse(skb, &cursor, &packet)) {
	case SL_PARSE_TCP:
		tc_received(&packet);
		break;
	case SL_PARSE_ICMP:
		icmp_smart(&cursor, packet.ip_v6);
		break;
	default:
		break;
	}
	return TC_ACT_UNSPEC;
}
