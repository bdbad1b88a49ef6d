/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neighbour.c - a new flow whose node has no entry in the neighbour table yet, with live packets:
 * sluice_xdp marks the SYN, sluice_tc_ingress hands it to the neighbour code, which asks for the
 * node's address, and the SYN goes out when the answer comes. The test is the network on rig1.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "tests/bpf/lib/rig.h"

#define NODE	   "10.0.0.99"
#define SYN_SEQ	   1000u
#define FRAMES_MAX 64 /* looked at before the wait is given up */
#define WAIT_S	   5  /* for one frame; a guard, not a measure */
#define ARP_BYTES  42

static const uint8_t rig_mac[6] = SL_RIG_MAC_NODE(0xa0);
static const uint8_t node_mac[6] = SL_RIG_MAC_NODE(0x63);
static const uint8_t router_mac[6] = SL_RIG_MAC_ROUTER;

static void die(const char *what)
{
	fprintf(stderr, "neighbour: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void tc_attach(struct sl_rig *rig)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)rig->one_arm.ifindex,
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = rig->ingress_fd);

	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &options))
		die("attach sluice_tc_ingress to rig0");
}

static int wire_open(void)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex("rig1"),
	};
	struct timeval wait = {.tv_sec = WAIT_S};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)))
		die("packet socket on rig1");
	return fd;
}

static void wire_send(int fd, const void *bytes, size_t len)
{
	if (send(fd, bytes, len, 0) != (ssize_t)len)
		die("send on rig1");
}

/* The next frame of this type that the rig sent. Returns false when none came in time. */
static bool wire_receive(int fd, uint16_t type, struct sl_frame *ret_frame)
{
	for (int i = 0; i < FRAMES_MAX; i++) {
		ssize_t len = recv(fd, ret_frame->bytes, SL_FRAME_MAX, 0);

		if (len < 0)
			return false;
		ret_frame->len = (size_t)len;
		if (len >= ETH_HLEN && ret_frame->bytes[12] == type >> 8 &&
		    ret_frame->bytes[13] == (type & 0xff) &&
		    !memcmp(ret_frame->bytes + 6, rig_mac, 6))
			return true;
	}
	return false;
}

/* Answers a request for an address with the node's MAC. */
static void arp_answer(int fd, const struct sl_frame *request)
{
	uint8_t answer[ARP_BYTES];

	memcpy(answer, request->bytes, sizeof(answer));
	memcpy(answer, rig_mac, 6);
	memcpy(answer + 6, node_mac, 6);
	answer[21] = 2; /* reply */
	memcpy(answer + 22, node_mac, 6);
	memcpy(answer + 28, request->bytes + 38, 4);
	memcpy(answer + 32, request->bytes + 22, 10);
	wire_send(fd, answer, sizeof(answer));
}

static struct sl_frame_spec syn_in(void)
{
	struct sl_frame_spec spec = {
		.src = "198.51.100.7",
		.dst = "192.0.2.100",
		.sport = 5000,
		.dport = 80,
		.seq = SYN_SEQ,
		.flags = SL_FRAME_SYN,
	};

	memcpy(spec.smac, router_mac, 6);
	memcpy(spec.dmac, rig_mac, 6);
	return spec;
}

static struct sl_frame_spec syn_out(uint16_t port)
{
	struct sl_frame_spec spec = {
		.src = "10.0.0.2",
		.dst = NODE,
		.sport = port,
		.dport = 8000,
		.seq = SYN_SEQ,
		.flags = SL_FRAME_SYN,
		.hops = SL_FRAME_HOPS - 1,
	};

	memcpy(spec.smac, rig_mac, 6);
	memcpy(spec.dmac, node_mac, 6);
	return spec;
}

int main(void)
{
	uint32_t slot = SL_RIG_NODE_A;
	struct in_addr node_addr;
	struct sl_frame frame, want;
	struct sl_frame_spec spec;
	struct sl_rig rig;
	bool asked;
	int wire;

	sl_rig_open(&rig);
	tc_attach(&rig);
	wire = wire_open();
	sl_rig_node(&rig, slot, SL_RIG_POOL4, NODE, 8000, "10.0.0.2");
	sl_rig_table(&rig, SL_RIG_POOL4, &slot, 1);
	sl_rig_count_mark(&rig);
	spec = syn_in();
	sl_frame_build(&frame, &spec);
	wire_send(wire, frame.bytes, frame.len);
	inet_pton(AF_INET, NODE, &node_addr);
	asked = wire_receive(wire, ETH_P_ARP, &frame);
	sl_rig_check(&rig,
		     asked && frame.len >= ARP_BYTES && !memcmp(frame.bytes + 38, &node_addr, 4),
		     "the node's address is asked for", "no request, or for another");
	if (asked)
		arp_answer(wire, &frame);
	if (!asked || !wire_receive(wire, ETH_P_IP, &frame)) {
		sl_rig_check(&rig, false, "the held SYN goes out", "it did not come");
		return sl_rig_close(&rig);
	}
	spec = syn_out(sl_frame_sport(&frame));
	sl_frame_build(&want, &spec);
	if (frame.len != want.len || memcmp(frame.bytes, want.bytes, want.len))
		sl_frame_print_difference(&frame, &want);
	sl_rig_check(&rig, frame.len == want.len && !memcmp(frame.bytes, want.bytes, want.len),
		     "the held SYN goes out", "with other bytes");
	sl_rig_check(&rig,
		     sl_rig_counted(&rig, SL_COUNTER_PASS_NEIGHBOUR) == 1 &&
			     sl_rig_flow_count(&rig) == 1 && !sl_rig_entries(rig.conns_fd),
		     "it is counted, and the flow is open", "wrong counter or table");
	close(wire);
	return sl_rig_close(&rig);
}
