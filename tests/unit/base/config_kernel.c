/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel plane's part of the configuration: modes, spills, server ids, UDP and QUIC services,
 * roles, hooks, allow and deny lists, beacons. Every complaint with the word that its caret stands
 * under.
 */
#include "user/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "tests/unit/guard.h"
#include "user/base/address.h"
#include "user/base/prefix.h"
#include "user/base/random.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MUTATIONS    2000u

#define HEX1 "000102030405060708090a0b0c0d0e0f"
#define HEX2 "FFEEDDCCBBAA99887766554433221100"

static const char good[] =
	"kernel:\n"
	"  devices: [eth0]\n"
	"  hook: tc\n"
	"  role: node\n"
	"  flows: 1000000\n"
	"  conns: 2048\n"
	"  gue_port: 7000\n"
	"  quic_config: 6\n"
	"  allow: [10.0.0.0/8, 'fd00::/8', 192.0.2.1, '2001:db8::1', '::ffff:172.16.0.0/108']\n"
	"  deny: 0.0.0.0/0\n"
	"  beacon:\n"
	"    listen: 7946\n"
	"    keys: [{id: 7, key: " HEX1 "}, {id: 0, key: '" HEX2 "'}]\n"
	"    send_to: [10.0.0.1:7946, '[fd00::1]:7946']\n"
	"    every_ms: 50\n"
	"    nodes:\n"
	"      - {node: 10.0.0.7:443, metrics: 'http://127.0.0.1:8000/metrics?x=1'}\n"
	"      - {node: 10.0.0.7:444}\n"
	"pools:\n"
	"  chat:\n"
	"    mode: gue\n"
	"    spill: last\n"
	"    nodes: [{address: 10.0.0.7:443, server_id: 65535}, {address: 10.0.0.8:443, weight: "
	"2}]\n"
	"  plain: {nodes: [10.0.0.9:80]}\n"
	"  last: {mode: ipip, spill: far, nodes: [{address: 10.0.0.10:443, server_id: 1}]}\n"
	"  far: {nodes: [10.0.0.11:80]}\n"
	"services:\n"
	"  - {address: 10.0.0.1:443, lane: fast, pool: chat}\n"
	"  - {address: 10.0.0.1:443, lane: fast, pool: chat, protocol: udp, quic: true}\n"
	"  - {address: 10.0.0.1:53, lane: fast, pool: plain, protocol: udp}\n"
	"  - {address: 10.0.0.1:8080, lane: smart, protocol: tcp, quic: false}\n";

static struct sl_config *must_parse(const char *text)
{
	struct sl_config *config = NULL;
	char *errors = NULL;
	int rc = sl_config_parse("t.yaml", text, strlen(text), &config, &errors);

	if (rc != 0)
		fail_msg("%d\n%s", rc, errors != NULL ? errors : "");
	return config;
}

/* ---- good files ---------------------------------------------------------------------------- */

static void kernel_values_arrive(void **state)
{
	struct sl_config *config = must_parse(good);

	(void)state;
	assert_int_equal(config->hook, SL_CONFIG_HOOK_TC);
	assert_int_equal(config->role, SL_ROLE_NODE);
	assert_int_equal(config->flows_max, 1000000);
	assert_int_equal(config->conns_max, 2048);
	assert_int_equal(config->gue_port, 7000);
	assert_int_equal(config->quic_config, 6);
	sl_config_close(&config);
}

