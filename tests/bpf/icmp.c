/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.c - ICMP errors about packets that went through the lane: translated in both directions,
 * taken out of tunnels, counted against nodes, dropped as strays, left to the stack. At both hooks,
 * both families; what leaves is compared with a frame that is built anew. Cut short everywhere.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/audit.h"
#include "tests/bpf/lib/talk.h"

#define SYN	  SL_FRAME_SYN
#define ACK	  SL_FRAME_ACK
#define ETH_BYTES 14
#define HOPS	  57 /* of quoted packets, where they were when the error came about */
#define GUE_PORT  6080
#define CONTROL	  0xc0
#define COUNT(a)  (sizeof(a) / sizeof(*(a)))

static const char *const hook_names[] = {"XDP", "TC"};

enum { UNREACH4 = 3, QUENCH4 = 4, REDIRECT4 = 5, ECHO4 = 8, TIME4 = 11, PARAMETER4 = 12 };
enum { UNREACH6 = 1, TOO_BIG6 = 2, TIME6 = 3, PARAMETER6 = 4, ECHO6 = 128 };

static const struct kind {
	const char *description;
	bool ip6;
	uint8_t type;
	uint8_t code;
	uint32_t rest;
	bool failure; /* of the node, when it comes from there */
} kinds[] = {
	{"network unreachable", false, UNREACH4, 0, 0, true},
	{"host unreachable", false, UNREACH4, 1, 0, true},
	{"protocol unreachable", false, UNREACH4, 2, 0, true},
	{"port unreachable", false, UNREACH4, 3, 0, true},
	{"fragmentation needed", false, UNREACH4, 4, 1400, false},
	{"fragmentation needed, MTU unknown", false, UNREACH4, 4, 0, false},
	{"source route failed", false, UNREACH4, 5, 0, true},
	{"administratively prohibited", false, UNREACH4, 13, 0, true},
	{"time exceeded", false, TIME4, 0, 0, false},
	{"reassembly time exceeded", false, TIME4, 1, 0, false},
	{"parameter problem", false, PARAMETER4, 0, 0x14000000, false},
	{"no route", true, UNREACH6, 0, 0, true},
	{"administratively prohibited", true, UNREACH6, 1, 0, true},
	{"address unreachable", true, UNREACH6, 3, 0, true},
	{"port unreachable", true, UNREACH6, 4, 0, true},
	{"packet too big", true, TOO_BIG6, 0, 1400, false},
	{"time exceeded", true, TIME6, 0, 0, false},
	{"parameter problem", true, PARAMETER6, 1, 6, false},
};
#define KIND_TOO_BIG4 4
#define KIND_TOO_BIG6 15

/* Who sends the error, and what it quotes. */
static const struct about {
	const char *description;
	bool from_node; /* about what went to the node; else about an answer to the client */
	bool itself;	/* sent by the node or client itself, else by a router */
	bool udp;
	bool no_check;
	uint16_t payload_len; /* of the quoted packet */
	uint16_t cut;	      /* bytes quoted behind the IP header; 0: all */
	uint16_t vlan[2];
} abouts[] = {
	{"router before the node", true, false, false, false, 100, 0, {0}},
	{"router before the node, 8 bytes", true, false, false, false, 100, 8, {0}},
	{"router before the node, 17 bytes", true, false, false, false, 100, 17, {0}},
	{"router before the node, 18 bytes", true, false, false, false, 100, 18, {0}},
	{"router before the node, odd length", true, false, false, false, 101, 0, {0}},
	{"router before the node, UDP", true, false, true, false, 100, 0, {0}},
	{"router before the node, UDP, 8 bytes", true, false, true, false, 100, 8, {0}},
	{"router before the node, UDP, no sum", true, false, true, true, 100, 0, {0}},
	{"router before the node, tag", true, false, false, false, 100, 0, {7}},
	{"router before the node, two tags", true, false, false, false, 100, 0, {7, 9}},
	{"node", true, true, false, false, 100, 0, {0}},
	{"node, UDP", true, true, true, false, 100, 0, {0}},
	{"router before the client", false, false, false, false, 1000, 500, {0}},
	{"router before the client, 8 bytes", false, false, false, false, 1000, 8, {0}},
	{"router before the client, UDP", false, false, true, false, 100, 0, {0}},
	{"router before the client, tag", false, false, false, false, 100, 0, {7}},
	{"client", false, true, false, false, 100, 0, {0}},
	{"client, UDP", false, true, true, false, 100, 0, {0}},
};

static struct sl_talk talk_of(enum sl_rig_hook hook, bool ip6, bool udp)
{
	struct sl_talk talk = sl_talk_of(hook, ip6);

	talk.udp = udp;
	if (udp)
		talk.dport = 443;
	return talk;
}

static bool talk_open(struct sl_rig *rig, struct sl_talk *talk)
{
	if (talk->udp)
		return sl_talk_client(rig, talk, 0, 10) == SL_RIG_FORWARD;
	return sl_talk_establish(rig, talk);
}

