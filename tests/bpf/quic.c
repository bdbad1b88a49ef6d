/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quic.c - datagrams that follow the server id in their connection id, and those that do not.
 *
 * Every case asks for the node that the Maglev table would not give. Both families, both hooks.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tests/bpf/lib/talk.h"

#define ROTATION 5u
#define ID_A	 0x0102u
#define ID_B	 0x0203u
#define ID_FAR	 0x0304u /* of a node in another pool */
#define ID_NONE	 0x0405u /* nobody's */
#define PAYLOAD	 40u

struct bench {
	struct sl_rig rig;
	struct sl_server_id *ids;
	enum sl_rig_hook hook;
	bool ip_v6;
	uint32_t table_slot; /* what the table gives for port 5000 */
	uint32_t other_slot;
	char name[160];
};

/* The first bytes of a datagram, and where its connection id begins. */
struct header {
	uint8_t bytes[16];
	uint8_t id_at;
};

static const struct header short_header = {{0x40}, 1};
static const struct header v1_initial = {{0xc0, 0, 0, 0, 1, 8}, 6};
static const struct header v1_zero_rtt = {{0xd0, 0, 0, 0, 1, 8}, 6};
static const struct header v1_handshake = {{0xe0, 0, 0, 0, 1, 8}, 6};
static const struct header v1_retry = {{0xf0, 0, 0, 0, 1, 8}, 6};
static const struct header v2_initial = {{0xd0, 0x6b, 0x33, 0x43, 0xcf, 8}, 6};
static const struct header v2_zero_rtt = {{0xe0, 0x6b, 0x33, 0x43, 0xcf, 8}, 6};
static const struct header v2_handshake = {{0xf0, 0x6b, 0x33, 0x43, 0xcf, 8}, 6};
static const struct header short_id = {{0xe0, 0, 0, 0, 1, 2}, 6};
static const struct header later_version = {{0xe0, 0, 0, 0, 9, 8}, 6};
static const struct header version_none = {{0xe0, 0, 0, 0, 0, 8}, 6};

static const char *named(struct bench *bench, const char *name)
{
	snprintf(bench->name, sizeof(bench->name), "%s, %s: %s", bench->ip_v6 ? "IPv6" : "IPv4",
		 bench->hook == SL_RIG_TC ? "TC" : "XDP", name);
	return bench->name;
}

static struct sl_talk talk_of(const struct bench *bench, uint16_t sport)
{
	return (struct sl_talk){
		.client = bench->ip_v6 ? "2001:db8:c::7" : "198.51.100.7",
		.service = bench->ip_v6 ? "2001:db8::100" : "192.0.2.100",
		.sport = sport,
		.dport = 443,
		.udp = true,
		.hook = bench->hook,
	};
}

static uint32_t pool_of(const struct bench *bench)
{
	return bench->ip_v6 ? SL_RIG_POOL6 : SL_RIG_POOL4;
}

static uint32_t id_of(const struct bench *bench, uint32_t slot)
{
	return slot == (bench->ip_v6 ? SL_RIG_NODE6_A : SL_RIG_NODE_A) ? ID_A : ID_B;
}

/* Makes the service one that follows connection ids, or not. */
static void set_service(struct bench *bench, uint8_t flags)
{
	struct sl_talk talk = talk_of(bench, 1);
	struct sl_endpoint endpoint = {
		.addr = sl_frame_addr(talk.service), .port = htons(443), .proto = IPPROTO_UDP};
	struct sl_service service = {.pool = pool_of(bench), .lane = SL_LANE_FAST, .flags = flags};

	bpf_map_update_elem(bench->rig.services_fd, &endpoint, &service, BPF_ANY);
}