static void pools_and_services_arrive(void **state)
{
	struct sl_config *config = must_parse(good);

	(void)state;
	assert_int_equal(config->pools[0].mode, SL_MODE_GUE);
	assert_int_equal(config->pools[0].spill, 2);
	assert_int_equal(config->pools[1].mode, SL_MODE_NAT);
	assert_true(config->pools[1].spill == UINT32_MAX);
	assert_int_equal(config->pools[2].mode, SL_MODE_IPIP);
	assert_int_equal(config->pools[2].spill, 3);
	assert_int_equal(config->pools[0].nodes[0].server_id, 65535);
	assert_int_equal(config->pools[0].nodes[0].weight, 1);
	assert_int_equal(config->pools[0].nodes[1].server_id, 0);
	assert_int_equal(config->pools[0].nodes[1].weight, 2);
	assert_int_equal(config->pools[0].nodes[0].endpoint.proto, IPPROTO_TCP);
	assert_int_equal(config->services[0].endpoint.proto, IPPROTO_TCP);
	assert_int_equal(config->services[0].quic, 0);
	assert_int_equal(config->services[1].endpoint.proto, IPPROTO_UDP);
	assert_int_equal(config->services[1].protocol, SL_CONFIG_PROTOCOL_UDP);
	assert_int_equal(config->services[1].quic, 1);
	assert_int_equal(config->services[2].endpoint.proto, IPPROTO_UDP);
	assert_int_equal(config->services[2].quic, 0);
	assert_int_equal(config->services[3].protocol, SL_CONFIG_PROTOCOL_TCP);
	sl_config_close(&config);
}

static void prefixes_arrive(void **state)
{
	static const struct {
		uint32_t bits;
		enum sl_prefix_rule rule;
		const char *text;
	} expected[] = {
		{104, SL_PREFIX_ALLOW, "10.0.0.0/8"},	 {8, SL_PREFIX_ALLOW, "fd00::/8"},
		{128, SL_PREFIX_ALLOW, "192.0.2.1"},	 {128, SL_PREFIX_ALLOW, "2001:db8::1"},
		{108, SL_PREFIX_ALLOW, "172.16.0.0/12"}, {96, SL_PREFIX_DENY, "0.0.0.0/0"},
	};
	struct sl_config *config = must_parse(good);
	char text[SL_PREFIX_TEXT_SIZE];

	(void)state;
	assert_int_equal(config->prefix_count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_int_equal(config->prefixes[i].prefix.bits, expected[i].bits);
		assert_int_equal(config->prefixes[i].rule, expected[i].rule);
		assert_string_equal(sl_prefix_format(&config->prefixes[i].prefix, text),
				    expected[i].text);
	}
	assert_string_equal(config->prefixes[4].text, "::ffff:172.16.0.0/108");
	sl_config_close(&config);
}

static void beacons_arrive(void **state)
{
	struct sl_config *config = must_parse(good);
	const struct sl_config_beacon *beacon = &config->beacon;
	char text[SL_ADDRESS_TEXT_SIZE];

	(void)state;
	assert_int_equal(beacon->port, 7946);
	assert_int_equal(beacon->key_count, 2);
	assert_int_equal(beacon->keys[0].id, 7);
	assert_true(beacon->keys[0].key[0] == 0x0706050403020100ull);
	assert_true(beacon->keys[0].key[1] == 0x0f0e0d0c0b0a0908ull);
	assert_int_equal(beacon->keys[1].id, 0);
	assert_true(beacon->keys[1].key[0] == 0x8899aabbccddeeffull);
	assert_true(beacon->keys[1].key[1] == 0x0011223344556677ull);
	assert_int_equal(beacon->send_count, 2);
	assert_string_equal(sl_address_format(&beacon->send_to[1], text), "[fd00::1]:7946");
	assert_int_equal(beacon->send_to[0].proto, IPPROTO_UDP);
	assert_int_equal(beacon->every_ms, 50);
	assert_int_equal(beacon->node_count, 2);
	assert_string_equal(sl_address_format(&beacon->nodes[0].node, text), "10.0.0.7:443");
	assert_string_equal(sl_address_format(&beacon->nodes[0].metrics_at, text),
			    "127.0.0.1:8000");
	assert_string_equal(beacon->nodes[0].metrics_path, "/metrics?x=1");
	assert_null(beacon->nodes[1].metrics_path);
	sl_config_close(&config);
}