static bool frames_equal(const struct sl_frame *is, const struct sl_frame *expected)
{
	if (is->len == expected->len && !memcmp(is->bytes, expected->bytes, is->len))
		return true;
	sl_frame_print_difference(is, expected);
	return false;
}

/* ---- quotes -------------------------------------------------------------------------------- */

struct quote {
	uint8_t bytes[SL_FRAME_MAX];
	size_t len;
};

/* The packet of `spec` as an error quotes it: `cut` bytes behind the IP header, 0 for all. */
static void quote_build(struct quote *quote, const struct sl_frame_spec *spec, uint16_t cut)
{
	size_t head = strchr(spec->src, ':') ? 40 : 20;
	struct sl_frame_spec plain = *spec;
	struct sl_frame frame;

	plain.vlan[0] = plain.vlan[1] = 0;
	plain.hops = HOPS;
	sl_frame_build(&frame, &plain);
	quote->len = cut ? head + cut : frame.len - ETH_BYTES;
	memcpy(quote->bytes, frame.bytes + ETH_BYTES, quote->len);
}

/* The same packet between us and the node. */
static struct sl_frame_spec node_side(const struct sl_rig *rig, const struct sl_talk *talk,
				      const struct sl_frame_spec *spec, bool to_node)
{
	const struct sl_node_state *node = &rig->nodes[talk->slot];
	struct sl_frame_spec other = *spec;
	const char *ours = sl_frame_addr_text(&node->snat_addr);
	const char *its = sl_frame_addr_text(&node->endpoint.addr);

	other.src = to_node ? ours : its;
	other.dst = to_node ? its : ours;
	other.sport = to_node ? talk->nat_port : 8000;
	other.dport = to_node ? 8000 : talk->nat_port;
	return other;
}

/* A packet between client and service, either way. */
static struct sl_frame_spec client_side(const struct sl_talk *talk, const struct about *about)
{
	struct sl_frame_spec spec = {
		.src = about->from_node ? talk->client : talk->service,
		.dst = about->from_node ? talk->service : talk->client,
		.sport = about->from_node ? talk->sport : talk->dport,
		.dport = about->from_node ? talk->dport : talk->sport,
		.seq = about->from_node ? talk->seq : talk->ack,
		.ack = about->from_node ? talk->ack : talk->seq,
		.flags = ACK,
		.payload_len = about->payload_len,
		.udp = talk->udp,
		.no_check = about->no_check,
	};

	return spec;
}

static void error_build(struct sl_frame *frame, const struct sl_frame_spec *spec,
			const struct kind *kind, const struct quote *quote)
{
	struct sl_frame_icmp icmp = {
		.type = kind->type,
		.code = kind->code,
		.rest = kind->rest,
		.body = quote->bytes,
		.body_len = quote->len,
	};

	sl_frame_build_icmp(frame, spec, &icmp);
}

/* ---- translated ---------------------------------------------------------------------------- */

/* An error, what it should become, and how it came about. */
struct errand {
	struct sl_talk talk;
	struct sl_frame in;
	struct sl_frame want;
};

static uint8_t node_mac(uint32_t slot)
{
	return slot == SL_RIG_NODE_A || slot == SL_RIG_NODE6_A ? 0x0b : 0x0c;
}

/* Where the error comes from and goes to, as descriptions of its IP packet. */
static void errand_ends(const struct sl_rig *rig, const struct sl_talk *talk,
			const struct about *about, struct sl_frame_spec *ret_in,
			struct sl_frame_spec *ret_out)
{
	const struct sl_node_state *node = &rig->nodes[talk->slot];
	const char *ours = sl_frame_addr_text(&node->snat_addr);
	const char *its = sl_frame_addr_text(&node->endpoint.addr);
	const char *router = strchr(talk->client, ':') ? "2001:db8:ffff::1" : "203.0.113.1";
	const uint8_t us[6] = SL_RIG_MAC_NODE(0xa0), there[6] = SL_RIG_MAC_ROUTER;
	const uint8_t node_at[6] = SL_RIG_MAC_NODE(node_mac(talk->slot));

	*ret_in = (struct sl_frame_spec){.vlan = {about->vlan[0], about->vlan[1]}};
	*ret_out = *ret_in;
	ret_out->hops = SL_FRAME_HOPS - 1;
	if (about->from_node) {
		ret_in->src = about->itself ? its : router;
		ret_in->dst = ours;
		ret_out->src = about->itself ? talk->service : router;
		ret_out->dst = talk->client;
	} else {
		ret_in->src = about->itself ? talk->client : router;
		ret_in->dst = talk->service;
		ret_out->src = about->itself ? ours : router;
		ret_out->dst = its;
	}
	memcpy(ret_in->smac, there, 6);
	memcpy(ret_in->dmac, us, 6);
	memcpy(ret_out->smac, us, 6);
	memcpy(ret_out->dmac, about->from_node ? there : node_at, 6);
}

