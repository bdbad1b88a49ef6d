/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node_role.c - the node role: tunnels taken apart, packets that another node may hold passed on,
 * tunnels that are malformed or not ours. The rig is the inference host: 10.0.0.2, fd00::2 on rig0;
 * .12 is another node, .13 a third. Its servers are sockets of this process.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "bpf/hash.h"
#include "tests/bpf/lib/outer.h"

#define SYN	 SL_FRAME_SYN
#define ACK	 SL_FRAME_ACK
#define NAME_MAX 160
#define SELF	 1u /* slots */
#define OTHER	 2u
#define THIRD	 3u

static const char *const mode_names[SL_MODES] = {"nat", "l2", "ipip", "gue"};
static const char *const hook_names[SL_RIG_HOOKS] = {"XDP", "TC"};
static const char *const programs[SL_RIG_HOOKS] = {"sluice_node_xdp", "sluice_node_tc_ingress"};

struct family {
	const char *name;
	const char *client, *vip, *balancer, *self, *other, *third;
	uint32_t pool;
};

static const struct family families[] = {
	{"IPv4", "198.51.100.7", "192.0.2.100", "10.0.0.1", "10.0.0.2", "10.0.0.12", "10.0.0.11",
	 SL_RIG_POOL4},
	{"IPv6", "2001:db8:c::7", "2001:db8::100", "fd00::1", "fd00::2", "fd00::12", "fd00::11",
	 SL_RIG_POOL6},
};

