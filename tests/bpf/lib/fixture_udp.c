/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture_udp.c - datagrams through mode nat, both families, with and without checksum.
 */
#include "tests/bpf/lib/fixture_rows.h"
#include "tests/bpf/lib/fixture_data.h"

#define OPENS K2(FORWARD_TO_NODE, FLOW_OPENED)
#define GOES  K1(FORWARD_TO_NODE)
#define COMES K1(FORWARD_TO_CLIENT)

/* One row a line. */
/* clang-format off */
static const struct sl_fixture udp[] = {
	ROW("the first", V4, NONE, C(.udp = true, .payload_len = 100), FORWARD, OPENS, UDP),
	ROW("the first, empty", V4, NONE, C(.udp = true), FORWARD, OPENS, UDP),
	ROW("the first, one byte", V4, NONE, C(.udp = true, .payload_len = 1), FORWARD, OPENS, UDP),
	ROW("the first, padded", V4, NONE, C(.udp = true, .payload_len = 5, .pad_len = 13), FORWARD, OPENS, UDP),
	ROW("the first, as long as fits", V4, NONE, C(.udp = true, .payload_len = 1472), FORWARD, OPENS, UDP),
	ROW("the first, too long", V4, NONE, C(.udp = true, .payload_len = 1473), DROP, K3(DROP_TOO_BIG, FLOW_OPENED, FLOW_CLOSED), UNSET, TUNE(TOO_BIG, 0)),
	ROW("the first, without checksum", V4, NONE, C(.udp = true, .payload_len = 100, .no_check = true), FORWARD, OPENS, UDP),
	ROW("the first, two hops left", V4, NONE, C(.udp = true, .hops = 2), FORWARD, OPENS, UDP),
	ROW("the first, one hop left", V4, NONE, C(.udp = true, .hops = 1), PASS, K3(PASS_TTL, FLOW_OPENED, FLOW_CLOSED), UNSET),
	ROW("the next", V4, UDP, C(.udp = true, .payload_len = 20), FORWARD, GOES, UDP),
	ROW("the next, without checksum", V4, UDP, C(.udp = true, .payload_len = 21, .no_check = true), FORWARD, GOES, UDP),
	ROW("the next after an answer", V4, UDP_ANSWERED, C(.udp = true, .payload_len = 20), FORWARD, GOES, UDP),
	ROW("the next, one hop left", V4, UDP, C(.udp = true, .hops = 1), PASS, K1(PASS_TTL), UDP),
	ROW("an answer", V4, UDP, N(.udp = true, .payload_len = 400), FORWARD, COMES, UDP),
	ROW("an answer, empty", V4, UDP, N(.udp = true), FORWARD, COMES, UDP),
	ROW("an answer without checksum", V4, UDP, N(.udp = true, .payload_len = 7, .no_check = true), FORWARD, COMES, UDP),
	ROW("more of an answer", V4, UDP_ANSWERED, N(.udp = true, .payload_len = 1472), FORWARD, COMES, UDP),
	ROW("from another port of the node", V4, UDP, N(.udp = true, .sport = 8001), PASS, K1(PASS_NOT_SERVICE), UDP),
	ROW("from another host", V4, UDP, N(.udp = true, .src = "10.0.0.12"), PASS, K1(PASS_NOT_SERVICE), UDP),
	ROW("its length is shorter than the packet", V4, NONE, C(.udp = true, .payload_len = 30), FORWARD, OPENS, UDP, PATCH(SET(TRANSPORT, 5, 20))),
	ROW("its length is the header's", V4, NONE, C(.udp = true, .payload_len = 30), FORWARD, OPENS, UDP, PATCH(SET(TRANSPORT, 5, 8))),
	ROW("its length is less than the header", V4, NONE, C(.udp = true, .payload_len = 30), DROP, K1(DROP_MALFORMED), UNSET, PATCH(SET(TRANSPORT, 5, 7))),
	ROW("its length is 0", V4, UDP, C(.udp = true, .payload_len = 30), DROP, K1(DROP_MALFORMED), UDP, PATCH(SET(TRANSPORT, 5, 0))),
	ROW("its length is beyond the packet", V4, UDP, C(.udp = true, .payload_len = 30), DROP, K1(DROP_MALFORMED), UDP, PATCH(SET(TRANSPORT, 5, 39))),
	ROW("its length is beyond the packet, answer", V4, UDP, N(.udp = true, .payload_len = 30), DROP, K1(DROP_MALFORMED), UDP, PATCH(SET(TRANSPORT, 4, 1))),
	ROW("the packet ends in its header", V4, NONE, C(.udp = true, .payload_len = 30), DROP, K1(DROP_MALFORMED), UNSET, PATCH(SET(IP, 3, 27))),
	ROW("no service on this port", V4, NONE, C(.udp = true, .dport = 444), PASS, K1(PASS_NOT_SERVICE), UNSET),
	ROW("to a port that is a service of TCP", V4, NONE, C(.udp = true, .dport = 80), PASS, K1(PASS_NOT_SERVICE), UNSET),
	ROW("a wrong checksum stays wrong", V4, NONE, C(.udp = true, .payload_len = 9), FORWARD, OPENS, UDP, PATCH(FLIP(TRANSPORT, 6, 0x12), FLIP(TRANSPORT, 7, 0x34))),
	ROW("bytes that are not summed up stay so", V4, UDP, N(.udp = true, .payload_len = 9), FORWARD, COMES, UDP, PATCH(FLIP(TRANSPORT, 9, 0x80))),
	ROW("the first", V6, NONE, C(.udp = true, .payload_len = 100), FORWARD, OPENS, UDP),
	ROW("the first, empty, padded", V6, NONE, C(.udp = true, .pad_len = 4), FORWARD, OPENS, UDP),
	ROW("the next", V6, UDP, C(.udp = true, .payload_len = 21), FORWARD, GOES, UDP),
	ROW("an answer", V6, UDP, N(.udp = true, .payload_len = 1452), FORWARD, COMES, UDP),
	ROW("more of an answer", V6, UDP_ANSWERED, N(.udp = true, .payload_len = 3), FORWARD, COMES, UDP),
	ROW("without checksum, as some tunnels send", V6, NONE, C(.udp = true, .payload_len = 8, .no_check = true), FORWARD, OPENS, UDP),
	ROW("one hop left", V6, UDP, C(.udp = true, .hops = 1), PASS, K1(PASS_TTL), UDP),
	ROW("its length is beyond the packet", V6, UDP, C(.udp = true, .payload_len = 30), DROP, K1(DROP_MALFORMED), UDP, PATCH(SET(TRANSPORT, 4, 2))),
	ROW("the first", V4_VLAN, NONE, C(.udp = true, .payload_len = 10), FORWARD, OPENS, UDP),
	ROW("the first", V6_QINQ, NONE, C(.udp = true, .payload_len = 10), FORWARD, OPENS, UDP),
	ROW("the first", V4_OTHER_QINQ, NONE, C(.udp = true, .payload_len = 10), FORWARD, OPENS, UDP),
	ROW("the first", V4_TAG_VLAN, NONE, C(.udp = true, .payload_len = 10), FORWARD, OPENS, UDP),
	ROW("the first", V6_LOST, NONE, C(.udp = true, .payload_len = 10), FORWARD, OPENS, UDP),
	ROW("the first", V4_NO_ROUTE, NONE, C(.udp = true, .payload_len = 10), DROP, K3(DROP_NO_ROUTE, FLOW_OPENED, FLOW_CLOSED), UNSET),
	ROW("the next", V6_OTHER_VLAN, UDP, C(.udp = true, .payload_len = 10), FORWARD, GOES, UDP),
	ROW("an answer", V4_QINQ, UDP, N(.udp = true, .payload_len = 10), FORWARD, COMES, UDP),
};
/* clang-format on */

const struct sl_fixture_table sl_fixture_udp[] = {
	TABLE("UDP", udp),
	TABLE_END,
};