static void defaults_fill_in(void **state)
{
	struct sl_config *config =
		must_parse("pools: {p: {nodes: [10.0.0.7:80]}}\n"
			   "services: [{address: 10.0.0.1:80, lane: fast, pool: p}]\n");

	(void)state;
	assert_int_equal(config->hook, SL_CONFIG_HOOK_AUTO);
	assert_int_equal(config->role, SL_ROLE_BALANCER);
	assert_int_equal(config->conns_max, SL_CONNS_MAX_DEFAULT);
	assert_int_equal(config->gue_port, 6080);
	assert_int_equal(config->quic_config, 0);
	assert_int_equal(config->prefix_count, 0);
	assert_int_equal(config->beacon.port + config->beacon.key_count +
				 config->beacon.send_count + config->beacon.node_count,
			 0);
	assert_int_equal(config->beacon.every_ms, 200);
	assert_int_equal(config->pools[0].mode, SL_MODE_NAT);
	assert_true(config->pools[0].spill == UINT32_MAX);
	assert_int_equal(config->pools[0].nodes[0].server_id, 0);
	assert_int_equal(config->services[0].protocol, SL_CONFIG_PROTOCOL_TCP);
	sl_config_close(&config);
}

/* Hosts that have neither routes nor services all the same have something to do. */
static void hosts_without_services(void **state)
{
	static const char *const texts[] = {
		"kernel: {role: node}\n",
		"kernel: {beacon: {keys: [{id: 1, key: " HEX1 "}], send_to: 10.0.0.1:7946,\n"
		"         nodes: [{node: 10.0.0.7:80}]}}\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct sl_config *config = must_parse(texts[i]);

		assert_int_equal(config->service_count + config->route_count, 0);
		sl_config_close(&config);
	}
}

/* ---- complaints ---------------------------------------------------------------------------- */

struct complaint {
	const char *text;
	const char *place; /* "LINE:COLUMN: " */
	const char *under; /* what the caret stands under begins so */
	const char *said;
};

/* Valid around the line under test. */
#define POOL	     "pools: {p: {nodes: [10.0.0.7:80]}}\n"
#define SERVICE	     "services: [{address: 10.0.0.1:80, lane: fast, pool: p}]\n"
#define TWO	     "pools:\n  a: {spill: b, nodes: [10.0.0.7:80]}\n"
#define DIRECT(mode) "pools: {p: {mode: " mode ", nodes: [10.0.0.8:80, 10.0.0.7:8000]}}\n" SERVICE
#define BEACON(rest) POOL SERVICE "kernel: {beacon: {" rest "}}\n"
#define KEYS	     "keys: [{id: 1, key: " HEX1 "}], "

