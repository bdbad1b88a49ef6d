/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane_tc.c - sluice_tc_lane with live frames: what a test run cannot show. Tags that lie beside the
 * frame, segments that were joined, checksums that are left to the card, headers that do not lie in
 * one piece, frames for others, neighbours that are not known, frames of a few bytes.
 *
 *   this program = the network ---(rig1)--- rig0, sluice_tc_lane at ingress, sluice_tc_egress
 *                                 (rig3)--- rig2: another way out
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/bpf/lib/audit.h"
#include "tests/bpf/lib/fixture.h"
#include "tests/bpf/lib/fixture_rows.h"
#include "tests/bpf/lib/wire.h"

#define WAIT_MS	   5000 /* for what must come; a guard */
#define LARGE	   30000
#define GSO_SIZE   1000
#define LINK_BYTES 14

struct lab {
	struct sl_rig rig;
	int wire;  /* rig1 */
	int other; /* rig3 */
};

static void die(const char *what)
{
	fprintf(stderr, "lane_tc: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void attach(struct sl_rig *rig, int fd, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)rig->one_arm.ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = fd);

	if (bpf_tc_attach(&hook, &options))
		die("attach to rig0");
}

static void lab_open(struct lab *lab)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	sl_rig_open(&lab->rig);
	both.ifindex = (int)lab->rig.one_arm.ifindex;
	if (bpf_tc_hook_create(&both))
		die("clsact on rig0");
	if (bpf_xdp_detach((int)lab->rig.one_arm.ifindex, XDP_FLAGS_DRV_MODE, NULL))
		die("take XDP off rig0");
	attach(&lab->rig, lab->rig.lane_fd, BPF_TC_INGRESS);
	attach(&lab->rig, lab->rig.egress_fd, BPF_TC_EGRESS);
	lab->wire = sl_wire_open("rig1");
	lab->other = sl_wire_open("rig3");
}

/* The wire that a fixture's packets leave by, and the MAC they leave from. */
static int way_out(const struct lab *lab, const struct sl_fixture *fixture)
{
	return fixture->path->redirected && !fixture->from_node ? lab->other : lab->wire;
}

static const uint8_t *mac_out(const struct lab *lab, const struct sl_fixture *fixture)
{
	return fixture->path->redirected && !fixture->from_node ? lab->rig.other.smac
								: lab->rig.one_arm.smac;
}

/* ---- plain frames and tags ----------------------------------------------------------------- */

#define GOES  K1(FORWARD_TO_NODE)
#define COMES K1(FORWARD_TO_CLIENT)

/* What leaves by the wire is what the fixture's row expects, tags and all. */
static const struct sl_fixture live[] = {
	ROW("data", V4, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES, ESTABLISHED),
	ROW("data of the node", V4, OPEN, N(.flags = ACK, .payload_len = 61), FORWARD, COMES,
	    ESTABLISHED),
	ROW("data", V6, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES, ESTABLISHED),
	ROW("data", V4_VLAN, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES, ESTABLISHED),
	ROW("data", V6_VLAN, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES, ESTABLISHED),
	ROW("data", V4_QINQ, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES, ESTABLISHED),
	ROW("data", V4_OTHER, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES, ESTABLISHED),
	ROW("data", V4_OTHER_VLAN, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES,
	    ESTABLISHED),
	ROW("data", V4_OTHER_QINQ, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES,
	    ESTABLISHED),
	ROW("data", V6_OTHER_QINQ, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES,
	    ESTABLISHED),
	ROW("datagram", V4, UDP, C(.udp = true, .payload_len = 60), FORWARD, GOES, UDP),
	ROW("data", L2_VLAN, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES, ESTABLISHED),
	ROW("data", L2_OTHER_VLAN, OPEN, C(.flags = ACK, .payload_len = 60), FORWARD, GOES,
	    ESTABLISHED),
};

