/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define FRAMES_MAX 256 /* looked at before a wait is given up */

static void die(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(2);
}

int sl_wire_open(const char *device)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(device),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)))
		die(device);
	return fd;
}

static bool is_ip6(const struct sl_wire_frame *frame)
{
	return frame->bytes[12] == 0x86 && frame->bytes[13] == 0xdd;
}

void sl_wire_send(int wire, const struct sl_wire_frame *frame)
{
	struct virtio_net_hdr head = {.hdr_len = frame->head_len};
	struct iovec parts[] = {
		{&head, sizeof(head)},
		{(void *)frame->bytes, frame->len},
	};

	if (frame->check_partial) {
		head.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		head.csum_start = frame->check_from;
		head.csum_offset = frame->check_at;
	}
	if (frame->gso_size) {
		head.gso_type = is_ip6(frame) ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		head.gso_size = frame->gso_size;
	}
	if (writev(wire, parts, 2) != (ssize_t)(sizeof(head) + frame->len))
		die("send");
}

void sl_wire_send_plain(int wire, const struct sl_frame *frame)
{
	static struct sl_wire_frame plain;

	memset(&plain, 0, offsetof(struct sl_wire_frame, bytes));
	plain.len = frame->len;
	memcpy(plain.bytes, frame->bytes, frame->len);
	sl_wire_send(wire, &plain);
}

/* Puts the tag back that lies beside the frame. */
static void tag_insert(struct sl_wire_frame *frame, const struct tpacket_auxdata *aux)
{
	uint16_t proto = aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : 0x8100;

	if (!(aux->tp_status & TP_STATUS_VLAN_VALID))
		return;
	memmove(frame->bytes + 16, frame->bytes + 12, frame->len - 12);
	frame->bytes[12] = (uint8_t)(proto >> 8);
	frame->bytes[13] = (uint8_t)proto;
	frame->bytes[14] = (uint8_t)(aux->tp_vlan_tci >> 8);
	frame->bytes[15] = (uint8_t)aux->tp_vlan_tci;
	frame->len += 4;
	frame->check_from += 4;
}

/* One frame. Returns false when there is none, or it was sent by this host's own end. */
static bool receive_one(int wire, struct sl_wire_frame *ret_frame)
{
	struct virtio_net_hdr head;
	struct iovec parts[] = {
		{&head, sizeof(head)},
		{ret_frame->bytes, sizeof(ret_frame->bytes) - 4},
	};
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct sockaddr_ll from;
	struct msghdr message = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(wire, &message, MSG_DONTWAIT);
	struct cmsghdr *part;

	if (len < (ssize_t)(sizeof(head) + ETH_HLEN) || from.sll_pkttype == PACKET_OUTGOING)
		return false;
	ret_frame->len = (size_t)len - sizeof(head);
	ret_frame->gso_size = head.gso_type == VIRTIO_NET_HDR_GSO_NONE ? 0 : head.gso_size;
	ret_frame->check_partial = head.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	ret_frame->check_from = head.csum_start;
	ret_frame->check_at = head.csum_offset;
	for (part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
		struct tpacket_auxdata aux;

		if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(part), sizeof(aux));
		tag_insert(ret_frame, &aux);
	}
	return true;
}

static bool is_kind(const struct sl_wire_frame *frame, enum sl_wire_kind kind)
{
	struct sl_frame head = {.len = frame->len < SL_FRAME_MAX ? frame->len : SL_FRAME_MAX};

	if (kind == SL_WIRE_ARP)
		return frame->bytes[12] == 0x08 && frame->bytes[13] == 0x06;
	memcpy(head.bytes, frame->bytes, head.len);
	return sl_frame_sport(&head);
}

bool sl_wire_receive(int wire, const uint8_t smac[6], enum sl_wire_kind kind, int wait_ms,
		     struct sl_wire_frame *ret_frame)
{
	for (int i = 0; i < FRAMES_MAX; i++) {
		struct pollfd ready = {.fd = wire, .events = POLLIN};

		if (poll(&ready, 1, wait_ms) <= 0)
			return false;
		if (receive_one(wire, ret_frame) && !memcmp(ret_frame->bytes + 6, smac, 6) &&
		    is_kind(ret_frame, kind))
			return true;
	}
	return false;
}
