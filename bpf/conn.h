/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.h - the life of one TCP connection to a node, and what it says about the node.
 *
 * Shared by the fast lane (struct sl_flow.conn) and by the connections of the local stack (`conns`,
 * driven by TC). Two entries: a packet went to the node, a packet came from it. Who drives it is
 * its `view`:
 *   LANE      the fast lane in mode nat: both directions pass here
 *   ONE_WAY   the fast lane in the direct-return modes: only what goes to the node
 *   LOCAL     the local stack's: what a request is and how it went, the daemon knows better
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
 *   STALL         failure   request; seen when a packet goes to the node; lane only
 *   SUCCESS       success   request; first byte back; lane only: the daemon knows its own
 *   CONNECT_SLOW  slow      lane: told at the first byte, so that a probe has one outcome
 *   FIRST_BYTE_SLOW slow    request; lane only
 *   CLIENT_GONE   neutral   over without any outcome: gives a half-open probe back
 * RST and payload count only within SL_SEQ_WINDOW of the sequence expected: who cannot see the
 * connection cannot make it fail but once in 4,096 tries.
 *
 * One way. What the node answers is not seen here: the client's first packet after its SYN stands
 * for the answer to that (established, and a success, so that a probe has an outcome); resets, first
 * bytes and stalls are the node role's to measure. UDP: the second packet of the client stands for
 * success.
 *
 * UDP. A datagram to the node while nothing is awaited begins a request; the next one back answers
 * it. There is no sequence to check, but only who knows the flow's port can answer.
 *
 * A request is what a client sends while nothing is awaited; its answer begins with the next
 * payload byte from the node. To TLS a handshake looks the same.
 * Two CPUs may see both directions at once: `begun` is exchanged atomically; the other fields
 * are plain, a lost race repeats one signal or loses one sample.
 */
#ifndef SL_BPF_CONN_H
#define SL_BPF_CONN_H

#include "bpf/node.h"
#include "bpf/parse.h"

#define SL_SEQ_WINDOW	     (1u << 20)
#define SL_SYN_REPEAT_MIN_MS 10u
#define SL_TICK_SHIFT	     10u /* of CLOCK_MONOTONIC */
/* The least that the tunable allows, so that most packets read no tunable. */
#define SL_STALL_MIN_TICKS ((100ull * SL_NS_PER_MS) >> SL_TICK_SHIFT)

/* sl_conn.reported */
#define SL_CONN_TOLD_SYN     (1u << 0)
#define SL_CONN_TOLD_STALL   (1u << 1)
#define SL_CONN_TOLD_ICMP    (1u << 2)
#define SL_CONN_TOLD_ANY     (1u << 3) /* the breaker has had an outcome of this connection */
#define SL_CONN_ANSWERED     (1u << 4) /* a payload byte came back */
#define SL_CONN_CONNECT_SLOW (1u << 5)
#define SL_CONN_PROBE	     (1u << 6) /* is a half-open breaker's probe */
#define SL_CONN_FINISHED     (1u << 7) /* the client has ended its handshake, see guard.h */

enum sl_view {
	SL_VIEW_LANE = 0,
	SL_VIEW_ONE_WAY,
	SL_VIEW_LOCAL,
};

static __always_inline void sl_segment_from(struct sl_segment *segment,
					    const struct sl_packet *packet)
{
	segment->payload_len = packet->payload_len;
	segment->flags = packet->flags;
	if (!packet->tcp)
		return;
	segment->seq = bpf_ntohl(packet->tcp->seq);
	segment->ack = bpf_ntohl(packet->tcp->ack_seq);
}

static __always_inline bool seq_in_window(__u32 seq, __u32 edge)
{
	return seq - edge < SL_SEQ_WINDOW;
}

/* Never 0, which says that nothing is awaited. */
static __always_inline __u32 sl_tick(__u64 now_ns)
{
	return (__u32)(now_ns >> SL_TICK_SHIFT) | 1;
}