/* Opens the flow and makes both frames. Returns false when the flow could not be opened. */
static bool errand_make(struct sl_rig *rig, enum sl_rig_hook hook, const struct kind *kind,
			const struct about *about, struct errand *errand)
{
	struct sl_frame_spec outside, inside, in, out;
	struct quote quoted, expected;

	sl_rig_reset(rig);
	errand->talk = talk_of(hook, kind->ip6, about->udp);
	if (!talk_open(rig, &errand->talk))
		return false;
	outside = client_side(&errand->talk, about);
	inside = node_side(rig, &errand->talk, &outside, about->from_node);
	quote_build(&quoted, about->from_node ? &inside : &outside, about->cut);
	quote_build(&expected, about->from_node ? &outside : &inside, about->cut);
	/* TCP's checksum is only put right where it is there as a whole. */
	if (!about->udp && about->cut == 17)
		expected.bytes[expected.len - 1] = quoted.bytes[expected.len - 1];
	errand_ends(rig, &errand->talk, about, &in, &out);
	error_build(&errand->in, &in, kind, &quoted);
	error_build(&errand->want, &out, kind, &expected);
	sl_rig_count_mark(rig);
	return true;
}

static void translates(struct sl_rig *rig, enum sl_rig_hook hook, const struct kind *kind,
		       const struct about *about)
{
	uint64_t failures = kind->failure && about->from_node;
	const struct sl_node_state *node;
	enum sl_rig_verdict verdict;
	struct errand errand;
	struct sl_frame out;
	char name[160];
	bool ok;

	snprintf(name, sizeof(name), "%s by the %s, %s, %s", kind->description, about->description,
		 kind->ip6 ? "IPv6" : "IPv4", hook_names[hook]);
	if (!errand_make(rig, hook, kind, about, &errand)) {
		sl_rig_check(rig, false, name, "no flow");
		return;
	}
	node = &rig->nodes[errand.talk.slot];
	verdict = sl_rig_run(rig, hook, &errand.in, &out);
	ok = verdict == SL_RIG_FORWARD && frames_equal(&out, &errand.want) &&
	     sl_rig_counted(rig, SL_COUNTER_FORWARD_ICMP) == 1 &&
	     node->signals[SL_SIGNAL_ICMP_UNREACH] == failures;
	/* The same once more: translated, but no second failure. */
	ok = ok && sl_rig_run(rig, hook, &errand.in, &out) == SL_RIG_FORWARD &&
	     frames_equal(&out, &errand.want) &&
	     node->signals[SL_SIGNAL_ICMP_UNREACH] == failures &&
	     sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED) == failures &&
	     sl_rig_flow_count(rig) == 1 && !sl_audit(rig, true);
	sl_rig_check(rig, ok, name, "verdict %d, bytes, counters or failures %llu", verdict,
		     (unsigned long long)node->signals[SL_SIGNAL_ICMP_UNREACH]);
}

static void out_of_window(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk talk = talk_of(hook, false, false);
	struct sl_frame_spec outside, inside, in, out_spec;
	struct sl_frame frame, out;
	struct quote quoted;
	bool ok;

	sl_rig_reset(rig);
	ok = talk_open(rig, &talk);
	outside = client_side(&talk, &abouts[0]);
	outside.seq += 0x10000000;
	inside = node_side(rig, &talk, &outside, true);
	quote_build(&quoted, &inside, 0);
	errand_ends(rig, &talk, &abouts[0], &in, &out_spec);
	error_build(&frame, &in, &kinds[1], &quoted);
	ok = ok && sl_rig_run(rig, hook, &frame, &out) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && rig->nodes[talk.slot].signals[SL_SIGNAL_ICMP_UNREACH] == 0 &&
			     sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED) == 1,
		     "an unreachable out of window is no failure", "counted");
}

/* ---- cut short, and lying ------------------------------------------------------------------ */

/* Every reason why a packet is passed or dropped, counted since the last mark. */
static uint64_t counted_reasons(const struct sl_rig *rig)
{
	uint64_t sum = 0;

	for (int id = SL_COUNTER_PASS_NOT_IP; id <= SL_COUNTER_DROP_INTERNAL; id++)
		sum += sl_rig_counted(rig, id);
	return sum + sl_rig_counted(rig, SL_COUNTER_DROP_ICMP_STRAY) +
	       sl_rig_counted(rig, SL_COUNTER_DROP_TOO_BIG);
}

/*
 * The frame ends early at every byte: never sent on, never changed, always counted once, and never a
 * failure of the node.
 */
