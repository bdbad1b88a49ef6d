/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retry.c - refused SYNs: each becomes itself again, to another node, or waits for its repeat, or
 * the refusal goes on to the client. At both hooks, both families; frames compared byte by byte.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/audit.h"
#include "tests/bpf/lib/talk.h"

#define SYN SL_FRAME_SYN
#define ACK SL_FRAME_ACK
#define RST SL_FRAME_RST

static const uint8_t options[40] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0,
				    0, 0, 1,	3,    3, 7, 1, 1,  1, 1, 1, 1, 1, 1,
				    1, 1, 1,	1,    1, 1, 1, 1,  1, 1, 1, 1};
static const char *const hook_names[] = {"XDP", "TC"};

static uint8_t mac_of(uint32_t slot)
{
	return slot == SL_RIG_NODE_A || slot == SL_RIG_NODE6_A ? 0x0b : 0x0c;
}

static uint32_t other_of(uint32_t slot)
{
	return slot == SL_RIG_NODE_A	? SL_RIG_NODE_B
	       : slot == SL_RIG_NODE_B	? SL_RIG_NODE_A
	       : slot == SL_RIG_NODE6_A ? SL_RIG_NODE6_B
					: SL_RIG_NODE6_A;
}

/* The client's SYN, as a description. */
static struct sl_frame_spec syn_of(const struct sl_talk *talk, uint8_t option_len)
{
	struct sl_frame_spec spec = sl_talk_client_spec(talk, SYN, 0);

	spec.seq = SL_TALK_CLIENT_SEQ;
	spec.options = options;
	spec.tcp_option_len = option_len;
	spec.crafted = true;
	spec.window = 29200;
	spec.tos = 0x28;
	return spec;
}

/* Sends the client's SYN. Returns whether it went to a node, which talk->slot then is. */
static bool syn_send(struct sl_rig *rig, struct sl_talk *talk, uint8_t option_len)
{
	struct sl_frame_spec spec = syn_of(talk, option_len);
	struct sl_frame in, out;
	struct sl_flow *flow;

	sl_frame_build(&in, &spec);
	if (sl_rig_run(rig, talk->hook, &in, &out) != SL_RIG_FORWARD)
		return false;
	flow = sl_rig_flow(rig, talk->sport);
	talk->seq = spec.seq + 1;
	talk->nat_port = sl_frame_sport(&out);
	talk->slot = flow ? flow->conn.node : 0;
	return flow && flow->nat_port == htons(talk->nat_port);
}

/* The SYN as it reaches the node that the flow is bound to now. */
static struct sl_frame_spec syn_at_node(const struct sl_rig *rig, const struct sl_talk *talk,
					uint8_t option_len)
{
	struct sl_flow *flow = sl_rig_flow(rig, talk->sport);
	struct sl_frame_spec spec = syn_of(talk, option_len);
	const struct sl_node_state *node = &rig->nodes[flow->conn.node];
	const uint8_t smac[6] = SL_RIG_MAC_NODE(0xa0);
	const uint8_t dmac[6] = SL_RIG_MAC_NODE(mac_of(flow->conn.node));

	spec.src = sl_frame_addr_text(&node->snat_addr);
	spec.dst = sl_frame_addr_text(&node->endpoint.addr);
	spec.sport = ntohs(flow->nat_port);
	spec.dport = 8000;
	spec.hops = SL_FRAME_HOPS - 1;
	memcpy(spec.smac, smac, 6);
	memcpy(spec.dmac, dmac, 6);
	return spec;
}

static bool frames_equal(const struct sl_frame *is, const struct sl_frame_spec *want)
{
	struct sl_frame expected;

	sl_frame_build(&expected, want);
	if (is->len == expected.len && !memcmp(is->bytes, expected.bytes, is->len))
		return true;
	sl_frame_print_difference(is, &expected);
	return false;
}

