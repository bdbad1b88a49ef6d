/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outer.h - tunnels around test frames, made from scratch, and test runs of any program by name.
 */
#ifndef SL_TESTS_BPF_OUTER_H
#define SL_TESTS_BPF_OUTER_H

#include "tests/bpf/lib/rig.h"

#define SL_OUTER_GUE_PORT 6080

struct sl_outer_spec {
	const char *src; /* text, of the family of the frame inside */
	const char *dst;
	bool gue;
	uint16_t sport; /* of UDP */
	uint32_t label; /* IPv6 flow label */
	uint8_t tos;
	uint8_t hops;	   /* 0: SL_FRAME_HOPS */
	uint16_t fragment; /* IPv4 flags and offset; 0: DF */
	int longer;	   /* what the outer length says beyond the truth */
};

/* The hash of the frame's addresses and ports as the rig's programs see it. */
uint64_t sl_outer_hash(const struct sl_rig *rig, const struct sl_frame_spec *inner);

/* What a balancer puts around a packet of this description. */
struct sl_outer_spec sl_outer_of(const struct sl_rig *rig, const struct sl_frame_spec *inner,
				 const char *src, const char *dst, bool gue);

/* Bytes of the outer headers. */
size_t sl_outer_len(const struct sl_frame *frame, bool gue);

/* Puts the outer headers between link and IP header. */
void sl_outer_wrap(struct sl_frame *frame, const struct sl_outer_spec *outer);

/* Sets TOS or traffic class of the IP header at `at`, its checksum too. */
void sl_outer_set_tos(struct sl_frame *frame, size_t at, uint8_t tos);

/* The frame that `inner` describes within `outer`. */
void sl_outer_build(struct sl_frame *frame, const struct sl_frame_spec *inner,
		    const struct sl_outer_spec *outer);

/* Runs a program of the object on a frame from rig0. *ret_out is the frame afterwards. */
enum sl_rig_verdict sl_outer_run(const struct sl_rig *rig, const char *program,
				 enum sl_rig_hook hook, const struct sl_frame *in,
				 struct sl_frame *ret_out);

/* Are they equal? If not, says on stdout where they differ. */
bool sl_outer_same(const struct sl_frame *is, const struct sl_frame *wanted);

#endif