static void die(const char *what)
{
	fprintf(stderr, "node_role: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void set_mac(uint8_t *mac, uint8_t last)
{
	memset(mac, 0, 6);
	mac[0] = 0x02;
	mac[5] = last;
}

static bool is_ip6(const struct family *family)
{
	return strchr(family->client, ':');
}

/* ---- the pool ------------------------------------------------------------------------------ */

/* The pool changes from this table to what it is: this one was there `ago` changes ago. */
static void former_table(struct sl_rig *rig, uint32_t pool, const uint32_t *slots, uint32_t count,
			 uint32_t ago)
{
	struct sl_pool_state *state = &rig->pools[pool];
	uint32_t generation = state->generation - ago, key = sl_old_table(pool, generation);
	int fd = bpf_object__find_map_fd_by_name(rig->object, "maglev_old");
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	int table = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", 4, 4, 509, &options);

	for (uint32_t i = 0; i < 509; i++) {
		if (bpf_map_update_elem(table, &i, &slots[i % count], BPF_ANY))
			die("former table");
	}
	if (bpf_map_update_elem(fd, &key, &table, BPF_ANY))
		die("maglev_old");
	close(table);
	state->old_size[generation % SL_OLD_TABLES] = 509;
}

static void add_node(struct sl_rig *rig, const struct family *family, uint32_t slot,
		     const char *addr, enum sl_mode mode)
{
	sl_rig_node(rig, slot, family->pool, addr, 80, family->self);
	rig->nodes[slot].mode = mode;
}

/* This host and another one; no table before. */
static void start(struct sl_rig *rig, const struct family *family, enum sl_mode mode)
{
	uint32_t slots[] = {SELF, OTHER};

	sl_rig_reset(rig);
	rig->settings->role = SL_ROLE_NODE;
	rig->settings->gue_port = htons(SL_OUTER_GUE_PORT);
	add_node(rig, family, SELF, family->self, mode);
	add_node(rig, family, OTHER, family->other, mode);
	add_node(rig, family, THIRD, family->third, mode);
	sl_rig_table(rig, family->pool, slots, 2);
	rig->pools[family->pool].mode = mode;
	rig->pools[family->pool].local = SELF;
}

/* A packet of a client to the service, on its way to this host. */
static struct sl_frame_spec packet_of(const struct family *family, uint16_t sport, uint8_t flags)
{
	struct sl_frame_spec spec = {
		.src = family->client,
		.dst = family->vip,
		.sport = sport,
		.dport = 80,
		.seq = 5000,
		.ack = flags & ACK ? 77 : 0,
		.flags = flags,
		.payload_len = flags & SYN ? 0 : 30,
		.hops = 60,
	};

	set_mac(spec.smac, 0x01);
	set_mac(spec.dmac, 0xa0);
	return spec;
}

/*
 * A port of the client that makes `first` the first candidate of the table of two and the other one
 * the second at once.
 */
static uint16_t port_of(const struct sl_rig *rig, const struct family *family, uint32_t first)
{
	struct sl_frame_spec at = packet_of(family, 5000, ACK);

	for (;; at.sport++) {
		uint64_t hash = sl_outer_hash(rig, &at);
		uint32_t a = sl_hash_scale((uint32_t)hash, SL_RIG_MAGLEV_SIZE) % 2;
		uint32_t b = sl_hash_scale((uint32_t)(hash >> 32), SL_RIG_MAGLEV_SIZE) % 2;

		if (a != b && (a == 0) == (first == SELF))
			return at.sport;
	}
}

static struct sl_outer_spec to_self(const struct sl_rig *rig, const struct family *family,
				    const struct sl_frame_spec *inner, enum sl_mode mode)
{
	return sl_outer_of(rig, inner, family->balancer, family->self, mode == SL_MODE_GUE);
}

/* The packet as it arrives: in its tunnel, or in mode l2 without. */
static void arrive(const struct sl_rig *rig, const struct family *family,
		   const struct sl_frame_spec *inner, enum sl_mode mode, struct sl_frame *ret_frame)
{
	struct sl_outer_spec outer = to_self(rig, family, inner, mode);

	if (mode == SL_MODE_L2)
		sl_frame_build(ret_frame, inner);
	else
		sl_outer_build(ret_frame, inner, &outer);
}

/* The packet as it leaves to the node at `addr`, after so many passes. */
static void leave(const struct sl_rig *rig, const struct family *family,
		  const struct sl_frame_spec *inner, enum sl_mode mode, const char *addr,
		  uint32_t passes, struct sl_frame *ret_frame)
{
	struct sl_outer_spec outer =
		sl_outer_of(rig, inner, family->self, addr, mode == SL_MODE_GUE);
	struct sl_frame_spec spec = *inner;

	spec.hops = (uint8_t)(8 - passes);
	set_mac(spec.smac, 0xa0);
	set_mac(spec.dmac, !strcmp(addr, family->other) ? 0x0c : 0x0b);
	if (mode == SL_MODE_L2)
		sl_frame_build(ret_frame, &spec);
	else
		sl_outer_build(ret_frame, &spec, &outer);
}

/* ---- sockets of this host ------------------------------------------------------------------ */

static socklen_t address_of(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *six = (void *)ret;
	struct sockaddr_in *four = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(text, ':')) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		inet_pton(AF_INET6, text, &six->sin6_addr);
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(port);
	inet_pton(AF_INET, text, &four->sin_addr);
	return sizeof(*four);
}

static int bound(const char *text, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t len = address_of(text, port, &address);
	int fd = socket(address.ss_family, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len))
		die("bind");
	return fd;
}

static int listener(const struct family *family)
{
	int fd = bound(family->vip, 80);

	if (listen(fd, 16))
		die("listen");
	return fd;
}

/* A connection of the client to the service, as this host holds it; the client is at home here. */
static void connection(const struct family *family, uint16_t sport, int ret_fds[3])
{
	struct sockaddr_storage address;
	socklen_t len = address_of(family->vip, 80, &address);

	ret_fds[0] = listener(family);
	ret_fds[1] = bound(family->client, sport);
	if (connect(ret_fds[1], (struct sockaddr *)&address, len))
		die("connect");
	ret_fds[2] = accept(ret_fds[0], NULL, NULL);
	if (ret_fds[2] < 0)
		die("accept");
	close(ret_fds[0]); /* the connection alone must do */
}