/* What a refusal looks like beside its essence. */
struct refusal {
	const char *description;
	uint8_t option_len; /* of the SYN */
	uint16_t pad_len;
	uint16_t payload_len;
	uint16_t vlan[2];
	bool icmp;
};

static const struct refusal refusals[] = {
	{"20 bytes of options", 20, 0, 0, {0}, false},
	{"no options", 0, 0, 0, {0}, false},
	{"40 bytes of options", 40, 0, 0, {0}, false},
	{"padded", 20, 6, 0, {0}, false},
	{"padded, no options", 0, 6, 0, {0}, false},
	{"RST with a text", 20, 0, 61, {0}, false},
	{"tag", 20, 0, 0, {7}, false},
	{"two tags", 20, 0, 0, {7, 9}, false},
	{"ICMP unreachable", 20, 0, 0, {0}, true},
	{"ICMP unreachable, no options", 0, 0, 0, {0}, true},
	{"ICMP unreachable, 40 bytes of options", 40, 0, 0, {0}, true},
	{"ICMP unreachable, tag", 20, 0, 0, {7}, true},
};

/* The node refuses the talk's SYN. */
static void refusal_build(struct sl_rig *rig, const struct sl_talk *talk, struct sl_frame *frame,
			  const struct refusal *how)
{
	struct sl_frame_spec spec = sl_talk_node_spec(rig, talk, RST | ACK, how->payload_len);
	struct sl_frame_spec quoted = {
		.src = spec.dst,
		.dst = spec.src,
		.sport = spec.dport,
		.dport = spec.sport,
		.seq = SL_TALK_CLIENT_SEQ,
		.vlan = {how->vlan[0], how->vlan[1]},
	};

	if (how->icmp) {
		memcpy(quoted.smac, spec.smac, 6);
		memcpy(quoted.dmac, spec.dmac, 6);
		sl_frame_build_unreachable(frame, strchr(spec.src, ':') ? "fd00::1" : "10.0.0.1", 3,
					   &quoted);
		return;
	}
	spec.pad_len = how->pad_len;
	memcpy(spec.vlan, how->vlan, sizeof(spec.vlan));
	sl_frame_build(frame, &spec);
}

static uint64_t failures(const struct sl_rig *rig, uint32_t slot)
{
	const struct sl_node_state *node = &rig->nodes[slot];

	return node->signals[SL_SIGNAL_RST_EARLY] + node->signals[SL_SIGNAL_ICMP_UNREACH] +
	       node->signals[SL_SIGNAL_SYN_RETRANS];
}

/* The node answers the talk's SYN by an ACK of the last connection from that port. */
static enum sl_rig_verdict challenge(struct sl_rig *rig, const struct sl_talk *talk,
				     struct sl_frame *out)
{
	struct sl_frame_spec spec = sl_talk_node_spec(rig, talk, ACK, 0);
	struct sl_frame in;

	spec.seq = 77;
	spec.ack = SL_TALK_CLIENT_SEQ - 100000;
	sl_frame_build(&in, &spec);
	return sl_rig_run(rig, talk->hook, &in, out);
}

static const char *state_wrong(struct sl_rig *rig, uint32_t refused, uint32_t bound)
{
	struct sl_flow *flow = sl_rig_flow(rig, 5000);
	const char *audit = sl_audit(rig, true);

	if (audit)
		return audit;
	if (!flow || flow->conn.node != bound || flow->conn.state != SL_TCP_SYN_SENT)
		return "the flow is not opening at the other node";
	if (failures(rig, refused) != 1 || failures(rig, bound) != 0)
		return "the refusal is not one failure of its node";
	if (rig->nodes[refused].flows_closed != 1 || rig->nodes[bound].flows_opened != 1)
		return "the flow is counted wrong";
	return NULL;
}

