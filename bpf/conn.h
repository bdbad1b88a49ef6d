/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.h - the life of one TCP connection to a node, and what it says about the node.
 *
 * Shared by the fast lane (struct sl_flow.conn, driven by XDP) and by the connections of the local
 * stack (`conns`, driven by TC). Two entries: a packet went to the node, a packet came from it.
 *
 *   state        to the node          from the node
 *   SYN_SENT     FIN: FIN_CLIENT      SYN-ACK of our SYN: ESTABLISHED
 *   ESTABLISHED  FIN: FIN_CLIENT      FIN: FIN_NODE
 *   FIN_CLIENT                        FIN: CLOSED
 *   FIN_NODE     FIN: CLOSED
 *   CLOSED       ACK of all: over     ACK without payload: over
 *   any          RST in window: over  RST in window: over
 *
 * "Over" is returned to the caller, who forgets the connection after forwarding the packet. The
 * last ACK may be lost: then the sender repeats its FIN, finds no connection here and is answered
 * by the local stack's RST, or meets silence; both ends have all bytes by then.
 *
 * Signals, and when (each at most once for a connection or, where said, a request):
 *   SYN_RETRANS   failure   as many repeats of the SYN as the tunable says. A repeat sooner than
 *                           SL_SYN_REPEAT_MIN_MS is the same packet seen at two hooks
 *   RST_EARLY     failure   RST before the first payload byte of the node, while the client has
 *                           not closed. Answering a SYN it must acknowledge exactly that SYN.
 *                           The daemon's connections: only that answer to a SYN
 *   ICMP_UNREACH  failure   quotes a segment that was in flight; code 4 (too big) is no failure
 *   STALL         failure   request; seen when a packet goes to the node, fast lane only
 *   SUCCESS       success   request; first byte back, fast lane only: the daemon knows its own
 *   CONNECT_SLOW  slow      fast lane: told at the first byte, so that a probe has one outcome
 *   FIRST_BYTE_SLOW slow    request; fast lane only
 *   CLIENT_GONE   neutral   over without any outcome: gives a half-open probe back
 * RST and payload count only within SL_SEQ_WINDOW of the sequence expected: who cannot see the
 * connection cannot make it fail but once in 4,096 tries.
 *
 * A request is what a client sends while nothing is awaited; its answer begins with the next
 * payload byte from the node. To TLS a handshake looks the same.
 * Two CPUs may see both directions at once: request_ns is exchanged atomically; the other fields
 * are plain, a lost race repeats one signal or loses one sample.
 */
#ifndef SL_BPF_CONN_H
#define SL_BPF_CONN_H

#include "bpf/node.h"
#include "bpf/parse.h"

#define SL_SEQ_WINDOW	     (1u << 20)
#define SL_SYN_REPEAT_MIN_MS 10ull
#define SL_STALL_MIN_NS	     (SL_TUNABLE_MIN_STALL_MS * SL_NS_PER_MS)

/* sl_conn.reported */
#define SL_CONN_TOLD_SYN     (1u << 0)
#define SL_CONN_TOLD_ICMP    (1u << 1)
#define SL_CONN_TOLD_STALL   (1u << 2) /* of the request that is awaited */
#define SL_CONN_TOLD_ANY     (1u << 3) /* some outcome was reported */
#define SL_CONN_ANSWERED     (1u << 4) /* the node has sent payload */
#define SL_CONN_CONNECT_SLOW (1u << 5)

/* A segment as host numbers. */
struct sl_segment {
	__u32 seq;
	__u32 ack;
	__u32 payload_len;
	__u8 flags;
};

static __always_inline void sl_segment_from(struct sl_segment *segment,
					    const struct sl_packet *packet)
{
	segment->seq = bpf_ntohl(packet->tcp->seq);
	segment->ack = bpf_ntohl(packet->tcp->ack_seq);
	segment->payload_len = packet->payload_len;
	segment->flags = packet->flags;
}

