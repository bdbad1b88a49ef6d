/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.h - test frames built from a description, every checksum computed from scratch.
 *
 * The expected output of the BPF programs is built the same way, so comparing bytes verifies the
 * incremental checksums by full recomputation. No state.
 */
#ifndef SL_TESTS_BPF_FRAME_H
#define SL_TESTS_BPF_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/abi.h"

#define SL_FRAME_MAX  2048
#define SL_FRAME_FIN  0x01
#define SL_FRAME_SYN  0x02
#define SL_FRAME_RST  0x04
#define SL_FRAME_PSH  0x08
#define SL_FRAME_ACK  0x10
#define SL_FRAME_HOPS 64 /* TTL or hop limit where the description says 0 */

struct sl_frame_spec {
	const char *src; /* text; a colon makes the frame IPv6 */
	const char *dst;
	uint16_t sport;
	uint16_t dport;
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint8_t hops;	  /* 0: SL_FRAME_HOPS */
	uint16_t vlan[2]; /* outer first; 0: none. With two the outer is 802.1ad */
	uint16_t payload_len;
	uint16_t payload_word; /* first two bytes of the payload; 0: as the rest */
	uint16_t pad_len;      /* bytes behind the IP packet */
	uint16_t fragment;     /* IPv4 flags and offset, or 1: an IPv6 fragment header */
	uint8_t option_len; /* IPv4 options, or an IPv6 hop-by-hop header; a multiple of 4 or 8 */
	uint8_t protocol;   /* 0: TCP; another one replaces the number only */
	bool udp;	    /* a UDP header, and its number */
	bool no_check;	    /* UDP without a checksum */
	uint8_t tcp_option_len; /* no-operation options of TCP; a multiple of 4 */
	bool crafted;		/* by us: no IP number, no flow label, and `window` counts */
	uint16_t window;
	uint8_t tos;		/* class of IPv4 and IPv6 */
	const uint8_t *options; /* of TCP, tcp_option_len of them; NULL: no-operations */
	uint8_t smac[6];
	uint8_t dmac[6];
};

struct sl_frame {
	size_t len;
	uint8_t bytes[SL_FRAME_MAX];
};

/* Builds the frame. Aborts the program on an address that is none: a mistake in the test. */
void sl_frame_build(struct sl_frame *frame, const struct sl_frame_spec *spec);

/*
 * An ICMP destination unreachable from `router` to spec->src (of its family) with this code, that
 * quotes the IP header of `spec` and 8 bytes behind it.
 */
void sl_frame_build_unreachable(struct sl_frame *frame, const char *router, uint8_t code,
				const struct sl_frame_spec *spec);

/* An ICMP message in an IP packet from spec->src to spec->dst; `rest` is the header's last word. */
struct sl_frame_icmp {
	uint8_t type;
	uint8_t code;
	uint32_t rest;
	const uint8_t *body;
	size_t body_len;
};
void sl_frame_build_icmp(struct sl_frame *frame, const struct sl_frame_spec *spec,
			 const struct sl_frame_icmp *icmp);

/*
 * An IP header from spec->src to spec->dst before `rest` bytes of this protocol, as a tunnel puts it
 * on. Returns its length.
 */
size_t sl_frame_build_ip(uint8_t *out, const struct sl_frame_spec *spec, size_t rest,
			 uint8_t proto);

/* v4-mapped for IPv4. Aborts on text that is no address. */
struct sl_addr sl_frame_addr(const char *text);

/* The text of an address, in one of four static buffers. */
const char *sl_frame_addr_text(const struct sl_addr *addr);

/* Source port of TCP or UDP in a frame built or rewritten here; 0: neither. Host order. */
uint16_t sl_frame_sport(const struct sl_frame *frame);

/* Offset of the IP header; 0 when the frame holds none. Steps over at most two tags. */
size_t sl_frame_l3_at(const struct sl_frame *frame);

/* Prints both frames, marked where they differ, as TAP comments. */
void sl_frame_print_difference(const struct sl_frame *is, const struct sl_frame *expected);

#endif