static void turns(struct sl_rig *rig, enum sl_rig_hook hook, bool ip6, const struct refusal *how)
{
	struct sl_talk talk = sl_talk_of(hook, ip6);
	const char *wrong = "the SYN was not forwarded";
	struct sl_frame_spec want;
	struct sl_frame in, out;
	char name[128];
	bool sent = false;

	sl_rig_reset(rig);
	if (syn_send(rig, &talk, how->option_len)) {
		refusal_build(rig, &talk, &in, how);
		sent = sl_rig_run(rig, hook, &in, &out) == SL_RIG_FORWARD;
		wrong = state_wrong(rig, talk.slot, other_of(talk.slot));
	}
	if (!wrong && sent) {
		want = syn_at_node(rig, &talk, how->option_len);
		memcpy(want.vlan, how->vlan, sizeof(want.vlan));
		sent = frames_equal(&out, &want) &&
		       sl_rig_counted(rig, SL_COUNTER_RETRY_TURNED) == 1 &&
		       sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_NODE) == 2 &&
		       sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_CLIENT) == 0;
	}
	snprintf(name, sizeof(name), "turned: %s, %s, %s", how->description, ip6 ? "IPv6" : "IPv4",
		 hook_names[hook]);
	sl_rig_check(rig, sent && !wrong, name, "%s", wrong ? wrong : "bytes or counters");
}

static enum sl_rig_verdict refuse(struct sl_rig *rig, struct sl_talk *talk, struct sl_frame *out)
{
	struct sl_frame in;

	refusal_build(rig, talk, &in, &refusals[0]);
	return sl_rig_run(rig, talk->hook, &in, out);
}

/* After a move the talk goes on with the node that the flow is bound to now. */
static void follow(struct sl_rig *rig, struct sl_talk *talk)
{
	struct sl_flow *flow = sl_rig_flow(rig, talk->sport);

	talk->slot = flow ? flow->conn.node : 0;
	talk->nat_port = flow ? ntohs(flow->nat_port) : 0;
}

static void goes_on(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk talk = sl_talk_of(hook, false), before;
	struct sl_frame out, in;
	bool ok;

	sl_rig_reset(rig);
	ok = syn_send(rig, &talk, 20) && refuse(rig, &talk, &out) == SL_RIG_FORWARD;
	before = talk;
	follow(rig, &talk);
	ok = ok && sl_talk_node(rig, &talk, SYN | ACK, 0) == SL_RIG_FORWARD &&
	     sl_talk_client(rig, &talk, ACK, 0) == SL_RIG_FORWARD &&
	     sl_talk_client(rig, &talk, ACK, 100) == SL_RIG_FORWARD &&
	     sl_talk_node(rig, &talk, ACK, 100) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && rig->nodes[talk.slot].signals[SL_SIGNAL_SUCCESS] == 1 &&
			     rig->nodes[talk.slot].connect_us > 0 && !sl_audit(rig, true),
		     "the connection stands with the other node", "it does not");
	refusal_build(rig, &before, &in, &refusals[0]);
	sl_rig_check(rig,
		     sl_rig_run(rig, hook, &in, &out) == SL_RIG_PASS &&
			     failures(rig, before.slot) == 1,
		     "a second RST of the first node is nobody's", "forwarded, or counted");
}

