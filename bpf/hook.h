/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hook.h - the two hooks that the lane is compiled for, behind one face.
 *
 * `tc` is a constant wherever these are inlined, so nothing of the other hook is left. Verdicts:
 *
 *            pass to the local stack   drop            out by the way it came   out elsewhere
 *   XDP      XDP_PASS                  XDP_DROP        XDP_TX                   bpf_redirect()
 *   TC       TC_ACT_UNSPEC             TC_ACT_SHOT     bpf_redirect()           bpf_redirect()
 *
 * Pointers into the packet die with every call that may move it; at TC that is any helper that
 * changes bytes, the checksum helpers too.
 */
#ifndef SL_BPF_HOOK_H
#define SL_BPF_HOOK_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define SL_TC_HEADERS_MAX 128u /* Ethernet, two tags, IPv6, TCP with all options */
#define SL_PACKET_HOST	  0u

static __always_inline void *sl_hook_data(void *ctx, bool tc)
{
	return tc ? (void *)(long)((struct __sk_buff *)ctx)->data
		  : (void *)(long)((struct xdp_md *)ctx)->data;
}

static __always_inline void *sl_hook_end(void *ctx, bool tc)
{
	return tc ? (void *)(long)((struct __sk_buff *)ctx)->data_end
		  : (void *)(long)((struct xdp_md *)ctx)->data_end;
}

static __always_inline __u32 sl_hook_ingress(void *ctx, bool tc)
{
	return tc ? ((struct __sk_buff *)ctx)->ifindex : ((struct xdp_md *)ctx)->ingress_ifindex;
}

/* Bytes of the frame, those outside the linear part included. */
static __always_inline __u32 sl_hook_len(void *ctx, bool tc)
{
	return tc ? ((struct __sk_buff *)ctx)->len : (__u32)bpf_xdp_get_buff_len(ctx);
}

static __always_inline int sl_hook_pass(bool tc)
{
	return tc ? TC_ACT_UNSPEC : XDP_PASS;
}

static __always_inline int sl_hook_drop(bool tc)
{
	return tc ? TC_ACT_SHOT : XDP_DROP;
}

/* Is the packet one of segments that a card joined? Its length says nothing about the wire's. */
static __always_inline bool sl_hook_joined(void *ctx, bool tc)
{
	return tc && ((struct __sk_buff *)ctx)->gso_segs > 1;
}

#endif