static void hang_up(int fds[3])
{
	struct linger now = {1, 0};

	for (int i = 1; i < 3; i++) {
		setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fds[i]);
	}
}

/* ---- one packet ---------------------------------------------------------------------------- */

static enum sl_rig_verdict run(const struct sl_rig *rig, enum sl_rig_hook hook,
			       const struct sl_frame *in, struct sl_frame *ret_out)
{
	return sl_outer_run(rig, programs[hook], hook, in, ret_out);
}

/* The stack gets exactly the inner packet. */
static bool taken(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
		  const struct sl_frame_spec *inner, enum sl_mode mode)
{
	uint64_t before = sl_rig_counted(rig, SL_COUNTER_DECAPSULATED);
	struct sl_frame in, out, wanted;
	enum sl_rig_verdict verdict;

	arrive(rig, family, inner, mode, &in);
	sl_frame_build(&wanted, inner);
	verdict = run(rig, hook, &in, &out);
	if (verdict != SL_RIG_PASS)
		printf("# verdict %d\n", verdict);
	return verdict == SL_RIG_PASS && sl_outer_same(&out, &wanted) &&
	       (mode == SL_MODE_L2 || sl_rig_counted(rig, SL_COUNTER_DECAPSULATED) == before + 1);
}

/* It goes on to the node at `addr`. */
static bool passed_on(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
		      const struct sl_frame_spec *inner, enum sl_mode mode, const char *addr,
		      uint32_t passes)
{
	uint64_t before = sl_rig_counted(rig, SL_COUNTER_FORWARD_AGAIN);
	struct sl_frame in, out, wanted;
	enum sl_rig_verdict verdict;

	arrive(rig, family, inner, mode, &in);
	leave(rig, family, inner, mode, addr, passes, &wanted);
	verdict = run(rig, hook, &in, &out);
	if (verdict != SL_RIG_FORWARD)
		printf("# verdict %d\n", verdict);
	return verdict == SL_RIG_FORWARD && sl_outer_same(&out, &wanted) &&
	       sl_rig_counted(rig, SL_COUNTER_FORWARD_AGAIN) == before + 1;
}

static void check(struct sl_rig *rig, bool ok, enum sl_rig_hook hook, enum sl_mode mode,
		  const struct family *family, const char *what)
{
	char name[NAME_MAX];

	snprintf(name, sizeof(name), "%s: %s, %s: %s", hook_names[hook], mode_names[mode],
		 family->name, what);
	sl_rig_check(rig, ok, name, "verdict, bytes or counters");
}

/* ---- held here ----------------------------------------------------------------------------- */

static void test_held(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
		      enum sl_mode mode)
{
	uint16_t sport = port_of(rig, family, SELF);
	struct sl_frame_spec data = packet_of(family, sport, ACK);
	struct sl_frame_spec syn = packet_of(family, sport, SYN);
	struct sl_frame_spec reset = packet_of(family, sport, SL_FRAME_RST);
	int fds[3], fd;
	bool ok;

	start(rig, family, mode);
	connection(family, sport, fds);
	ok = taken(rig, hook, family, &data, mode) && taken(rig, hook, family, &reset, mode);
	check(rig, ok && !sl_rig_counted(rig, SL_COUNTER_FORWARD_AGAIN), hook, mode, family,
	      "a connection of this host");
	hang_up(fds);

	fd = listener(family);
	ok = taken(rig, hook, family, &syn, mode);
	check(rig, ok, hook, mode, family, "a SYN, and somebody listens");
	ok = passed_on(rig, hook, family, &data, mode, family->other, 1);
	check(rig, ok, hook, mode, family, "mid-flow, and there is but a listener");
	close(fd);
}