static const struct complaint complaints[] = {
	/* modes and families */
	{"pools: {p: {mode: dsr, nodes: [10.0.0.7:80]}}\n" SERVICE, "1:19: ", "dsr",
	 "pools.p.mode: \"dsr\" is not known here (expected nat, l2, ipip or gue)"},
	{DIRECT("l2"), "2:22: ", "10.0.0.1:80",
	 "service 10.0.0.1:80: mode l2 of pool \"p\" leaves its port 80 as it is, but node "
	 "10.0.0.7:8000, line 1, listens on 8000 (give both one port, or the pool: mode: nat)"},
	{DIRECT("ipip"), "2:22: ", "10.0.0.1:80", "mode ipip of pool \"p\""},
	{DIRECT("gue"), "2:22: ", "10.0.0.1:80", "mode gue of pool \"p\""},
	{"pools:\n  p: {spill: q, nodes: [10.0.0.7:8000]}\n"
	 "  q: {mode: l2, nodes: [10.0.0.8:8000]}\n" SERVICE,
	 "4:22: ", "10.0.0.1:80",
	 "service 10.0.0.1:80: mode l2 of pool \"q\" leaves its port 80 as it is, but node "
	 "10.0.0.8:8000, line 3"},
	{"pools: {p: {nodes: ['[fd00::7]:80']}}\n" SERVICE, "2:22: ", "10.0.0.1:80",
	 "service 10.0.0.1:80: the fast lane cannot lead to node [fd00::7]:80 of pool \"p\", line "
	 "1: IPv4 and IPv6 do not mix (use the smart lane, or a pool of IPv4 nodes)"},
	{POOL "services: [{address: '[fd00::1]:80', lane: fast, pool: p, protocol: udp}]\n",
	 "2:23: ", "[fd00::1]:80",
	 "cannot lead to node 10.0.0.7:80 of pool \"p\", line 1: IPv4 and IPv6 do not mix (use a "
	 "pool of IPv6 nodes)"},
	/* spills */
	{"pools: {p: {spill: q, nodes: [10.0.0.7:80]}}\n" SERVICE, "1:20: ", "q",
	 "pools.p.spill: no pool \"q\""},
	{"pools: {chat: {spill: chta, nodes: [10.0.0.7:80]}}\n"
	 "services: [{address: 10.0.0.1:80, lane: fast, pool: chat}]\n",
	 "1:23: ", "chta", "no pool \"chta\" (did you mean \"chat\"?)"},
	{"pools: {p: {spill: [q], nodes: [10.0.0.7:80]}}\n" SERVICE, "1:20: ", "[q]",
	 "pools.p.spill: a list here (expected the name of another pool)"},
	{"pools: {p: {spill: p, nodes: [10.0.0.7:80]}}\n" SERVICE, "1:20: ", "p",
	 "pools.p.spill: a pool cannot stand in for itself"},
	{TWO "  b: {spill: c, nodes: [10.0.0.8:80]}\n  c: {spill: a, nodes: [10.0.0.9:80]}\n"
	     "  p: {spill: c, nodes: [10.0.0.10:80]}\n" SERVICE,
	 "2:14: ", "b",
	 "pools.a.spill: the fallbacks lead in a circle, a -> b -> c -> a (take one of them out)"},
	{TWO "  b: {nodes: [10.0.0.8:80, '[fd00::8]:80']}\n"
	     "services: [{address: 10.0.0.1:80, lane: fast, pool: a}]\n",
	 "2:14: ", "b",
	 "pools.a.spill: node [fd00::8]:80 of pool \"b\", line 3, cannot stand in for node "
	 "10.0.0.7:80, line 2: IPv4 and IPv6 do not mix (name a pool of IPv4 nodes)"},
	/* server ids */
	{"pools: {p: {nodes: [{address: 10.0.0.7:80, server_id: 0}]}}\n" SERVICE, "1:55: ", "0",
	 "pools.p.nodes[0].server_id: \"0\" is too small (expected 1 to 65535)"},
	{"pools: {p: {nodes: [{address: 10.0.0.7:80, server_id: 65536}]}}\n" SERVICE,
	 "1:55: ", "65536", "is too large (expected 1 to 65535)"},
	{"pools:\n  p: {nodes: [{address: 10.0.0.7:80, server_id: 3}]}\n"
	 "  q: {nodes: [{server_id: 3, address: 10.0.0.8:80}]}\n" SERVICE,
	 "3:39: ", "10.0.0.8:80",
	 "pool \"q\": node 10.0.0.8:80 has server_id 3, which node 10.0.0.7:80 of pool \"p\", line "
	 "2, has already"},
	/* services */
	{POOL "services: [{address: 10.0.0.1:80, lane: fast, pool: p, protocol: sctp}]\n",
	 "2:66: ", "sctp",
	 "services[0].protocol: \"sctp\" is not known here (did you mean \"tcp\"?) (expected tcp "
	 "or udp)"},
	{POOL "services: [{address: 10.0.0.1:80, lane: smart, protocol: udp}]\n",
	 "2:48: ", "protocol",
	 "services[0].protocol: the smart lane leads to the daemon, which takes TCP alone"},
	{POOL "services: [{address: 10.0.0.1:80, lane: fast, pool: p, quic: true}]\n",
	 "2:56: ", "quic",
	 "services[0].quic: QUIC runs over UDP, and service 10.0.0.1:80 is TCP (add: protocol: "
	 "udp)"},
	{POOL "services: [{address: 10.0.0.1:80, lane: fast, pool: p, quic: yes, protocol: udp}]\n",
	 "2:62: ", "yes", "services[0].quic: \"yes\" is not known here (expected false or true)"},
	{POOL
	 "services: [{address: 10.0.0.1:80, lane: fast, pool: p, quic: true, protocol: udp}]\n",
	 "2:22: ", "10.0.0.1:80",
	 "service 10.0.0.1:80: quic needs to know its nodes by the ids in their connection ids, "
	 "but "
	 "no node of pool \"p\" has a server_id"},
	{POOL "services:\n"
	      "  - {address: 10.0.0.1:80, lane: fast, pool: p, protocol: udp}\n"
	      "  - {address: 10.0.0.1:80, lane: fast, pool: p}\n"
	      "  - {address: 10.0.0.1:80, lane: fast, pool: p, protocol: udp}\n",
	 "5:15: ", "10.0.0.1:80", "service 10.0.0.1:80 is already in line 3"},
	{POOL "services: [{address: 10.0.0.7:80, lane: fast, pool: p, protocol: udp}]\n",
	 "2:22: ", "10.0.0.7:80", "10.0.0.7:80 is a node and a service (see line 1)"},
	/* kernel */
	{POOL SERVICE "kernel: {hook: xdp}\n", "3:16: ", "xdp",
	 "kernel.hook: \"xdp\" is not known here (expected auto, native, generic or tc)"},
	{POOL SERVICE "kernel: {role: Node}\n", "3:16: ", "Node",
	 "kernel.role: \"Node\" is not known here (did you mean \"node\"?) (expected balancer or "
	 "node)"},
	{POOL SERVICE "kernel: {quic_config: 7}\n", "3:23: ", "7",
	 "kernel.quic_config: \"7\" is too large (expected 0 to 6)"},
	{POOL SERVICE "kernel: {gue_port: 0}\n", "3:20: ", "0",
	 "kernel.gue_port: \"0\" is too small (expected 1 to 65535)"},
	{POOL SERVICE "kernel: {flows: 16777217}\n", "3:17: ", "16777217",
	 "kernel.flows: \"16777217\" is too large (expected 1024 to 16777216)"},
	{POOL SERVICE "kernel: {conns: 1000}\n", "3:17: ", "1000",
	 "kernel.conns: \"1000\" is too small (expected 1024 to"},
	/* allow and deny */
	{POOL SERVICE "kernel: {allow: [10.0.0.0/8, all]}\n", "3:30: ", "all",
	 "kernel.allow: \"all\" is no prefix (expected 10.0.0.0/8, fd00::/8 or one address)"},
	{POOL SERVICE "kernel: {allow: 10.0.0.0/}\n", "3:17: ", "10.0.0.0/", "is no prefix"},
	{POOL SERVICE "kernel: {allow: /8}\n", "3:17: ", "/8", "is no prefix"},
	{POOL SERVICE "kernel: {deny: 10.0.0.0/33}\n", "3:16: ", "10.0.0.0/33",
	 "kernel.deny: \"10.0.0.0/33\" is longer than an address (at most /32)"},
	{POOL SERVICE "kernel: {deny: 'fd00::/129'}\n", "3:17: ", "fd00::/129", "at most /128"},
	{POOL SERVICE "kernel: {deny: 10.1.2.3/8}\n", "3:16: ", "10.1.2.3/8",
	 "kernel.deny: \"10.1.2.3/8\" has bits set beyond its length (did you mean 10.0.0.0/8?)"},
	{POOL SERVICE "kernel: {deny: ['fd00::1/8']}\n", "3:18: ", "fd00::1/8",
	 "(did you mean fd00::/8?)"},
	{POOL SERVICE "kernel: {deny: '::/0'}\n", "3:17: ", "::/0",
	 "kernel.deny: \"::/0\" would match every IPv4 address too (for all of IPv6 write "
	 "2000::/3, for IPv4 0.0.0.0/0)"},
	{POOL SERVICE "kernel: {deny: '::/80'}\n", "3:17: ", "::/80", "every IPv4 address too"},
	{POOL SERVICE "kernel: {deny: [10.0.0.0/8, 10.0.0.0/9, '::ffff:10.0.0.0/104']}\n",
	 "3:42: ", "::ffff:10.0.0.0/104", "kernel.deny: ::ffff:10.0.0.0/104 is already in line 3"},
	{POOL SERVICE "kernel:\n  deny: 10.0.0.7\n  allow: [10.0.0.7/32]\n",
	 "5:11: ", "10.0.0.7/32",
	 "kernel.allow: 10.0.0.7/32 is in kernel.deny, line 4, too (a prefix has one rule; a "
	 "longer "
	 "one inside it may have the other)"},
	{POOL SERVICE "kernel: {allow: {a: b}}\n", "3:17: ", "{a: b}",
	 "kernel.allow: a map here (expected a list of prefixes, like 10.0.0.0/8 or fd00::/8)"},
	/* beacons */
	{BEACON("listne: 1"), "3:19: ", "listne",
	 "kernel.beacon.listne: unknown key (did you mean \"listen\"?)"},
	{BEACON("listen: 7946"), "3:19: ", "listen",
	 "kernel.beacon.listen: needs the key \"keys\" beside it: a beacon that anyone could forge "
	 "is not sent or taken"},
	{BEACON("send_to: 10.0.0.1:7946, nodes: [{node: 10.0.0.7:80}]"), "3:19: ", "send_to",
	 "kernel.beacon.send_to: needs the key \"keys\" beside it"},
	{BEACON(KEYS "listen: 65536"), "3:83: ", "65536", "is too large (expected 0 to 65535)"},
	{BEACON(KEYS "listen: 6080"), "3:83: ", "6080",
	 "kernel.beacon.listen: 6080 is kernel.gue_port too"},
	{BEACON(KEYS "listen: 20000"), "3:83: ", "20000",
	 "kernel.beacon.listen: 20000 lies within kernel.nat_ports 10240-32767"},
	{BEACON("keys: [{id: 1, key: abc}]"), "3:39: ", "***",
	 "kernel.beacon.keys[0].key: the value is no key (expected 32 hexadecimal digits"},
	{BEACON("keys: [{id: 1, key: 0102030405060708090a0b0c0d0e0fxx}]"), "3:39: ", "****",
	 "the value is no key"},
	{BEACON("keys: [{id: 1, key: '00000000000000000000000000000000'}]"), "3:40: ", "****",
	 "kernel.beacon.keys[0].key: a key of zeros protects nothing"},
	{BEACON("keys: [{key: " HEX1 "}]"), "3:26: ", "{key",
	 "kernel.beacon.keys[0]: needs the key \"id\""},
	{BEACON("keys: [{id: 1}]"), "3:26: ", "{id", "needs the key \"key\""},
	{BEACON("keys: {id: 1, key: " HEX1 "}"), "3:25: ", "{id",
	 "kernel.beacon.keys: a map here (expected a list of up to 2 {id, key})"},
	{BEACON("keys: [{id: 1, key: " HEX1 "}, {id: 1, key: " HEX2 "}]"), "3:74: ", "{id: 1",
	 "kernel.beacon.keys[1].id: 1 is the id of the first key too, line 3"},
	{BEACON("keys: [{id: 1, key: " HEX1 "}, {id: 2, key: " HEX2 "}, {}]"), "3:25: ", "[{id",
	 "kernel.beacon.keys: 3 entries are too many (at most 2)"},
	{BEACON(KEYS "send_to: 10.0.0.1:7946"), "3:75: ", "send_to",
	 "kernel.beacon.send_to: no node to send beacons for"},
	{BEACON(KEYS "nodes: [{node: 10.0.0.7:80}]"), "3:75: ", "nodes",
	 "kernel.beacon.nodes: no balancer to send their beacons to"},
	{BEACON(KEYS "send_to: [10.0.0.1:1, 10.0.0.1:1], nodes: [{node: 10.0.0.7:80}]"),
	 "3:97: ", "10.0", "kernel.beacon.send_to: \"10.0.0.1:1\" is here twice"},
	{BEACON(KEYS "send_to: 0.0.0.0:1, nodes: [{node: 10.0.0.7:80}]"), "3:84: ", "0.0.0.0:1",
	 "is every address, not one"},
	{BEACON(KEYS "send_to: 10.0.0.1:1, nodes: [{node: 10.0.0.7:80}, {node: 10.0.0.7:80}]"),
	 "3:132: ", "10.0.0.7:80}]",
	 "kernel.beacon.nodes[1].node: 10.0.0.7:80 is already in line 3"},
	{BEACON(KEYS "send_to: 10.0.0.1:1, nodes: [{metrics: 'http://127.0.0.1:1/'}]"),
	 "3:104: ", "{metrics", "kernel.beacon.nodes[0]: needs the key \"node\""},
	{BEACON("every_ms: 5"), "3:29: ", "5",
	 "kernel.beacon.every_ms: \"5\" is too small (expected 10 to 60000)"},
	{BEACON(KEYS "send_to: 10.0.0.1:1, "
		     "nodes: [{node: 10.0.0.7:80, metrics: 'https://127.0.0.1:1/'}]"),
	 "3:134: ", "https",
	 "kernel.beacon.nodes[0].metrics: \"https://127.0.0.1:1/\" is no such URL "
	 "(expected http://ADDRESS:PORT/PATH, numeric)"},
	{BEACON(KEYS "send_to: 10.0.0.1:1, "
		     "nodes: [{node: 10.0.0.7:80, metrics: 'http://127.0.0.1:1/a b'}]"),
	 "3:134: ", "http", "is no such URL"},
	{BEACON(KEYS "send_to: 10.0.0.1:1, "
		     "nodes: [{node: 10.0.0.7:80, metrics: 'http://127.0.0.1:1'}]"),
	 "3:134: ", "http", "\"http://127.0.0.1:1\" has no path"},
	{BEACON(KEYS "send_to: 10.0.0.1:1, "
		     "nodes: [{node: 10.0.0.7:80, metrics: 'http://localhost:1/'}]"),
	 "3:134: ", "http", "names no numeric address and port"},
	{BEACON(KEYS "send_to: 10.0.0.1:1, "
		     "nodes: [{node: 10.0.0.7:80, metrics: 'http://127.0.0.1/'}]"),
	 "3:134: ", "http", "names no numeric address and port"},
};

