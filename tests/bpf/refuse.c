/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refuse.c - answers to what cannot be served: resets, ICMP errors, too big, flows of a dead node.
 * At both hooks, both families; each answer is compared with a frame that is built anew.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bpf/lib/audit.h"
#include "tests/bpf/lib/talk.h"

#define SYN	   SL_FRAME_SYN
#define ACK	   SL_FRAME_ACK
#define RST	   SL_FRAME_RST
#define FIN	   SL_FRAME_FIN
#define CONTROL	   0xc0
#define ETH_BYTES  14
#define QUOTE4_MAX 548
#define QUOTE6_MAX 1232
#define COUNT(a)   (sizeof(a) / sizeof(*(a)))

static const char *const hook_names[] = {"XDP", "TC"};

/* Who gets an answer to `in` and from whom: the other way round, made by us. */
static struct sl_frame_spec back_of(const struct sl_frame_spec *in)
{
	struct sl_frame_spec spec = {
		.src = in->dst,
		.dst = in->src,
		.sport = in->dport,
		.dport = in->sport,
		.vlan = {in->vlan[0], in->vlan[1]},
		.crafted = true,
	};

	memcpy(spec.smac, in->dmac, 6);
	memcpy(spec.dmac, in->smac, 6);
	return spec;
}

static bool frames_equal(const struct sl_frame *is, const struct sl_frame *expected)
{
	if (is->len == expected->len && !memcmp(is->bytes, expected->bytes, is->len))
		return true;
	sl_frame_print_difference(is, expected);
	return false;
}

/* The ICMP error that quotes `in`, the packet of `spec`. */
static void error_build(struct sl_frame *frame, const struct sl_frame_spec *spec,
			const struct sl_frame *in, uint8_t type, uint8_t code, uint32_t rest)
{
	struct sl_frame_spec back = back_of(spec);
	size_t at = sl_frame_l3_at(in);
	size_t len = in->len - at - spec->pad_len;
	size_t most = strchr(spec->src, ':') ? QUOTE6_MAX : QUOTE4_MAX;
	struct sl_frame_icmp icmp = {
		.type = type,
		.code = code,
		.rest = rest,
		.body = in->bytes + at,
		.body_len = (len < most ? len : most) / 4 * 4,
	};

	back.tos = CONTROL;
	sl_frame_build_icmp(frame, &back, &icmp);
}

/* ---- new flows, no node -------------------------------------------------------------------- */

static void all_refuse(struct sl_rig *rig)
{
	sl_rig_reset(rig);
	sl_rig_tune(rig, SL_TUNABLE_PANIC_PERCENT, 0);
	for (uint32_t slot = SL_RIG_NODE_A; slot <= SL_RIG_NODE6_B; slot++)
		rig->nodes[slot].breaker = sl_breaker_pack(SL_BREAKER_FORCED_OPEN, 0, 7, 0);
}

static const struct refused {
	const char *description;
	uint8_t flags; /* 0: UDP */
	uint16_t payload_len;
	uint16_t pad_len;
	uint16_t vlan[2];
	uint8_t option_len;
	bool no_check;
} refused[] = {
	{"SYN", SYN, 0, 0, {0}, 0, false},
	{"SYN, padded", SYN, 0, 6, {0}, 0, false},
	{"SYN with options", SYN, 0, 0, {0}, 20, false},
	{"SYN with data", SYN, 100, 0, {0}, 12, false},
	{"SYN, tag", SYN, 0, 0, {7}, 20, false},
	{"SYN, two tags", SYN, 0, 0, {7, 9}, 20, false},
	{"UDP", 0, 100, 0, {0}, 0, false},
	{"UDP, empty", 0, 0, 0, {0}, 0, false},
	{"UDP, empty and padded", 0, 0, 18, {0}, 0, false},
	{"UDP, odd length", 0, 101, 0, {0}, 0, false},
	{"UDP, even length", 0, 102, 0, {0}, 0, false},
	{"UDP, long", 0, 1200, 0, {0}, 0, false},
	{"UDP, no checksum", 0, 100, 0, {0}, 0, true},
	{"UDP, tag", 0, 100, 0, {7}, 0, false},
	{"UDP, two tags", 0, 100, 0, {7, 9}, 0, false},
};