static __always_inline bool seq_in_window(__u32 seq, __u32 edge)
{
	return seq - edge < SL_SEQ_WINDOW;
}

/* The node as long as it is the one that the connection began with. */
static __always_inline struct sl_node_state *sl_conn_node(const struct sl_conn *conn)
{
	struct sl_node_state *node = sl_node_at(conn->node);

	return node && node->incarnation == conn->incarnation ? node : NULL;
}

static __always_inline void sl_conn_init(struct sl_conn *conn, __u32 slot, __u32 incarnation,
					 __u32 ticket, __u32 seq, __u64 now_ns)
{
	__builtin_memset(conn, 0, sizeof(*conn));
	conn->syn_ns = now_ns;
	conn->last_ns = now_ns;
	conn->node = slot;
	conn->incarnation = incarnation;
	conn->ticket = ticket;
	conn->next_seq = seq + 1;
	conn->state = SL_TCP_SYN_SENT;
}

static __always_inline void conn_report(struct sl_conn *conn, enum sl_outcome outcome,
					enum sl_signal signal)
{
	conn->reported |= SL_CONN_TOLD_ANY;
	sl_node_report(conn, outcome, signal);
}

/* May a SYN with this sequence number begin a new connection in place of this one? */
static __always_inline bool sl_conn_replaceable(const struct sl_conn *conn, __u32 pool, __u32 seq,
						__u64 now_ns)
{
	__u64 idle_ms = (now_ns - conn->last_ns) / SL_NS_PER_MS;

	if (conn->last_ns > now_ns)
		return false;
	if (conn->state == SL_TCP_SYN_SENT && seq + 1 != conn->next_seq)
		return true;
	if (conn->state == SL_TCP_CLOSED)
		return true;
	if (conn->state == SL_TCP_FIN_CLIENT || conn->state == SL_TCP_FIN_NODE)
		return idle_ms >= SL_TUNABLE(pool, FLOW_CLOSING_MS);
	return idle_ms >= SL_TUNABLE(pool, FLOW_IDLE_MS);
}

static __always_inline void conn_syn_repeated(struct sl_conn *conn, __u64 gap_ns)
{
	struct sl_node_state *node;

	if (conn->state != SL_TCP_SYN_SENT || gap_ns < SL_SYN_REPEAT_MIN_MS * SL_NS_PER_MS)
		return;
	if (conn->syn_retrans < 0xff)
		conn->syn_retrans++;
	if (conn->reported & SL_CONN_TOLD_SYN)
		return;
	node = sl_conn_node(conn);
	if (!node || conn->syn_retrans < SL_TUNABLE(node->pool, SYN_RETRANS))
		return;
	conn->reported |= SL_CONN_TOLD_SYN;
	conn_report(conn, SL_OUTCOME_FAILURE, SL_SIGNAL_SYN_RETRANS);
}

/* Payload or silence towards the node: a request begins, or one is found to wait too long. */
static __always_inline void conn_await(struct sl_conn *conn, struct sl_node_state *node,
				       __u32 payload_len, __u64 now_ns, bool fast)
{
	__u64 request_ns = SL_LOAD(conn->request_ns);

	if (!request_ns) {
		__u64 word = sl_breaker_load(&node->breaker);

		if (!payload_len || __sync_val_compare_and_swap(&conn->request_ns, 0, now_ns) != 0)
			return;
		sl_node_wait_begin(node, now_ns);
		conn->reported &= ~SL_CONN_TOLD_STALL;
		/* A later request of a long connection counts for the breaker as it is now. */
		if ((conn->reported & SL_CONN_ANSWERED) &&
		    sl_breaker_state(word) == SL_BREAKER_CLOSED)
			conn->ticket = sl_breaker_ticket(word, 0);
		return;
	}
	if (!fast || now_ns < request_ns || now_ns - request_ns < SL_STALL_MIN_NS ||
	    (conn->reported & SL_CONN_TOLD_STALL))
		return;
	if (now_ns - request_ns < SL_TUNABLE(node->pool, STALL_MS) * SL_NS_PER_MS)
		return;
	conn->reported |= SL_CONN_TOLD_STALL;
	conn_report(conn, SL_OUTCOME_FAILURE, SL_SIGNAL_STALL);
}