/* The two lines below the message: the caret stands under the word. */
static bool points_at(const char *errors, const char *under)
{
	const char *source = strchr(errors, '\n');
	const char *caret_line = source ? strchr(source + 1, '\n') : NULL;
	const char *caret = caret_line ? strchr(caret_line + 1, '^') : NULL;

	return caret != NULL && strncmp(source + (caret - caret_line), under, strlen(under)) == 0;
}

static void every_complaint_has_its_place(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(complaints); i++) {
		const struct complaint *c = &complaints[i];
		size_t len = strlen(c->text);
		char *text = sl_guard_copy(c->text, len);
		struct sl_config *config = NULL;
		char *errors = NULL, expected[64];
		int rc = sl_config_parse("t.yaml", text, len, &config, &errors);

		snprintf(expected, sizeof(expected), "t.yaml:%s", c->place);
		if (rc != -EINVAL || config != NULL || errors == NULL ||
		    strncmp(errors, expected, strlen(expected)) != 0 ||
		    strstr(errors, c->said) == NULL || !points_at(errors, c->under)) {
			print_error("case %zu: %d\n%s--\n%s--\nexpected %s%s\n", i, rc, c->text,
				    errors != NULL ? errors : "(null)\n", expected, c->said);
			wrong++;
		}
		free(errors);
		sl_guard_free(text, len);
	}
	assert_int_equal(wrong, 0);
}

