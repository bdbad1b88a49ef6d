/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - the far end of a rig's device: frames sent into it and taken out of it, with what a card
 * would say beside them: a VLAN tag that is not in the frame, a checksum left to be completed, large
 * frames that stand for many segments.
 *
 * A tag that the kernel keeps beside a received frame is put back into it. One socket a device; the
 * waits are guards, not measures.
 */
#ifndef SL_TESTS_BPF_WIRE_H
#define SL_TESTS_BPF_WIRE_H

#include "tests/bpf/lib/frame.h"

#define SL_WIRE_MAX 70000

struct sl_wire_frame {
	size_t len;
	uint16_t gso_size;   /* of TCP; 0: one segment */
	uint16_t head_len;   /* sending: bytes in the linear part; 0: as the kernel likes */
	bool check_partial;  /* the checksum field holds the pseudo header's part */
	uint16_t check_from; /* offset in the frame where it begins */
	uint16_t check_at;   /* from there */
	uint8_t bytes[SL_WIRE_MAX];
};

/* Opens the device in the calling process' network. Exits on failure. */
int sl_wire_open(const char *device);

/* Sends. Exits on failure. */
void sl_wire_send(int wire, const struct sl_wire_frame *frame);
void sl_wire_send_plain(int wire, const struct sl_frame *frame);

enum sl_wire_kind {
	SL_WIRE_ARP = 0,
	SL_WIRE_FLOW, /* TCP or UDP; not what a host says of its own accord */
};

/*
 * The next frame of this kind from this MAC address that was sent to us. Returns false when none
 * came within wait_ms.
 */
bool sl_wire_receive(int wire, const uint8_t smac[6], enum sl_wire_kind kind, int wait_ms,
		     struct sl_wire_frame *ret_frame);

#endif