static void refuses(struct sl_rig *rig, enum sl_rig_hook hook, bool ip6, const struct refused *how)
{
	struct sl_talk talk = sl_talk_of(hook, ip6);
	struct sl_frame_spec spec = sl_talk_client_spec(&talk, how->flags, how->payload_len);
	struct sl_frame_spec back;
	struct sl_frame in, out, want;
	enum sl_rig_verdict verdict;
	char name[128];

	spec.pad_len = how->pad_len;
	spec.tcp_option_len = how->option_len;
	spec.no_check = how->no_check;
	memcpy(spec.vlan, how->vlan, sizeof(spec.vlan));
	if (!how->flags) {
		spec.udp = true;
		spec.dport = 443;
	}
	sl_frame_build(&in, &spec);
	back = back_of(&spec);
	back.flags = RST | ACK;
	back.ack = SL_TALK_CLIENT_SEQ + 1 + how->payload_len;
	if (how->flags)
		sl_frame_build(&want, &back);
	else
		error_build(&want, &spec, &in, ip6 ? 1 : 3, ip6 ? 4 : 3, 0);
	all_refuse(rig);
	verdict = sl_rig_run(rig, hook, &in, &out);
	snprintf(name, sizeof(name), "refused: %s, %s, %s", how->description, ip6 ? "IPv6" : "IPv4",
		 hook_names[hook]);
	sl_rig_check(rig,
		     verdict == SL_RIG_FORWARD && frames_equal(&out, &want) &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_REFUSED) == 1 &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_NO_NODE) == 0 &&
			     sl_rig_flow_count(rig) == 0 && !sl_audit(rig, true),
		     name, "verdict %d, bytes or counters", verdict);
}

/* Not answered: counted as dropped. */
static void silent(struct sl_rig *rig, enum sl_rig_hook hook, const char *name, const char *src,
		   const char *dst, bool udp, bool tuned_off, uint8_t first_of_dmac)
{
	struct sl_talk talk = sl_talk_of(hook, strchr(src, ':'));
	struct sl_frame_spec spec = sl_talk_client_spec(&talk, udp ? 0 : SYN, 10);
	struct sl_frame in, out;
	enum sl_rig_verdict verdict;

	spec.src = src;
	spec.dst = dst;
	spec.udp = udp;
	spec.dport = udp ? 443 : 80;
	spec.dmac[0] |= first_of_dmac;
	all_refuse(rig);
	if (tuned_off)
		sl_rig_tune(rig, SL_TUNABLE_POOL_REFUSE, 0);
	sl_frame_build(&in, &spec);
	verdict = sl_rig_run(rig, hook, &in, &out);
	/* At TC a frame that is for many is not looked at. */
	if (hook == SL_RIG_TC && first_of_dmac) {
		sl_rig_check(rig, verdict == SL_RIG_PASS, name, "verdict %d", verdict);
		return;
	}
	sl_rig_check(rig,
		     verdict == SL_RIG_DROP && sl_rig_counted(rig, SL_COUNTER_DROP_NO_NODE) == 1 &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_REFUSED) == 0,
		     name, "verdict %d", verdict);
}

static void silences(struct sl_rig *rig, enum sl_rig_hook hook)
{
	const char *vip = "192.0.2.100", *vip6 = "2001:db8::100", *client = "198.51.100.7";

	silent(rig, hook, "tuned off: TCP is dropped", client, vip, false, true, 0);
	silent(rig, hook, "tuned off: UDP is dropped", client, vip, true, true, 0);
	silent(rig, hook, "no answer to 0.0.0.0", "0.0.0.0", vip, true, false, 0);
	silent(rig, hook, "no answer to loopback", "127.0.0.1", vip, true, false, 0);
	silent(rig, hook, "no answer to multicast", "224.0.0.1", vip, true, false, 0);
	silent(rig, hook, "no answer to broadcast", "255.255.255.255", vip, true, false, 0);
	silent(rig, hook, "no RST to multicast", "239.1.1.1", vip, false, false, 0);
	silent(rig, hook, "no answer to ::", "::", vip6, true, false, 0);
	silent(rig, hook, "no answer to ::1", "::1", vip6, true, false, 0);
	silent(rig, hook, "no answer to ff02::1", "ff02::1", vip6, true, false, 0);
	silent(rig, hook, "no answer to a frame for many", client, vip, true, false, 1);
}

