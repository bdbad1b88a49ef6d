/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture_life.c - TCP over IPv4 through mode nat: every state of a flow against every kind of
 * segment, from both sides.
 */
#include "tests/bpf/lib/fixture_rows.h"
#include "tests/bpf/lib/fixture_data.h"

#define OPENS	K2(FORWARD_TO_NODE, FLOW_OPENED)
#define REOPENS K4(FORWARD_TO_NODE, FLOW_REPLACED, FLOW_CLOSED, FLOW_OPENED)
#define GOES	K1(FORWARD_TO_NODE)
#define COMES	K1(FORWARD_TO_CLIENT)
#define ENDS_C	K2(FORWARD_TO_NODE, FLOW_CLOSED)
#define ENDS_N	K2(FORWARD_TO_CLIENT, FLOW_CLOSED)
#define DOUBT_C K2(FORWARD_TO_NODE, SIGNAL_IGNORED)
#define DOUBT_N K2(FORWARD_TO_CLIENT, SIGNAL_IGNORED)
#define UNKNOWN K1(DROP_NO_FLOW)

/* One row a line. */
/* clang-format off */
static const struct sl_fixture none[] = {
	ROW("SYN", V4, NONE, C(.flags = SYN), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with ECE and CWR", V4, NONE, C(.flags = SYN | ECE | CWR), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with PSH", V4, NONE, C(.flags = SYN | PSH), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with URG", V4, NONE, C(.flags = SYN | URG), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with data (fast open)", V4, NONE, C(.flags = SYN, .payload_len = 300), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with 20 bytes of options", V4, NONE, C(.flags = SYN, .tcp_option_len = 20), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with all 40 bytes of options", V4, NONE, C(.flags = SYN, .tcp_option_len = 40), FORWARD, OPENS, SYN_SENT),
	ROW("SYN, padded to 60 bytes", V4, NONE, C(.flags = SYN, .pad_len = 6), FORWARD, OPENS, SYN_SENT),
	ROW("SYN, padded by one byte", V4, NONE, C(.flags = SYN, .pad_len = 1), FORWARD, OPENS, SYN_SENT),
	ROW("SYN whose number wraps", V4, NONE, C(.flags = SYN, .seq = -SL_TALK_CLIENT_SEQ - 1), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with number 0", V4, NONE, C(.flags = SYN, .seq = -SL_TALK_CLIENT_SEQ), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with most hops left", V4, NONE, C(.flags = SYN, .hops = 255), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with two hops left", V4, NONE, C(.flags = SYN, .hops = 2), FORWARD, OPENS, SYN_SENT),
	ROW("SYN with one hop left", V4, NONE, C(.flags = SYN, .hops = 1), PASS, K3(PASS_TTL, FLOW_OPENED, FLOW_CLOSED), UNSET),
	ROW("SYN with no hop left", V4, NONE, C(.flags = SYN), PASS, K3(PASS_TTL, FLOW_OPENED, FLOW_CLOSED), UNSET, PATCH(SET(IP, 8, 0))),
	ROW("no flags", V4, NONE, C(.flags = 0), DROP, UNKNOWN, UNSET),
	ROW("ACK", V4, NONE, C(.flags = ACK), DROP, UNKNOWN, UNSET),
	ROW("data", V4, NONE, C(.flags = ACK | PSH, .payload_len = 80), DROP, UNKNOWN, UNSET),
	ROW("FIN with ACK", V4, NONE, C(.flags = FIN | ACK), DROP, UNKNOWN, UNSET),
	ROW("FIN alone", V4, NONE, C(.flags = FIN), DROP, UNKNOWN, UNSET),
	ROW("RST", V4, NONE, C(.flags = RST), DROP, UNKNOWN, UNSET),
	ROW("RST with ACK", V4, NONE, C(.flags = RST | ACK), DROP, UNKNOWN, UNSET),
	ROW("SYN with ACK", V4, NONE, C(.flags = SYN | ACK), DROP, UNKNOWN, UNSET),
	ROW("SYN with FIN", V4, NONE, C(.flags = SYN | FIN), DROP, UNKNOWN, UNSET),
	ROW("SYN with RST", V4, NONE, C(.flags = SYN | RST), DROP, UNKNOWN, UNSET),
	ROW("FIN, PSH and URG", V4, NONE, C(.flags = FIN | PSH | URG), DROP, UNKNOWN, UNSET),
	ROW("all flags", V4, NONE, C(.flags = 0xff), DROP, UNKNOWN, UNSET),
	ROW("ECE and CWR alone", V4, NONE, C(.flags = ECE | CWR), DROP, UNKNOWN, UNSET),
};

static const struct sl_fixture opening[] = {
	ROW("the SYN again, at once", V4, OPENING, C(.flags = SYN), FORWARD, GOES, SYN_SENT),
	ROW("a SYN with another number", V4, OPENING, C(.flags = SYN, .seq = 77777), FORWARD, REOPENS, SYN_SENT),
	ROW("a SYN-ACK of the client", V4, OPENING, C(.flags = SYN | ACK, .seq = 5), FORWARD, GOES, SYN_SENT),
	ROW("ACK before the answer", V4, OPENING, C(.flags = ACK), FORWARD, GOES, SYN_SENT),
	ROW("data before the answer", V4, OPENING, C(.flags = ACK, .payload_len = 9), FORWARD, GOES, SYN_SENT),
	ROW("FIN before the answer", V4, OPENING, C(.flags = FIN | ACK), FORWARD, GOES, FIN_CLIENT),
	ROW("the client gives up", V4, OPENING, C(.flags = RST), FORWARD, ENDS_C, UNSET),
	ROW("RST of the client, far away", V4, OPENING, C(.flags = RST, .seq = FAR), FORWARD, DOUBT_C, SYN_SENT),
	ROW("no flags", V4, OPENING, C(.flags = 0), FORWARD, GOES, SYN_SENT),
	ROW("one hop left", V4, OPENING, C(.flags = ACK, .hops = 1), PASS, K1(PASS_TTL), SYN_SENT),
	ROW("SYN-ACK", V4, OPENING, N(.flags = SYN | ACK), FORWARD, COMES, ESTABLISHED),
	ROW("SYN-ACK with options, padded", V4, OPENING, N(.flags = SYN | ACK, .tcp_option_len = 20, .pad_len = 2), FORWARD, COMES, ESTABLISHED),
	ROW("SYN-ACK with ECE", V4, OPENING, N(.flags = SYN | ACK | ECE), FORWARD, COMES, ESTABLISHED),
	ROW("SYN-ACK of another SYN", V4, OPENING, N(.flags = SYN | ACK, .ack = 1), FORWARD, COMES, SYN_SENT),
	ROW("SYN-ACK of nothing", V4, OPENING, N(.flags = SYN | ACK, .ack = BEHIND), FORWARD, COMES, SYN_SENT),
	ROW("SYN of the node", V4, OPENING, N(.flags = SYN), FORWARD, COMES, SYN_SENT),
	ROW("ACK of the node", V4, OPENING, N(.flags = ACK), FORWARD, COMES, SYN_SENT),
	ROW("data of the node", V4, OPENING, N(.flags = ACK, .payload_len = 50), FORWARD, COMES, SYN_SENT),
	ROW("FIN of the node", V4, OPENING, N(.flags = FIN | ACK), FORWARD, COMES, SYN_SENT),
	ROW("RST that acknowledges another SYN", V4, OPENING, N(.flags = RST | ACK, .ack = 1), FORWARD, DOUBT_N, SYN_SENT),
	ROW("RST that acknowledges nothing", V4, OPENING, N(.flags = RST), FORWARD, DOUBT_N, SYN_SENT),
	ROW("SYN-ACK with one hop left", V4, OPENING, N(.flags = SYN | ACK, .hops = 1), PASS, K1(PASS_TTL), SYN_SENT),
};

static const struct sl_fixture open_client[] = {
	ROW("ACK", V4, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED),
	ROW("one byte", V4, OPEN, C(.flags = ACK | PSH, .payload_len = 1), FORWARD, GOES, ESTABLISHED),
	ROW("an odd number of bytes", V4, OPEN, C(.flags = ACK, .payload_len = 333), FORWARD, GOES, ESTABLISHED),
	ROW("as many bytes as fit", V4, OPEN, C(.flags = ACK, .payload_len = 1460), FORWARD, GOES, ESTABLISHED),
	ROW("one byte more than fits", V4, OPEN, C(.flags = ACK, .payload_len = 1461), DROP, K1(DROP_TOO_BIG), ESTABLISHED, TUNE(TOO_BIG, 0)),
	ROW("data with options", V4, OPEN, C(.flags = ACK, .payload_len = 90, .tcp_option_len = 12), FORWARD, GOES, ESTABLISHED),
	ROW("data, padded", V4, OPEN, C(.flags = ACK, .payload_len = 3, .pad_len = 3), FORWARD, GOES, ESTABLISHED),
	ROW("urgent data", V4, OPEN, C(.flags = ACK | URG, .payload_len = 4), FORWARD, GOES, ESTABLISHED, PATCH(SET(TRANSPORT, 19, 4))),
	ROW("CWR", V4, OPEN, C(.flags = ACK | CWR), FORWARD, GOES, ESTABLISHED),
	ROW("ECE", V4, OPEN, C(.flags = ACK | ECE), FORWARD, GOES, ESTABLISHED),
	ROW("the reserved bits", V4, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(TRANSPORT, 12, 0x0f))),
	ROW("a closed window", V4, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, PATCH(SET(TRANSPORT, 14, 0), SET(TRANSPORT, 15, 0))),
	ROW("keep-alive", V4, OPEN, C(.flags = ACK, .seq = -1), FORWARD, GOES, ESTABLISHED),
	ROW("no flags", V4, OPEN, C(.flags = 0), FORWARD, GOES, ESTABLISHED),
	ROW("FIN", V4, OPEN, C(.flags = FIN | ACK), FORWARD, GOES, FIN_CLIENT),
	ROW("FIN with data", V4, OPEN, C(.flags = FIN | ACK | PSH, .payload_len = 40), FORWARD, GOES, FIN_CLIENT),
	ROW("RST", V4, OPEN, C(.flags = RST), FORWARD, ENDS_C, UNSET),
	ROW("RST with ACK", V4, OPEN, C(.flags = RST | ACK), FORWARD, ENDS_C, UNSET),
	ROW("RST ahead, in window", V4, OPEN, C(.flags = RST, .seq = 60000), FORWARD, ENDS_C, UNSET),
	ROW("RST far away", V4, OPEN, C(.flags = RST, .seq = FAR), FORWARD, DOUBT_C, ESTABLISHED),
	ROW("RST behind", V4, OPEN, C(.flags = RST, .seq = BEHIND), FORWARD, DOUBT_C, ESTABLISHED),
	ROW("the old SYN again", V4, OPEN, C(.flags = SYN), FORWARD, GOES, ESTABLISHED),
	ROW("a new SYN, too soon", V4, OPEN, C(.flags = SYN, .seq = 1000000), FORWARD, GOES, ESTABLISHED),
	ROW("SYN with FIN", V4, OPEN, C(.flags = SYN | FIN, .seq = 9), FORWARD, GOES, ESTABLISHED),
	ROW("one hop left", V4, OPEN, C(.flags = ACK, .payload_len = 7, .hops = 1), PASS, K1(PASS_TTL), ESTABLISHED),
	ROW("two hops left", V4, OPEN, C(.flags = ACK, .payload_len = 7, .hops = 2), FORWARD, GOES, ESTABLISHED),
	ROW("a TOS and the don't-fragment bit off", V4, OPEN, C(.flags = ACK, .payload_len = 7), FORWARD, GOES, ESTABLISHED, PATCH(SET(IP, 1, 0xb8), SET(IP, 6, 0))),
	ROW("the reserved bit of IPv4", V4, OPEN, C(.flags = ACK), FORWARD, GOES, ESTABLISHED, PATCH(FLIP(IP, 6, 0x80))),
	ROW("more of a request", V4, ASKED, C(.flags = ACK, .payload_len = 50), FORWARD, GOES, ESTABLISHED),
	ROW("RST under a request", V4, ASKED, C(.flags = RST), FORWARD, ENDS_C, UNSET),
	ROW("the next request", V4, ANSWERED, C(.flags = ACK, .payload_len = 50), FORWARD, GOES, ESTABLISHED),
	ROW("RST after the answer", V4, ANSWERED, C(.flags = RST | ACK), FORWARD, ENDS_C, UNSET),
};

