/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture_ways.c - IPv6 through mode nat; every way in and out, with and without tags, for both
 * families; mode l2.
 */
#include "tests/bpf/lib/fixture_rows.h"
#include "tests/bpf/lib/fixture_data.h"

#define OPENS	K2(FORWARD_TO_NODE, FLOW_OPENED)
#define GOES	K1(FORWARD_TO_NODE)
#define COMES	K1(FORWARD_TO_CLIENT)
#define ENDS_C	K2(FORWARD_TO_NODE, FLOW_CLOSED)
#define ENDS_N	K2(FORWARD_TO_CLIENT, FLOW_CLOSED)
#define DOUBT_C K2(FORWARD_TO_NODE, SIGNAL_IGNORED)
#define UNKNOWN K1(DROP_NO_FLOW)
#define L2_NEW	K3(FORWARD_TO_NODE, FORWARD_L2, FLOW_OPENED)
#define L2_GOES K2(FORWARD_TO_NODE, FORWARD_L2)
#define L2_ENDS K3(FORWARD_TO_NODE, FORWARD_L2, FLOW_CLOSED)

/* One row a line. */
/* clang-format off */
static const struct sl_fixture life6[] = {
	ROW("SYN", V6, NONE, C(.flags = SYN), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with options, padded", V6, NONE, C(.flags = SYN, .tcp_option_len = 24, .pad_len = 2), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with data", V6, NONE, C(.flags = SYN, .payload_len = 31), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with most hops left", V6, NONE, C(.flags = SYN, .hops = 255), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with two hops left", V6, NONE, C(.flags = SYN, .hops = 2), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with one hop left", V6, NONE, C(.flags = SYN, .hops = 1), PASS, K3(PASS_TTL, FLOW_OPENED, FLOW_CLOSED), UNSET),
	ROW("SYN with no hop left", V6, NONE, C(.flags = SYN), PASS, K3(PASS_TTL, FLOW_OPENED, FLOW_CLOSED), UNSET, PATCH(SET(IP, 7, 0))),
	ROW("SYN with another traffic class and flow label", V6, NONE, C(.flags = SYN), FORWARD, OPENS, SYN_SENT, PATCH(SET(IP, 0, 0x6b), SET(IP, 1, 0x8f), SET(IP, 2, 0xff), SET(IP, 3, 0xfe))),
	ROW("ACK", V6, NONE, C(.flags = ACK), DROP, UNKNOWN, UNSET),
	ROW("SYN with ACK", V6, NONE, C(.flags = SYN | ACK), DROP, UNKNOWN, UNSET),
	ROW("RST", V6, NONE, C(.flags = RST), DROP, UNKNOWN, UNSET),
	ROW("all flags", V6, NONE, C(.flags = 0xff), DROP, UNKNOWN, UNSET),
	ROW("the SYN again, at once", V6, OPENING, C(.flags = SYN), FORWARD, GOES, SYN_SENT),
	ROW("a SYN with another number", V6, OPENING, C(.flags = SYN, .seq = 5), FORWARD, K4(FORWARD_TO_NODE, FLOW_REPLACED, FLOW_CLOSED, FLOW_OPENED), SYN_SENT),
	ROW("SYN-ACK", V6, OPENING, N(.flags = SYN | ACK), FORWARD, COMES, ESTABLISHED),
	ROW("SYN-ACK of another SYN", V6, OPENING, N(.flags = SYN | ACK, .ack = 1), FORWARD, COMES, SYN_SENT),
	ROW("the client gives up", V6, OPENING, C(.flags = RST), FORWARD, ENDS_C, UNSET),
	ROW("ACK", V6, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED),
	ROW("an odd number of bytes", V6, OPEN, C(.flags = ACK, .payload_len = 333), FORWARD, GOES, ESTABLISHED),
	ROW("as many bytes as fit", V6, OPEN, C(.flags = ACK, .payload_len = 1440), FORWARD, GOES, ESTABLISHED),
	ROW("one byte more than fits", V6, OPEN, C(.flags = ACK, .payload_len = 1441), DROP, K1(DROP_TOO_BIG), ESTABLISHED, TUNE(TOO_BIG, 0)),
	ROW("FIN", V6, OPEN, C(.flags = FIN | ACK), FORWARD, GOES, FIN_CLIENT),
	ROW("RST far away", V6, OPEN, C(.flags = RST, .seq = FAR), FORWARD, DOUBT_C, ESTABLISHED),
	ROW("one hop left", V6, OPEN, C(.flags = ACK, .hops = 1), PASS, K1(PASS_TTL), ESTABLISHED),
	ROW("the first byte", V6, ASKED, N(.flags = ACK, .payload_len = 1), FORWARD, COMES, ESTABLISHED),
	ROW("a whole segment", V6, ASKED, N(.flags = ACK, .payload_len = 1440), FORWARD, COMES, ESTABLISHED),
	ROW("FIN of the node", V6, OPEN, N(.flags = FIN | ACK), FORWARD, COMES, FIN_NODE),
	ROW("RST of the node after an answer", V6, ANSWERED, N(.flags = RST | ACK), FORWARD, ENDS_N, UNSET),
	ROW("in a VLAN", V6, OPEN, N(.flags = ACK, .payload_len = 7, .vlan = {5}), FORWARD, COMES, ESTABLISHED),
	ROW("another host, the same ports", V6, OPEN, N(.flags = ACK, .src = "fd00::12"), PASS, K1(PASS_NOT_SERVICE), ESTABLISHED),
	ROW("one hop left", V6, OPEN, N(.flags = ACK, .hops = 1), PASS, K1(PASS_TTL), ESTABLISHED),
	ROW("FIN of the node", V6, FIN_CLIENT, N(.flags = FIN | ACK), FORWARD, COMES, CLOSED),
	ROW("the client's last ACK", V6, CLOSED, C(.flags = ACK), FORWARD, ENDS_C, UNSET),
};

#define EACH_WAY(path) \
	ROW("SYN", path, NONE, C(.flags = SYN), FORWARD, OPENS, SYN_SENT), \
	ROW("data of the client", path, OPEN, C(.flags = ACK, .payload_len = 77), FORWARD, GOES, ESTABLISHED), \
	ROW("SYN-ACK", path, OPENING, N(.flags = SYN | ACK, .tcp_option_len = 4), FORWARD, COMES, ESTABLISHED), \
	ROW("data of the node, padded", path, ASKED, N(.flags = ACK, .payload_len = 3, .pad_len = 3), FORWARD, COMES, ESTABLISHED), \
	ROW("RST of the client", path, ASKED, C(.flags = RST | ACK), FORWARD, ENDS_C, UNSET)

static const struct sl_fixture ways[] = {
	EACH_WAY(V4_VLAN), EACH_WAY(V6_VLAN), EACH_WAY(V4_QINQ), EACH_WAY(V6_QINQ),
	EACH_WAY(V4_OTHER), EACH_WAY(V6_OTHER), EACH_WAY(V4_OTHER_VLAN), EACH_WAY(V6_OTHER_VLAN),
	EACH_WAY(V4_OTHER_QINQ), EACH_WAY(V6_OTHER_QINQ),
	EACH_WAY(V4_TAG), EACH_WAY(V6_TAG), EACH_WAY(V4_TAG_VLAN), EACH_WAY(V6_TAG_VLAN), EACH_WAY(V4_TAG_QINQ),
	EACH_WAY(V4_LOST), EACH_WAY(V6_LOST), EACH_WAY(V4_LOST_VLAN),
	ROW("priority and drop bits of the tag are kept", V4_VLAN, OPEN, C(.flags = ACK, .vlan = {0xf007}), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(LINK, 14, 0xf0))),
	ROW("SYN", V4_NO_ROUTE, NONE, C(.flags = SYN), DROP, K3(DROP_NO_ROUTE, FLOW_OPENED, FLOW_CLOSED), UNSET),
	ROW("SYN", V6_NO_ROUTE, NONE, C(.flags = SYN), DROP, K3(DROP_NO_ROUTE, FLOW_OPENED, FLOW_CLOSED), UNSET),
};