/* A packet goes to the node. Returns true when the connection is over. */
static __always_inline bool sl_conn_sent(struct sl_conn *conn, const struct sl_segment *segment,
					 __u64 now_ns, bool fast)
{
	__u64 gap_ns = now_ns - conn->last_ns;
	struct sl_node_state *node;

	conn->last_ns = now_ns;
	if (segment->flags & SL_TCPF_RST) {
		if (seq_in_window(segment->seq, conn->next_seq))
			return true;
		sl_count(SL_COUNTER_SIGNAL_IGNORED);
		return false;
	}
	if (segment->flags & SL_TCPF_SYN) {
		if (segment->seq + 1 == conn->next_seq)
			conn_syn_repeated(conn, gap_ns);
		return false;
	}
	if (segment->payload_len || SL_LOAD(conn->request_ns)) {
		node = sl_conn_node(conn);
		if (node)
			conn_await(conn, node, segment->payload_len, now_ns, fast);
		if (node && segment->payload_len)
			sl_node_sent(node, segment->payload_len, now_ns);
	}
	if (segment->flags & SL_TCPF_FIN) {
		if (conn->state == SL_TCP_FIN_NODE)
			conn->state = SL_TCP_CLOSED;
		else if (conn->state != SL_TCP_CLOSED)
			conn->state = SL_TCP_FIN_CLIENT;
		return false;
	}
	return conn->state == SL_TCP_CLOSED && !segment->payload_len &&
	       segment->ack == conn->node_seq;
}

static __always_inline void conn_established(struct sl_conn *conn, __u64 now_ns, bool fast)
{
	struct sl_node_state *node = sl_conn_node(conn);
	__u64 took_ns = now_ns - conn->syn_ns;

	conn->state = SL_TCP_ESTABLISHED;
	/* Karn's rule: after a repeat nobody knows which SYN was answered. */
	if (!node || conn->syn_retrans || now_ns < conn->syn_ns)
		return;
	sl_node_connected(node, took_ns);
	if (took_ns < SL_TUNABLE_MIN_CONNECT_SLOW_US * SL_NS_PER_US ||
	    took_ns <= SL_TUNABLE(node->pool, CONNECT_SLOW_US) * SL_NS_PER_US)
		return;
	if (fast)
		conn->reported |= SL_CONN_CONNECT_SLOW;
	else
		conn_report(conn, SL_OUTCOME_SLOW, SL_SIGNAL_CONNECT_SLOW);
}

/* A RST from the node. Returns true when it is believed: then the connection is over. */
static __always_inline bool conn_reset(struct sl_conn *conn, const struct sl_segment *segment,
				       bool fast)
{
	bool refused = conn->state == SL_TCP_SYN_SENT;

	if (refused ? !(segment->flags & SL_TCPF_ACK) || segment->ack != conn->next_seq
		    : !seq_in_window(segment->seq, conn->node_seq)) {
		sl_count(SL_COUNTER_SIGNAL_IGNORED);
		return false;
	}
	if (refused ||
	    (fast && conn->state == SL_TCP_ESTABLISHED && !(conn->reported & SL_CONN_ANSWERED)))
		conn_report(conn, SL_OUTCOME_FAILURE, SL_SIGNAL_RST_EARLY);
	return true;
}