/* The RST gets to the client when nothing is left to try. */
static void spent(struct sl_rig *rig, enum sl_rig_hook hook, const char *name, uint64_t retries,
		  uint32_t nodes, uint64_t counted)
{
	uint32_t slots[] = {SL_RIG_NODE_A, SL_RIG_NODE_B};
	struct sl_talk talk = sl_talk_of(hook, false);
	const uint8_t smac[6] = SL_RIG_MAC_NODE(0xa0), dmac[6] = SL_RIG_MAC_ROUTER;
	struct sl_frame_spec want = {.src = "192.0.2.100",
				     .dst = "198.51.100.7",
				     .sport = 80,
				     .dport = 5000,
				     .ack = SL_TALK_CLIENT_SEQ + 1,
				     .flags = RST | ACK,
				     .hops = SL_FRAME_HOPS - 1};
	struct sl_frame out;
	uint64_t turned = nodes > 1 ? retries : 0;
	bool ok;

	sl_rig_reset(rig);
	sl_rig_tune(rig, SL_TUNABLE_CONNECT_RETRIES, retries);
	sl_rig_table(rig, SL_RIG_POOL4, slots, nodes);
	ok = syn_send(rig, &talk, 20);
	for (uint64_t i = 0; i < turned; i++) {
		ok = ok && refuse(rig, &talk, &out) == SL_RIG_FORWARD;
		follow(rig, &talk);
	}
	ok = ok && refuse(rig, &talk, &out) == SL_RIG_FORWARD;
	memcpy(want.smac, smac, 6);
	memcpy(want.dmac, dmac, 6);
	sl_rig_check(rig,
		     ok && frames_equal(&out, &want) &&
			     sl_rig_counted(rig, SL_COUNTER_RETRY_TURNED) == turned &&
			     sl_rig_counted(rig, SL_COUNTER_RETRY_SPENT) == counted &&
			     failures(rig, SL_RIG_NODE_A) + failures(rig, SL_RIG_NODE_B) ==
				     turned + 1 &&
			     sl_rig_flow_count(rig) == 0 && sl_rig_port_count(rig) == 0 &&
			     sl_rig_events(rig, NULL) == 0 && !sl_audit(rig, true),
		     name, "turned %llu, spent %llu, flows %u",
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_RETRY_TURNED),
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_RETRY_SPENT),
		     sl_rig_flow_count(rig));
}

/* A port that the node is not done with: the SYN goes out again from another one, unblamed. */
static void stale(struct sl_rig *rig, enum sl_rig_hook hook, const char *name, uint32_t nodes)
{
	uint32_t slots[] = {SL_RIG_NODE_A, SL_RIG_NODE_B};
	struct sl_talk talk = sl_talk_of(hook, false);
	struct sl_frame_spec want;
	struct sl_frame out;
	uint16_t port;
	bool ok;

	sl_rig_reset(rig);
	sl_rig_table(rig, SL_RIG_POOL4, slots, nodes);
	ok = syn_send(rig, &talk, 20);
	port = talk.nat_port;
	ok = ok && challenge(rig, &talk, &out) == SL_RIG_FORWARD;
	follow(rig, &talk);
	want = syn_at_node(rig, &talk, 20);
	ok = ok && frames_equal(&out, &want) && (nodes > 1 || talk.nat_port != port) &&
	     sl_rig_counted(rig, SL_COUNTER_RETRY_TURNED) == 1 && sl_rig_port_count(rig) == 1 &&
	     sl_talk_node(rig, &talk, SYN | ACK, 0) == SL_RIG_FORWARD &&
	     sl_talk_client(rig, &talk, ACK, 0) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && failures(rig, SL_RIG_NODE_A) + failures(rig, SL_RIG_NODE_B) == 0 &&
			     !sl_audit(rig, true),
		     name, "port %u, then %u", port, talk.nat_port);
}

/* Without a retry left the ACK is the client's, who knows what to do; the flow goes on opening. */
static void stale_spent(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk talk = sl_talk_of(hook, false);
	struct sl_frame out;
	bool ok;

	sl_rig_reset(rig);
	sl_rig_tune(rig, SL_TUNABLE_CONNECT_RETRIES, 0);
	ok = syn_send(rig, &talk, 20) && challenge(rig, &talk, &out) == SL_RIG_FORWARD &&
	     sl_frame_sport(&out) == 80 && sl_rig_flow_count(rig) == 1 &&
	     sl_talk_node(rig, &talk, SYN | ACK, 0) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && sl_rig_counted(rig, SL_COUNTER_RETRY_SPENT) == 0 &&
			     sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_CLIENT) == 2 &&
			     failures(rig, talk.slot) == 0 && !sl_audit(rig, true),
		     "a stale ACK passes when no retry is left", "flows %u",
		     sl_rig_flow_count(rig));
}