static void begin(struct bench *bench)
{
	uint32_t a = bench->ip_v6 ? SL_RIG_NODE6_A : SL_RIG_NODE_A;
	uint32_t far_node = bench->ip_v6 ? SL_RIG_NODE_A : SL_RIG_NODE6_A;

	sl_rig_reset(&bench->rig);
	set_service(bench, SL_SERVICE_QUIC);
	bench->rig.settings->quic = ROTATION;
	memset(bench->ids, 0, SL_SERVER_IDS_MAX * sizeof(*bench->ids));
	bench->ids[ID_A].node = a;
	bench->ids[ID_B].node = a + 1;
	bench->ids[ID_FAR].node = far_node;
}

/* Sends a datagram with this header. Returns the node it went to, 0: none. */
static uint32_t send_header(struct bench *bench, struct sl_talk *talk, const struct header *header,
			    uint32_t rotation, uint32_t id, uint16_t payload_len)
{
	struct sl_frame_spec spec = sl_talk_client_spec(talk, 0, payload_len);
	uint8_t bytes[PAYLOAD] = {0};
	struct sl_frame in, out;
	size_t at;

	memcpy(bytes, header->bytes, sizeof(header->bytes));
	bytes[header->id_at] = (uint8_t)(rotation << 5 | 0x11);
	bytes[header->id_at + 1] = (uint8_t)(id >> 8);
	bytes[header->id_at + 2] = (uint8_t)id;
	sl_frame_build(&in, &spec);
	at = sl_frame_l3_at(&in) + (bench->ip_v6 ? 40 : 20) + 8;
	memcpy(in.bytes + at, bytes, payload_len < PAYLOAD ? payload_len : PAYLOAD);
	talk->slot = 0;
	if (sl_rig_run(&bench->rig, talk->hook, &in, &out) != SL_RIG_FORWARD)
		return 0;
	talk->nat_port = sl_frame_sport(&out);
	talk->slot = sl_rig_flow(&bench->rig, talk->sport)
			     ? sl_rig_flow(&bench->rig, talk->sport)->conn.node
			     : 0;
	return talk->slot;
}

/* Which node the table gives for the client's port 5000. */
static void learn_table(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	uint32_t a = bench->ip_v6 ? SL_RIG_NODE6_A : SL_RIG_NODE_A;

	begin(bench);
	bench->table_slot = send_header(bench, &talk, &short_header, ROTATION, ID_NONE, PAYLOAD);
	bench->other_slot = bench->table_slot == a ? a + 1 : a;
	sl_rig_check(&bench->rig, bench->table_slot != 0, named(bench, "an id that is nobody's"),
		     "not forwarded");
}

struct quic_case {
	const char *description;
	const struct header *header;
	bool follows; /* to the node that it names */
	uint16_t payload_len;
	uint32_t rotation;
};

static const struct quic_case quic_cases[] = {
	{"short header", &short_header, true, PAYLOAD, ROTATION},
	{"short header of 9 bytes", &short_header, true, 9, ROTATION},
	{"too short to look at", &short_header, false, 8, ROTATION},
	{"no payload", &short_header, false, 0, ROTATION},
	{"other rotation", &short_header, false, PAYLOAD, ROTATION ^ 1},
	{"rotation that marks none", &short_header, false, PAYLOAD, 7},
	{"v1 Handshake", &v1_handshake, true, PAYLOAD, ROTATION},
	{"v1 Initial: the id is the client's", &v1_initial, false, PAYLOAD, ROTATION},
	{"v1 0-RTT: the id is the client's", &v1_zero_rtt, false, PAYLOAD, ROTATION},
	{"v1 Retry goes the other way", &v1_retry, false, PAYLOAD, ROTATION},
	{"v2 Handshake", &v2_handshake, true, PAYLOAD, ROTATION},
	{"v2 Initial", &v2_initial, false, PAYLOAD, ROTATION},
	{"v2 0-RTT", &v2_zero_rtt, false, PAYLOAD, ROTATION},
	{"an id of two bytes", &short_id, false, PAYLOAD, ROTATION},
	{"a version not known", &later_version, false, PAYLOAD, ROTATION},
	{"version negotiation", &version_none, false, PAYLOAD, ROTATION},
};