/* ---- the rate of answers ------------------------------------------------------------------- */

/* Where a member lies in the programs' scratch row, from the types that the object carries. */
static uint32_t scratch_offset(struct sl_rig *rig, const char *member)
{
	struct btf *btf = bpf_object__btf(rig->object);
	int id = btf ? btf__find_by_name_kind(btf, "sl_scratch", BTF_KIND_STRUCT) : -1;
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (uint32_t i = 0; type && i < btf_vlen(type); i++) {
		if (!strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), member))
			return btf_member_bit_offset(type, i) / 8;
	}
	fprintf(stderr, "refuse: no member %s in the object's types\n", member);
	exit(2);
}

/* As many answers were sent in this second, by every CPU. */
static void answers_set(struct sl_rig *rig, uint32_t count)
{
	struct bpf_map *map = bpf_object__find_map_by_name(rig->object, "scratch");
	uint32_t zero = 0, at = scratch_offset(rig, "answers");
	size_t size = (bpf_map__value_size(map) + 7) / 8 * 8;
	int cpus = libbpf_num_possible_cpus();
	uint8_t *rows = calloc((size_t)cpus, size);
	uint64_t value = (uint64_t)(uint32_t)(sl_rig_now_ns() >> 30) << 32 | count;

	for (int cpu = 0; cpu < cpus; cpu++)
		memcpy(rows + (size_t)cpu * size + at, &value, sizeof(value));
	if (!rows || bpf_map_update_elem(bpf_map__fd(map), &zero, rows, BPF_ANY)) {
		perror("refuse: scratch");
		exit(2);
	}
	free(rows);
}

/* The second may end between the two; then the answer was right, and it is tried again. */
static void rate_of_answers(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk talk = sl_talk_of(hook, false);
	struct sl_frame_spec spec = sl_talk_client_spec(&talk, 0, 10);
	struct sl_frame in, out;
	bool limited = false;

	spec.udp = true;
	spec.dport = 443;
	sl_frame_build(&in, &spec);
	all_refuse(rig);
	for (int tries = 0; tries < 100 && !limited; tries++) {
		answers_set(rig, SL_ANSWERS_MAX);
		limited = sl_rig_run(rig, hook, &in, &out) == SL_RIG_DROP;
	}
	sl_rig_check(rig, limited && sl_rig_counted(rig, SL_COUNTER_DROP_RATE_ANSWER) == 1,
		     "no more answers than may be sent in a second", "not limited");
	answers_set(rig, SL_ANSWERS_MAX - 1);
	sl_rig_count_mark(rig);
	sl_rig_check(rig,
		     sl_rig_run(rig, hook, &in, &out) == SL_RIG_FORWARD &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_REFUSED) == 1,
		     "the last one is sent", "it is not");
	answers_set(rig, 0);
}

/* ---- too big ------------------------------------------------------------------------------- */

static const struct oversize {
	const char *description;
	bool from_node;
	bool udp;
	uint16_t payload_len;
	uint16_t vlan[2];
} oversizes[] = {
	{"from the client", false, false, 1461, {0}},
	{"from the client, by far", false, false, 1900, {0}},
	{"from the client, tag", false, false, 1470, {7}},
	{"from the client, UDP", false, true, 1473, {0}},
	{"from the node", true, false, 1470, {0}},
	{"from the node, tag", true, false, 1470, {7}},
	{"from the node, UDP", true, true, 1490, {0}},
};

static bool talk_open(struct sl_rig *rig, struct sl_talk *talk)
{
	if (!talk->udp)
		return sl_talk_establish(rig, talk);
	talk->dport = 443;
	return sl_talk_client(rig, talk, 0, 10) == SL_RIG_FORWARD;
}