static void live_run(struct lab *lab, const struct sl_fixture *fixture)
{
	static struct sl_wire_frame out;
	struct sl_rig *rig = &lab->rig;
	struct sl_frame in, want, is;
	struct sl_talk talk;
	char name[128];
	bool came;

	snprintf(name, sizeof(name), "live, %s: %s", fixture->path->name, fixture->description);
	if (!sl_fixture_prepare(rig, fixture, SL_RIG_TC, &talk)) {
		sl_rig_check(rig, false, name, "the state before did not come about");
		return;
	}
	sl_fixture_input(rig, fixture, &talk, &in);
	sl_fixture_expected(rig, fixture, &talk, SL_RIG_TC, &in, &want);
	sl_wire_send_plain(lab->wire, &in);
	came = sl_wire_receive(way_out(lab, fixture), mac_out(lab, fixture), SL_WIRE_FLOW, WAIT_MS,
			       &out);
	is.len = came && out.len <= SL_FRAME_MAX ? out.len : 0;
	memcpy(is.bytes, out.bytes, is.len);
	if (came && (is.len != want.len || memcmp(is.bytes, want.bytes, is.len)))
		sl_frame_print_difference(&is, &want);
	sl_rig_check(rig, came && is.len == want.len && !memcmp(is.bytes, want.bytes, is.len), name,
		     "%s; raised:%s", came ? "other bytes" : "it did not come",
		     sl_fixture_raised(rig));
}

/* Sends a frame that must not be forwarded, then one that is: nothing came before it. */
static bool stays(struct lab *lab, const struct sl_frame *odd, const struct sl_fixture *fixture,
		  const struct sl_talk *talk)
{
	static struct sl_wire_frame out;
	struct sl_frame in, want;

	sl_fixture_input(&lab->rig, fixture, talk, &in);
	sl_fixture_expected(&lab->rig, fixture, talk, SL_RIG_TC, &in, &want);
	sl_wire_send_plain(lab->wire, odd);
	sl_wire_send_plain(lab->wire, &in);
	return sl_wire_receive(way_out(lab, fixture), mac_out(lab, fixture), SL_WIRE_FLOW, WAIT_MS,
			       &out) &&
	       out.len == want.len && !memcmp(out.bytes, want.bytes, want.len);
}

/* With one tag beside the frame and two in it there are three: too many, as at XDP. */
static void three_tags(struct lab *lab)
{
	const struct sl_fixture *fixture = &live[8]; /* from two VLANs to another device */
	struct sl_frame in, three;
	struct sl_talk talk;
	bool ok;

	ok = sl_fixture_prepare(&lab->rig, fixture, SL_RIG_TC, &talk);
	sl_fixture_input(&lab->rig, fixture, &talk, &in);
	three = in;
	memmove(three.bytes + 16, in.bytes + 12, in.len - 12);
	memcpy(three.bytes + 12, (const uint8_t[]){0x88, 0xa8, 0x00, 0x05}, 4);
	three.len += 4;
	ok = ok && stays(lab, &three, fixture, &talk);
	sl_rig_check(&lab->rig, ok && sl_rig_counted(&lab->rig, SL_COUNTER_PASS_NOT_IP) == 1,
		     "three tags", "forwarded, or not counted; raised:%s",
		     sl_fixture_raised(&lab->rig));
}