/* The first payload byte after a request. */
static __always_inline void conn_answer(struct sl_conn *conn, struct sl_node_state *node,
					__u64 now_ns, bool fast)
{
	__u64 request_ns = SL_LOAD(conn->request_ns);
	enum sl_signal signal = SL_SIGNAL_SUCCESS;
	__u64 took_ns;

	if (!request_ns || !__sync_lock_test_and_set(&conn->request_ns, 0))
		return;
	sl_node_wait_end(node);
	took_ns = now_ns > request_ns ? now_ns - request_ns : 0;
	sl_node_answered(node, took_ns);
	if (!fast || (conn->reported & SL_CONN_TOLD_STALL))
		return;
	if (took_ns >= SL_TUNABLE_MIN_FIRST_BYTE_SLOW_US * SL_NS_PER_US &&
	    took_ns > SL_TUNABLE(node->pool, FIRST_BYTE_SLOW_US) * SL_NS_PER_US)
		signal = SL_SIGNAL_FIRST_BYTE_SLOW;
	else if (conn->reported & SL_CONN_CONNECT_SLOW)
		signal = SL_SIGNAL_CONNECT_SLOW;
	conn->reported &= ~SL_CONN_CONNECT_SLOW;
	conn_report(conn, signal == SL_SIGNAL_SUCCESS ? SL_OUTCOME_SUCCESS : SL_OUTCOME_SLOW,
		    signal);
}

static __always_inline void conn_payload(struct sl_conn *conn, const struct sl_segment *segment,
					 __u64 now_ns, bool fast)
{
	struct sl_node_state *node = sl_conn_node(conn);

	if (!node || segment->seq - conn->node_seq + SL_SEQ_WINDOW >= 2 * SL_SEQ_WINDOW)
		return;
	sl_node_received(node, segment->payload_len, now_ns);
	conn_answer(conn, node, now_ns, fast);
	conn->reported |= SL_CONN_ANSWERED;
}

/* A packet came from the node. Returns true when the connection is over. */
static __always_inline bool sl_conn_received(struct sl_conn *conn, const struct sl_segment *segment,
					     __u64 now_ns, bool fast)
{
	__u32 end = segment->seq + segment->payload_len + !!(segment->flags & SL_TCPF_FIN);

	conn->last_ns = now_ns;
	if (segment->flags & SL_TCPF_RST)
		return conn_reset(conn, segment, fast);
	if (segment->flags & SL_TCPF_SYN) {
		if (conn->state != SL_TCP_SYN_SENT || segment->ack != conn->next_seq)
			return false;
		conn->node_seq = segment->seq + 1;
		conn_established(conn, now_ns, fast);
		return false;
	}
	if (conn->state == SL_TCP_SYN_SENT)
		return false;
	if (seq_in_window(segment->ack, conn->next_seq))
		conn->next_seq = segment->ack;
	if (segment->payload_len)
		conn_payload(conn, segment, now_ns, fast);
	if (seq_in_window(end, conn->node_seq))
		conn->node_seq = end;
	if (segment->flags & SL_TCPF_FIN) {
		if (conn->state == SL_TCP_FIN_CLIENT)
			conn->state = SL_TCP_CLOSED;
		else if (conn->state != SL_TCP_CLOSED)
			conn->state = SL_TCP_FIN_NODE;
		return false;
	}
	return conn->state == SL_TCP_CLOSED && !segment->payload_len;
}

/* ICMP says that a segment with this sequence number did not reach the node. */
static __always_inline void sl_conn_unreachable(struct sl_conn *conn, __u32 seq)
{
	if ((conn->reported & SL_CONN_TOLD_ICMP) || !seq_in_window(seq, conn->next_seq - 1)) {
		sl_count(SL_COUNTER_SIGNAL_IGNORED);
		return;
	}
	conn->reported |= SL_CONN_TOLD_ICMP;
	conn_report(conn, SL_OUTCOME_FAILURE, SL_SIGNAL_ICMP_UNREACH);
}

/* Call once, when the connection is forgotten. */
static __always_inline void sl_conn_over(struct sl_conn *conn, bool fast)
{
	struct sl_node_state *node = sl_conn_node(conn);

	if (node && __sync_lock_test_and_set(&conn->request_ns, 0))
		sl_node_wait_end(node);
	if (fast && !(conn->reported & SL_CONN_TOLD_ANY))
		conn_report(conn, SL_OUTCOME_NEUTRAL, SL_SIGNAL_CLIENT_GONE);
}

#endif
