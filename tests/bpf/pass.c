/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pass.c - packets that sluice_xdp leaves to the local stack or drops: verdict, bytes, counter.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/rig.h"

#define CLIENT	"198.51.100.7"
#define CLIENT6 "2001:db8:c::7"
#define FAST	"192.0.2.100"
#define FAST6	"2001:db8::100"
#define SYN	SL_FRAME_SYN
#define ACK	SL_FRAME_ACK

struct fixture {
	const char *description;
	struct sl_frame_spec in;
	int verdict;
	enum sl_counter reason;
};

#define TCP4(port, ...)                                                                 \
	{                                                                               \
		.src = CLIENT, .dst = FAST, .sport = 5000, .dport = (port), __VA_ARGS__ \
	}
#define TCP6(port, ...)                                                                   \
	{                                                                                 \
		.src = CLIENT6, .dst = FAST6, .sport = 5000, .dport = (port), __VA_ARGS__ \
	}

static const struct fixture fixtures[] = {
	{"UDP", TCP4(80, .protocol = 17), XDP_PASS, SL_COUNTER_PASS_NOT_SERVICE},
	{"UDP over IPv6", TCP6(80, .protocol = 17), XDP_PASS, SL_COUNTER_PASS_NOT_SERVICE},
	{"port without service", TCP4(22, .flags = SYN), XDP_PASS, SL_COUNTER_PASS_NOT_SERVICE},
	{"another port, established", TCP4(22, .flags = ACK), XDP_PASS,
	 SL_COUNTER_PASS_NOT_SERVICE},
	{"port in the NAT range without flow", TCP4(40001, .flags = ACK), XDP_PASS,
	 SL_COUNTER_PASS_NOT_SERVICE},
	{"smart lane", TCP4(8080, .flags = SYN), XDP_PASS, SL_COUNTER_PASS_SMART},
	{"smart lane, established", TCP4(8080, .flags = ACK, .payload_len = 9), XDP_PASS,
	 SL_COUNTER_PASS_SMART},
	{"first fragment", TCP4(80, .flags = SYN, .fragment = 0x2000), XDP_PASS,
	 SL_COUNTER_PASS_FRAGMENT},
	{"later fragment", TCP4(80, .flags = SYN, .fragment = 0x0010), XDP_PASS,
	 SL_COUNTER_PASS_FRAGMENT},
	{"fragment over IPv6", TCP6(80, .flags = SYN, .fragment = 1), XDP_PASS,
	 SL_COUNTER_PASS_FRAGMENT},
	{"IPv4 options", TCP4(80, .flags = SYN, .option_len = 8), XDP_PASS,
	 SL_COUNTER_PASS_OPTIONS},
	{"IPv4 options, most", TCP4(80, .flags = SYN, .option_len = 40), XDP_PASS,
	 SL_COUNTER_PASS_OPTIONS},
	{"hop-by-hop header", TCP6(80, .flags = SYN, .option_len = 8), XDP_PASS,
	 SL_COUNTER_PASS_OPTIONS},
	{"last hop", TCP4(80, .flags = SYN, .hops = 1), XDP_PASS, SL_COUNTER_PASS_TTL},
	{"last hop, IPv6", TCP6(80, .flags = SYN, .hops = 1), XDP_PASS, SL_COUNTER_PASS_TTL},
	{"VLAN, smart lane", TCP4(8080, .flags = SYN, .vlan = {7}), XDP_PASS,
	 SL_COUNTER_PASS_SMART},
	{"QinQ, smart lane", TCP4(8080, .flags = SYN, .vlan = {7, 9}), XDP_PASS,
	 SL_COUNTER_PASS_SMART},
	{"mid-flow, unknown", TCP4(80, .flags = ACK), XDP_DROP, SL_COUNTER_DROP_NO_FLOW},
	{"SYN-ACK, unknown", TCP4(80, .flags = SYN | ACK), XDP_DROP, SL_COUNTER_DROP_NO_FLOW},
	{"SYN with FIN", TCP4(80, .flags = SYN | SL_FRAME_FIN), XDP_DROP, SL_COUNTER_DROP_NO_FLOW},
	{"SYN with RST", TCP6(80, .flags = SYN | SL_FRAME_RST), XDP_DROP, SL_COUNTER_DROP_NO_FLOW},
	{"no flags", TCP4(80, .flags = 0), XDP_DROP, SL_COUNTER_DROP_NO_FLOW},
};

static void run_fixture(struct sl_rig *rig, const struct fixture *fixture)
{
	struct sl_frame in, out;
	int verdict;

	sl_rig_reset(rig);
	sl_frame_build(&in, &fixture->in);
	verdict = sl_rig_xdp(rig, &in, &out);
	if (out.len != in.len || memcmp(out.bytes, in.bytes, in.len))
		sl_rig_check(rig, false, fixture->description, "the frame was changed");
	else
		sl_rig_check(rig,
			     verdict == fixture->verdict &&
				     sl_rig_counted(rig, SL_COUNTER_PACKETS) == 1 &&
				     sl_rig_counted(rig, fixture->reason) == 1 &&
				     sl_rig_flow_count(rig) == 0,
			     fixture->description,
			     "verdict %d, expected %d; %s counted %llu; %u entries", verdict,
			     fixture->verdict, sl_rig_counter_name(fixture->reason),
			     (unsigned long long)sl_rig_counted(rig, fixture->reason),
			     sl_rig_flow_count(rig));
}