/* Microseconds between two ticks; 0 when another CPU's clock was ahead. */
static __always_inline __u64 ticks_us(__u32 from, __u32 to)
{
	__s32 ticks = (__s32)(to - from);

	return ticks > 0 ? ((__u64)ticks * 1049) >> 10 : 0;
}

/* The node as long as it is the one that the connection began with. */
static __always_inline struct sl_node_state *sl_conn_node(const struct sl_conn *conn)
{
	struct sl_node_state *node = sl_node_at(conn->node);

	return node && (__u16)node->incarnation == conn->incarnation ? node : NULL;
}

static __always_inline void sl_conn_ticket_set(struct sl_conn *conn, __u32 ticket)
{
	conn->generation = (__u16)(ticket >> 1);
	if (ticket & 1)
		conn->reported |= SL_CONN_PROBE;
	else
		conn->reported &= ~SL_CONN_PROBE;
}

static __always_inline __u32 sl_conn_ticket(const struct sl_conn *conn)
{
	return (__u32)conn->generation << 1 | !!(conn->reported & SL_CONN_PROBE);
}

static __always_inline void sl_conn_init(struct sl_conn *conn, __u32 slot, __u32 incarnation,
					 __u32 ticket, __u32 seq, __u64 now_ns)
{
	__builtin_memset(conn, 0, sizeof(*conn));
	conn->begun = sl_tick(now_ns);
	conn->node = slot;
	conn->incarnation = (__u16)incarnation;
	sl_conn_ticket_set(conn, ticket);
	conn->next_seq = seq + 1;
	conn->state = SL_TCP_SYN_SENT;
}

static __always_inline void conn_report(struct sl_conn *conn, enum sl_outcome outcome,
					enum sl_signal signal)
{
	conn->reported |= SL_CONN_TOLD_ANY;
	sl_node_report_packed(conn->node, conn->incarnation, sl_conn_ticket(conn),
			      (__u32)outcome << 8 | signal);
}

/* May a SYN with this sequence number begin a new connection in place of this one? */
static __always_inline bool sl_conn_replaceable(const struct sl_conn *conn, __u32 pool, __u32 seq,
						__u64 idle_ms)
{
	if (conn->state == SL_TCP_SYN_SENT && seq + 1 != conn->next_seq)
		return true;
	if (conn->state == SL_TCP_CLOSED)
		return true;
	if (conn->state == SL_TCP_FIN_CLIENT || conn->state == SL_TCP_FIN_NODE)
		return idle_ms >= SL_TUNABLE(pool, FLOW_CLOSING_MS);
	return idle_ms >= SL_TUNABLE(pool, FLOW_IDLE_MS);
}

/* A SYN was repeated gap_ms after the last packet. Returns true when it counts as a failure. */
static __always_inline bool conn_syn_repeated(struct sl_conn *conn, __u32 gap_ms, __u64 now_ns)
{
	struct sl_node_state *node;

	if (conn->state != SL_TCP_SYN_SENT)
		return false;
	if (!conn->begun) {
		/* To this node it is the first one: retry.h moved the flow and sent nothing. */
		conn->begun = sl_tick(now_ns);
		return false;
	}
	if (gap_ms < SL_SYN_REPEAT_MIN_MS)
		return false;
	if (conn->syn_retrans < 0xff)
		conn->syn_retrans++;
	if (conn->reported & SL_CONN_TOLD_SYN)
		return false;
	node = sl_conn_node(conn);
	if (!node || conn->syn_retrans < SL_TUNABLE(node->pool, SYN_RETRANS))
		return false;
	conn->reported |= SL_CONN_TOLD_SYN;
	conn_report(conn, SL_OUTCOME_FAILURE, SL_SIGNAL_SYN_RETRANS);
	return true;
}