/* A circle and a wrong server id are said once each, not once a pool. */
static void complaints_are_not_repeated(void **state)
{
	static const char text[] =
		"pools:\n"
		"  a: {spill: b, nodes: [{address: 10.0.0.1:80, server_id: 1}]}\n"
		"  b: {spill: a, nodes: [{address: 10.0.0.2:80, server_id: 1}]}\n"
		"  c: {spill: a, nodes: [10.0.0.3:80]}\n"
		"services: [{address: 10.0.0.9:80, lane: fast, pool: c}]\n";
	static const char expected[] =
		"t.yaml:2:14: error: pools.a.spill: the fallbacks lead in a circle, a -> b -> a "
		"(take one of them out)\n"
		"    2 |   a: {spill: b, nodes: [{address: 10.0.0.1:80, server_id: 1}]}\n"
		"      |              ^\n"
		"t.yaml:3:35: error: pool \"b\": node 10.0.0.2:80 has server_id 1, which node "
		"10.0.0.1:80 of pool \"a\", line 2, has already (each server needs its own)\n"
		"    3 |   b: {spill: a, nodes: [{address: 10.0.0.2:80, server_id: 1}]}\n"
		"      |                                   ^\n";
	struct sl_config *config = NULL;
	char *errors = NULL;

	(void)state;
	assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors), -EINVAL);
	assert_string_equal(errors, expected);
	free(errors);
}

