/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/fixture_check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/audit.h"

#define TAG_BYTES  4
#define LINK_BYTES 14

/* Where things are in an IP packet without options. */
struct layout {
	size_t ip; /* in the frame */
	bool ip6;
	bool udp;
	size_t addr_at, addr_len; /* both addresses, from the IP header on */
	size_t hop_at;
	size_t ports_at;
	size_t check_at;
};

static char reason[384];

static const char *say(const char *what, size_t at)
{
	snprintf(reason, sizeof(reason), "%s, at byte %zu", what, at);
	return reason;
}

static void layout_of(struct layout *layout, const struct sl_frame *frame)
{
	const uint8_t *ip;

	memset(layout, 0, sizeof(*layout));
	layout->ip = sl_frame_l3_at(frame);
	ip = frame->bytes + layout->ip;
	layout->ip6 = ip[0] >> 4 == 6;
	layout->udp = ip[layout->ip6 ? 6 : 9] == IPPROTO_UDP;
	layout->addr_at = layout->ip6 ? 8 : 12;
	layout->addr_len = layout->ip6 ? 32 : 8;
	layout->hop_at = layout->ip6 ? 7 : 8;
	layout->ports_at = layout->ip6 ? 40 : 20;
	layout->check_at = layout->ports_at + (layout->udp ? 6 : 16);
}

/* Sum of 16-bit words modulo 65,535: what a checksum is about. */
static uint32_t words(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	return sum % 0xffff;
}

/* The words that count for the transport's checksum and may have changed. */
static uint32_t transport_words(const struct layout *layout, const uint8_t *ip)
{
	return (words(ip + layout->addr_at, layout->addr_len) + words(ip + layout->ports_at, 4) +
		words(ip + layout->check_at, 2)) %
	       0xffff;
}

static const char *sums_hold(const struct layout *layout, const uint8_t *in, const uint8_t *out)
{
	bool none_in = !in[layout->check_at] && !in[layout->check_at + 1];
	bool none_out = !out[layout->check_at] && !out[layout->check_at + 1];

	if (!layout->ip6 && words(in, 20) != words(out, 20))
		return say("the IP checksum is off by another amount", 10);
	if (layout->udp && none_in != none_out)
		return say("a UDP checksum was made or lost", layout->check_at);
	if (layout->udp && none_in)
		return NULL;
	if (transport_words(layout, in) != transport_words(layout, out))
		return say("the checksum is off by another amount", layout->check_at);
	return NULL;
}

static bool addr_is(const struct layout *layout, const uint8_t *at, const char *text)
{
	struct sl_addr addr = sl_frame_addr(text);

	return !memcmp(at, layout->ip6 ? addr.w : &addr.w[3], layout->ip6 ? 16 : 4);
}

static uint16_t port_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/*
 * The packet as it leaves towards the node: from our address and port to the node's, or back: from
 * what the client addressed to the client.
 */
static const char *ends_hold(const struct sl_rig *rig, const struct sl_fixture *fixture,
			     const struct layout *layout, const uint8_t *in, const uint8_t *out)
{
	const struct sl_fixture_path *path = fixture->path;
	const uint8_t *src = out + layout->addr_at, *dst = src + layout->addr_len / 2;
	const uint8_t *ports = out + layout->ports_at;

	if (addr_is(layout, dst, path->node)) {
		if (!addr_is(layout, src, path->snat) || port_at(ports) != SL_FIXTURE_PORT ||
		    port_at(ports + 2) != ntohs(rig->nodes[SL_RIG_NODE_A].endpoint.port))
			return say("it goes to the node from or to the wrong place", 0);
		return NULL;
	}
	if (!addr_is(layout, dst, path->client) || !addr_is(layout, src, path->service))
		return say("it goes to neither node nor client", 0);
	if (port_at(ports + 2) != SL_FIXTURE_SPORT ||
	    port_at(in + layout->ports_at + 2) != SL_FIXTURE_PORT)
		return say("it goes to another port of the client", 0);
	return NULL;
}

/* May this byte of the IP packet differ? */
static bool may_differ(const struct layout *layout, size_t at)
{
	if (at >= layout->addr_at && at < layout->addr_at + layout->addr_len)
		return true;
	if (!layout->ip6 && (at == 10 || at == 11))
		return true;
	return at == layout->hop_at || (at >= layout->ports_at && at < layout->ports_at + 4) ||
	       at == layout->check_at || at == layout->check_at + 1;
}