static const struct sl_fixture open_node[] = {
	ROW("ACK", V4, OPEN, N(.flags = ACK), FORWARD, COMES, ESTABLISHED),
	ROW("data nobody asked for", V4, OPEN, N(.flags = ACK, .payload_len = 60), FORWARD, COMES, ESTABLISHED),
	ROW("the first byte", V4, ASKED, N(.flags = ACK | PSH, .payload_len = 1), FORWARD, COMES, ESTABLISHED),
	ROW("a whole segment", V4, ASKED, N(.flags = ACK, .payload_len = 1460), FORWARD, COMES, ESTABLISHED),
	ROW("more of an answer, padded", V4, ANSWERED, N(.flags = ACK, .payload_len = 5, .pad_len = 1), FORWARD, COMES, ESTABLISHED),
	ROW("data out of order", V4, ASKED, N(.flags = ACK, .payload_len = 10, .seq = 1460), FORWARD, COMES, ESTABLISHED),
	ROW("data from nowhere", V4, ASKED, N(.flags = ACK, .payload_len = 10, .seq = FAR), FORWARD, COMES, ESTABLISHED),
	ROW("the SYN-ACK again", V4, OPEN, N(.flags = SYN | ACK), FORWARD, COMES, ESTABLISHED),
	ROW("FIN", V4, OPEN, N(.flags = FIN | ACK), FORWARD, COMES, FIN_NODE),
	ROW("FIN with the answer", V4, ASKED, N(.flags = FIN | ACK, .payload_len = 70), FORWARD, COMES, FIN_NODE),
	ROW("RST before an answer", V4, ASKED, N(.flags = RST | ACK), FORWARD, ENDS_N, UNSET),
	ROW("RST after an answer", V4, ANSWERED, N(.flags = RST | ACK), FORWARD, ENDS_N, UNSET),
	ROW("RST far away", V4, ASKED, N(.flags = RST | ACK, .seq = FAR), FORWARD, DOUBT_N, ESTABLISHED),
	ROW("RST behind", V4, ASKED, N(.flags = RST, .seq = BEHIND), FORWARD, DOUBT_N, ESTABLISHED),
	ROW("no flags", V4, OPEN, N(.flags = 0), FORWARD, COMES, ESTABLISHED),
	ROW("all flags but RST and SYN", V4, OPEN, N(.flags = 0xff & ~(RST | SYN)), FORWARD, COMES, FIN_NODE),
	ROW("one hop left", V4, OPEN, N(.flags = ACK, .payload_len = 7, .hops = 1), PASS, K1(PASS_TTL), ESTABLISHED),
	ROW("in a VLAN", V4, OPEN, N(.flags = ACK, .payload_len = 7, .vlan = {5}), FORWARD, COMES, ESTABLISHED),
	ROW("in two VLANs", V4, OPEN, N(.flags = ACK, .payload_len = 7, .vlan = {5, 6}), FORWARD, COMES, ESTABLISHED),
	ROW("another port of the node", V4, OPEN, N(.flags = ACK, .sport = 8001), PASS, K1(PASS_NOT_SERVICE), ESTABLISHED),
	ROW("another host, the same ports", V4, OPEN, N(.flags = ACK, .src = "10.0.0.12"), PASS, K1(PASS_NOT_SERVICE), ESTABLISHED),
	ROW("a port of ours that is not in use", V4, OPEN, N(.flags = ACK, .dport = SL_FIXTURE_PORT + 1), PASS, K1(PASS_NOT_SERVICE), ESTABLISHED),
	ROW("UDP with the same ports", V4, OPEN, N(.flags = ACK, .protocol = 17, .seq = -SL_TALK_NODE_SEQ + 0x140000), PASS, K1(PASS_NOT_SERVICE), ESTABLISHED),
};