/* VLAN tags stay where they are: at XDP they are in the frame. */
static void test_tags(struct sl_rig *rig, const struct family *family, enum sl_mode mode)
{
	struct sl_frame_spec syn = packet_of(family, port_of(rig, family, SELF), SYN);
	int fd = listener(family);
	bool ok;

	start(rig, family, mode);
	syn.vlan[0] = 7;
	ok = taken(rig, SL_RIG_XDP, family, &syn, mode);
	syn.vlan[1] = 9;
	ok = taken(rig, SL_RIG_XDP, family, &syn, mode) && ok;
	check(rig, ok, SL_RIG_XDP, mode, family, "one tag, two tags");
	close(fd);
}

/* A datagram has no second chance: it is taken. */
static void test_datagram(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
			  enum sl_mode mode)
{
	struct sl_frame_spec udp = packet_of(family, 5000, 0);
	struct sl_endpoint endpoint = {
		.addr = sl_frame_addr(family->self), .port = htons(443), .proto = IPPROTO_UDP};
	uint32_t slot = SELF;

	start(rig, family, mode);
	if (bpf_map_update_elem(rig->endpoints_fd, &endpoint, &slot, BPF_ANY))
		die("endpoints");
	udp.udp = true;
	udp.dport = 443;
	check(rig, taken(rig, hook, family, &udp, mode), hook, mode, family, "a datagram");
}

/* An ICMP error belongs to who holds the connection that it is about. */
static void test_icmp(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
		      enum sl_mode mode)
{
	struct sl_frame_spec data = packet_of(family, port_of(rig, family, SELF), ACK);
	struct sl_frame_spec quoted = {.src = family->vip,
				       .dst = family->client,
				       .sport = 80,
				       .dport = data.sport,
				       .flags = ACK,
				       .smac = SL_RIG_MAC_ROUTER,
				       .dmac = SL_RIG_MAC_NODE(0xa0)};
	struct sl_outer_spec outer = to_self(rig, family, &data, mode);
	struct sl_frame in, out, inner, wanted;
	enum sl_rig_verdict verdict;
	int fds[3];

	start(rig, family, mode);
	sl_frame_build_unreachable(&inner, family->balancer, is_ip6(family) ? 3 : 1, &quoted);
	in = inner;
	sl_outer_wrap(&in, &outer);
	connection(family, data.sport, fds);
	verdict = run(rig, hook, &in, &out);
	hang_up(fds);
	check(rig, verdict == SL_RIG_PASS && sl_outer_same(&out, &inner), hook, mode, family,
	      "an ICMP error about a connection of this host");
	wanted = inner;
	wanted.bytes[is_ip6(family) ? 21 : 22] = 7; /* the mark of the first pass */
	sl_outer_set_tos(&wanted, 14, 0);
	set_mac(wanted.bytes, 0x0c);
	set_mac(wanted.bytes + 6, 0xa0);
	outer.src = family->self;
	outer.dst = family->other;
	sl_outer_wrap(&wanted, &outer);
	verdict = run(rig, hook, &in, &out);
	check(rig, verdict == SL_RIG_FORWARD && sl_outer_same(&out, &wanted), hook, mode, family,
	      "an ICMP error about another's");
}

/* RFC 6040: congestion on the way counts for the packet inside. */
static void test_ecn(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
		     enum sl_mode mode)
{
	static const struct {
		uint8_t outer, inner, out;
		bool dropped;
	} cases[] = {
		{0, 0, 0, false}, {1, 0, 0, false}, {2, 2, 2, false}, {3, 2, 3, false},
		{3, 1, 3, false}, {3, 3, 3, false}, {3, 0, 0, true},  {0xbb, 0xba, 0xbb, false},
	};
	struct sl_frame_spec syn = packet_of(family, port_of(rig, family, SELF), SYN);
	int fd = listener(family);
	bool ok = true;

	start(rig, family, mode);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sl_outer_spec outer = to_self(rig, family, &syn, mode);
		struct sl_frame in, out, wanted;
		enum sl_rig_verdict verdict;