static const char *link_holds(const struct sl_fixture *fixture, enum sl_rig_hook hook,
			      const struct sl_frame *in, size_t in_ip, const struct sl_frame *out,
			      size_t out_ip, bool to_client)
{
	const struct sl_fixture_path *path = fixture->path;
	bool handed = path->no_neighbour && !to_client;
	bool kept = to_client || (!path->redirected && !path->out_vlan[SL_RIG_XDP][0]) ||
		    !memcmp(path->out_vlan[hook], path->vlan, sizeof(path->vlan));
	uint16_t tag;

	if (handed && memcmp(out->bytes, in->bytes, 12))
		return say("the MAC addresses were changed", 0);
	if (!handed && (out->bytes[5] != (to_client ? 0x01 : path->node_mac) ||
			out->bytes[11] != (to_client ? 0xa0 : path->out_mac)))
		return say("it has other MAC addresses", 0);
	if (handed && hook == SL_RIG_XDP)
		return out_ip == LINK_BYTES ? NULL : say("a tag is left", 12);
	if (kept)
		return out_ip == in_ip && !memcmp(out->bytes + 12, in->bytes + 12, out_ip - 12)
			       ? NULL
			       : say("the tags were changed", 12);
	if (!path->out_vlan[hook][0])
		return out_ip == LINK_BYTES ? NULL : say("a tag is left", 12);
	tag = port_at(out->bytes + LINK_BYTES);
	return out_ip == LINK_BYTES + TAG_BYTES && tag == path->out_vlan[hook][0]
		       ? NULL
		       : say("it has not the tag of its device", 12);
}

/* Headers that lie, options and fragments are not forwarded. `len` is that of the packet and padding. */
static const char *header_is_honest(const struct layout *layout, const uint8_t *ip, size_t len)
{
	size_t total = layout->ip6 ? 40u + port_at(ip + 4) : port_at(ip + 2);
	const uint8_t *head = ip + layout->ports_at;
	size_t rest = total - layout->ports_at;

	if (!layout->ip6 && (ip[0] != 0x45 || (port_at(ip + 6) & 0x3fff)))
		return say("options or a fragment were forwarded", 0);
	if (total > len || total < layout->ports_at + (layout->udp ? 8u : 20u))
		return say("a packet was forwarded whose length is a lie", 0);
	if (layout->udp && (port_at(head + 4) < 8 || port_at(head + 4) > rest))
		return say("a UDP header was forwarded that lies", layout->ports_at + 4);
	if (!layout->udp && (head[12] >> 4 < 5 || (head[12] >> 4) * 4u > rest))
		return say("a TCP header was forwarded that lies", layout->ports_at + 12);
	return NULL;
}

/* A frame that was forwarded, against what it came as. */
static const char *rewrite_holds(const struct sl_rig *rig, const struct sl_fixture *fixture,
				 enum sl_rig_hook hook, const struct sl_frame *in,
				 const struct sl_frame *out)
{
	bool nat = fixture->path->mode == SL_MODE_NAT;
	struct layout from, to;
	const uint8_t *a, *b;
	const char *why;

	layout_of(&from, in);
	layout_of(&to, out);
	a = in->bytes + from.ip;
	b = out->bytes + to.ip;
	if (!from.ip || !to.ip || in->len - from.ip != out->len - to.ip || from.ip6 != to.ip6 ||
	    from.udp != to.udp)
		return say("it is another packet", out->len);
	why = header_is_honest(&from, a, in->len - from.ip);
	if (why)
		return why;
	why = link_holds(fixture, hook, in, from.ip, out, to.ip,
			 nat && addr_is(&to, b + to.addr_at, fixture->path->service));
	if (why)
		return why;
	for (size_t i = 0; i < in->len - from.ip; i++) {
		if (a[i] != b[i] && !(nat && may_differ(&from, i)))
			return say("a byte was changed", from.ip + i);
	}
	if (!nat)
		return NULL;
	if (b[to.hop_at] != a[from.hop_at] - 1)
		return say("the hop limit is not one less", from.ip + from.hop_at);
	why = ends_hold(rig, fixture, &to, a, b);
	return why ? why : sums_hold(&to, a, b);
}

const char *sl_fixture_check(struct sl_rig *rig, const struct sl_fixture *fixture,
			     enum sl_rig_hook hook, const struct sl_frame *in,
			     struct sl_frame *ret_out, enum sl_rig_verdict *ret_verdict)
{
	bool not_ours = hook == SL_RIG_TC && memcmp(in->bytes, rig->one_arm.smac, 6);
	const char *audit;

	*ret_verdict = sl_rig_run(rig, hook, in, ret_out);
	if (*ret_verdict == SL_RIG_NO_VERDICT)
		return say("an exception", 0);
	if (hook == SL_RIG_XDP && sl_rig_counted(rig, SL_COUNTER_PASS_NEIGHBOUR)) {
		if (*ret_verdict != SL_RIG_PASS || ret_out->len < SL_RIG_MARK_BYTES)
			return say("counted as handed to TC, but was not", 0);
		*ret_verdict = SL_RIG_FORWARD;
		ret_out->len -= SL_RIG_MARK_BYTES;
		memmove(ret_out->bytes, ret_out->bytes + SL_RIG_MARK_BYTES, ret_out->len);
	}
	if (sl_fixture_ends(rig) != !not_ours) {
		snprintf(reason, sizeof(reason), "%llu ends, raised:%s",
			 (unsigned long long)sl_fixture_ends(rig), sl_fixture_raised(rig));
		return reason;
	}
	audit = sl_audit(rig, true);
	if (audit)
		return audit;
	if (*ret_verdict == SL_RIG_FORWARD)
		return rewrite_holds(rig, fixture, hook, in, ret_out);
	if (ret_out->len != in->len || memcmp(ret_out->bytes, in->bytes, in->len))
		return say("changed, and not forwarded", 0);
	return NULL;
}