static void frames_cut(struct sl_rig *rig, enum sl_rig_hook hook, const struct kind *kind,
		       const struct about *about)
{
	struct errand errand;
	struct sl_frame cut, out;
	size_t wrong = 0;
	char name[160];
	bool ok = errand_make(rig, hook, kind, about, &errand);

	/* The kernel refuses test runs at TC of what says IP and holds no IP header. */
	for (size_t len = ETH_BYTES + (hook == SL_RIG_TC ? (kind->ip6 ? 40 : 20) : 0);
	     ok && len < errand.in.len; len++) {
		enum sl_rig_verdict verdict;

		cut = errand.in;
		cut.len = len;
		memset(cut.bytes + len, 0xee, sizeof(cut.bytes) - len);
		sl_rig_count_mark(rig);
		verdict = sl_rig_run(rig, hook, &cut, &out);
		ok = (verdict == SL_RIG_PASS || verdict == SL_RIG_DROP) && out.len == len &&
		     !memcmp(out.bytes, cut.bytes, len) && counted_reasons(rig) == 1 &&
		     rig->nodes[errand.talk.slot].signals[SL_SIGNAL_ICMP_UNREACH] == 0;
		wrong = len;
	}
	snprintf(name, sizeof(name), "frame cut at every byte: %s by the %s, %s, %s",
		 kind->description, about->description, kind->ip6 ? "IPv6" : "IPv4",
		 hook_names[hook]);
	sl_rig_check(rig, ok, name, "at %zu bytes: sent, changed, or not counted once", wrong);
}

/*
 * The quote ends early at every byte, in a packet that is whole: passed as it is as long as the ports
 * and the 8 bytes are not there, translated from then on.
 */
static void quotes_cut(struct sl_rig *rig, enum sl_rig_hook hook, const struct kind *kind,
		       const struct about *about)
{
	struct sl_frame_spec outside, inside, in, out_spec;
	struct sl_talk talk = talk_of(hook, kind->ip6, about->udp);
	struct quote quoted, expected;
	struct sl_frame frame, want, out;
	size_t least = (kind->ip6 ? 40 : 20) + 8, len = 0;
	char name[160];
	bool ok;

	sl_rig_reset(rig);
	ok = talk_open(rig, &talk);
	outside = client_side(&talk, about);
	inside = node_side(rig, &talk, &outside, about->from_node);
	errand_ends(rig, &talk, about, &in, &out_spec);
	for (len = 0; ok && len < least + 40; len++) {
		quote_build(&quoted, about->from_node ? &inside : &outside, 0);
		quote_build(&expected, about->from_node ? &outside : &inside, 0);
		/* TCP's checksum is only put right where it is there as a whole. */
		if (!about->udp && len < least + 10) {
			memcpy(expected.bytes + least + 8, quoted.bytes + least + 8, 2);
		}
		quoted.len = expected.len = len;
		error_build(&frame, &in, kind, &quoted);
		error_build(&want, &out_spec, kind, &expected);
		sl_rig_count_mark(rig);
		if (len < least)
			ok = sl_rig_run(rig, hook, &frame, &out) == SL_RIG_PASS &&
			     frames_equal(&out, &frame) &&
			     sl_rig_counted(rig, SL_COUNTER_PASS_PROTOCOL) == 1;
		else
			ok = sl_rig_run(rig, hook, &frame, &out) == SL_RIG_FORWARD &&
			     frames_equal(&out, &want);
	}
	snprintf(name, sizeof(name), "quote cut at every byte: %s by the %s, %s, %s",
		 kind->description, about->description, kind->ip6 ? "IPv6" : "IPv4",
		 hook_names[hook]);
	sl_rig_check(rig, ok, name, "at %zu bytes", len - 1);
}

/* ---- no flow ------------------------------------------------------------------------------- */

static const struct stray {
	const char *description;
	const char *src, *dst; /* of the quoted packet */
	uint16_t sport;
	uint8_t type;
	uint8_t protocol; /* of the quoted packet, 0: TCP */
	bool fragment;	  /* a later one */
	bool disabled;	  /* the fast lane is switched off */
	enum sl_counter counter;
} strays[] = {
	{"an answer of a fast service to nobody", "192.0.2.100", "198.51.100.8", 80, UNREACH4, 0,
	 false, false, SL_COUNTER_DROP_ICMP_STRAY},
	{"an answer of a fast service to nobody, IPv6", "2001:db8::100", "2001:db8:c::8", 80,
	 UNREACH6, 0, false, false, SL_COUNTER_DROP_ICMP_STRAY},
	{"the fast lane switched off", "192.0.2.100", "198.51.100.8", 80, UNREACH4, 0, false, true,
	 SL_COUNTER_PASS_PROTOCOL},
	{"an answer of a smart service", "192.0.2.100", "198.51.100.8", 8080, UNREACH4, 0, false,
	 false, SL_COUNTER_PASS_PROTOCOL},
	{"another port of the address", "192.0.2.100", "198.51.100.8", 81, UNREACH4, 0, false,
	 false, SL_COUNTER_PASS_PROTOCOL},
	{"a connection of this host", "10.0.0.2", "10.0.0.11", 33333, UNREACH4, 0, false, false,
	 SL_COUNTER_PASS_PROTOCOL},
	{"a source port of ours that is free", "10.0.0.2", "10.0.0.11", 40001, UNREACH4, 0, false,
	 false, SL_COUNTER_PASS_PROTOCOL},
	{"another protocol", "192.0.2.100", "198.51.100.8", 80, UNREACH4, 132, false, false,
	 SL_COUNTER_PASS_PROTOCOL},
	{"an echo", "192.0.2.100", "198.51.100.8", 80, UNREACH4, 1, false, false,
	 SL_COUNTER_PASS_PROTOCOL},
	{"a later fragment", "192.0.2.100", "198.51.100.8", 80, UNREACH4, 0, true, false,
	 SL_COUNTER_PASS_PROTOCOL},
	{"echo request", "192.0.2.100", "198.51.100.8", 80, ECHO4, 0, false, false,
	 SL_COUNTER_PASS_PROTOCOL},
	{"echo request, IPv6", "2001:db8::100", "2001:db8:c::8", 80, ECHO6, 0, false, false,
	 SL_COUNTER_PASS_PROTOCOL},
	{"source quench", "192.0.2.100", "198.51.100.8", 80, QUENCH4, 0, false, false,
	 SL_COUNTER_PASS_PROTOCOL},
	{"redirect", "192.0.2.100", "198.51.100.8", 80, REDIRECT4, 0, false, false,
	 SL_COUNTER_PASS_PROTOCOL},
	{"an IP-in-IP packet of nobody", "10.0.0.2", "10.0.0.11", 80, UNREACH4, 4, false, false,
	 SL_COUNTER_PASS_PROTOCOL},
};