static void too_big(struct sl_rig *rig, enum sl_rig_hook hook, bool ip6, const struct oversize *how)
{
	struct sl_talk talk = sl_talk_of(hook, ip6);
	struct sl_frame_spec spec;
	struct sl_frame in, out, want;
	enum sl_rig_verdict verdict;
	char name[128];
	bool ok;

	sl_rig_reset(rig);
	talk.udp = how->udp;
	ok = talk_open(rig, &talk);
	spec = how->from_node ? sl_talk_node_spec(rig, &talk, how->udp ? 0 : ACK, how->payload_len)
			      : sl_talk_client_spec(&talk, how->udp ? 0 : ACK, how->payload_len);
	memcpy(spec.vlan, how->vlan, sizeof(spec.vlan));
	sl_frame_build(&in, &spec);
	error_build(&want, &spec, &in, ip6 ? 2 : 3, ip6 ? 0 : 4, 1500);
	sl_rig_count_mark(rig);
	verdict = sl_rig_run(rig, hook, &in, &out);
	snprintf(name, sizeof(name), "too big: %s, %s, %s", how->description, ip6 ? "IPv6" : "IPv4",
		 hook_names[hook]);
	sl_rig_check(rig,
		     ok && verdict == SL_RIG_FORWARD && frames_equal(&out, &want) &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_TOO_BIG_ANSWERED) == 1 &&
			     sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_NODE) == 0 &&
			     sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_CLIENT) == 0 &&
			     sl_rig_flow_count(rig) == 1 && !sl_audit(rig, true),
		     name, "verdict %d, bytes or counters", verdict);
}

/* Too big and not answered; and what just fits. */
static void fits(struct sl_rig *rig, enum sl_rig_hook hook, const char *name, uint16_t fragment,
		 bool tuned_off, uint16_t payload_len, enum sl_counter counter)
{
	struct sl_talk talk = sl_talk_of(hook, false);
	enum sl_rig_verdict verdict;
	struct sl_frame_spec spec;
	struct sl_frame in, out;
	bool ok;

	sl_rig_reset(rig);
	if (tuned_off)
		sl_rig_tune(rig, SL_TUNABLE_TOO_BIG, 0);
	ok = talk_open(rig, &talk);
	spec = sl_talk_client_spec(&talk, ACK, payload_len);
	sl_frame_build(&in, &spec);
	if (fragment) { /* without DF; the builder takes 0 for the default */
		in.bytes[ETH_BYTES + 6] = 0;
		in.bytes[ETH_BYTES + 10] = (uint8_t)(in.bytes[ETH_BYTES + 10] + 0x40);
		if (in.bytes[ETH_BYTES + 10] < 0x40 && !++in.bytes[ETH_BYTES + 11])
			in.bytes[ETH_BYTES + 10]++;
	}
	sl_rig_count_mark(rig);
	verdict = sl_rig_run(rig, hook, &in, &out);
	sl_rig_check(rig,
		     ok && sl_rig_counted(rig, counter) == 1 &&
			     verdict == (counter == SL_COUNTER_FORWARD_TO_NODE ? SL_RIG_FORWARD
									       : SL_RIG_DROP),
		     name, "verdict %d", verdict);
}

/* ---- flows of a dead node ------------------------------------------------------------------ */

/* The table's clock goes on: the flow looks as if its last packet had been a while ago. */
static void silence(struct sl_rig *rig, const struct sl_talk *talk, uint64_t ms)
{
	struct sl_flow *flow = sl_rig_flow(rig, talk->sport);

	if (flow)
		sl_rig_flow_age(rig, flow, ms);
}

static const struct retire {
	const char *description;
	enum sl_breaker_state state;
	uint64_t retire_ms;
	uint64_t suspect_ms; /* ago; 0: not suspected yet */
	uint64_t byte_ms;    /* ago, the node's last byte; 0: never */
	bool owes;	     /* something was sent since then */
	bool dead;
} retires[] = {
	{"open, silent for long", SL_BREAKER_OPEN, 1000, 1100, 5000, true, true},
	{"forced open", SL_BREAKER_FORCED_OPEN, 1000, 1100, 5000, true, true},
	{"never sent a byte", SL_BREAKER_OPEN, 1000, 1100, 0, true, true},
	{"not long enough", SL_BREAKER_OPEN, 60000, 1100, 5000, true, false},
	{"not suspected yet", SL_BREAKER_OPEN, 1000, 0, 5000, true, false},
	{"a byte since the suspicion", SL_BREAKER_OPEN, 1000, 1100, 900, true, false},
	{"owes nothing", SL_BREAKER_OPEN, 1000, 1100, 5000, false, false},
	{"closed", SL_BREAKER_CLOSED, 1000, 1100, 5000, true, false},
	{"half-open", SL_BREAKER_HALF_OPEN, 1000, 1100, 5000, true, false},
	{"metrics only", SL_BREAKER_METRICS_ONLY, 1000, 1100, 5000, true, false},
	{"tuned off", SL_BREAKER_OPEN, 0, 1100, 5000, true, false},
};