/* Something awaits its first byte: has it waited too long? */
static __always_inline void conn_stall(struct sl_conn *conn, struct sl_node_state *node,
				       __u32 waited_ticks)
{
	if ((__s32)waited_ticks < 0 || waited_ticks < SL_STALL_MIN_TICKS ||
	    (conn->reported & SL_CONN_TOLD_STALL))
		return;
	if (((__u64)waited_ticks << SL_TICK_SHIFT) <
	    SL_TUNABLE(node->pool, STALL_MS) * SL_NS_PER_MS)
		return;
	conn->reported |= SL_CONN_TOLD_STALL;
	conn_report(conn, SL_OUTCOME_FAILURE, SL_SIGNAL_STALL);
}

/* Payload or silence towards the node: a request begins, or one is found to wait too long. */
static __always_inline void conn_await(struct sl_conn *conn, struct sl_node_state *node,
				       __u32 payload_len, __u64 now_ns, enum sl_view view)
{
	__u32 begun = SL_LOAD(conn->begun);
	__u64 word;

	if (begun) {
		if (view == SL_VIEW_LANE)
			conn_stall(conn, node, sl_tick(now_ns) - begun);
		return;
	}
	if (!payload_len || __sync_val_compare_and_swap(&conn->begun, 0, sl_tick(now_ns)) != 0)
		return;
	sl_node_wait_begin(node, now_ns);
	conn->reported &= ~SL_CONN_TOLD_STALL;
	word = sl_breaker_load(&node->breaker);
	/* A later request of a long connection counts for the breaker as it is now. */
	if ((conn->reported & SL_CONN_ANSWERED) && sl_breaker_state(word) == SL_BREAKER_CLOSED)
		sl_conn_ticket_set(conn, sl_breaker_ticket(word, 0));
}

/* The client goes on, so the node has answered it: all that one way can tell. */
static __always_inline void conn_answered_unseen(struct sl_conn *conn)
{
	if (conn->state == SL_TCP_SYN_SENT) {
		conn->state = SL_TCP_ESTABLISHED;
		conn->begun = 0;
	}
	if (!(conn->reported & SL_CONN_TOLD_ANY))
		conn_report(conn, SL_OUTCOME_SUCCESS, SL_SIGNAL_SUCCESS);
}

/*
 * Returns true when the connection is over. The RST of a client that awaits its SYN-ACK answers an ACK
 * of something else: the node still knows an earlier connection of this port (TIME_WAIT, or one
 * whose end it did not see). That one ends by it, and the client repeats its SYN (RFC 9293,
 * 3.10.7.3): no failure of the node, which has answered.
 */
static __always_inline bool conn_sent_reset(struct sl_conn *conn, const struct sl_segment *segment,
					    enum sl_view view)
{
	/* One way, next_seq is only that of the SYN. */
	if (view == SL_VIEW_ONE_WAY || seq_in_window(segment->seq, conn->next_seq))
		return true;
	if (conn->state == SL_TCP_SYN_SENT)
		SL_STORE(conn->begun, 0);
	sl_count(SL_COUNTER_SIGNAL_IGNORED);
	return false;
}

/* A packet goes to the node, gap_ms after the last one. Returns true when it is over. */
static __always_inline bool sl_conn_sent(struct sl_conn *conn, const struct sl_segment *segment,
					 __u32 gap_ms, __u64 now_ns, enum sl_view view)
{
	struct sl_node_state *node;

	if (segment->flags & SL_TCPF_RST)
		return conn_sent_reset(conn, segment, view);
	if (segment->flags & SL_TCPF_SYN) {
		if (segment->seq + 1 == conn->next_seq)
			conn_syn_repeated(conn, gap_ms, now_ns);
		return false;
	}
	if (view == SL_VIEW_ONE_WAY) {
		if (conn->state != SL_TCP_UDP || gap_ms >= SL_SYN_REPEAT_MIN_MS)
			conn_answered_unseen(conn);
		node = segment->payload_len ? sl_conn_node(conn) : NULL;
	} else if (segment->payload_len ||
		   (SL_LOAD(conn->begun) && conn->state != SL_TCP_SYN_SENT)) {
		node = sl_conn_node(conn);
		if (node && conn->state != SL_TCP_SYN_SENT)
			conn_await(conn, node, segment->payload_len, now_ns, view);
	} else {
		node = NULL;
	}
	if (node && segment->payload_len)
		sl_node_sent(node, segment->payload_len, now_ns);
	if (segment->flags & SL_TCPF_FIN) {
		/* What was awaited was the answer to the SYN, which is no byte. */
		if (conn->state == SL_TCP_SYN_SENT)
			conn->begun = 0;
		/* One way the node's FIN is not seen: after ours there is nothing but the end. */
		if (conn->state == SL_TCP_FIN_NODE)
			conn->state = SL_TCP_CLOSED;
		else if (conn->state != SL_TCP_CLOSED)
			conn->state = SL_TCP_FIN_CLIENT;
		return false;
	}
	return conn->state == SL_TCP_CLOSED && !segment->payload_len &&
	       segment->ack == conn->node_seq;
}