static void stray(struct sl_rig *rig, enum sl_rig_hook hook, const struct stray *how)
{
	bool pass = how->counter == SL_COUNTER_PASS_PROTOCOL;
	struct sl_frame_spec quoted_spec = {
		.src = how->src,
		.dst = how->dst,
		.sport = how->sport,
		.dport = 5000,
		.flags = ACK,
		.protocol = how->protocol,
		.fragment = how->fragment ? 100 : 0,
	};
	struct sl_frame_spec spec = {
		.src = strchr(how->src, ':') ? "2001:db8:ffff::1" : "203.0.113.1",
		.dst = how->src,
		.smac = SL_RIG_MAC_ROUTER,
		.dmac = SL_RIG_MAC_NODE(0xa0),
	};
	struct kind kind = {.type = how->type, .code = 1};
	enum sl_rig_verdict verdict;
	struct sl_frame in, out;
	struct quote quoted;
	char name[160];

	sl_rig_reset(rig);
	if (how->disabled)
		sl_rig_tune(rig, SL_TUNABLE_FAST_LANE, 0);
	quote_build(&quoted, &quoted_spec, 0);
	error_build(&in, &spec, &kind, &quoted);
	verdict = sl_rig_run(rig, hook, &in, &out);
	snprintf(name, sizeof(name), "no flow: %s, %s", how->description, hook_names[hook]);
	sl_rig_check(rig,
		     verdict == (pass ? SL_RIG_PASS : SL_RIG_DROP) && frames_equal(&out, &in) &&
			     sl_rig_counted(rig, how->counter) == 1 && counted_reasons(rig) == 1,
		     name, "verdict %d", verdict);
}

/* ---- tunnels ------------------------------------------------------------------------------- */

static const struct tunnel {
	const char *description;
	bool ip6;
	bool gue;
	uint8_t type;
	uint8_t code;
	uint32_t rest;
	uint8_t want_type;
	uint8_t want_code;
	uint32_t want_rest;
	uint16_t payload_len;
	bool failure;
} tunnels[] = {
	{"ipip too big", false, false, UNREACH4, 4, 1400, UNREACH4, 4, 1380, 1000, false},
	{"ipip too big, MTU unknown", false, false, UNREACH4, 4, 0, UNREACH4, 4, 0, 100, false},
	{"ipip host unreachable", false, false, UNREACH4, 1, 0, UNREACH4, 1, 0, 100, true},
	{"ipip protocol unreachable", false, false, UNREACH4, 2, 0, UNREACH4, 1, 0, 100, true},
	{"ipip time exceeded", false, false, TIME4, 0, 0, UNREACH4, 1, 0, 101, false},
	{"gue too big", false, true, UNREACH4, 4, 1400, UNREACH4, 4, 1372, 400, false},
	{"gue port unreachable", false, true, UNREACH4, 3, 0, UNREACH4, 1, 0, 100, true},
	{"ip6ip6 too big", true, false, TOO_BIG6, 0, 1400, TOO_BIG6, 0, 1360, 1000, false},
	{"ip6ip6 too big for any", true, false, TOO_BIG6, 0, 1300, TOO_BIG6, 0, 1280, 100, false},
	{"ip6ip6 no route", true, false, UNREACH6, 0, 0, UNREACH6, 3, 0, 100, true},
	{"gue too big, IPv6", true, true, TOO_BIG6, 0, 1500, TOO_BIG6, 0, 1452, 1000, false},
	{"gue port unreachable, IPv6", true, true, UNREACH6, 4, 0, UNREACH6, 3, 0, 100, true},
};