static void node_ails(struct sl_rig *rig, const struct sl_talk *talk, const struct retire *how)
{
	struct sl_node_state *node = &rig->nodes[talk->slot];
	uint64_t now_ns = sl_rig_now_ns(), ms = 1000000;

	sl_rig_tune(rig, SL_TUNABLE_RETIRE_MS, how->retire_ms);
	/* A half-open one has its probe out, or the next flow would be that. */
	node->breaker = sl_breaker_pack(how->state, 0, 7, sl_rig_now_ns() / ms + 60000);
	node->suspect_ns = how->suspect_ms ? now_ns - how->suspect_ms * ms : 0;
	node->last_byte_ns = how->byte_ms ? now_ns - how->byte_ms * ms : 0;
	node->last_sent_ns = how->owes ? now_ns - ms : node->last_byte_ns;
}

/* A look is made by the first packet after a while; the reset comes with the next one. */
static void retired(struct sl_rig *rig, enum sl_rig_hook hook, const struct retire *how)
{
	struct sl_talk talk = sl_talk_of(hook, false);
	struct sl_frame_spec spec, back;
	struct sl_frame in, out, want;
	struct sl_event event = {0};
	uint32_t events, slot;
	char name[128];
	bool ok, marked;

	sl_rig_reset(rig);
	ok = talk_open(rig, &talk);
	slot = talk.slot;
	sl_rig_events(rig, NULL);
	node_ails(rig, &talk, how);
	silence(rig, &talk, 2000);
	ok = ok && sl_talk_client(rig, &talk, ACK, how->owes ? 10 : 0) == SL_RIG_FORWARD;
	marked = rig->nodes[slot].admin & SL_NODE_RETIRED;
	spec = sl_talk_client_spec(&talk, ACK, 0);
	sl_frame_build(&in, &spec);
	back = back_of(&spec);
	back.flags = RST;
	back.seq = spec.ack;
	sl_frame_build(&want, &back);
	ok = ok && sl_rig_run(rig, hook, &in, &out) == SL_RIG_FORWARD;
	events = sl_rig_events(rig, &event);
	snprintf(name, sizeof(name), "dead or not: %s, %s", how->description, hook_names[hook]);
	if (!how->dead) {
		sl_rig_check(rig,
			     ok && !marked && sl_rig_flow_count(rig) == 1 && events == 0 &&
				     sl_rig_counted(rig, SL_COUNTER_DROP_RETIRED) == 0,
			     name, "reset, marked or an event");
		return;
	}
	sl_rig_check(rig,
		     ok && marked && frames_equal(&out, &want) && sl_rig_flow_count(rig) == 0 &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_RETIRED) == 1 && events == 1 &&
			     event.kind == SL_EVENT_RETIRED && event.node == slot &&
			     event.pool == SL_RIG_POOL4 && !sl_audit(rig, true),
		     name, "%s, %u events, kind %d", marked ? "marked" : "not marked", events,
		     event.kind);
}

