/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture_odd.c - what the fast lane leaves alone, headers that lie, sums that are wrong, services
 * and pools in every state.
 */
#include <string.h>
#include "tests/bpf/lib/fixture_rows.h"
#include "tests/bpf/lib/fixture_data.h"

#define OPENS	  K2(FORWARD_TO_NODE, FLOW_OPENED)
#define GOES	  K1(FORWARD_TO_NODE)
#define COMES	  K1(FORWARD_TO_CLIENT)
#define NOT_OURS  K1(PASS_NOT_SERVICE)
#define NOT_IP	  K1(PASS_NOT_IP)
#define FRAGMENT  K1(PASS_FRAGMENT)
#define OPTIONS	  K1(PASS_OPTIONS)
#define PROTOCOL  K1(PASS_PROTOCOL)
#define MALFORMED K1(DROP_MALFORMED)
#define MORE	  0x2000 /* fragments follow */

/* One row a line. */
/* clang-format off */
static const struct sl_fixture foreign[] = {
	ROW("ARP", V4, NONE, C(.flags = SYN), PASS, NOT_IP, UNSET, PATCH(SET(LINK, 12, 0x08), SET(LINK, 13, 0x06))),
	ROW("LLDP", V4, NONE, C(.flags = SYN), PASS, NOT_IP, UNSET, PATCH(SET(LINK, 12, 0x88), SET(LINK, 13, 0xcc))),
	ROW("MPLS", V4, NONE, C(.flags = SYN), PASS, NOT_IP, UNSET, PATCH(SET(LINK, 12, 0x88), SET(LINK, 13, 0x47))),
	ROW("PPPoE", V4, NONE, C(.flags = SYN), PASS, NOT_IP, UNSET, PATCH(SET(LINK, 12, 0x88), SET(LINK, 13, 0x64))),
	ROW("a length instead of a type (802.3)", V4, NONE, C(.flags = SYN), PASS, NOT_IP, UNSET, PATCH(SET(LINK, 12, 0), SET(LINK, 13, 40))),
	ROW("type 0", V4, NONE, C(.flags = SYN), PASS, NOT_OURS, UNSET, PATCH(SET(LINK, 12, 0), SET(LINK, 13, 0))),
	ROW("ARP in a VLAN", V4_VLAN, NONE, C(.flags = SYN), PASS, NOT_IP, UNSET, PATCH(SET(LINK, 17, 0x06))),
	ROW("ARP in two VLANs", V4_QINQ, NONE, C(.flags = SYN), PASS, NOT_IP, UNSET, PATCH(SET(LINK, 21, 0x06))),
	ROW("a third tag", V4_QINQ, NONE, C(.flags = SYN), PASS, NOT_IP, UNSET, PATCH(SET(LINK, 20, 0x81), SET(LINK, 21, 0x00))),
	ROW("IPv6 by its type, IPv4 by its version", V4, NONE, C(.flags = SYN), PASS, NOT_OURS, UNSET, PATCH(SET(LINK, 12, 0x86), SET(LINK, 13, 0xdd))),
	ROW("IPv4 by its type, IPv6 by its version", V6, NONE, C(.flags = SYN), PASS, NOT_OURS, UNSET, PATCH(SET(LINK, 12, 0x08), SET(LINK, 13, 0x00))),
	ROW("IP version 5", V4, NONE, C(.flags = SYN), PASS, NOT_OURS, UNSET, PATCH(SET(IP, 0, 0x55))),
	ROW("IP version 0", V6, NONE, C(.flags = SYN), PASS, NOT_OURS, UNSET, PATCH(SET(IP, 0, 0))),
	ROW("IPv4 header of 4 words", V4, NONE, C(.flags = SYN), PASS, NOT_OURS, UNSET, PATCH(SET(IP, 0, 0x44))),
	ROW("IPv4 header of 0 words, in a flow", V4, OPEN, C(.flags = ACK), PASS, NOT_OURS, ESTABLISHED, PATCH(SET(IP, 0, 0x40))),
	ROW("first fragment", V4, NONE, C(.flags = SYN, .fragment = MORE), PASS, FRAGMENT, UNSET),
	ROW("first fragment in a flow", V4, OPEN, C(.flags = ACK, .payload_len = 8, .fragment = MORE), PASS, FRAGMENT, ESTABLISHED),
	ROW("middle fragment", V4, OPEN, C(.flags = ACK, .payload_len = 8, .fragment = MORE | 0x20), PASS, FRAGMENT, ESTABLISHED),
	ROW("last fragment", V4, OPEN, C(.flags = ACK, .payload_len = 8, .fragment = 0x20), PASS, FRAGMENT, ESTABLISHED),
	ROW("last fragment at the largest offset", V4, OPEN, C(.flags = RST, .fragment = 0x1fff), PASS, FRAGMENT, ESTABLISHED),
	ROW("fragment of the node", V4, OPEN, N(.flags = RST, .fragment = MORE), PASS, FRAGMENT, ESTABLISHED),
	ROW("fragment of UDP", V4, UDP, C(.udp = true, .payload_len = 16, .fragment = MORE), PASS, FRAGMENT, UDP),
	ROW("fragment with options", V4, OPEN, C(.flags = ACK, .fragment = MORE, .option_len = 8), PASS, FRAGMENT, ESTABLISHED),
	ROW("fragment of a fast service, in a VLAN", V4_VLAN, NONE, C(.flags = SYN, .fragment = MORE), PASS, FRAGMENT, UNSET),
	ROW("fragment over IPv6", V6, NONE, C(.flags = SYN, .fragment = 1), PASS, FRAGMENT, UNSET),
	ROW("fragment over IPv6 in a flow", V6, OPEN, C(.flags = RST, .fragment = 1), PASS, FRAGMENT, ESTABLISHED),
	ROW("4 bytes of options", V4, NONE, C(.flags = SYN, .option_len = 4), PASS, OPTIONS, UNSET),
	ROW("20 bytes of options", V4, NONE, C(.flags = SYN, .option_len = 20), PASS, OPTIONS, UNSET),
	ROW("all 40 bytes of options", V4, NONE, C(.flags = SYN, .option_len = 40), PASS, OPTIONS, UNSET),
	ROW("options in a flow", V4, OPEN, C(.flags = RST, .option_len = 8), PASS, OPTIONS, ESTABLISHED),
	ROW("options of the node", V4, OPEN, N(.flags = RST, .option_len = 8), PASS, OPTIONS, ESTABLISHED),
	ROW("options that are not there", V4, OPEN, C(.flags = ACK), PASS, OPTIONS, ESTABLISHED, PATCH(SET(IP, 0, 0x4f))),
	ROW("hop-by-hop header", V6, NONE, C(.flags = SYN, .option_len = 8), PASS, OPTIONS, UNSET),
	ROW("hop-by-hop header in a flow", V6, OPEN, C(.flags = RST, .option_len = 16), PASS, OPTIONS, ESTABLISHED),
	ROW("routing header", V6, NONE, C(.flags = SYN, .option_len = 8), PASS, OPTIONS, UNSET, PATCH(SET(IP, 6, 43))),
	ROW("destination options", V6, NONE, C(.flags = SYN, .option_len = 8), PASS, OPTIONS, UNSET, PATCH(SET(IP, 6, 60))),
	ROW("authentication header", V6, NONE, C(.flags = SYN), PASS, OPTIONS, UNSET, PATCH(SET(IP, 6, 51))),
	ROW("mobility header", V6, NONE, C(.flags = SYN), PASS, OPTIONS, UNSET, PATCH(SET(IP, 6, 135))),
	ROW("no next header", V6, NONE, C(.flags = SYN), PASS, PROTOCOL, UNSET, PATCH(SET(IP, 6, 59))),
	ROW("ICMP of IPv4 over IPv6", V6, NONE, C(.flags = SYN), PASS, PROTOCOL, UNSET, PATCH(SET(IP, 6, 1))),
	ROW("ICMP of IPv6 over IPv4", V4, NONE, C(.flags = SYN), PASS, PROTOCOL, UNSET, PATCH(SET(IP, 9, 58))),
	ROW("a fragment header over IPv4", V4, NONE, C(.flags = SYN), PASS, PROTOCOL, UNSET, PATCH(SET(IP, 9, 44))),
	ROW("GRE", V4, NONE, C(.protocol = 47), PASS, PROTOCOL, UNSET),
	ROW("ESP", V4, NONE, C(.protocol = 50), PASS, PROTOCOL, UNSET),
	ROW("IGMP", V4, NONE, C(.protocol = 2), PASS, PROTOCOL, UNSET),
	ROW("OSPF", V4, NONE, C(.protocol = 89), PASS, PROTOCOL, UNSET),
	ROW("VRRP", V4, NONE, C(.protocol = 112), PASS, PROTOCOL, UNSET),
	ROW("SCTP with the ports of a flow", V4, OPEN, C(.flags = ACK, .protocol = 132), PASS, PROTOCOL, ESTABLISHED),
	ROW("SCTP over IPv6", V6, OPEN, C(.flags = ACK, .protocol = 132), PASS, PROTOCOL, ESTABLISHED),
	ROW("ESP over IPv6", V6, NONE, C(.protocol = 50), PASS, PROTOCOL, UNSET),
	ROW("protocol 255", V4, NONE, C(.protocol = 255), PASS, PROTOCOL, UNSET),
};