static void tunnels_only(struct sl_rig *rig, enum sl_mode mode)
{
	rig->settings->gue_port = htons(GUE_PORT);
	for (uint32_t slot = SL_RIG_NODE_A; slot <= SL_RIG_NODE6_B; slot++)
		rig->nodes[slot].mode = mode;
	rig->pools[SL_RIG_POOL4].mode = mode;
	rig->pools[SL_RIG_POOL6].mode = mode;
}

/* All nodes take tunnels. Opens the flow by its SYN, whatever becomes of that. */
static bool tunnel_open(struct sl_rig *rig, struct sl_talk *talk, bool gue)
{
	struct sl_frame_spec spec = sl_talk_client_spec(talk, SYN, 0);
	struct sl_frame in, out;
	struct sl_flow *flow;

	sl_rig_reset(rig);
	tunnels_only(rig, gue ? SL_MODE_GUE : SL_MODE_IPIP);
	sl_frame_build(&in, &spec);
	sl_rig_run(rig, talk->hook, &in, &out);
	flow = sl_rig_flow(rig, talk->sport);
	talk->seq = spec.seq + 1;
	talk->slot = flow ? flow->conn.node : 0;
	return flow;
}

/* Our tunnel's packet as it is quoted: its outer headers, and what is in it. Returns their length. */
static size_t tunnel_quote(const struct sl_rig *rig, const struct sl_talk *talk,
			   const struct quote *inner, bool gue, struct quote *ret_quote)
{
	bool ip6 = strchr(talk->client, ':');
	const struct sl_node_state *node = &rig->nodes[talk->slot];
	struct sl_frame_spec spec = {
		.src = sl_frame_addr_text(&node->snat_addr),
		.dst = sl_frame_addr_text(&node->endpoint.addr),
		.hops = HOPS,
	};
	uint8_t udp[8] = {0xc0, 0x01, GUE_PORT >> 8, GUE_PORT & 0xff, 0, 0, 0, 0};
	size_t rest = inner->len + (gue ? sizeof(udp) : 0);
	size_t at = sl_frame_build_ip(ret_quote->bytes, &spec, rest, gue ? 17 : ip6 ? 41 : 4);

	if (gue) {
		udp[4] = (uint8_t)(rest >> 8);
		udp[5] = (uint8_t)rest;
		memcpy(ret_quote->bytes + at, udp, sizeof(udp));
		at += sizeof(udp);
	}
	memcpy(ret_quote->bytes + at, inner->bytes, inner->len);
	ret_quote->len = at + inner->len;
	return at;
}

static struct sl_frame_spec tunnel_error_spec(const struct sl_rig *rig, const struct sl_talk *talk)
{
	return (struct sl_frame_spec){
		.src = strchr(talk->client, ':') ? "2001:db8:ffff::1" : "203.0.113.1",
		.dst = sl_frame_addr_text(&rig->nodes[talk->slot].snat_addr),
		.smac = SL_RIG_MAC_ROUTER,
		.dmac = SL_RIG_MAC_NODE(0xa0),
	};
}

static void unwraps(struct sl_rig *rig, enum sl_rig_hook hook, const struct tunnel *how,
		    uint16_t vlan)
{
	struct sl_talk talk = talk_of(hook, how->ip6, false);
	bool ok = tunnel_open(rig, &talk, how->gue);
	struct sl_frame_spec inner_spec = sl_talk_client_spec(&talk, ACK, how->payload_len);
	struct sl_frame_spec spec = tunnel_error_spec(rig, &talk);
	struct sl_frame_spec back = {
		.src = talk.service,
		.dst = talk.client,
		.crafted = true,
		.tos = CONTROL,
		.vlan = {vlan},
		.smac = SL_RIG_MAC_NODE(0xa0),
		.dmac = SL_RIG_MAC_ROUTER,
	};
	struct kind kind = {.type = how->type, .code = how->code, .rest = how->rest};
	struct kind want_kind = {
		.type = how->want_type, .code = how->want_code, .rest = how->want_rest};
	size_t most = how->ip6 ? 1232 : 548;
	struct quote inner, quoted;
	enum sl_rig_verdict verdict;
	struct sl_frame in, out, want;
	char name[160];

	/* Established, so that an unreachable is no refusal of the SYN. */
	if (ok)
		sl_rig_flow(rig, talk.sport)->conn.state = SL_TCP_ESTABLISHED;
	quote_build(&inner, &inner_spec, 0);
	tunnel_quote(rig, &talk, &inner, how->gue, &quoted);
	spec.vlan[0] = vlan;
	error_build(&in, &spec, &kind, &quoted);
	inner.len = (inner.len < most ? inner.len : most) / 4 * 4;
	error_build(&want, &back, &want_kind, &inner);
	sl_rig_count_mark(rig);
	verdict = sl_rig_run(rig, hook, &in, &out);
	snprintf(name, sizeof(name), "tunnel: %s%s, %s", how->description, vlan ? ", tag" : "",
		 hook_names[hook]);
	sl_rig_check(rig,
		     ok && verdict == SL_RIG_FORWARD && frames_equal(&out, &want) &&
			     sl_rig_counted(rig, SL_COUNTER_FORWARD_ICMP) == 1 &&
			     rig->nodes[talk.slot].signals[SL_SIGNAL_ICMP_UNREACH] == how->failure,
		     name, "verdict %d, bytes, or failures", verdict);
}