static __always_inline void conn_established(struct sl_conn *conn, __u64 now_ns, enum sl_view view)
{
	struct sl_node_state *node = sl_conn_node(conn);
	__u64 took_us = ticks_us(conn->begun, sl_tick(now_ns));
	bool timed = conn->begun && !conn->syn_retrans;

	conn->state = SL_TCP_ESTABLISHED;
	conn->begun = 0;
	/* Karn's rule: after a repeat nobody knows which SYN was answered. */
	if (!node || !timed)
		return;
	sl_node_connected(node, conn->node, took_us);
	if (took_us < SL_TUNABLE_MIN_CONNECT_SLOW_US ||
	    took_us <= SL_TUNABLE(node->pool, CONNECT_SLOW_US))
		return;
	if (view == SL_VIEW_LANE)
		conn->reported |= SL_CONN_CONNECT_SLOW;
	else
		conn_report(conn, SL_OUTCOME_SLOW, SL_SIGNAL_CONNECT_SLOW);
}

/* Does a RST from the node answer our SYN? */
static __always_inline bool sl_conn_refused(const struct sl_conn *conn,
					    const struct sl_segment *segment)
{
	return conn->state == SL_TCP_SYN_SENT && (segment->flags & SL_TCPF_ACK) &&
	       segment->ack == conn->next_seq;
}

/* A RST from the node. Returns true when it is believed: then the connection is over. */
static __always_inline bool conn_reset(struct sl_conn *conn, const struct sl_segment *segment,
				       enum sl_view view)
{
	bool refused = conn->state == SL_TCP_SYN_SENT;

	if (refused ? !sl_conn_refused(conn, segment)
		    : !seq_in_window(segment->seq, conn->node_seq)) {
		sl_count(SL_COUNTER_SIGNAL_IGNORED);
		return false;
	}
	if (refused || (view == SL_VIEW_LANE && conn->state == SL_TCP_ESTABLISHED &&
			!(conn->reported & SL_CONN_ANSWERED)))
		conn_report(conn, SL_OUTCOME_FAILURE, SL_SIGNAL_RST_EARLY);
	return true;
}

/* The first payload byte after a request. */
static __always_inline void conn_answer(struct sl_conn *conn, struct sl_node_state *node,
					__u64 now_ns, enum sl_view view)
{
	enum sl_signal signal = SL_SIGNAL_SUCCESS;
	__u32 begun = SL_LOAD(conn->begun);
	__u64 took_us;

	if (!begun || !__sync_lock_test_and_set(&conn->begun, 0))
		return;
	sl_node_wait_end(node);
	took_us = ticks_us(begun, sl_tick(now_ns));
	sl_node_answered(node, conn->node, took_us);
	if (view != SL_VIEW_LANE || (conn->reported & SL_CONN_TOLD_STALL))
		return;
	if (took_us >= SL_TUNABLE_MIN_FIRST_BYTE_SLOW_US &&
	    took_us > SL_TUNABLE(node->pool, FIRST_BYTE_SLOW_US))
		signal = SL_SIGNAL_FIRST_BYTE_SLOW;
	else if (conn->reported & SL_CONN_CONNECT_SLOW)
		signal = SL_SIGNAL_CONNECT_SLOW;
	conn->reported &= ~SL_CONN_CONNECT_SLOW;
	conn_report(conn, signal == SL_SIGNAL_SUCCESS ? SL_OUTCOME_SUCCESS : SL_OUTCOME_SLOW,
		    signal);
}