		sl_frame_build(&in, &syn);
		sl_outer_set_tos(&in, 14, cases[i].inner);
		wanted = in;
		outer.tos = cases[i].outer;
		sl_outer_wrap(&in, &outer);
		sl_outer_set_tos(&wanted, 14, cases[i].out);
		verdict = run(rig, hook, &in, &out);
		if (cases[i].dropped)
			ok = verdict == SL_RIG_DROP && ok;
		else
			ok = verdict == SL_RIG_PASS && sl_outer_same(&out, &wanted) && ok;
	}
	check(rig, ok && sl_rig_counted(rig, SL_COUNTER_DROP_TUNNEL) == 1, hook, mode, family,
	      "marks of congestion");
	close(fd);
}

/* ---- not held here ------------------------------------------------------------------------- */

static void test_second_chance(struct sl_rig *rig, enum sl_rig_hook hook,
			       const struct family *family, enum sl_mode mode)
{
	struct sl_frame_spec data = packet_of(family, port_of(rig, family, SELF), ACK);
	struct sl_frame_spec back = packet_of(family, port_of(rig, family, OTHER), ACK);
	struct sl_frame_spec syn = packet_of(family, data.sport, SYN);
	bool ok;

	start(rig, family, mode);
	ok = passed_on(rig, hook, family, &data, mode, family->other, 1);
	data.flags = SL_FRAME_RST;
	ok = passed_on(rig, hook, family, &data, mode, family->other, 1) && ok;
	check(rig, ok && rig->nodes[SELF].consecutive == 0, hook, mode, family,
	      "mid-flow, to the second candidate");
	check(rig, passed_on(rig, hook, family, &back, mode, family->other, 1), hook, mode, family,
	      "mid-flow at the second candidate, to the first");
	ok = passed_on(rig, hook, family, &syn, mode, family->other, 1);
	check(rig, ok && rig->nodes[SELF].consecutive == 1, hook, mode, family,
	      "a SYN without listener, told as a refusal");
	data.hops = 7;
	check(rig, taken(rig, hook, family, &data, mode), hook, mode, family,
	      "it was passed on before: it stays");
	data.hops = 60;
	rig->nodes[OTHER].admin = 0;
	check(rig, taken(rig, hook, family, &data, mode), hook, mode, family,
	      "there is no other node: it stays");
	rig->nodes[OTHER].admin = SL_NODE_PRESENT;
	sl_rig_tune(rig, SL_TUNABLE_SECOND_CHANCE, 0);
	check(rig, taken(rig, hook, family, &data, mode), hook, mode, family,
	      "node.second_chance is off");
}

/* With former tables there are more to ask, each once. */
static void test_former(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
			enum sl_mode mode, uint32_t ago)
{
	uint32_t third = THIRD, away = 9;
	struct sl_frame_spec data = packet_of(family, port_of(rig, family, OTHER), ACK);
	bool ok;

	start(rig, family, mode);
	rig->pools[family->pool].generation = 6;
	former_table(rig, family->pool, &third, 1, ago);
	if (ago > 1) /* a node that has left */
		former_table(rig, family->pool, &away, 1, 1);
	/* the chain is OTHER, SELF, THIRD */
	ok = passed_on(rig, hook, family, &data, mode, family->third, 1);
	data.hops = 7;
	ok = passed_on(rig, hook, family, &data, mode, family->third, 2) && ok;
	check(rig, ok, hook, mode, family,
	      ago > 1 ? "to the candidate of the table four changes ago"
		      : "to the candidate of the table before the change");
	data.hops = 6;
	check(rig, taken(rig, hook, family, &data, mode), hook, mode, family,
	      "all of three were asked: it stays");
	/* the chain is SELF, OTHER, THIRD: a ring */
	data.sport = port_of(rig, family, SELF);
	data.hops = 7;
	ok = passed_on(rig, hook, family, &data, mode, family->other, 2);
	memset(rig->pools[family->pool].old_size, 0, sizeof(rig->pools->old_size));
	check(rig, ok && taken(rig, hook, family, &data, mode), hook, mode, family,
	      "whoever was asked first, all are asked");
}

/* ---- not ours, not right ------------------------------------------------------------------- */