#define EACH_L2(path) \
	ROW("SYN", path, NONE, C(.flags = SYN), FORWARD, L2_NEW, SYN_SENT), \
	ROW("SYN, odd and padded", path, NONE, C(.flags = SYN, .payload_len = 3, .pad_len = 3), FORWARD, L2_NEW, SYN_SENT), \
	ROW("ACK", path, OPENING, C(.flags = ACK), FORWARD, L2_GOES, ESTABLISHED), \
	ROW("data", path, OPEN, C(.flags = ACK, .payload_len = 77), FORWARD, L2_GOES, ESTABLISHED)

static const struct sl_fixture l2[] = {
	EACH_L2(L2), EACH_L2(L2_V6), EACH_L2(L2_VLAN), EACH_L2(L2_QINQ), EACH_L2(L2_OTHER), EACH_L2(L2_OTHER_VLAN), EACH_L2(L2_TAG),
	ROW("the SYN again, at once", L2, OPENING, C(.flags = SYN), FORWARD, L2_GOES, SYN_SENT),
	ROW("FIN", L2, OPEN, C(.flags = FIN | ACK), FORWARD, L2_GOES, FIN_CLIENT),
	ROW("RST", L2, OPEN, C(.flags = RST), FORWARD, L2_ENDS, UNSET),
	ROW("RST, wherever it stands", L2, OPEN, C(.flags = RST, .seq = FAR), FORWARD, L2_ENDS, UNSET),
	ROW("RST of a SYN", L2_V6, OPENING, C(.flags = RST), FORWARD, L2_ENDS, UNSET),
	ROW("the end of the client's side", L2, FIN_CLIENT, C(.flags = ACK), FORWARD, L2_GOES, FIN_CLIENT),
	ROW("two hops left", L2, OPEN, C(.flags = ACK, .hops = 2), FORWARD, L2_GOES, ESTABLISHED),
	ROW("one hop left", L2, OPEN, C(.flags = ACK, .hops = 1), PASS, K1(PASS_TTL), ESTABLISHED),
	ROW("a wrong checksum is not looked at", L2, OPEN, C(.flags = ACK), FORWARD, L2_GOES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 16, 0x55))),
	ROW("datagram", L2, NONE, C(.udp = true, .payload_len = 12), FORWARD, L2_NEW, UDP),
	ROW("datagram, again", L2, UDP, C(.udp = true, .payload_len = 12), FORWARD, L2_GOES, UDP),
	ROW("datagram without checksum", L2, NONE, C(.udp = true, .no_check = true), FORWARD, L2_NEW, UDP),
};
/* clang-format on */

const struct sl_fixture_table sl_fixture_ways[] = {
	TABLE("IPv6", life6),
	TABLE("ways", ways),
	TABLE("l2", l2),
	TABLE_END,
};