static void arp(struct sl_rig *rig)
{
	struct sl_frame in = {.len = 60}, out;

	sl_rig_reset(rig);
	in.bytes[12] = 0x08;
	in.bytes[13] = 0x06;
	sl_rig_check(rig,
		     sl_rig_xdp(rig, &in, &out) == XDP_PASS &&
			     sl_rig_counted(rig, SL_COUNTER_PASS_NOT_IP) == 1,
		     "ARP", "not passed");
}

/* A third tag is not looked behind. */
static void three_tags(struct sl_rig *rig)
{
	struct sl_frame_spec spec = TCP4(80, .flags = SYN, .vlan = {7, 0x9});
	struct sl_frame in, out;

	sl_rig_reset(rig);
	sl_frame_build(&in, &spec);
	in.bytes[20] = 0x81;
	in.bytes[21] = 0x00;
	sl_rig_check(rig,
		     sl_rig_xdp(rig, &in, &out) == XDP_PASS &&
			     sl_rig_counted(rig, SL_COUNTER_PASS_NOT_IP) == 1,
		     "three tags", "not passed");
}

static void disabled(struct sl_rig *rig)
{
	struct sl_frame_spec spec = TCP4(80, .flags = SYN);
	struct sl_frame in, out;

	sl_rig_reset(rig);
	sl_rig_tune(rig, SL_TUNABLE_FAST_LANE, 0);
	sl_frame_build(&in, &spec);
	sl_rig_check(rig,
		     sl_rig_xdp(rig, &in, &out) == XDP_PASS &&
			     sl_rig_counted(rig, SL_COUNTER_PASS_DISABLED) == 1,
		     "fast lane switched off", "not passed");
}

/*
 * The frame ends after each possible byte. The kernel takes no test run below 14 bytes. Before the
 * ports are readable it is passed, after that it is dropped for our service and passed for others.
 */
static void truncated(struct sl_rig *rig, const char *name, const struct sl_frame_spec *spec,
		      size_t ports_end, bool ours)
{
	struct sl_frame whole, in, out;

	sl_rig_reset(rig);
	sl_frame_build(&whole, spec);
	for (size_t len = 14; len < whole.len; len++) {
		int expected = ours && len >= ports_end ? XDP_DROP : XDP_PASS;
		int verdict;

		in = whole;
		in.len = len;
		sl_rig_count_mark(rig);
		verdict = sl_rig_xdp(rig, &in, &out);
		if (verdict != expected ||
		    sl_rig_counted(rig, expected == XDP_DROP ? SL_COUNTER_DROP_MALFORMED
							     : SL_COUNTER_PASS_NOT_SERVICE) != 1) {
			sl_rig_check(rig, false, name, "cut at %zu: verdict %d, expected %d", len,
				     verdict, expected);
			return;
		}
	}
	sl_rig_check(rig, sl_rig_flow_count(rig) == 0, name, "a flow was opened");
}

/* One byte of an otherwise good SYN lies. */
static void lies(struct sl_rig *rig)
{
	static const struct {
		const char *description;
		size_t at;
		uint8_t value;
		int verdict;
	} cases[] = {
		{"TCP header of 4 words", 14 + 20 + 12, 4 << 4, XDP_DROP},
		{"TCP header of 0 words", 14 + 20 + 12, 0, XDP_DROP},
		{"TCP header beyond the packet", 14 + 20 + 12, 15 << 4, XDP_DROP},
		{"IPv4 length beyond the frame", 14 + 2, 0x40, XDP_DROP},
		{"IPv4 length of the IP header only", 14 + 3, 20, XDP_DROP},
		{"IPv4 length 0", 14 + 3, 0, XDP_DROP},
		{"IPv4 header of 4 words", 14, 0x44, XDP_PASS},
		{"IP version 5", 14, 0x55, XDP_PASS},
	};
	struct sl_frame_spec spec = TCP4(80, .flags = SYN);
	struct sl_frame in, out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sl_rig_reset(rig);
		sl_frame_build(&in, &spec);
		in.bytes[cases[i].at] = cases[i].value;
		sl_rig_check(rig,
			     sl_rig_xdp(rig, &in, &out) == cases[i].verdict &&
				     sl_rig_counted(rig, cases[i].verdict == XDP_DROP
								 ? SL_COUNTER_DROP_MALFORMED
								 : SL_COUNTER_PASS_NOT_SERVICE) ==
					     1,
			     cases[i].description, "wrong verdict or counter");
	}
}

int main(void)
{
	struct sl_frame_spec v4 = TCP4(80, .flags = SYN), v6 = TCP6(80, .flags = SYN);
	struct sl_frame_spec qinq = TCP4(80, .flags = SYN, .vlan = {7, 9}, .payload_len = 5);
	struct sl_frame_spec other = TCP4(22, .flags = SYN);
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(*fixtures); i++)
		run_fixture(&rig, &fixtures[i]);
	arp(&rig);
	three_tags(&rig);
	disabled(&rig);
	truncated(&rig, "cut at every byte, IPv4", &v4, 14 + 20 + 4, true);
	truncated(&rig, "cut at every byte, IPv6", &v6, 14 + 40 + 4, true);
	truncated(&rig, "cut at every byte, QinQ with payload", &qinq, 22 + 20 + 4, true);
	truncated(&rig, "cut at every byte, not ours", &other, 14 + 20 + 4, false);
	lies(&rig);
	return sl_rig_close(&rig);
}