/* It passes as it came. */
static bool untouched(struct sl_rig *rig, enum sl_rig_hook hook, const struct sl_frame *in)
{
	struct sl_frame out;

	return run(rig, hook, in, &out) == SL_RIG_PASS && sl_outer_same(&out, in) &&
	       !sl_rig_counted(rig, SL_COUNTER_DECAPSULATED);
}

static bool dropped(struct sl_rig *rig, enum sl_rig_hook hook, const struct sl_frame *in)
{
	uint64_t before = sl_rig_counted(rig, SL_COUNTER_DROP_TUNNEL);
	struct sl_frame out;

	return run(rig, hook, in, &out) == SL_RIG_DROP &&
	       sl_rig_counted(rig, SL_COUNTER_DROP_TUNNEL) == before + 1;
}

static void test_not_ours(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
			  enum sl_mode mode)
{
	struct sl_frame_spec syn = packet_of(family, 5000, SYN);
	struct sl_outer_spec outer = to_self(rig, family, &syn, mode);
	struct sl_frame in;
	bool ok;

	start(rig, family, mode);
	syn.dport = 81;
	sl_outer_build(&in, &syn, &outer);
	ok = untouched(rig, hook, &in);
	syn.dport = 80;
	outer.dst = family->other;
	sl_outer_build(&in, &syn, &outer);
	ok = untouched(rig, hook, &in) && ok;
	outer.dst = family->self;
	rig->settings->gue_port = 0;
	sl_outer_build(&in, &syn, &outer);
	if (mode == SL_MODE_GUE)
		ok = untouched(rig, hook, &in) && ok;
	check(rig, ok, hook, mode, family, "somebody else's tunnels");
}

static void prefix_put(struct sl_rig *rig, const char *addr, uint32_t bits, uint32_t rule)
{
	struct sl_prefix prefix = {.bits = bits, .addr = sl_frame_addr(addr)};
	int fd = bpf_object__find_map_fd_by_name(rig->object, "prefixes");

	if (rule == SL_PREFIX_UNSET ? bpf_map_delete_elem(fd, &prefix)
				    : bpf_map_update_elem(fd, &prefix, &rule, BPF_ANY))
		die("prefixes");
}

static void test_senders(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
			 enum sl_mode mode)
{
	struct sl_frame_spec syn = packet_of(family, port_of(rig, family, SELF), SYN);
	struct sl_outer_spec outer = to_self(rig, family, &syn, mode);
	int fd = listener(family);
	struct sl_frame in, out;
	bool ok;

	start(rig, family, mode);
	sl_outer_build(&in, &syn, &outer);
	prefix_put(rig, family->balancer, 128, SL_PREFIX_DENY);
	ok = dropped(rig, hook, &in);
	prefix_put(rig, family->balancer, 128, SL_PREFIX_UNSET);
	rig->settings->allow_count = 1;
	ok = dropped(rig, hook, &in) && ok;
	prefix_put(rig, family->balancer, 120, SL_PREFIX_ALLOW | SL_PREFIX_OF_FILE);
	ok = run(rig, hook, &in, &out) == SL_RIG_PASS && ok;
	prefix_put(rig, family->balancer, 120, SL_PREFIX_UNSET);
	outer.src = family->other; /* a node of the same service */
	sl_outer_build(&in, &syn, &outer);
	ok = run(rig, hook, &in, &out) == SL_RIG_PASS && ok;
	check(rig, ok && sl_rig_counted(rig, SL_COUNTER_DECAPSULATED) == 2, hook, mode, family,
	      "who may send: denied, not allowed, allowed, a node");
	close(fd);
}

static void test_malformed(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
			   enum sl_mode mode)
{
	struct sl_frame_spec data = packet_of(family, 5000, ACK);
	struct sl_outer_spec outer = to_self(rig, family, &data, mode);
	struct sl_frame good, bad;
	size_t inner_at;
	bool ok;