static void test_header(struct bench *bench, const struct quic_case *fixture)
{
	uint32_t wanted = fixture->follows ? bench->other_slot : bench->table_slot;
	struct sl_talk talk = talk_of(bench, 5000);
	uint64_t routed;
	uint32_t slot;

	begin(bench);
	slot = send_header(bench, &talk, fixture->header, fixture->rotation,
			   id_of(bench, bench->other_slot), fixture->payload_len);
	routed = sl_rig_counted(&bench->rig, SL_COUNTER_QUIC_ROUTED);
	sl_rig_check(&bench->rig, slot == wanted && routed == fixture->follows,
		     named(bench, fixture->description), "node %u, wanted %u; %llu routed", slot,
		     wanted, (unsigned long long)routed);
}

/* What the node that is named is like. */
enum node_is {
	IS_WELL,
	IS_DRAINING,
	IS_OPEN,
	IS_ABSENT,
	IS_RETIRED,
	IS_SPILLED_TO,
	IS_ELSEWHERE,
	IS_OF_NO_SNAT,
	SERVICE_PLAIN,
};

static const struct {
	const char *description;
	enum node_is is;
	bool follows;
} node_cases[] = {
	{"a node that is well", IS_WELL, true},
	{"draining: connections that stand go on", IS_DRAINING, true},
	{"breaker open: they go on too", IS_OPEN, true},
	{"no such node any more", IS_ABSENT, false},
	{"dead: its connections are over", IS_RETIRED, false},
	{"of the pool that this one spills into", IS_SPILLED_TO, true},
	{"of another pool", IS_ELSEWHERE, false},
	{"without an address to speak from", IS_OF_NO_SNAT, false},
	{"a UDP service that does not follow ids", SERVICE_PLAIN, false},
};

static void test_node(struct bench *bench, size_t at)
{
	struct sl_node_state *node = &bench->rig.nodes[bench->other_slot];
	struct sl_pool_state *pool = &bench->rig.pools[pool_of(bench)];
	struct sl_talk talk = talk_of(bench, 5000);
	uint32_t id = id_of(bench, bench->other_slot);
	uint32_t slot;

	begin(bench);
	switch (node_cases[at].is) {
	case IS_WELL:
		break;
	case IS_DRAINING:
		node->admin |= SL_NODE_DRAINING;
		break;
	case IS_OPEN:
		node->breaker = (uint64_t)SL_BREAKER_FORCED_OPEN << 61;
		break;
	case IS_ABSENT:
		node->admin = 0;
		break;
	case IS_RETIRED:
		node->admin |= SL_NODE_RETIRED;
		break;
	case IS_SPILLED_TO:
		pool->spill = 7;
		node->pool = 7;
		break;
	case IS_ELSEWHERE:
		node->pool = 7;
		break;
	case IS_OF_NO_SNAT:
		memset(&node->snat_addr, 0, sizeof(node->snat_addr));
		if (!bench->ip_v6)
			node->snat_addr.w[2] = htonl(0xffff);
		break;
	case SERVICE_PLAIN:
		set_service(bench, 0);
		break;
	}
	slot = send_header(bench, &talk, &short_header, ROTATION, id, PAYLOAD);
	sl_rig_check(&bench->rig,
		     slot == (node_cases[at].follows ? bench->other_slot : bench->table_slot),
		     named(bench, node_cases[at].description), "node %u, named was %u", slot,
		     bench->other_slot);
}

static void test_far(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	uint32_t slot;

	begin(bench);
	slot = send_header(bench, &talk, &short_header, ROTATION, ID_FAR, PAYLOAD);
	sl_rig_check(&bench->rig, slot == bench->table_slot,
		     named(bench, "an id of the other family's pool"), "node %u", slot);
	begin(bench);
	bench->ids[ID_NONE].node = SL_NODES_MAX + 5;
	slot = send_header(bench, &talk, &short_header, ROTATION, ID_NONE, PAYLOAD);
	sl_rig_check(&bench->rig, slot == bench->table_slot,
		     named(bench, "an id that leads beyond the nodes"), "node %u", slot);
}