static const struct sl_fixture lies[] = {
	ROW("TCP header of 4 words", V4, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, PATCH(SET(TRANSPORT, 12, 0x40))),
	ROW("TCP header of 0 words", V4, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, PATCH(SET(TRANSPORT, 12, 0))),
	ROW("TCP header of 15 words that are not there", V4, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, PATCH(SET(TRANSPORT, 12, 0xf0))),
	ROW("TCP header one word beyond the packet", V4, OPEN, C(.flags = RST), DROP, MALFORMED, ESTABLISHED, PATCH(SET(TRANSPORT, 12, 0x60))),
	ROW("TCP header that ends with the packet", V4, OPEN, C(.flags = ACK, .payload_len = 4), FORWARD, GOES, ESTABLISHED, PATCH(SET(TRANSPORT, 12, 0x60))),
	ROW("TCP header one word beyond the packet, padded", V4, OPEN, C(.flags = RST, .pad_len = 6), DROP, MALFORMED, ESTABLISHED, PATCH(SET(TRANSPORT, 12, 0x60))),
	ROW("TCP header of 0 words, node", V4, OPEN, N(.flags = RST | ACK), DROP, MALFORMED, ESTABLISHED, PATCH(SET(TRANSPORT, 12, 0))),
	ROW("TCP header too long, node", V4, OPENING, N(.flags = SYN | ACK), DROP, MALFORMED, SYN_SENT, PATCH(SET(TRANSPORT, 12, 0x70))),
	ROW("IPv4 length beyond the frame", V4, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, PATCH(SET(IP, 3, 41))),
	ROW("IPv4 length far beyond the frame", V4, OPEN, C(.flags = ACK), DROP, MALFORMED, ESTABLISHED, PATCH(SET(IP, 2, 0xff))),
	ROW("IPv4 length of the IP header only", V4, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, PATCH(SET(IP, 3, 20))),
	ROW("IPv4 length less than its header", V4, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, PATCH(SET(IP, 3, 19))),
	ROW("IPv4 length ends within the TCP header", V4, OPEN, C(.flags = RST), DROP, MALFORMED, ESTABLISHED, PATCH(SET(IP, 3, 39))),
	ROW("IPv4 length takes in some of the padding", V4, OPEN, C(.flags = ACK, .pad_len = 6), FORWARD, GOES, ESTABLISHED, PATCH(SET(IP, 3, 43))),
	ROW("IPv4 length leaves out the payload", V4, OPEN, C(.flags = ACK, .payload_len = 50), FORWARD, GOES, ESTABLISHED, PATCH(SET(IP, 3, 40))),
	ROW("IPv4 length beyond the frame, no service", V4, NONE, C(.flags = SYN, .dport = 22), PASS, NOT_OURS, UNSET, PATCH(SET(IP, 3, 41))),
	ROW("IPv4 length beyond the frame, smart service", V4, NONE, C(.flags = SYN, .dport = 8080), DROP, MALFORMED, UNSET, PATCH(SET(IP, 3, 41))),
	ROW("TCP header of 0 words, no service", V4, NONE, C(.flags = SYN, .dport = 22), PASS, NOT_OURS, UNSET, PATCH(SET(TRANSPORT, 12, 0))),
	ROW("IPv6 length beyond the frame", V6, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, PATCH(SET(IP, 5, 21))),
	ROW("IPv6 length far beyond the frame", V6, OPEN, C(.flags = ACK), DROP, MALFORMED, ESTABLISHED, PATCH(SET(IP, 4, 0xff))),
	ROW("IPv6 length ends within the TCP header", V6, OPEN, C(.flags = RST), DROP, MALFORMED, ESTABLISHED, PATCH(SET(IP, 5, 19))),
	ROW("IPv6 length leaves out the payload", V6, OPEN, C(.flags = ACK, .payload_len = 50), FORWARD, GOES, ESTABLISHED, PATCH(SET(IP, 5, 20))),
	ROW("TCP header of 1 word over IPv6", V6, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, PATCH(SET(TRANSPORT, 12, 0x10))),
	ROW("TCP header too long over IPv6, node", V6, OPEN, N(.flags = RST), DROP, MALFORMED, ESTABLISHED, PATCH(SET(TRANSPORT, 12, 0x90))),
	ROW("the frame lacks its last byte", V4, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, .cut = 1),
	ROW("the frame lacks a byte of payload", V4, OPEN, C(.flags = ACK, .payload_len = 9), DROP, MALFORMED, ESTABLISHED, .cut = 1),
	ROW("the frame lacks all payload", V4, OPEN, C(.flags = RST, .payload_len = 9), DROP, MALFORMED, ESTABLISHED, .cut = 9),
	ROW("the frame ends behind the ports", V4, OPEN, C(.flags = RST), DROP, MALFORMED, ESTABLISHED, .cut = 16),
	ROW("the frame ends within the ports", V4, OPEN, C(.flags = RST), PASS, NOT_OURS, ESTABLISHED, .cut = 17),
	ROW("the frame ends behind the IP header", V4, OPEN, C(.flags = RST), PASS, NOT_OURS, ESTABLISHED, .cut = 20),
	ROW("the frame lacks a byte of padding", V4, OPEN, C(.flags = ACK, .pad_len = 6), FORWARD, GOES, ESTABLISHED, .cut = 0, PATCH(FLIP(TRANSPORT, 25, 0xff))),
	ROW("the frame lacks its last byte", V6, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, .cut = 1),
	ROW("the frame lacks a byte, node", V6, OPEN, N(.flags = ACK, .payload_len = 3), DROP, MALFORMED, ESTABLISHED, .cut = 1),
	ROW("the frame lacks its last byte, in two VLANs", V4_QINQ, NONE, C(.flags = SYN), DROP, MALFORMED, UNSET, .cut = 1),
};