	start(rig, family, mode);
	sl_outer_build(&good, &data, &outer);
	inner_at = 14 + sl_outer_len(&good, mode == SL_MODE_GUE);
	bad = good;
	bad.bytes[inner_at] = 0x55; /* no version of IP */
	ok = dropped(rig, hook, &bad);
	bad = good;
	bad.bytes[inner_at] = is_ip6(family) ? 0x45 : 0x60; /* the other family */
	ok = dropped(rig, hook, &bad) && ok;
	bad = good;
	bad.bytes[inner_at + (is_ip6(family) ? 40 : 20) + 12] = 0xf0; /* TCP header too long */
	ok = dropped(rig, hook, &bad) && ok;
	bad = good;
	bad.bytes[inner_at + (is_ip6(family) ? 4 : 2)] = 0x7f; /* longer than the frame */
	ok = dropped(rig, hook, &bad) && ok;
	outer.longer = -4; /* the inner packet is longer than its tunnel */
	sl_outer_build(&bad, &data, &outer);
	ok = dropped(rig, hook, &bad) && ok;
	check(rig, ok, hook, mode, family, "malformed tunnels");
}

/* Cut short at every byte: to the stack or dropped, and counted, never sent on. */
static void test_truncated(struct sl_rig *rig, enum sl_rig_hook hook, const struct family *family,
			   enum sl_mode mode)
{
	struct sl_frame_spec data = packet_of(family, port_of(rig, family, SELF), ACK);
	struct sl_frame frame, out;
	uint64_t passed = 0, counted = 0;
	bool ok = true;
	size_t full;

	start(rig, family, mode);
	arrive(rig, family, &data, mode, &frame);
	full = frame.len;
	/* Shorter ones are refused by the kernel's test run, at TC also those within the IP header. */
	frame.len = hook == SL_RIG_XDP ? 15 : is_ip6(family) ? 54 : 34;
	for (; frame.len < full; frame.len++) {
		enum sl_rig_verdict verdict = run(rig, hook, &frame, &out);

		passed++;
		ok = (verdict == SL_RIG_PASS || verdict == SL_RIG_DROP) && ok;
	}
	for (uint32_t id = SL_COUNTER_PASS_NOT_IP; id <= SL_COUNTER_PASS_NEIGHBOUR; id++)
		counted += sl_rig_counted(rig, id);
	counted += sl_rig_counted(rig, SL_COUNTER_DROP_TUNNEL);
	check(rig,
	      ok && counted == passed && !sl_rig_counted(rig, SL_COUNTER_DECAPSULATED) &&
		      !sl_rig_counted(rig, SL_COUNTER_FORWARD_AGAIN),
	      hook, mode, family, "cut short at every byte");
}

/* ---- a SYN cookie -------------------------------------------------------------------------- */

static int wire_open(void)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex("rig1"),
	};
	struct timeval wait = {.tv_sec = 5};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)))
		die("packet socket on rig1");
	return fd;
}

/* The sequence number of the next SYN-ACK on rig1; false: none came. */
static bool read_cookie(int wire, const struct family *family, uint32_t *ret_cookie)
{
	size_t tcp_at = 14 + (is_ip6(family) ? 40 : 20);
	uint8_t bytes[SL_FRAME_MAX];

	for (int frames = 0; frames < 64; frames++) {
		ssize_t len = recv(wire, bytes, sizeof(bytes), 0);

		if (len < 0)
			return false;
		if (len < (ssize_t)tcp_at + 20)
			continue;
		if ((bytes[12] << 8 | bytes[13]) != (is_ip6(family) ? 0x86dd : 0x0800) ||
		    (bytes[tcp_at + 13] & (SYN | ACK)) != (SYN | ACK))
			continue;
		memcpy(ret_cookie, bytes + tcp_at + 4, 4);
		*ret_cookie = ntohl(*ret_cookie);
		return true;
	}
	return false;
}

/*
 * The stack answers every SYN by a cookie and keeps nothing. The ACK that brings it back is held
 * here; one with a wrong cookie is not.
 */
