/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/frame.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETH_BYTES  14
#define TAG_BYTES  4
#define IP4_BYTES  20
#define IP6_BYTES  40
#define TCP_BYTES  20
#define UDP_BYTES  8
#define ICMP_BYTES 8

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

static uint32_t sum_add(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

struct sl_addr sl_frame_addr(const char *text)
{
	struct sl_addr addr = {{0, 0, htonl(0xffff), 0}};
	int ok = strchr(text, ':') ? inet_pton(AF_INET6, text, addr.w)
				   : inet_pton(AF_INET, text, &addr.w[3]);

	if (ok != 1) {
		fprintf(stderr, "not an address: %s\n", text);
		abort();
	}
	return addr;
}

const char *sl_frame_addr_text(const struct sl_addr *addr)
{
	static char buffers[4][INET6_ADDRSTRLEN];
	static unsigned int next;
	char *buffer = buffers[next++ % 4];

	if (!addr->w[0] && !addr->w[1] && addr->w[2] == htonl(0xffff))
		inet_ntop(AF_INET, &addr->w[3], buffer, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, addr->w, buffer, INET6_ADDRSTRLEN);
	return buffer;
}

static size_t build_link(uint8_t *out, const struct sl_frame_spec *spec, uint16_t type)
{
	size_t tags = spec->vlan[1] ? 2 : spec->vlan[0] ? 1 : 0;
	size_t at = ETH_BYTES - 2;

	memcpy(out, spec->dmac, 6);
	memcpy(out + 6, spec->smac, 6);
	for (size_t i = 0; i < tags; i++, at += TAG_BYTES) {
		put16(out + at, tags == 2 && i == 0 ? 0x88a8 : 0x8100);
		put16(out + at + 2, spec->vlan[i]);
	}
	put16(out + at, type);
	return at + 2;
}

static size_t build_ip4(uint8_t *out, const struct sl_frame_spec *spec, size_t rest, uint8_t proto)
{
	struct sl_addr src = sl_frame_addr(spec->src), dst = sl_frame_addr(spec->dst);
	size_t len = IP4_BYTES + spec->option_len;

	memset(out, 0, len);
	out[0] = (uint8_t)(0x40 | len / 4);
	put16(out + 2, (uint16_t)(len + rest));
	out[1] = spec->tos;
	put16(out + 4, spec->crafted ? 0 : 0x1234);
	put16(out + 6, spec->fragment ? spec->fragment : 0x4000);
	out[8] = spec->hops ? spec->hops : SL_FRAME_HOPS;
	out[9] = proto;
	memcpy(out + 12, &src.w[3], 4);
	memcpy(out + 16, &dst.w[3], 4);
	memset(out + IP4_BYTES, 1, spec->option_len); /* no-operation options */
	put16(out + 10, sum_fold(sum_add(0, out, len)));
	return len;
}

static size_t build_ip6(uint8_t *out, const struct sl_frame_spec *spec, size_t rest, uint8_t proto)
{
	struct sl_addr src = sl_frame_addr(spec->src), dst = sl_frame_addr(spec->dst);
	size_t extra = spec->fragment ? 8 : spec->option_len;

	memset(out, 0, IP6_BYTES + extra);
	put32(out, 0x60000000 | (uint32_t)spec->tos << 20 | (spec->crafted ? 0 : 0x12345));
	put16(out + 4, (uint16_t)(extra + rest));
	out[6] = spec->fragment ? 44 : spec->option_len ? 0 : proto;
	out[7] = spec->hops ? spec->hops : SL_FRAME_HOPS;
	memcpy(out + 8, src.w, 16);
	memcpy(out + 24, dst.w, 16);
	if (extra) {
		out[IP6_BYTES] = proto;
		out[IP6_BYTES + 1] = (uint8_t)(extra / 8 - 1);
	}
	return IP6_BYTES + extra;
}

static uint32_t sum_pseudo(const struct sl_frame_spec *spec, size_t len, uint8_t proto)
{
	struct sl_addr src = sl_frame_addr(spec->src), dst = sl_frame_addr(spec->dst);
	bool ip6 = strchr(spec->src, ':');
	uint32_t sum = (uint32_t)len + proto;

	sum = sum_add(sum, (uint8_t *)(ip6 ? src.w : &src.w[3]), ip6 ? 16 : 4);
	return sum_add(sum, (uint8_t *)(ip6 ? dst.w : &dst.w[3]), ip6 ? 16 : 4);
}

static size_t head_len(const struct sl_frame_spec *spec)
{
	return spec->udp ? UDP_BYTES : TCP_BYTES + spec->tcp_option_len;
}

static void build_payload(uint8_t *out, const struct sl_frame_spec *spec)
{
	for (size_t i = 0; i < spec->payload_len; i++)
		out[i] = (uint8_t)('a' + i % 26);
	if (spec->payload_word && spec->payload_len >= 2)
		put16(out, spec->payload_word);
}

static size_t build_udp(uint8_t *out, const struct sl_frame_spec *spec)
{
	size_t len = UDP_BYTES + spec->payload_len;
	uint16_t check;

	put16(out, spec->sport);
	put16(out + 2, spec->dport);
	put16(out + 4, (uint16_t)len);
	put16(out + 6, 0);
	build_payload(out + UDP_BYTES, spec);
	check = sum_fold(sum_add(sum_pseudo(spec, len, 17), out, len));
	put16(out + 6, spec->no_check ? 0 : check ? check : 0xffff);
	return len;
}

static size_t build_tcp(uint8_t *out, const struct sl_frame_spec *spec)
{
	size_t head = TCP_BYTES + spec->tcp_option_len;
	size_t len = head + spec->payload_len;

	memset(out, 0, TCP_BYTES);
	memset(out + TCP_BYTES, 1, spec->tcp_option_len);
	if (spec->options)
		memcpy(out + TCP_BYTES, spec->options, spec->tcp_option_len);
	put16(out, spec->sport);
	put16(out + 2, spec->dport);
	put32(out + 4, spec->seq);
	put32(out + 8, spec->ack);
	out[12] = (uint8_t)(head / 4 << 4);
	out[13] = spec->flags;
	put16(out + 14, spec->crafted ? spec->window : 65535);
	build_payload(out + head, spec);
	put16(out + 16, sum_fold(sum_add(sum_pseudo(spec, len, 6), out, len)));
	return len;
}

void sl_frame_build(struct sl_frame *frame, const struct sl_frame_spec *spec)
{
	bool ip6 = strchr(spec->src, ':');
	uint8_t proto = spec->protocol ? spec->protocol : spec->udp ? 17 : 6;
	size_t rest = head_len(spec) + spec->payload_len;
	size_t at = build_link(frame->bytes, spec, ip6 ? 0x86dd : 0x0800);

	at += ip6 ? build_ip6(frame->bytes + at, spec, rest, proto)
		  : build_ip4(frame->bytes + at, spec, rest, proto);
	at += spec->udp ? build_udp(frame->bytes + at, spec) : build_tcp(frame->bytes + at, spec);
	memset(frame->bytes + at, 0, spec->pad_len);
	frame->len = at + spec->pad_len;
}

size_t sl_frame_build_ip(uint8_t *out, const struct sl_frame_spec *spec, size_t rest, uint8_t proto)
{
	return strchr(spec->src, ':') ? build_ip6(out, spec, rest, proto)
				      : build_ip4(out, spec, rest, proto);
}

void sl_frame_build_icmp(struct sl_frame *frame, const struct sl_frame_spec *spec,
			 const struct sl_frame_icmp *icmp)
{
	bool ip6 = strchr(spec->src, ':');
	size_t len = ICMP_BYTES + icmp->body_len;
	size_t at = build_link(frame->bytes, spec, ip6 ? 0x86dd : 0x0800);
	uint8_t *out;

	at += sl_frame_build_ip(frame->bytes + at, spec, len, ip6 ? 58 : 1);
	out = frame->bytes + at;
	out[0] = icmp->type;
	out[1] = icmp->code;
	put16(out + 2, 0);
	put32(out + 4, icmp->rest);
	memcpy(out + ICMP_BYTES, icmp->body, icmp->body_len);
	put16(out + 2, sum_fold(sum_add(ip6 ? sum_pseudo(spec, len, 58) : 0, out, len)));
	memset(out + len, 0, spec->pad_len);
	frame->len = at + len + spec->pad_len;
}

void sl_frame_build_unreachable(struct sl_frame *frame, const char *router, uint8_t code,
				const struct sl_frame_spec *spec)
{
	bool ip6 = strchr(spec->src, ':');
	struct sl_frame_spec outer = {
		.src = router,
		.dst = spec->src,
		.vlan = {spec->vlan[0], spec->vlan[1]},
	};
	struct sl_frame_spec plain = *spec;
	struct sl_frame quoted;
	struct sl_frame_icmp icmp = {
		.type = ip6 ? 1 : 3,
		.code = code,
		.body = quoted.bytes + ETH_BYTES,
		.body_len = (ip6 ? IP6_BYTES : IP4_BYTES) + 8,
	};

	plain.vlan[0] = plain.vlan[1] = 0;
	sl_frame_build(&quoted, &plain);
	memcpy(outer.smac, spec->smac, 6);
	memcpy(outer.dmac, spec->dmac, 6);
	sl_frame_build_icmp(frame, &outer, &icmp);
}

size_t sl_frame_l3_at(const struct sl_frame *frame)
{
	size_t at = ETH_BYTES - 2;
	uint16_t type;

	for (int tags = 0; tags <= 2 && at + 2 <= frame->len; tags++, at += TAG_BYTES) {
		type = (uint16_t)(frame->bytes[at] << 8 | frame->bytes[at + 1]);
		if (type == 0x0800 || type == 0x86dd)
			return at + 2;
		if (type != 0x8100 && type != 0x88a8)
			return 0;
	}
	return 0;
}

uint16_t sl_frame_sport(const struct sl_frame *frame)
{
	size_t at = sl_frame_l3_at(frame);
	bool ip6 = at && frame->bytes[at] >> 4 == 6;
	uint8_t proto = at ? frame->bytes[at + (ip6 ? 6 : 9)] : 0;

	if (proto != 6 && proto != 17)
		return 0;
	at += ip6 ? IP6_BYTES : IP4_BYTES;
	return (uint16_t)(frame->bytes[at] << 8 | frame->bytes[at + 1]);
}

void sl_frame_print_difference(const struct sl_frame *is, const struct sl_frame *expected)
{
	printf("# length %zu, expected %zu\n", is->len, expected->len);
	for (size_t i = 0; i < is->len && i < expected->len; i++) {
		if (is->bytes[i] != expected->bytes[i])
			printf("# byte %zu is %02x, expected %02x\n", i, is->bytes[i],
			       expected->bytes[i]);
	}
}
