/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/outer.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/hash.h"

#define IP4_BYTES 20
#define IP6_BYTES 40
#define UDP_BYTES 8

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void sum_ip4(uint8_t *ip)
{
	uint32_t sum = 0;

	put16(ip + 10, 0);
	for (int i = 0; i < IP4_BYTES; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum);
}

uint64_t sl_outer_hash(const struct sl_rig *rig, const struct sl_frame_spec *inner)
{
	struct sl_addr src = sl_frame_addr(inner->src), dst = sl_frame_addr(inner->dst);
	uint32_t ports = (uint32_t)htons(inner->sport) << 16 | htons(inner->dport);

	return sl_hash_tuple(src.w, dst.w, ports, inner->udp ? IPPROTO_UDP : IPPROTO_TCP,
			     rig->settings->seed);
}

struct sl_outer_spec sl_outer_of(const struct sl_rig *rig, const struct sl_frame_spec *inner,
				 const char *src, const char *dst, bool gue)
{
	uint64_t hash = sl_outer_hash(rig, inner);

	return (struct sl_outer_spec){
		.src = src,
		.dst = dst,
		.gue = gue,
		.sport = (uint16_t)(0xc000 | (hash >> 16 & 0x3fff)),
		.label = (uint32_t)(hash >> 32) & 0xfffff,
	};
}

size_t sl_outer_len(const struct sl_frame *frame, bool gue)
{
	bool ip6 = frame->bytes[sl_frame_l3_at(frame)] >> 4 == 6;

	return (ip6 ? IP6_BYTES : IP4_BYTES) + (gue ? UDP_BYTES : 0);
}

static void write_ip4(uint8_t *ip, const struct sl_outer_spec *outer, size_t total)
{
	struct sl_addr src = sl_frame_addr(outer->src), dst = sl_frame_addr(outer->dst);

	ip[0] = 0x45;
	ip[1] = outer->tos;
	put16(ip + 2, (uint32_t)((int)total + outer->longer));
	put16(ip + 6, outer->fragment ? outer->fragment : 0x4000);
	ip[8] = outer->hops ? outer->hops : SL_FRAME_HOPS;
	ip[9] = outer->gue ? IPPROTO_UDP : IPPROTO_IPIP;
	memcpy(ip + 12, &src.w[3], 4);
	memcpy(ip + 16, &dst.w[3], 4);
	sum_ip4(ip);
}

static void write_ip6(uint8_t *ip, const struct sl_outer_spec *outer, size_t total)
{
	struct sl_addr src = sl_frame_addr(outer->src), dst = sl_frame_addr(outer->dst);
	uint32_t first = htonl(6u << 28 | (uint32_t)outer->tos << 20 | outer->label);

	memcpy(ip, &first, 4);
	put16(ip + 4, (uint32_t)((int)total - IP6_BYTES + outer->longer));
	ip[6] = outer->gue ? IPPROTO_UDP : IPPROTO_IPV6;
	ip[7] = outer->hops ? outer->hops : SL_FRAME_HOPS;
	memcpy(ip + 8, src.w, 16);
	memcpy(ip + 24, dst.w, 16);
}

/* Of the IP packet at `at`, which may be followed by padding. */
static size_t packet_len(const struct sl_frame *frame, size_t at)
{
	const uint8_t *ip = frame->bytes + at;

	return ip[0] >> 4 == 6 ? IP6_BYTES + ((size_t)ip[4] << 8 | ip[5])
			       : ((size_t)ip[2] << 8 | ip[3]);
}

void sl_outer_wrap(struct sl_frame *frame, const struct sl_outer_spec *outer)
{
	size_t at = sl_frame_l3_at(frame), len = sl_outer_len(frame, outer->gue);
	size_t total = len + packet_len(frame, at);
	uint8_t *ip = frame->bytes + at;
	bool ip6 = ip[0] >> 4 == 6;

	memmove(ip + len, ip, frame->len - at);
	frame->len += len;
	memset(ip, 0, len);
	if (ip6)
		write_ip6(ip, outer, total);
	else
		write_ip4(ip, outer, total);
	if (!outer->gue)
		return;
	ip += len - UDP_BYTES;
	put16(ip, outer->sport);
	put16(ip + 2, SL_OUTER_GUE_PORT);
	put16(ip + 4, (uint32_t)((int)(total - len + UDP_BYTES) + outer->longer));
}

void sl_outer_set_tos(struct sl_frame *frame, size_t at, uint8_t tos)
{
	uint8_t *ip = frame->bytes + at;

	if (ip[0] >> 4 == 6) {
		ip[0] = (uint8_t)(0x60 | tos >> 4);
		ip[1] = (uint8_t)((tos & 0xf) << 4 | (ip[1] & 0xf));
		return;
	}
	ip[1] = tos;
	sum_ip4(ip);
}

void sl_outer_build(struct sl_frame *frame, const struct sl_frame_spec *inner,
		    const struct sl_outer_spec *outer)
{
	sl_frame_build(frame, inner);
	sl_outer_wrap(frame, outer);
}

static void die(const char *what)
{
	fprintf(stderr, "outer: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int program_fd(const struct sl_rig *rig, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(rig->object, name);

	if (!program)
		die(name);
	return bpf_program__fd(program);
}

enum sl_rig_verdict sl_outer_run(const struct sl_rig *rig, const char *program,
				 enum sl_rig_hook hook, const struct sl_frame *in,
				 struct sl_frame *ret_out)
{
	struct xdp_md xdp = {
		.data_end = (uint32_t)in->len,
		.ingress_ifindex = rig->one_arm.ifindex,
	};
	struct __sk_buff skb = {.ifindex = rig->one_arm.ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->bytes, .data_size_in = (uint32_t)in->len,
		    .data_out = ret_out->bytes, .data_size_out = SL_FRAME_MAX, .repeat = 1);

	run.ctx_in = hook == SL_RIG_TC ? (void *)&skb : (void *)&xdp;
	run.ctx_size_in = hook == SL_RIG_TC ? sizeof(skb) : sizeof(xdp);
	if (bpf_prog_test_run_opts(program_fd(rig, program), &run))
		die(program);
	ret_out->len = run.data_size_out;
	if (hook == SL_RIG_TC)
		return (int)run.retval == TC_ACT_UNSPEC	    ? SL_RIG_PASS
		       : (int)run.retval == TC_ACT_SHOT	    ? SL_RIG_DROP
		       : (int)run.retval == TC_ACT_REDIRECT ? SL_RIG_FORWARD
							    : SL_RIG_NO_VERDICT;
	return run.retval == XDP_PASS				    ? SL_RIG_PASS
	       : run.retval == XDP_DROP				    ? SL_RIG_DROP
	       : run.retval == XDP_TX || run.retval == XDP_REDIRECT ? SL_RIG_FORWARD
								    : SL_RIG_NO_VERDICT;
}

bool sl_outer_same(const struct sl_frame *is, const struct sl_frame *wanted)
{
	if (is->len == wanted->len && !memcmp(is->bytes, wanted->bytes, wanted->len))
		return true;
	sl_frame_print_difference(is, wanted);
	return false;
}