static void test_cookie(struct sl_rig *rig, const struct family *at_home)
{
	struct family away = *at_home;
	const struct family *family = &away;
	uint16_t sport;
	struct sl_frame_spec syn, ack;
	int wire = wire_open(), fd = listener(family);
	uint32_t cookie = 0;
	struct sl_frame frame;
	bool ok;

	/* Not an address of this host, whose stack would not believe it. */
	away.client = is_ip6(at_home) ? "2001:db8:c::9" : "198.51.100.9";
	start(rig, family, SL_MODE_GUE);
	sport = port_of(rig, family, SELF);
	syn = packet_of(family, sport, SYN);
	ack = packet_of(family, sport, ACK);
	sl_rig_command("sysctl -q -w net.ipv4.tcp_syncookies=2");
	sl_frame_build(&frame, &syn);
	if (send(wire, frame.bytes, frame.len, 0) != (ssize_t)frame.len)
		die("send on rig1");
	ok = read_cookie(wire, family, &cookie);
	sl_rig_check(rig, ok, "the stack answers by a cookie", "no SYN-ACK on rig1");
	ack.seq = syn.seq + 1;
	ack.ack = cookie + 1;
	for (enum sl_rig_hook hook = SL_RIG_XDP; hook < SL_RIG_HOOKS; hook++) {
		ack.ack = cookie + 1;
		check(rig, taken(rig, hook, family, &ack, SL_MODE_GUE), hook, SL_MODE_GUE, family,
		      "an ACK that brings a cookie back");
		ack.ack = cookie + 0x1001; /* the last bits tell the MSS */
		check(rig, passed_on(rig, hook, family, &ack, SL_MODE_GUE, family->other, 1), hook,
		      SL_MODE_GUE, family, "an ACK with a wrong cookie");
	}
	sl_rig_command("sysctl -q -w net.ipv4.tcp_syncookies=1");
	close(fd);
	close(wire);
}

/* Frames from rig1 meet the node role, not the balancer. */
static void attach(const struct sl_rig *rig)
{
	struct bpf_program *program =
		bpf_object__find_program_by_name(rig->object, programs[SL_RIG_XDP]);

	if (!program || bpf_xdp_attach((int)rig->one_arm.ifindex, bpf_program__fd(program),
				       XDP_FLAGS_DRV_MODE, NULL))
		die("attach to rig0");
}

static void test_hook(struct sl_rig *rig, enum sl_rig_hook hook)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		const struct family *family = &families[i];

		for (enum sl_mode mode = SL_MODE_L2; mode < SL_MODES; mode++) {
			test_held(rig, hook, family, mode);
			test_second_chance(rig, hook, family, mode);
			test_former(rig, hook, family, mode, 1);
			test_former(rig, hook, family, mode, SL_OLD_TABLES);
		}
		for (enum sl_mode mode = SL_MODE_IPIP; mode < SL_MODES; mode++) {
			test_datagram(rig, hook, family, mode);
			test_icmp(rig, hook, family, mode);
			test_ecn(rig, hook, family, mode);
			test_not_ours(rig, hook, family, mode);
			test_senders(rig, hook, family, mode);
			test_malformed(rig, hook, family, mode);
			test_truncated(rig, hook, family, mode);
		}
	}
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	sl_rig_command("ip address add 192.0.2.100/32 dev lo");
	sl_rig_command("ip address add 198.51.100.7/32 dev lo");
	sl_rig_command("ip -6 address add 2001:db8::100/128 dev lo nodad");
	sl_rig_command("ip -6 address add 2001:db8:c::7/128 dev lo nodad");
	attach(&rig);
	test_hook(&rig, SL_RIG_XDP);
	test_hook(&rig, SL_RIG_TC);
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		for (enum sl_mode mode = SL_MODE_IPIP; mode < SL_MODES; mode++)
			test_tags(&rig, &families[i], mode);
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		test_cookie(&rig, &families[i]);
	return sl_rig_close(&rig);
}
