/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rotor.h - what the benchmark and the program rotor.bpf.c say to each other.
 *
 * A test run with a repeat count gives a program the same frame again, as its last run left it. The
 * rotor runs first in each repeat: it writes the next frame over the last output and tail-calls the
 * program under test. Frames are made from one template and a number, so that no memory of frames is
 * read: a packet of any of millions of flows costs the rotor the same.
 *
 * Which flow: the packet's count (in turn), or a mix of it (random, each flow equally likely).
 * Client packets get source address and port from the flow's number, one to one. Packets of a node
 * are described by 8 bytes a flow in `records`, read in turn: the benchmark writes them shuffled.
 */
#ifndef SL_TESTS_BENCH_ROTOR_H
#define SL_TESTS_BENCH_ROTOR_H

#include <linux/types.h>

#define SL_ROTOR_FRAME	   80u	     /* bytes; every frame is exactly as long */
#define SL_ROTOR_FLOWS_MAX 16777216u /* numbers that give different clients */

enum sl_rotor_kind {
	SL_ROTOR_SAME = 0, /* the template as it is */
	SL_ROTOR_CLIENT4,
	SL_ROTOR_CLIENT6,
	SL_ROTOR_NODE4,
	SL_ROTOR_NODE6,
};

/* A packet of a node: the last word of its address, and our port there. */
struct sl_rotor_record {
	__be32 addr;
	__be16 sport; /* of the node */
	__be16 dport;
};

/* The only entry of the map `rotor`. */
struct sl_rotor {
	__u64 count; /* packets so far */
	__u32 kind;  /* enum sl_rotor_kind */
	__u32 base;  /* number of the first flow, or of its record */
	__u32 flows;
	__u32 random; /* client packets: 1: of a random flow, 0: of each in turn */
	__u8 frame[SL_ROTOR_FRAME];
};

/* The client of a flow: an odd multiplier is one to one modulo a power of two. */
static inline __u32 sl_rotor_client(__u32 flow)
{
	return flow * 0x9e3779b1u & (SL_ROTOR_FLOWS_MAX - 1);
}

static inline __u32 sl_rotor_client_addr4(__u32 client)
{
	return 0x64400000u | (client & 0x3fffff); /* in 100.64.0.0/10 */
}

static inline __u16 sl_rotor_client_port(__u32 client)
{
	return (__u16)(20011 + (client >> 22) * 9973);
}

#endif