/* The refusal is dropped; the client's repeat goes to the other node and is no failure of it. */
static void withheld_goes_on(struct sl_rig *rig, struct sl_talk *talk, const char *name)
{
	uint32_t first = talk->slot, second = other_of(first);
	struct sl_frame_spec want, spec = syn_of(talk, 20);
	struct sl_flow *flow = sl_rig_flow(rig, talk->sport);
	struct sl_frame in, out;
	bool ok = flow && flow->conn.node == second && failures(rig, second) == 0 &&
		  failures(rig, first) == 1 && sl_rig_counted(rig, SL_COUNTER_DROP_WITHHELD) == 1;

	sl_frame_build(&in, &spec);
	if (ok)
		sl_rig_flow_age(rig, flow, 1000);
	ok = ok && sl_rig_run(rig, talk->hook, &in, &out) == SL_RIG_FORWARD;
	want = syn_at_node(rig, talk, 20);
	ok = ok && frames_equal(&out, &want) && failures(rig, second) == 0 &&
	     sl_rig_counted(rig, SL_COUNTER_RETRY_MOVED) == 0;
	sl_rig_check(rig, ok, name, "not withheld, or not repeated as it should");
	if (!ok)
		return;
	sl_rig_flow_age(rig, flow, 2000);
	ok = sl_rig_run(rig, talk->hook, &in, &out) == SL_RIG_FORWARD && !sl_audit(rig, true);
	sl_rig_check(rig, ok && failures(rig, second) == 1, "a further repeat is a failure",
		     "failures %llu", (unsigned long long)failures(rig, second));
}

static void withheld(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk talk = sl_talk_of(hook, false), stranger = talk;
	struct sl_frame out;

	sl_rig_reset(rig);
	sl_rig_tune(rig, SL_TUNABLE_CONNECT_RETRY_MODE, 1);
	sl_rig_check(rig, syn_send(rig, &talk, 20) && refuse(rig, &talk, &out) == SL_RIG_DROP,
		     "withheld by tunable", "not dropped");
	withheld_goes_on(rig, &talk, "its repeat goes to the other node");

	sl_rig_reset(rig);
	rig->settings->syn_count = 1;
	talk = sl_talk_of(hook, false);
	stranger.sport = 5001;
	sl_rig_check(rig,
		     syn_send(rig, &talk, 20) && syn_send(rig, &stranger, 20) &&
			     refuse(rig, &talk, &out) == SL_RIG_DROP,
		     "withheld when another flow's SYN took the row", "not dropped");
	withheld_goes_on(rig, &talk, "its repeat goes to the other node too");
}

/* The SYN cannot be sent to the node it was moved to; its repeat tries again. */
static void no_route(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk talk = sl_talk_of(hook, false);
	struct sl_frame out;
	uint32_t other;
	bool ok;

	sl_rig_reset(rig);
	ok = syn_send(rig, &talk, 20);
	other = other_of(talk.slot);
	sl_rig_node(rig, other, SL_RIG_POOL4, "10.0.9.9", 8000, "10.0.0.2");
	ok = ok && refuse(rig, &talk, &out) == SL_RIG_DROP;
	sl_rig_check(rig,
		     ok && sl_rig_counted(rig, SL_COUNTER_DROP_NO_ROUTE) == 1 &&
			     sl_rig_flow_count(rig) == 1 && sl_rig_flow(rig, 5000)->conn.begun == 0,
		     "no route to the other node", "not dropped, or the flow is gone");
}