/* The quote of a tunnel ends early at every byte: the stack gets it until the inner ports are there. */
static void unwraps_cut(struct sl_rig *rig, enum sl_rig_hook hook, const struct tunnel *how)
{
	struct sl_talk talk = talk_of(hook, how->ip6, false);
	bool ok = tunnel_open(rig, &talk, how->gue);
	struct sl_frame_spec inner_spec = sl_talk_client_spec(&talk, ACK, 100);
	struct sl_frame_spec spec = tunnel_error_spec(rig, &talk);
	struct kind kind = {.type = how->type, .code = how->code, .rest = how->rest};
	struct quote inner, quoted;
	struct sl_frame in, out;
	size_t least, len = 0;
	char name[160];

	quote_build(&inner, &inner_spec, 0);
	least = tunnel_quote(rig, &talk, &inner, how->gue, &quoted) + (how->ip6 ? 40 : 20) + 8;
	for (len = 0; ok && len < least + 20; len++) {
		enum sl_rig_verdict verdict;

		quoted.len = len;
		error_build(&in, &spec, &kind, &quoted);
		sl_rig_count_mark(rig);
		verdict = sl_rig_run(rig, hook, &in, &out);
		if (len < least)
			ok = verdict == SL_RIG_PASS && frames_equal(&out, &in) &&
			     sl_rig_counted(rig, SL_COUNTER_PASS_PROTOCOL) == 1;
		else
			ok = verdict == SL_RIG_FORWARD &&
			     sl_rig_counted(rig, SL_COUNTER_FORWARD_ICMP) == 1;
	}
	snprintf(name, sizeof(name), "tunnel, quote cut at every byte: %s, %s", how->description,
		 hook_names[hook]);
	sl_rig_check(rig, ok, name, "at %zu bytes", len - 1);
}

/* An unreachable about a SYN in a tunnel: the flow moves, the client's repeat goes there. */
static void tunnel_refused(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct sl_talk talk = talk_of(hook, false, false);
	bool ok = tunnel_open(rig, &talk, false);
	struct sl_frame_spec inner_spec = sl_talk_client_spec(&talk, SYN, 0);
	struct sl_frame_spec spec = tunnel_error_spec(rig, &talk);
	struct quote inner, quoted;
	struct sl_frame in, out;
	struct sl_flow *flow;

	inner_spec.seq = talk.seq - 1;
	quote_build(&inner, &inner_spec, 0);
	tunnel_quote(rig, &talk, &inner, false, &quoted);
	error_build(&in, &spec, &kinds[1], &quoted);
	ok = ok && sl_rig_run(rig, hook, &in, &out) == SL_RIG_DROP;
	flow = sl_rig_flow(rig, talk.sport);
	sl_rig_check(rig,
		     ok && flow && flow->conn.node != talk.slot && flow->conn.begun == 0 &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_WITHHELD) == 1 &&
			     rig->nodes[talk.slot].signals[SL_SIGNAL_ICMP_UNREACH] == 1,
		     "tunnel: an unreachable about the SYN moves the flow", "it does not");
}

/* Direct return: an error about an answer of no known flow goes where the client's packets go. */
static void stray_direct(struct sl_rig *rig, enum sl_rig_hook hook, bool ip6, enum sl_mode mode)
{
	size_t outer = mode == SL_MODE_L2 ? 0 : (ip6 ? 40 : 20) + (mode == SL_MODE_GUE ? 8 : 0);
	size_t dst_at = mode == SL_MODE_L2 ? 0 : ETH_BYTES + (ip6 ? 24 : 16);
	size_t dst_len = mode == SL_MODE_L2 ? 6 : ip6 ? 16 : 4, equal = 0;
	size_t as_is = ETH_BYTES + (ip6 ? 8 : 12);
	struct sl_frame in, mid_flow, out;
	bool ok = true;
	char name[160];

	for (uint16_t sport = 5000; sport < 5032; sport++) {
		struct sl_talk talk = talk_of(hook, ip6, false);
		struct sl_frame_spec spec, answer;
		struct quote quoted;

		sl_rig_reset(rig);
		tunnels_only(rig, mode);
		talk.sport = sport;
		spec = sl_talk_client_spec(&talk, ACK, 10);
		sl_frame_build(&in, &spec);
		ok = ok && sl_rig_run(rig, hook, &in, &mid_flow) == SL_RIG_FORWARD;
		answer = spec;
		answer.src = spec.dst, answer.dst = spec.src;
		answer.sport = spec.dport, answer.dport = spec.sport;
		quote_build(&quoted, &answer, 0);
		spec.src = ip6 ? "2001:db8:ffff::1" : "203.0.113.1";
		error_build(&in, &spec, &kinds[ip6 ? KIND_TOO_BIG6 : KIND_TOO_BIG4], &quoted);
		sl_rig_count_mark(rig);
		ok = ok && sl_rig_run(rig, hook, &in, &out) == SL_RIG_FORWARD &&
		     out.len == in.len + outer &&
		     sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_NODE) == 1;
		/* As it came, but for the hop limit and its sum. */
		ok = ok && !memcmp(out.bytes + outer + as_is, in.bytes + as_is, in.len - as_is);
		equal += !memcmp(out.bytes + dst_at, mid_flow.bytes + dst_at, dst_len);
	}
	in.len -= 4; /* now it lies */
	sl_rig_count_mark(rig);
	ok = ok && sl_rig_run(rig, hook, &in, &out) == SL_RIG_DROP &&
	     sl_rig_counted(rig, SL_COUNTER_DROP_MALFORMED) == 1;
	snprintf(name, sizeof(name),
		 "direct return, mode %d: an error about an answer, no flow, %s, %s", mode,
		 ip6 ? "IPv6" : "IPv4", hook_names[hook]);
	sl_rig_check(rig, ok && equal == 32, name, "sent %d, %zu of 32 to the flow's node", ok,
		     equal);
}