static const struct sl_fixture sums[] = {
	ROW("TCP sum wrong", V4, OPEN, C(.flags = ACK, .payload_len = 20), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 16, 0x40), FLIP(TRANSPORT, 17, 0x01))),
	ROW("TCP sum 0", V4, OPEN, C(.flags = ACK, .payload_len = 20), FORWARD, GOES, ESTABLISHED, PATCH(SET(TRANSPORT, 16, 0), SET(TRANSPORT, 17, 0))),
	ROW("TCP sum of all ones", V4, NONE, C(.flags = SYN), FORWARD, OPENS, SYN_SENT, PATCH(SET(TRANSPORT, 16, 0xff), SET(TRANSPORT, 17, 0xff))),
	ROW("TCP sum wrong, node", V4, OPEN, N(.flags = ACK, .payload_len = 21), FORWARD, COMES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 17, 0x80))),
	ROW("a flipped payload byte stays found out", V4, OPEN, C(.flags = ACK, .payload_len = 20), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 25, 0x20))),
	ROW("a flipped sequence number stays found out", V4, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 7, 0x02))),
	ROW("IP sum wrong", V4, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(IP, 10, 0x11))),
	ROW("IP sum 0", V4, NONE, C(.flags = SYN), FORWARD, OPENS, SYN_SENT, PATCH(SET(IP, 10, 0), SET(IP, 11, 0))),
	ROW("IP sum wrong, node", V4, OPEN, N(.flags = ACK), FORWARD, COMES, ESTABLISHED, PATCH(FLIP(IP, 11, 0x01))),
	ROW("both sums wrong", V4, OPEN, C(.flags = ACK, .payload_len = 7), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(IP, 10, 0xff), FLIP(TRANSPORT, 16, 0xff))),
	ROW("a flipped bit of the identification", V4, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(IP, 4, 0x01))),
	ROW("TCP sum wrong", V6, OPEN, C(.flags = ACK, .payload_len = 20), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 16, 0x40))),
	ROW("TCP sum wrong, node", V6, ASKED, N(.flags = ACK, .payload_len = 20), FORWARD, COMES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 17, 0xff))),
	ROW("UDP sum wrong", V6, NONE, C(.udp = true, .payload_len = 20), FORWARD, OPENS, UDP, PATCH(FLIP(TRANSPORT, 7, 0x21))),
	ROW("both sums wrong, in a VLAN", V4_VLAN, OPEN, C(.flags = ACK, .payload_len = 7), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(IP, 11, 0x10), FLIP(TRANSPORT, 17, 0x10))),
	ROW("TCP sum wrong, to a VLAN device", V4_TAG_QINQ, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 16, 0x80))),
};