static void test_migration(struct bench *bench)
{
	struct sl_talk before = talk_of(bench, 5000), after = talk_of(bench, 6000);
	uint32_t id;

	begin(bench);
	send_header(bench, &before, &v1_initial, ROTATION, ID_NONE, PAYLOAD);
	id = id_of(bench, before.slot);
	/* Load that would draw any new flow to the other node. */
	sl_rig_load(&bench->rig, before.slot, 100);
	send_header(bench, &after, &short_header, ROTATION, id, PAYLOAD);
	sl_rig_check(&bench->rig, after.slot == before.slot && after.nat_port != before.nat_port,
		     named(bench, "the client's port changes, the node does not"),
		     "node %u, then %u; port %u, then %u", before.slot, after.slot, before.nat_port,
		     after.nat_port);
	sl_rig_check(&bench->rig,
		     sl_talk_node(&bench->rig, &after, 0, 20) == SL_RIG_FORWARD &&
			     sl_talk_node(&bench->rig, &before, 0, 20) == SL_RIG_FORWARD,
		     named(bench, "and it is answered at both"), "not forwarded");
	sl_rig_check(&bench->rig, sl_rig_flow_count(&bench->rig) == 2,
		     named(bench, "each has its flow"), "%u flows", sl_rig_flow_count(&bench->rig));
	send_header(bench, &after, &short_header, ROTATION,
		    id_of(bench,
			  before.slot == bench->table_slot ? bench->other_slot : bench->table_slot),
		    PAYLOAD);
	sl_rig_check(&bench->rig,
		     after.slot == before.slot &&
			     sl_rig_counted(&bench->rig, SL_COUNTER_QUIC_ROUTED) == 1,
		     named(bench, "a known flow stays where it is, whatever its ids"),
		     "node %u, %llu routed", after.slot,
		     (unsigned long long)sl_rig_counted(&bench->rig, SL_COUNTER_QUIC_ROUTED));
}

/* The flow begins when its datagram came, not when the packet before it did. */
static void test_clock(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	uint32_t index, age_ms = UINT32_MAX;

	begin(bench);
	usleep(1500000);
	send_header(bench, &talk, &short_header, ROTATION, ID_NONE, PAYLOAD);
	index = sl_talk_index(&bench->rig, &talk);
	if (index != UINT32_MAX)
		age_ms = (uint32_t)(sl_rig_now_ns() >> SL_WAY_STAMP_SHIFT) -
			 (uint32_t)(bench->rig.flows[index / SL_FLOW_WAYS]
					    .way[index % SL_FLOW_WAYS] >>
				    32);
	sl_rig_check(&bench->rig, age_ms < 1000, named(bench, "the flow is as old as its datagram"),
		     "%u ms", age_ms);
}

static void test_all(struct bench *bench)
{
	learn_table(bench);
	for (size_t i = 0; i < sizeof(quic_cases) / sizeof(*quic_cases); i++)
		test_header(bench, &quic_cases[i]);
	for (size_t i = 0; i < sizeof(node_cases) / sizeof(*node_cases); i++)
		test_node(bench, i);
	test_far(bench);
	test_migration(bench);
}

int main(void)
{
	static struct bench bench;
	int fd;

	sl_rig_open(&bench.rig);
	fd = bpf_object__find_map_fd_by_name(bench.rig.object, "server_ids");
	bench.ids = mmap(NULL, SL_SERVER_IDS_MAX * sizeof(*bench.ids), PROT_READ | PROT_WRITE,
			 MAP_SHARED, fd, 0);
	if (bench.ids == MAP_FAILED) {
		perror("server_ids");
		return 2;
	}
	for (bench.hook = SL_RIG_XDP; bench.hook < SL_RIG_HOOKS; bench.hook++) {
		bench.ip_v6 = false;
		test_all(&bench);
		test_clock(&bench);
		bench.ip_v6 = true;
		test_all(&bench);
	}
	return sl_rig_close(&bench.rig);
}