static const struct sl_fixture closing[] = {
	ROW("the client's last data again", V4, FIN_CLIENT, C(.flags = ACK, .payload_len = 4), FORWARD, GOES, FIN_CLIENT),
	ROW("the client's FIN again", V4, FIN_CLIENT, C(.flags = FIN | ACK, .seq = -1), FORWARD, GOES, FIN_CLIENT),
	ROW("ACK of the client", V4, FIN_CLIENT, C(.flags = ACK), FORWARD, GOES, FIN_CLIENT),
	ROW("RST of the client", V4, FIN_CLIENT, C(.flags = RST), FORWARD, ENDS_C, UNSET),
	ROW("a new SYN, too soon", V4, FIN_CLIENT, C(.flags = SYN, .seq = 99999), FORWARD, GOES, FIN_CLIENT),
	ROW("ACK of the node", V4, FIN_CLIENT, N(.flags = ACK), FORWARD, COMES, FIN_CLIENT),
	ROW("the node still sends", V4, FIN_CLIENT, N(.flags = ACK, .payload_len = 900), FORWARD, COMES, FIN_CLIENT),
	ROW("FIN of the node", V4, FIN_CLIENT, N(.flags = FIN | ACK), FORWARD, COMES, CLOSED),
	ROW("RST of the node", V4, FIN_CLIENT, N(.flags = RST | ACK), FORWARD, ENDS_N, UNSET),
	ROW("ACK of the client", V4, FIN_NODE, C(.flags = ACK), FORWARD, GOES, FIN_NODE),
	ROW("the client still sends", V4, FIN_NODE, C(.flags = ACK, .payload_len = 30), FORWARD, GOES, FIN_NODE),
	ROW("FIN of the client", V4, FIN_NODE, C(.flags = FIN | ACK), FORWARD, GOES, CLOSED),
	ROW("RST of the client", V4, FIN_NODE, C(.flags = RST | ACK), FORWARD, ENDS_C, UNSET),
	ROW("the node's FIN again", V4, FIN_NODE, N(.flags = FIN | ACK, .seq = -1), FORWARD, COMES, FIN_NODE),
	ROW("RST of the node", V4, FIN_NODE, N(.flags = RST), FORWARD, ENDS_N, UNSET),
	ROW("the client's last ACK", V4, CLOSED, C(.flags = ACK), FORWARD, ENDS_C, UNSET),
	ROW("an old ACK of the client", V4, CLOSED, C(.flags = ACK, .ack = -1), FORWARD, GOES, CLOSED),
	ROW("the client's FIN again", V4, CLOSED, C(.flags = FIN | ACK, .seq = -1), FORWARD, GOES, CLOSED),
	ROW("data of the client", V4, CLOSED, C(.flags = ACK, .payload_len = 3), FORWARD, GOES, CLOSED),
	ROW("the node's last ACK", V4, CLOSED, N(.flags = ACK), FORWARD, ENDS_N, UNSET),
	ROW("the node's FIN again", V4, CLOSED, N(.flags = FIN | ACK, .seq = -1), FORWARD, COMES, CLOSED),
	ROW("RST of the node", V4, CLOSED, N(.flags = RST), FORWARD, ENDS_N, UNSET),
	ROW("a new SYN", V4, CLOSED, C(.flags = SYN, .seq = 99999), FORWARD, REOPENS, SYN_SENT),
};
/* clang-format on */

const struct sl_fixture_table sl_fixture_life[] = {
	TABLE("no flow", none),
	TABLE("opening", opening),
	TABLE("open, client", open_client),
	TABLE("open, node", open_node),
	TABLE("closing", closing),
	TABLE_END,
};