static void breaker(struct sl_rig *rig, enum sl_breaker_state state, uint64_t ahead_ms)
{
	struct sl_node_state *node = &rig->nodes[SL_RIG_NODE_A];

	node->breaker = sl_breaker_pack(state, 0, 7, sl_rig_now_ns() / 1000000 + ahead_ms);
	node->ejected = 1;
	rig->pools[node->pool].ejected = 1;
}

static void tripped(struct sl_rig *rig)
{
	breaker(rig, SL_BREAKER_OPEN, 60000);
	/* Two of three are there, so it is no panic. */
	rig->pools[rig->nodes[SL_RIG_NODE_A].pool].node_count = 3;
}

static void tripped_alone(struct sl_rig *rig)
{
	breaker(rig, SL_BREAKER_OPEN, 60000);
}

static void due(struct sl_rig *rig)
{
	breaker(rig, SL_BREAKER_OPEN, 0);
}

static void forced(struct sl_rig *rig)
{
	breaker(rig, SL_BREAKER_FORCED_OPEN, 0);
}

static void measured(struct sl_rig *rig)
{
	rig->nodes[SL_RIG_NODE_A].breaker = sl_breaker_pack(SL_BREAKER_METRICS_ONLY, 0, 7, 0);
	sl_rig_tune(rig, SL_TUNABLE_BREAKER_MODE, 1);
}