static void secrets_are_not_shown(void **state)
{
	static const char *const lines[] = {
		"keys: [{id: 1, key: '${SLUICE_TEST_SECRET}'}]",
		"keys: [{id: '${SLUICE_TEST_SECRET}', key: " HEX1 "}]",
		"send_to: '${SLUICE_TEST_SECRET}'",
		"nodes: [{node: '${SLUICE_TEST_SECRET}'}]",
		"nodes: [{node: 10.0.0.7:80, metrics: '${SLUICE_TEST_SECRET}'}]",
		"}, allow: ['${SLUICE_TEST_SECRET}'], deny: {",
	};

	(void)state;
	setenv("SLUICE_TEST_SECRET", "sk hunter2/", 1);
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct sl_config *config = NULL;
		char *errors = NULL;
		char text[256];

		snprintf(text, sizeof(text), POOL SERVICE "kernel: {beacon: {%s}}\n", lines[i]);
		assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors),
				 -EINVAL);
		if (strstr(errors, "hunter2") != NULL)
			fail_msg("%s", errors);
		free(errors);
	}
}

/* ---- damage and limits --------------------------------------------------------------------- */

static void damage_never_crashes(void **state)
{
	static const char bytes[] = "{}[]:,-&*!|>'\"%@`#? \n\t$~</0\x01\x80\xff\xc3\xa9"
				    "9az.";
	size_t good_len = strlen(good);
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, 77);
	for (unsigned i = 0; i < MUTATIONS; i++) {
		char *text = sl_guard_copy(good, good_len);
		struct sl_config *config = NULL;
		char *errors = NULL;
		int rc;

		for (unsigned j = sl_random_below(&random, 8); j < 8; j++)
			text[sl_random_below(&random, (uint32_t)good_len)] =
				bytes[sl_random_below(&random, sizeof(bytes) - 1)];
		rc = sl_config_parse("t.yaml", text, good_len, &config, &errors);
		assert_true((rc == 0) == (config != NULL));
		assert_true((rc == 0) == (errors == NULL));
		free(errors);
		sl_config_close(&config);
		sl_guard_free(text, good_len);
	}
}