/* A probe that is refused opens the breaker again; its flow moves on. */
static void probe_refused(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_node_state *node;
	struct sl_frame out;
	struct sl_talk talk;
	bool ok;

	sl_rig_reset(rig);
	for (uint16_t sport = 5000;; sport++) {
		talk = sl_talk_of(hook, false);
		talk.sport = sport;
		rig->nodes[SL_RIG_NODE_A].breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 9, 1);
		rig->nodes[SL_RIG_NODE_A].ejected = 1;
		rig->pools[SL_RIG_POOL4].ejected = 1;
		ok = syn_send(rig, &talk, 20);
		if (!ok || talk.slot == SL_RIG_NODE_A)
			break;
	}
	node = &rig->nodes[talk.slot];
	ok = ok && sl_breaker_state(node->breaker) == SL_BREAKER_HALF_OPEN &&
	     refuse(rig, &talk, &out) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && sl_breaker_state(node->breaker) == SL_BREAKER_OPEN &&
			     sl_breaker_exponent(node->breaker) == 1 &&
			     sl_rig_counted(rig, SL_COUNTER_RETRY_TURNED) == 1 &&
			     sl_rig_flow(rig, talk.sport)->conn.node == SL_RIG_NODE_B,
		     "a refused probe opens the breaker again, its flow moves on", "state %d",
		     sl_breaker_state(node->breaker));
}

/* After five refusals the breaker is open: no SYN goes there. */
static void trips(struct sl_rig *rig, enum sl_rig_hook hook)
{
	uint32_t refused = 0, after = 0;
	struct sl_frame out;

	sl_rig_reset(rig);
	for (uint16_t sport = 5000; sport < 5200; sport++) {
		struct sl_talk talk = sl_talk_of(hook, false);

		talk.sport = sport;
		if (!syn_send(rig, &talk, 20))
			break;
		if (talk.slot != SL_RIG_NODE_A)
			continue;
		after += refused >= 5;
		refused += refuse(rig, &talk, &out) == SL_RIG_FORWARD;
	}
	sl_rig_check(
		rig,
		refused == 5 && after == 0 &&
			sl_breaker_state(rig->nodes[SL_RIG_NODE_A].breaker) == SL_BREAKER_OPEN &&
			sl_rig_counted(rig, SL_COUNTER_RETRY_TURNED) == 5 && !sl_audit(rig, true),
		"five refusals, all turned, open the breaker", "%u refused, %u after", refused,
		after);
}

/* An unreachable about the SYN that is not to be turned goes to the client, once counted. */
static void icmp_spent(struct sl_rig *rig, enum sl_rig_hook hook)
{
	uint32_t only = SL_RIG_NODE_A;
	struct sl_talk talk = sl_talk_of(hook, false);
	struct sl_frame in, out;
	bool ok;

	sl_rig_reset(rig);
	sl_rig_table(rig, SL_RIG_POOL4, &only, 1);
	ok = syn_send(rig, &talk, 20);
	refusal_build(rig, &talk, &in, &refusals[8]);
	ok = ok && sl_rig_run(rig, hook, &in, &out) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && sl_rig_counted(rig, SL_COUNTER_FORWARD_ICMP) == 1 &&
			     sl_rig_counted(rig, SL_COUNTER_RETRY_SPENT) == 1 &&
			     failures(rig, SL_RIG_NODE_A) == 1 && sl_rig_flow_count(rig) == 1,
		     "an unreachable and no other node", "not translated");
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (int hook = 0; hook < SL_RIG_HOOKS; hook++) {
		for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
			turns(&rig, hook, false, &refusals[i]);
			turns(&rig, hook, true, &refusals[i]);
		}
		goes_on(&rig, hook);
		spent(&rig, hook, "retries used up", 2, 2, 1);
		spent(&rig, hook, "one retry", 1, 2, 1);
		spent(&rig, hook, "retries switched off", 0, 2, 0);
		spent(&rig, hook, "no other node", 2, 1, 1);
		stale(&rig, hook, "stale: another port or node", 2);
		stale(&rig, hook, "stale: another port of the only node", 1);
		stale_spent(&rig, hook);
		withheld(&rig, hook);
		no_route(&rig, hook);
		probe_refused(&rig, hook);
		trips(&rig, hook);
		icmp_spent(&rig, hook);
	}
	return sl_rig_close(&rig);
}