static void draining(struct sl_rig *rig)
{
	rig->nodes[SL_RIG_NODE_A].admin |= SL_NODE_DRAINING;
}

static void removed(struct sl_rig *rig)
{
	rig->nodes[SL_RIG_NODE_A].admin = 0;
}

static void moved_pool(struct sl_rig *rig)
{
	rig->nodes[SL_RIG_NODE_A].pool = 9;
}

static void no_source(struct sl_rig *rig)
{
	rig->nodes[SL_RIG_NODE_A].snat_addr = sl_frame_addr("0.0.0.0");
}

static void no_ports(struct sl_rig *rig)
{
	rig->settings->nat_port_min = 0;
}

static void other_node(struct sl_rig *rig)
{
	rig->nodes[SL_RIG_NODE_A].incarnation++;
	rig->nodes[SL_RIG_NODE_A].flows_opened = 0;
	rig->nodes[SL_RIG_NODE_A].waiting = 0;
	memset(rig->nodes[SL_RIG_NODE_A].flow_epochs, 0,
	       sizeof(rig->nodes[SL_RIG_NODE_A].flow_epochs));
}

#define REFUSED K2(DROP_NO_NODE, GATE_REFUSED)
#define QUIET	TUNE(POOL_REFUSE, 0)

static const struct sl_fixture services[] = {
	ROW("smart service", V4, NONE, C(.flags = SYN, .dport = 8080), PASS, K1(PASS_SMART), UNSET),
	ROW("smart service, mid-flow", V4, NONE, C(.flags = ACK, .dport = 8080, .payload_len = 9), PASS, K1(PASS_SMART), UNSET),
	ROW("smart service, one hop left", V4, NONE, C(.flags = SYN, .dport = 8080, .hops = 1), PASS, K1(PASS_SMART), UNSET),
	ROW("smart service", V6_QINQ, NONE, C(.flags = SYN, .dport = 8080), PASS, K1(PASS_SMART), UNSET),
	ROW("no service on this port", V4, NONE, C(.flags = SYN, .dport = 81), PASS, NOT_OURS, UNSET),
	ROW("no service on this port, mid-flow", V6, NONE, C(.flags = ACK, .dport = 81), PASS, NOT_OURS, UNSET),
	ROW("no service at this address", V4, NONE, C(.flags = SYN, .dst = "192.0.2.101"), PASS, NOT_OURS, UNSET),
	ROW("no service at this address", V6, NONE, C(.flags = SYN, .dst = "2001:db8::101"), PASS, NOT_OURS, UNSET),
	ROW("this host itself", V4, NONE, C(.flags = SYN, .dst = "10.0.0.2", .dport = 22), PASS, NOT_OURS, UNSET),
	ROW("a port of the NAT range, without flow", V4, NONE, C(.flags = ACK, .dst = "10.0.0.2", .dport = SL_FIXTURE_PORT), PASS, NOT_OURS, UNSET),
	ROW("another client, the same ports", V4, OPEN, C(.flags = ACK, .src = "198.51.100.8"), DROP, K1(DROP_NO_FLOW), ESTABLISHED),
	ROW("another port of the client", V4, OPEN, C(.flags = ACK, .sport = 5001), DROP, K1(DROP_NO_FLOW), ESTABLISHED),
	ROW("the fast lane is off: a new flow", V4, NONE, C(.flags = SYN), PASS, K1(PASS_DISABLED), UNSET, TUNE(FAST_LANE, 0)),
	ROW("the fast lane is off: mid-flow, unknown", V6, NONE, C(.flags = ACK), PASS, K1(PASS_DISABLED), UNSET, TUNE(FAST_LANE, 0)),
	ROW("every breaker refuses", V4, NONE, C(.flags = SYN), DROP, REFUSED, UNSET, QUIET, .prepare = tripped),
	ROW("every breaker refuses: a datagram", V4, NONE, C(.udp = true), DROP, REFUSED, UNSET, QUIET, .prepare = tripped),
	ROW("every breaker refuses: a flow goes on", V4, OPEN, C(.flags = ACK, .payload_len = 5), FORWARD, GOES, ESTABLISHED, QUIET, .prepare = tripped),
	ROW("every breaker refuses: its answers too", V4, OPEN, N(.flags = ACK, .payload_len = 5), FORWARD, COMES, ESTABLISHED, QUIET, .prepare = tripped),
	ROW("panic", V4, NONE, C(.flags = SYN), FORWARD, K4(FORWARD_TO_NODE, FLOW_OPENED, GATE_REFUSED, GATE_PANIC), SYN_SENT, QUIET, .prepare = tripped_alone),
	ROW("due for a probe", V4, NONE, C(.flags = SYN), FORWARD, K3(FORWARD_TO_NODE, FLOW_OPENED, GATE_PROBE), SYN_SENT, QUIET, .prepare = due),
	ROW("opened by hand: panic does not count", V4, NONE, C(.flags = SYN), DROP, REFUSED, UNSET, QUIET, .prepare = forced),
	ROW("opened by hand: a flow goes on", V6, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, QUIET, .prepare = forced),
	ROW("metrics only", V4, NONE, C(.flags = SYN), FORWARD, OPENS, SYN_SENT, .prepare = measured),
	ROW("draining: nothing new", V4, NONE, C(.flags = SYN), DROP, K1(DROP_NO_NODE), UNSET, QUIET, .prepare = draining),
	ROW("draining: a flow goes on", V4, OPEN, C(.flags = ACK, .payload_len = 5), FORWARD, GOES, ESTABLISHED, QUIET, .prepare = draining),
	ROW("the node was removed: nothing new", V6, NONE, C(.flags = SYN), DROP, K1(DROP_NO_NODE), UNSET, QUIET, .prepare = removed),
	ROW("the node was removed: a flow goes on", V4, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, QUIET, .prepare = removed),
	ROW("the node is another pool's: nothing new", V4, NONE, C(.flags = SYN), DROP, K1(DROP_NO_NODE), UNSET, QUIET, .prepare = moved_pool),
	ROW("no address towards the node", V4, NONE, C(.flags = SYN), DROP, K1(DROP_NO_NODE), UNSET, QUIET, .prepare = no_source),
	ROW("no source port", V4, NONE, C(.flags = SYN), DROP, K1(DROP_NO_PORT), UNSET, .prepare = no_ports),
	ROW("no source port: the SYN again", V4, OPENING, C(.flags = SYN), FORWARD, GOES, SYN_SENT, .prepare = no_ports),
	ROW("the slot got another node: an answer says nothing of it", V4, ASKED, N(.flags = RST | ACK), FORWARD, K3(FORWARD_TO_CLIENT, FLOW_CLOSED, SIGNAL_IGNORED), UNSET, .prepare = other_node),
};
/* clang-format on */

const struct sl_fixture_table sl_fixture_odd[] = {
	TABLE("not ours", foreign),  TABLE("lies", lies), TABLE("sums", sums),
	TABLE("services", services), TABLE_END,
};