/* A frame for another host, that the device sees all the same. */
static void other_host(struct lab *lab)
{
	const struct sl_fixture *fixture = &live[0];
	static const uint8_t dmacs[][6] = {{0x02, 0, 0, 0, 0, 0x77},
					   {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
					   {0x33, 0x33, 0, 0, 0, 1}};
	struct sl_talk talk;
	struct sl_frame in;
	bool ok = true;

	for (size_t i = 0; i < sizeof(dmacs) / sizeof(*dmacs); i++) {
		ok = ok && sl_fixture_prepare(&lab->rig, fixture, SL_RIG_TC, &talk);
		sl_fixture_input(&lab->rig, fixture, &talk, &in);
		memcpy(in.bytes, dmacs[i], 6);
		ok = ok && stays(lab, &in, fixture, &talk) &&
		     sl_rig_counted(&lab->rig, SL_COUNTER_PACKETS_TC) == 1;
	}
	sl_rig_check(&lab->rig, ok, "frames for other hosts", "forwarded, or counted");
}

/* ---- what a card leaves open --------------------------------------------------------------- */

/* Sum of 16-bit words in ones' complement, not inverted. */
static uint16_t fold(const uint8_t *bytes, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The pseudo header's part of the sum of a frame's segment. */
static uint16_t pseudo(const uint8_t *ip, size_t segment_len)
{
	bool ip6 = ip[0] >> 4 == 6;

	return fold(ip + (ip6 ? 8 : 12), ip6 ? 32 : 8, (uint32_t)segment_len + ip[ip6 ? 6 : 9]);
}

/* Makes a large frame of a fixture's: `len` bytes of payload, its checksum left to the card. */
static void enlarge(const struct sl_frame *small, size_t len, struct sl_wire_frame *ret_large)
{
	size_t ip = sl_frame_l3_at(small), ip_len, total;
	bool ip6 = small->bytes[ip] >> 4 == 6;
	uint8_t *head = ret_large->bytes + ip;
	uint16_t sum;

	memset(ret_large, 0, offsetof(struct sl_wire_frame, bytes));
	ip_len = ip6 ? 40 : 20;
	memcpy(ret_large->bytes, small->bytes, ip + ip_len + 20);
	for (size_t i = 0; i < len; i++)
		ret_large->bytes[ip + ip_len + 20 + i] = (uint8_t)(i * 7);
	ret_large->len = ip + ip_len + 20 + len;
	total = (ip6 ? 0 : ip_len) + 20 + len;
	head[ip6 ? 4 : 2] = (uint8_t)(total >> 8);
	head[ip6 ? 5 : 3] = (uint8_t)total;
	if (!ip6) {
		head[10] = head[11] = 0;
		sum = (uint16_t)~fold(head, 20, 0);
		head[10] = (uint8_t)(sum >> 8);
		head[11] = (uint8_t)sum;
	}
	sum = pseudo(head, 20 + len);
	head[ip_len + 16] = (uint8_t)(sum >> 8);
	head[ip_len + 17] = (uint8_t)sum;
	ret_large->check_partial = true;
	ret_large->check_from = (uint16_t)(ip + ip_len);
	ret_large->check_at = 16;
}

/* Is the sum of the segment right, or, where it is still open, the pseudo header's part? */
static bool sum_right(const struct sl_wire_frame *frame)
{
	size_t ip = frame->bytes[12] == 0x81 ? 18 : LINK_BYTES;
	bool ip6 = frame->bytes[ip] >> 4 == 6;
	size_t segment = ip + (ip6 ? 40 : 20), segment_len = frame->len - segment;
	const uint8_t *check = frame->bytes + segment + 16;

	if (!ip6 && fold(frame->bytes + ip, 20, 0) != 0xffff)
		return false;
	if (frame->check_partial)
		return (uint16_t)(check[0] << 8 | check[1]) ==
		       pseudo(frame->bytes + ip, segment_len);
	return fold(frame->bytes + segment, segment_len, pseudo(frame->bytes + ip, segment_len)) ==
	       0xffff;
}

struct large {
	const char *description;
	size_t fixture; /* index in `live` */
	size_t payload_len;
	uint16_t gso_size;
	uint16_t head_len; /* in the linear part */
};

static const struct large larges[] = {
	{"the checksum is left to the card", 0, 500, 0, 0},
	{"the checksum is left to the card, from the node", 1, 501, 0, 0},
	{"the checksum is left to the card, IPv6", 2, 500, 0, 0},
	{"the checksum is left to the card, VLAN", 3, 500, 0, 0},
	{"joined segments", 0, LARGE, GSO_SIZE, 54},
	{"joined segments of the node", 1, LARGE, GSO_SIZE, 54},
	{"joined segments, IPv6", 2, LARGE, GSO_SIZE, 74},
	{"joined segments, VLAN", 3, LARGE, GSO_SIZE, 58},
	{"joined segments to another device", 6, LARGE, GSO_SIZE, 54},
	{"joined segments, headers not in one piece", 0, LARGE, GSO_SIZE, 14},
	{"joined segments, the TCP header cut in two", 0, LARGE, GSO_SIZE, 40},
	{"joined segments, IPv6, headers not in one piece", 2, LARGE, GSO_SIZE, 14},
	{"joined segments, VLAN, headers not in one piece", 3, LARGE, GSO_SIZE, 18},
	{"joined segments, as many as go", 0, 65000, GSO_SIZE, 54},
};

/* A frame as the card gives it: it leaves with the right addresses, sums and size of segments. */
static void large_run(struct lab *lab, const struct large *large)
{
	const struct sl_fixture *fixture = &live[large->fixture];
	static struct sl_wire_frame in, out;
	struct sl_rig *rig = &lab->rig;
	struct sl_frame small, want;
	struct sl_talk talk;
	size_t got = 0, ip, head;
	bool ok, sums = true, heads = true;

	ok = sl_fixture_prepare(rig, fixture, SL_RIG_TC, &talk);
	sl_fixture_input(rig, fixture, &talk, &small);
	sl_fixture_expected(rig, fixture, &talk, SL_RIG_TC, &small, &want);
	enlarge(&small, large->payload_len, &in);
	in.gso_size = large->gso_size;
	in.head_len = large->head_len;
	sl_wire_send(lab->wire, &in);
	ip = sl_frame_l3_at(&want);
	head = ip + (want.bytes[ip] >> 4 == 6 ? 40 : 20) + 20;
	/* One large frame, or its segments where the device cuts it up. */
	while (ok && got < large->payload_len) {
		ok = sl_wire_receive(way_out(lab, fixture), mac_out(lab, fixture), SL_WIRE_FLOW,
				     WAIT_MS, &out) &&
		     out.len > head;
		if (!ok)
			break;
		got += out.len - head;
		sums = sums && sum_right(&out);
		/* MAC addresses, tags; addresses and ports. */
		heads = heads && !memcmp(out.bytes, want.bytes, ip) &&
			!memcmp(out.bytes + head - 20, want.bytes + head - 20, 4) &&
			!memcmp(out.bytes + ip + 12, want.bytes + ip + 12, 8) &&
			(!out.gso_size || out.gso_size == large->gso_size);
	}
	sl_rig_check(rig, ok && sums && heads && got == large->payload_len, large->description,
		     "%zu of %zu bytes came%s%s; raised:%s", got, large->payload_len,
		     sums ? "" : ", a sum is wrong", heads ? "" : ", a header is wrong",
		     sl_fixture_raised(rig));
	sl_rig_check(rig,
		     rig->nodes[SL_RIG_NODE_A].bytes_out + rig->nodes[SL_RIG_NODE_A].bytes_in ==
			     large->payload_len,
		     large->description, "counted as %llu bytes",
		     (unsigned long long)(rig->nodes[SL_RIG_NODE_A].bytes_out +
					  rig->nodes[SL_RIG_NODE_A].bytes_in));
}

/* ---- short frames, neighbours, the local stack --------------------------------------------- */

/*
 * Each is counted once and forwarded never. `shortest` is what the kernel hands on: without tags the
 * bare link header.
 */
static void short_frames(struct lab *lab, size_t index, size_t shortest)
{
	const struct sl_fixture *fixture = &live[index];
	struct sl_talk talk;
	struct sl_frame whole;
	char name[64];
	bool ok = true;
	size_t len;

	for (len = shortest; ok; len++) {
		struct sl_frame in;

		ok = sl_fixture_prepare(&lab->rig, fixture, SL_RIG_TC, &talk);
		sl_fixture_input(&lab->rig, fixture, &talk, &whole);
		if (len == whole.len)
			break;
		in = whole;
		in.len = len;
		/* The frame behind it is the other one that is counted. */
		ok = ok && stays(lab, &in, fixture, &talk) && sl_fixture_ends(&lab->rig) == 2;
	}
	snprintf(name, sizeof(name), "short frames, %s", fixture->path->name);
	sl_rig_check(&lab->rig, ok, name, "frame of %zu bytes; raised:%s", len,
		     sl_fixture_raised(&lab->rig));
}

static void answer_arp(int wire, const struct sl_wire_frame *request, const uint8_t mac[6])
{
	struct sl_frame answer = {.len = 42};

	memcpy(answer.bytes, request->bytes + 6, 6);
	memcpy(answer.bytes + 6, mac, 6);
	memcpy(answer.bytes + 12, request->bytes + 12, 9);
	answer.bytes[21] = 2; /* reply */
	memcpy(answer.bytes + 22, mac, 6);
	memcpy(answer.bytes + 28, request->bytes + 38, 4);
	memcpy(answer.bytes + 32, request->bytes + 22, 10);
	sl_wire_send_plain(wire, &answer);
}

/* The neighbour is asked for, and the SYN that waited goes out to it, rewritten. */
static void neighbour(struct lab *lab)
{
	static const struct sl_fixture syn =
		ROW("SYN", V4_LOST, NONE, C(.flags = SYN), FORWARD, {0}, SYN_SENT);
	const uint8_t mac[6] = SL_RIG_MAC_NODE(0x63);
	static struct sl_wire_frame out;
	struct sl_frame in, want;
	struct sl_talk talk;
	bool asked, came;

	sl_fixture_prepare(&lab->rig, &syn, SL_RIG_TC, &talk);
	sl_fixture_input(&lab->rig, &syn, &talk, &in);
	sl_fixture_expected(&lab->rig, &syn, &talk, SL_RIG_TC, &in, &want);
	memcpy(want.bytes, mac, 6);
	memcpy(want.bytes + 6, lab->rig.one_arm.smac, 6);
	sl_wire_send_plain(lab->wire, &in);
	asked = sl_wire_receive(lab->wire, lab->rig.one_arm.smac, SL_WIRE_ARP, WAIT_MS, &out);
	if (asked)
		answer_arp(lab->wire, &out, mac);
	came = asked &&
	       sl_wire_receive(lab->wire, lab->rig.one_arm.smac, SL_WIRE_FLOW, WAIT_MS, &out);
	sl_rig_check(&lab->rig,
		     came && out.len == want.len && !memcmp(out.bytes, want.bytes, want.len),
		     "a neighbour that is not known", "%s",
		     !asked  ? "it was not asked for"
		     : !came ? "the SYN did not come"
			     : "other bytes");
}

/* What the lane sends is not taken for a connection of the local stack at egress. */
static void egress_mark(struct lab *lab)
{
	struct sl_rig *rig = &lab->rig;
	struct sl_talk talk;
	struct sl_frame in;
	static struct sl_wire_frame out;

	sl_fixture_prepare(rig, &live[0], SL_RIG_TC, &talk);
	/* Were the mark lost, the port would not tell: it is one of the stack's now. */
	sl_fixture_input(rig, &live[0], &talk, &in);
	rig->settings->nat_port_min = 60000;
	rig->settings->nat_port_max = 60001;
	in.bytes[LINK_BYTES + 20 + 13] = SYN;
	sl_wire_send_plain(lab->wire, &in);
	sl_rig_check(rig,
		     sl_wire_receive(lab->wire, rig->one_arm.smac, SL_WIRE_FLOW, WAIT_MS, &out) &&
			     !sl_rig_counted(rig, SL_COUNTER_CONN_OBSERVED) &&
			     !sl_rig_entries(rig->conns_fd),
		     "the lane's own packets at egress", "observed as a connection");
}

/* A connection of the local stack: its SYN at egress, the answer through the lane. */
static void local(struct lab *lab)
{
	struct sl_rig *rig = &lab->rig;
	struct sl_frame_spec spec = {.src = "10.0.0.2",
				     .dst = "10.0.0.11",
				     .sport = 33333,
				     .dport = 8000,
				     .seq = 1000,
				     .flags = SYN};
	struct sl_frame in, out;
	bool ok;

	sl_rig_reset(rig);
	sl_rig_egress(rig, &spec);
	ok = sl_rig_counted(rig, SL_COUNTER_CONN_OBSERVED) == 1;
	spec = (struct sl_frame_spec){.src = "10.0.0.11",
				      .dst = "10.0.0.2",
				      .sport = 8000,
				      .dport = 33333,
				      .seq = 5000,
				      .ack = 1001,
				      .flags = SYN | ACK};
	memcpy(spec.dmac, rig->one_arm.smac, 6);
	sl_frame_build(&in, &spec);
	ok = ok && sl_rig_run(rig, SL_RIG_TC, &in, &out) == SL_RIG_PASS &&
	     rig->nodes[SL_RIG_NODE_A].connect_us > 0;
	sl_rig_check(rig, ok, "the lane observes what it passes", "no connect time");
	spec.flags = RST | ACK;
	spec.seq = 5001;
	sl_frame_build(&in, &spec);
	sl_rig_run(rig, SL_RIG_TC, &in, &out);
	sl_rig_check(rig, sl_rig_counted(rig, SL_COUNTER_CONN_CLOSED) == 1, "and sees its end",
		     "the connection is still there");
}

int main(void)
{
	static struct lab lab;

	lab_open(&lab);
	for (size_t i = 0; i < sizeof(live) / sizeof(*live); i++)
		live_run(&lab, &live[i]);
	three_tags(&lab);
	other_host(&lab);
	for (size_t i = 0; i < sizeof(larges) / sizeof(*larges); i++)
		large_run(&lab, &larges[i]);
	short_frames(&lab, 0, LINK_BYTES);
	short_frames(&lab, 2, LINK_BYTES);
	short_frames(&lab, 5, LINK_BYTES + 8);
	neighbour(&lab);
	egress_mark(&lab);
	local(&lab);
	close(lab.wire);
	close(lab.other);
	return sl_rig_close(&lab.rig);
}