/* Counts payload of the node. Returns the node, or NULL: it is another's, or out of window. */
static __always_inline struct sl_node_state *
conn_payload(struct sl_conn *conn, const struct sl_segment *segment, __u64 now_ns)
{
	struct sl_node_state *node = sl_conn_node(conn);

	if (!node)
		return NULL;
	if (conn->state != SL_TCP_UDP &&
	    segment->seq - conn->node_seq + SL_SEQ_WINDOW >= 2 * SL_SEQ_WINDOW)
		return NULL;
	sl_node_received(node, segment->payload_len, now_ns);
	conn->reported |= SL_CONN_ANSWERED;
	return node;
}

/*
 * A packet of the node in an open connection that awaits nothing: what sl_conn_received() would do,
 * where neither flags nor an answer say more.
 */
static __always_inline void sl_conn_received_plain(struct sl_conn *conn,
						   const struct sl_segment *segment, __u64 now_ns)
{
	__u32 end = segment->seq + segment->payload_len;

	if (seq_in_window(segment->ack, conn->next_seq))
		conn->next_seq = segment->ack;
	if (segment->payload_len)
		conn_payload(conn, segment, now_ns);
	if (seq_in_window(end, conn->node_seq))
		conn->node_seq = end;
}

/* A packet came from the node. Returns true when the connection is over. */
static __always_inline bool sl_conn_received(struct sl_conn *conn, const struct sl_segment *segment,
					     __u64 now_ns, enum sl_view view)
{
	__u32 end = segment->seq + segment->payload_len + !!(segment->flags & SL_TCPF_FIN);
	struct sl_node_state *node;

	if (conn->state == SL_TCP_UDP) {
		node = conn_payload(conn, segment, now_ns);
		if (node)
			conn_answer(conn, node, now_ns, view);
		return false;
	}
	if (segment->flags & SL_TCPF_RST)
		return conn_reset(conn, segment, view);
	if (segment->flags & SL_TCPF_SYN) {
		if (conn->state != SL_TCP_SYN_SENT || segment->ack != conn->next_seq)
			return false;
		conn->node_seq = segment->seq + 1;
		conn_established(conn, now_ns, view);
		return false;
	}
	if (conn->state == SL_TCP_SYN_SENT)
		return false;
	if (seq_in_window(segment->ack, conn->next_seq))
		conn->next_seq = segment->ack;
	node = segment->payload_len ? conn_payload(conn, segment, now_ns) : NULL;
	if (node)
		conn_answer(conn, node, now_ns, view);
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
static __always_inline bool sl_conn_unreachable(struct sl_conn *conn, __u32 seq)
{
	if ((conn->reported & SL_CONN_TOLD_ICMP) ||
	    (conn->state != SL_TCP_UDP && !seq_in_window(seq, conn->next_seq - 1))) {
		sl_count(SL_COUNTER_SIGNAL_IGNORED);
		return false;
	}
	conn->reported |= SL_CONN_TOLD_ICMP;
	conn_report(conn, SL_OUTCOME_FAILURE, SL_SIGNAL_ICMP_UNREACH);
	return true;
}

/* Call once, when the connection is forgotten or leaves its node. */
static __always_inline void sl_conn_over(struct sl_conn *conn, enum sl_view view)
{
	struct sl_node_state *node = sl_conn_node(conn);

	if (conn->state != SL_TCP_SYN_SENT && node && __sync_lock_test_and_set(&conn->begun, 0))
		sl_node_wait_end(node);
	if (view != SL_VIEW_LOCAL && !(conn->reported & SL_CONN_TOLD_ANY))
		conn_report(conn, SL_OUTCOME_NEUTRAL, SL_SIGNAL_CLIENT_GONE);
}

#endif