/* Two flows of a node that is dead; the second is reset by its first packet, and no second event. */
static void retired_others(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk one = sl_talk_of(hook, false), two = one, three = one;
	uint32_t only = SL_RIG_NODE_A;
	bool ok;

	sl_rig_reset(rig);
	sl_rig_table(rig, SL_RIG_POOL4, &only, 1);
	two.sport = 5001;
	three.sport = 5002;
	ok = talk_open(rig, &one) && talk_open(rig, &two) && talk_open(rig, &three);
	sl_rig_events(rig, NULL);
	node_ails(rig, &one, &retires[0]);
	silence(rig, &one, 2000);
	ok = ok && sl_talk_client(rig, &one, ACK, 10) == SL_RIG_FORWARD;
	ok = ok && sl_talk_client(rig, &two, FIN | ACK, 10) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && sl_rig_counted(rig, SL_COUNTER_DROP_RETIRED) == 1 &&
			     sl_rig_flow_count(rig) == 2 && sl_rig_events(rig, NULL) == 1,
		     "other flows of it are reset at once", "they are not, or a second event");
	ok = sl_talk_client(rig, &one, RST, 0) == SL_RIG_FORWARD;
	sl_rig_check(rig, ok && sl_rig_counted(rig, SL_COUNTER_DROP_RETIRED) == 1,
		     "a RST is not answered", "it is");
	ok = sl_talk_node(rig, &three, ACK, 100) == SL_RIG_FORWARD &&
	     sl_talk_client(rig, &three, ACK, 10) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && !(rig->nodes[SL_RIG_NODE_A].admin & SL_NODE_RETIRED) &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_RETIRED) == 1,
		     "one byte of it, and it is alive", "it is not");
}

/* The mark goes when the breaker closes, whoever closes it. */
static void retired_closes(struct sl_rig *rig)
{
	struct sl_node_state *node = &rig->nodes[SL_RIG_NODE_A];
	struct sl_breaker_change change;

	sl_rig_reset(rig);
	node->breaker = sl_breaker_pack(SL_BREAKER_FORCED_OPEN, 0, 7, 0);
	node->admin |= SL_NODE_RETIRED;
	sl_breaker_force(node, &rig->pools[SL_RIG_POOL4], SL_BREAKER_ORDER_CLOSE, 1000,
			 SL_PLANE_OPERATOR, &change);
	sl_rig_check(rig, node->admin == SL_NODE_PRESENT, "closing takes the mark away", "admin %x",
		     node->admin);
}

/* A datagram in a flow of a dead node begins a new flow elsewhere. */
static void retired_udp(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk talk = sl_talk_of(hook, false);
	uint32_t slot;
	bool ok;

	sl_rig_reset(rig);
	talk.udp = true;
	ok = talk_open(rig, &talk);
	slot = talk.slot;
	node_ails(rig, &talk, &retires[0]);
	silence(rig, &talk, 2000);
	ok = ok && sl_talk_client(rig, &talk, 0, 10) == SL_RIG_FORWARD && talk.slot == slot &&
	     sl_talk_client(rig, &talk, 0, 10) == SL_RIG_FORWARD && talk.slot != slot;
	sl_rig_check(rig,
		     ok && sl_rig_flow_count(rig) == 1 &&
			     sl_rig_counted(rig, SL_COUNTER_FLOW_OPENED) == 2 &&
			     !sl_audit(rig, true),
		     "a datagram of a dead node's flow goes to another node", "slot %u then %u",
		     slot, talk.slot);
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (int hook = 0; hook < SL_RIG_HOOKS; hook++) {
		for (size_t i = 0; i < COUNT(refused); i++) {
			refuses(&rig, hook, false, &refused[i]);
			refuses(&rig, hook, true, &refused[i]);
		}
		silences(&rig, hook);
		rate_of_answers(&rig, hook);
		for (size_t i = 0; i < COUNT(oversizes); i++) {
			too_big(&rig, hook, false, &oversizes[i]);
			too_big(&rig, hook, true, &oversizes[i]);
		}
		fits(&rig, hook, "just fits", 0, false, 1460, SL_COUNTER_FORWARD_TO_NODE);
		fits(&rig, hook, "too big without DF", 1, false, 1470, SL_COUNTER_DROP_TOO_BIG);
		fits(&rig, hook, "too big, tuned off", 0, true, 1470, SL_COUNTER_DROP_TOO_BIG);
		for (size_t i = 0; i < COUNT(retires); i++)
			retired(&rig, hook, &retires[i]);
		retired_others(&rig, hook);
		retired_udp(&rig, hook);
	}
	retired_closes(&rig);
	return sl_rig_close(&rig);
}