static void prefixes_have_a_limit(void **state)
{
	size_t size = 1u << 20, len;
	char *text = malloc(size);
	struct sl_config *config = NULL;
	char *errors = NULL;

	(void)state;
	len = (size_t)sprintf(text, POOL SERVICE "kernel: {allow: 192.0.2.1, deny: [");
	for (unsigned i = 0; i < SL_PREFIXES_MAX; i++)
		len += (size_t)sprintf(text + len, "10.%u.%u.0/24,", i / 256, i % 256);
	len += (size_t)sprintf(text + len, "]}\n");
	assert_int_equal(sl_config_parse("t.yaml", text, len, &config, &errors), -EINVAL);
	assert_string_equal(errors,
			    "t.yaml: error: kernel: 16385 prefixes under allow and deny are "
			    "too many (at most 16384)\n");
	free(errors);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_values_arrive),
		cmocka_unit_test(pools_and_services_arrive),
		cmocka_unit_test(prefixes_arrive),
		cmocka_unit_test(beacons_arrive),
		cmocka_unit_test(defaults_fill_in),
		cmocka_unit_test(hosts_without_services),
		cmocka_unit_test(every_complaint_has_its_place),
		cmocka_unit_test(complaints_are_not_repeated),
		cmocka_unit_test(secrets_are_not_shown),
		cmocka_unit_test(damage_never_crashes),
		cmocka_unit_test(prefixes_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