/* ---- odd ----------------------------------------------------------------------------------- */

static void odd(struct sl_rig *rig, enum sl_rig_hook hook)
{
	struct errand errand;
	struct sl_frame out;
	bool ok = errand_make(rig, hook, &kinds[1], &abouts[0], &errand);
	struct sl_frame spent = errand.in, lying = errand.in, wrong = errand.in;
	uint8_t check[2];

	/* The hop limit is spent; its header's checksum does not matter here. */
	spent.bytes[ETH_BYTES + 8] = 1;
	sl_rig_check(rig,
		     ok && sl_rig_run(rig, hook, &spent, &out) == SL_RIG_PASS &&
			     frames_equal(&out, &spent) &&
			     sl_rig_counted(rig, SL_COUNTER_PASS_TTL) == 1,
		     "hop limit spent", "not passed");
	lying.bytes[ETH_BYTES + 2] = 0x20; /* longer than the frame */
	sl_rig_check(rig,
		     sl_rig_run(rig, hook, &lying, &out) == SL_RIG_DROP &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_MALFORMED) == 1,
		     "an IP length beyond the frame", "not dropped");
	/* A checksum that is wrong stays wrong by the same. */
	memcpy(check, errand.want.bytes + ETH_BYTES + 22, 2);
	wrong.bytes[ETH_BYTES + 22] ^= 0x55;
	ok = sl_rig_run(rig, hook, &wrong, &out) == SL_RIG_FORWARD;
	sl_rig_check(rig, ok && memcmp(out.bytes + ETH_BYTES + 22, check, 2),
		     "a wrong checksum stays wrong", "it was put right");
}

static void translations(struct sl_rig *rig, enum sl_rig_hook hook)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		for (size_t j = 0; j < COUNT(abouts); j++) {
			/* Each kind both ways; each way for one kind of each family. */
			if (j != 0 && j != 10 && j != 12 && i != 3 && i != KIND_TOO_BIG4 &&
			    i != KIND_TOO_BIG6)
				continue;
			/* UDP over IPv6 always has a checksum. */
			if (kinds[i].ip6 && abouts[j].no_check)
				continue;
			translates(rig, hook, &kinds[i], &abouts[j]);
		}
	}
}

int main(void)
{
	static const size_t cut_abouts[] = {0, 5, 12, 14};
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (int hook = 0; hook < SL_RIG_HOOKS; hook++) {
		translations(&rig, hook);
		out_of_window(&rig, hook);
		for (size_t i = 0; i < COUNT(cut_abouts); i++) {
			frames_cut(&rig, hook, &kinds[3], &abouts[cut_abouts[i]]);
			frames_cut(&rig, hook, &kinds[14], &abouts[cut_abouts[i]]);
			quotes_cut(&rig, hook, &kinds[KIND_TOO_BIG4], &abouts[cut_abouts[i]]);
			quotes_cut(&rig, hook, &kinds[KIND_TOO_BIG6], &abouts[cut_abouts[i]]);
		}
		for (size_t i = 0; i < COUNT(strays); i++)
			stray(&rig, hook, &strays[i]);
		for (size_t i = 0; i < COUNT(tunnels); i++) {
			unwraps(&rig, hook, &tunnels[i], 0);
			unwraps(&rig, hook, &tunnels[i], 7);
			unwraps_cut(&rig, hook, &tunnels[i]);
		}
		tunnel_refused(&rig, hook);
		for (int mode = SL_MODE_L2; mode < SL_MODES; mode++) {
			stray_direct(&rig, hook, false, mode);
			stray_direct(&rig, hook, true, mode);
		}
		odd(&rig, hook);
	}
	return sl_rig_close(&rig);
}
