/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.c - decisions as who traces sees them: what is shown, with which reason, and what is not.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bpf/siphash.h"
#include "tests/bpf/lib/talk.h"

#define RECORDS_MAX 64u
#define NUMBER	    7u /* of the trace */
#define SYN	    SL_FRAME_SYN
#define ACK	    SL_FRAME_ACK

struct bench {
	struct sl_rig rig;
	struct sl_trace_filter *filter;
	struct ring_buffer *ring;
	struct sl_trace records[RECORDS_MAX];
	uint32_t count;
	enum sl_rig_hook hook;
	char name[160];
};

static int take(void *context, void *data, size_t size)
{
	struct bench *bench = context;

	if (size == sizeof(struct sl_trace) && bench->count < RECORDS_MAX)
		memcpy(&bench->records[bench->count++], data, size);
	return 0;
}

/* What was traced since the last call. */
static uint32_t collect(struct bench *bench)
{
	bench->count = 0;
	ring_buffer__consume(bench->ring);
	return bench->count;
}

static bool open_bench(struct bench *bench)
{
	long page = sysconf(_SC_PAGESIZE);
	int filter, ring;

	sl_rig_open(&bench->rig);
	filter = bpf_object__find_map_fd_by_name(bench->rig.object, "trace_filter");
	ring = bpf_object__find_map_fd_by_name(bench->rig.object, "trace");
	bench->filter = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, filter, 0);
	bench->ring = ring_buffer__new(ring, take, bench, NULL);
	return bench->filter != MAP_FAILED && bench->ring;
}

/* A fresh table, and a trace of everything decided. */
static void begin(struct bench *bench)
{
	sl_rig_reset(&bench->rig);
	memset(bench->filter, 0, sizeof(*bench->filter));
	bench->filter->until_ns = UINT64_MAX;
	bench->rig.settings->trace = NUMBER;
	collect(bench);
}

static const char *named(struct bench *bench, const char *name)
{
	snprintf(bench->name, sizeof(bench->name), "%s: %s",
		 bench->hook == SL_RIG_TC ? "TC" : "XDP", name);
	return bench->name;
}

static struct sl_talk talk_of(const struct bench *bench, uint16_t sport)
{
	return (struct sl_talk){
		.client = "198.51.100.7",
		.service = "192.0.2.100",
		.sport = sport,
		.dport = 80,
		.hook = bench->hook,
	};
}

/* The one record of what was just done; it must say this. */
static void expect_one(struct bench *bench, const char *name, enum sl_trace_step step,
		       enum sl_counter reason)
{
	uint32_t count = collect(bench);
	const struct sl_trace *record = &bench->records[0];

	sl_rig_check(&bench->rig,
		     count == 1 && record->step == step && record->reason == reason &&
			     record->hook == (bench->hook == SL_RIG_TC),
		     named(bench, name), "%u records, first: step %u, reason %s, hook %u", count,
		     record->step, count ? sl_rig_counter_name(record->reason) : "none",
		     record->hook);
}

static void expect_none(struct bench *bench, const char *name)
{
	uint32_t count = collect(bench);

	sl_rig_check(&bench->rig, count == 0, named(bench, name), "%u records, first: reason %s",
		     count, count ? sl_rig_counter_name(bench->records[0].reason) : "none");
}

/* ---- what is shown ------------------------------------------------------------------------- */

static bool key_is(const struct sl_trace *record, const struct sl_talk *talk)
{
	struct sl_addr client = sl_frame_addr(talk->client), vip = sl_frame_addr(talk->service);

	return !memcmp(&record->key.src, &client, sizeof(client)) &&
	       !memcmp(&record->key.dst, &vip, sizeof(vip)) &&
	       record->key.sport == htons(talk->sport) && record->key.dport == htons(talk->dport);
}

static void test_open(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	const struct sl_trace *record = &bench->records[0];
	uint64_t before_ns = sl_rig_now_ns();
	uint32_t other;

	begin(bench);
	sl_rig_load(&bench->rig, SL_RIG_NODE_A, 3);
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_one(bench, "a new flow", SL_TRACE_OPEN, SL_COUNTER_FLOW_OPENED);
	other = talk.slot == SL_RIG_NODE_A ? SL_RIG_NODE_B : SL_RIG_NODE_A;
	sl_rig_check(&bench->rig,
		     key_is(record, &talk) && record->node == talk.slot &&
			     record->pool == SL_RIG_POOL4 && record->seq == SL_TALK_CLIENT_SEQ &&
			     record->flags == SYN && !record->from_node,
		     named(bench, "its client, node, pool and sequence number"),
		     "node %u, pool %u, seq %u, flags %x", record->node, record->pool, record->seq,
		     record->flags);
	sl_rig_check(&bench->rig,
		     record->time_ns >= before_ns && record->time_ns <= sl_rig_now_ns(),
		     named(bench, "its time"), "%llu", (unsigned long long)record->time_ns);
	sl_rig_check(&bench->rig,
		     record->candidate_a + record->candidate_b == talk.slot + other &&
			     record->load_a == (record->candidate_a == SL_RIG_NODE_A ? 3 : 0) &&
			     record->load_b == (record->candidate_b == SL_RIG_NODE_A ? 3 : 0),
		     named(bench, "both candidates with their loads"), "%u load %u, %u load %u",
		     record->candidate_a, record->load_a, record->candidate_b, record->load_b);
	sl_rig_check(&bench->rig,
		     talk.slot == SL_RIG_NODE_B &&
			     (record->candidate_b == SL_RIG_NODE_B
				      ? record->verdict_b == SL_BREAKER_CLOSED &&
						record->verdict_a == SL_TRACE_NOT_ASKED
				      : record->verdict_a == SL_BREAKER_CLOSED &&
						record->verdict_b == SL_TRACE_NOT_ASKED),
		     named(bench, "the lighter one was asked, the other not"), "%u, %u",
		     record->verdict_a, record->verdict_b);
}

static void set_state(struct bench *bench, uint32_t slot, enum sl_breaker_state state)
{
	bench->rig.nodes[slot].breaker = (uint64_t)state << 61;
}

static void test_refused(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	const struct sl_trace *record = &bench->records[0];

	begin(bench);
	sl_rig_tune(&bench->rig, SL_TUNABLE_POOL_REFUSE, 0);
	sl_rig_tune(&bench->rig, SL_TUNABLE_PANIC_PERCENT, 0);
	set_state(bench, SL_RIG_NODE_A, SL_BREAKER_FORCED_OPEN);
	set_state(bench, SL_RIG_NODE_B, SL_BREAKER_FORCED_OPEN);
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_one(bench, "no node takes the flow", SL_TRACE_OPEN, SL_COUNTER_DROP_NO_NODE);
	sl_rig_check(&bench->rig,
		     record->node == 0 && record->verdict_a == SL_BREAKER_FORCED_OPEN &&
			     record->verdict_b == SL_BREAKER_FORCED_OPEN && key_is(record, &talk),
		     named(bench, "both candidates refused"), "node %u, verdicts %u, %u",
		     record->node, record->verdict_a, record->verdict_b);

	sl_rig_tune(&bench->rig, SL_TUNABLE_POOL_REFUSE, 1);
	sl_rig_tune(&bench->rig, SL_TUNABLE_PANIC_PERCENT, 100);
	set_state(bench, SL_RIG_NODE_B, SL_BREAKER_OPEN);
	bench->rig.nodes[SL_RIG_NODE_B].breaker |= sl_rig_now_ns() / 1000000 + 60000; /* until */
	bench->rig.pools[SL_RIG_POOL4].ejected = 2;
	talk = talk_of(bench, 5001);
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	collect(bench);
	sl_rig_check(&bench->rig, bench->count == 1 && record->reason == SL_COUNTER_GATE_PANIC,
		     named(bench, "a choice in panic"), "%u records, reason %s, node %u",
		     bench->count, sl_rig_counter_name(record->reason), record->node);
}

static void test_probe(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);

	begin(bench);
	set_state(bench, SL_RIG_NODE_A, SL_BREAKER_FORCED_OPEN);
	set_state(bench, SL_RIG_NODE_B, SL_BREAKER_HALF_OPEN);
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_one(bench, "a half-open probe", SL_TRACE_OPEN, SL_COUNTER_GATE_PROBE);
}

static void test_known(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	const struct sl_trace *record = &bench->records[0];

	begin(bench);
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	collect(bench);
	sl_talk_node(&bench->rig, &talk, SYN | ACK, 0);
	sl_talk_client(&bench->rig, &talk, ACK, 100);
	expect_none(bench, "packets of a known flow are no decisions");
	bench->filter->every_packet = 1;
	sl_talk_client(&bench->rig, &talk, ACK, 100);
	expect_one(bench, "but shown when asked for", SL_TRACE_FORWARD, SL_COUNTER_FORWARD_TO_NODE);
	sl_rig_check(&bench->rig,
		     record->node == talk.slot && key_is(record, &talk) && !record->from_node &&
			     !record->candidate_a && record->verdict_a == SL_TRACE_NOT_ASKED,
		     named(bench, "with the node, and no choice"), "node %u, candidate %u",
		     record->node, record->candidate_a);
	sl_talk_node(&bench->rig, &talk, ACK, 10);
	expect_one(bench, "answers too", SL_TRACE_FORWARD, SL_COUNTER_FORWARD_TO_CLIENT);
	sl_rig_check(&bench->rig, key_is(record, &talk) && record->from_node,
		     named(bench, "under the client's addresses"), "from_node %u",
		     record->from_node);
}

static void test_retry(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	const struct sl_trace *record = &bench->records[0];
	struct sl_flow *flow;
	uint32_t first;

	begin(bench);
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	first = talk.slot;
	flow = sl_rig_flow(&bench->rig, 5000);
	if (flow)
		sl_rig_flow_age(&bench->rig, flow, 1000);
	collect(bench);
	talk.seq = 0;
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_one(bench, "a repeated SYN that moves", SL_TRACE_RETRY, SL_COUNTER_RETRY_MOVED);
	sl_rig_check(&bench->rig, record->node == talk.slot && record->node != first,
		     named(bench, "to the other node"), "node %u, was %u", record->node, first);
}

static void test_drops(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	struct sl_frame_spec spec;
	struct sl_frame in, out;

	begin(bench);
	sl_talk_client(&bench->rig, &talk, ACK, 10);
	expect_one(bench, "mid-flow and not known", SL_TRACE_OPEN, SL_COUNTER_DROP_NO_FLOW);
	spec = sl_talk_client_spec(&talk, SYN, 0);
	sl_frame_build(&in, &spec);
	in.len -= 4;
	sl_rig_run(&bench->rig, bench->hook, &in, &out);
	expect_one(bench, "cut short", SL_TRACE_FORWARD, SL_COUNTER_DROP_MALFORMED);
	talk.dport = 8080;
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_one(bench, "a SYN for the smart lane", SL_TRACE_FORWARD, SL_COUNTER_PASS_SMART);
	sl_talk_client(&bench->rig, &talk, ACK, 0);
	expect_none(bench, "but not all that follows");
	talk.dport = 22;
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_one(bench, "a SYN for no service", SL_TRACE_FORWARD, SL_COUNTER_PASS_NOT_SERVICE);
	spec.hops = 1;
	spec.fragment = 0x2000;
	sl_frame_build(&in, &spec);
	sl_rig_run(&bench->rig, bench->hook, &in, &out);
	expect_none(bench, "a fragment, and anybody's are asked for");
	bench->filter->client = sl_frame_addr("198.51.100.7");
	memset(&bench->filter->mask, 0xff, sizeof(bench->filter->mask));
	sl_rig_run(&bench->rig, bench->hook, &in, &out);
	expect_one(bench, "a fragment of the client asked for", SL_TRACE_FORWARD,
		   SL_COUNTER_PASS_FRAGMENT);
}

static void test_guard(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);

	/* Clients of their own: the buckets outlive the rig's reset. */
	begin(bench);
	talk.client = "198.51.100.66";
	sl_rig_tune(&bench->rig, SL_TUNABLE_GUARD_SOURCE_RATE, 1);
	sl_rig_tune(&bench->rig, SL_TUNABLE_GUARD_SOURCE_BURST, 1);
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	collect(bench);
	talk.sport = 5001;
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_one(bench, "a source over its rate", SL_TRACE_GUARD, SL_COUNTER_DROP_RATE_SOURCE);
	sl_rig_check(&bench->rig, !bench->records[0].node && !bench->records[0].candidate_a,
		     named(bench, "before any node was looked at"), "node %u, candidate %u",
		     bench->records[0].node, bench->records[0].candidate_a);

	begin(bench);
	sl_rig_tune(&bench->rig, SL_TUNABLE_GUARD_PENDING, 1);
	for (uint16_t sport = 5000; sport < 5003; sport++) {
		collect(bench);
		talk = talk_of(bench, sport);
		talk.client = "198.51.100.77";
		sl_talk_client(&bench->rig, &talk, SYN, 0);
	}
	expect_one(bench, "a SYN that is answered by a cookie", SL_TRACE_GUARD,
		   SL_COUNTER_DROP_COOKIE);
}

static void send_beacon(struct bench *bench, const struct sl_beacon_key *key)
{
	struct sl_frame_spec spec = {
		.src = "10.0.0.11",
		.dst = "10.0.0.2",
		.sport = 40001,
		.dport = 7700,
		.udp = true,
		.payload_len = sizeof(struct sl_beacon),
		.smac = SL_RIG_MAC_NODE(0x0b),
		.dmac = {0x02, 0, 0, 0, 0, 0xa0},
	};
	struct sl_beacon beacon = {
		.magic = htonl(SL_BEACON_MAGIC),
		.version = SL_BEACON_VERSION,
		.health = SL_HEALTH_READY,
		.port = htons(8000),
		.key_id = htonl(1),
		.addr = sl_frame_addr("10.0.0.11"),
		.incarnation = htobe64(1700000000000000000ull),
		.sequence = htobe64(1),
	};
	struct sl_frame in, out;

	sl_frame_build(&in, &spec);
	beacon.tag = htobe64(sl_siphash24((const __u64 *)&beacon, 8, key->key));
	memcpy(in.bytes + sl_frame_l3_at(&in) + 28, &beacon, sizeof(beacon));
	sl_rig_run(&bench->rig, bench->hook, &in, &out);
}

static void test_beacon(struct bench *bench)
{
	int keys = bpf_object__find_map_fd_by_name(bench->rig.object, "beacon_keys");
	struct sl_beacon_key key = {.key = {0x1111, 0x2222}, .id = 1};
	struct sl_beacon_key wrong = {.key = {0x1111, 0x2223}, .id = 1};
	uint32_t zero = 0;

	begin(bench);
	bench->rig.settings->beacon_port = htons(7700);
	bpf_map_update_elem(keys, &zero, &key, BPF_ANY);
	send_beacon(bench, &wrong);
	expect_one(bench, "a forged beacon", SL_TRACE_BEACON, SL_COUNTER_DROP_BEACON_FORGED);
	send_beacon(bench, &key);
	expect_none(bench, "one that is taken in is nobody's decision");
	begin(bench);
	bench->rig.settings->beacon_port = htons(7700);
	bench->filter->client = sl_frame_addr("10.0.0.11");
	memset(&bench->filter->mask, 0xff, sizeof(bench->filter->mask));
	send_beacon(bench, &key);
	expect_one(bench, "unless its host is asked for", SL_TRACE_BEACON, SL_COUNTER_DROP_BEACON);
}

/* ---- filters ------------------------------------------------------------------------------- */

struct filter_case {
	const char *description;
	const char *client;
	uint32_t client_bytes; /* of the address, v4-mapped, that must be equal */
	const char *vip;
	uint16_t client_port, vip_port;
	uint32_t node;
	bool wanted;
};

static const struct filter_case filter_cases[] = {
	{"any", NULL, 0, NULL, 0, 0, 0, true},
	{"its address", "198.51.100.7", 16, NULL, 0, 0, 0, true},
	{"another address", "198.51.100.8", 16, NULL, 0, 0, 0, false},
	{"its prefix", "198.51.100.0", 15, NULL, 0, 0, 0, true},
	{"another prefix", "198.51.101.0", 15, NULL, 0, 0, 0, false},
	{"its port", NULL, 0, NULL, 5000, 0, 0, true},
	{"another port", NULL, 0, NULL, 5001, 0, 0, false},
	{"its service", NULL, 0, "192.0.2.100", 0, 0, 0, true},
	{"another service", NULL, 0, "192.0.2.101", 0, 0, 0, false},
	{"the service's port", NULL, 0, NULL, 0, 80, 0, true},
	{"another service's port", NULL, 0, NULL, 0, 81, 0, false},
	{"a node it was offered", NULL, 0, NULL, 0, 0, SL_RIG_NODE_A, true},
	{"a node of another pool", NULL, 0, NULL, 0, 0, SL_RIG_NODE6_A, false},
};

static void test_filter(struct bench *bench, const struct filter_case *fixture)
{
	struct sl_talk talk = talk_of(bench, 5000);
	uint32_t count;

	begin(bench);
	if (fixture->client)
		bench->filter->client = sl_frame_addr(fixture->client);
	memset(&bench->filter->mask, 0xff, fixture->client_bytes);
	if (fixture->vip)
		bench->filter->vip = sl_frame_addr(fixture->vip);
	bench->filter->client_port = htons(fixture->client_port);
	bench->filter->vip_port = htons(fixture->vip_port);
	bench->filter->node = fixture->node;
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	count = collect(bench);
	sl_rig_check(&bench->rig, count == fixture->wanted, named(bench, fixture->description),
		     "%u records", count);
}

/* The filter means the client, whichever side the packet came from. */
static void test_filter_answer(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);

	begin(bench);
	bench->filter->every_packet = 1;
	bench->filter->client = sl_frame_addr("198.51.100.7");
	memset(&bench->filter->mask, 0xff, sizeof(bench->filter->mask));
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	collect(bench);
	sl_talk_node(&bench->rig, &talk, SYN | ACK, 0);
	expect_one(bench, "answers to the client match its filter", SL_TRACE_FORWARD,
		   SL_COUNTER_FORWARD_TO_CLIENT);
	/* Forwarding is refused for want of a way to the client: the drop is the client's too. */
	bench->filter->every_packet = 0;
	sl_rig_flow(&bench->rig, 5000)->client = sl_frame_addr("10.0.9.1");
	sl_rig_flow(&bench->rig, 5000)->conn.hop = 0; /* nothing kept: the route is asked for */
	bench->filter->client = sl_frame_addr("10.0.9.1");
	sl_talk_node(&bench->rig, &talk, ACK, 10);
	expect_one(bench, "and so do their drops", SL_TRACE_FORWARD, SL_COUNTER_DROP_NO_ROUTE);
}

/* ---- on and off ---------------------------------------------------------------------------- */

static void test_off(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);

	begin(bench);
	bench->rig.settings->trace = 0;
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_none(bench, "off: nothing");

	begin(bench);
	talk = talk_of(bench, 5001);
	bench->filter->every_packet = 1;
	sl_talk_establish(&bench->rig, &talk);
	bench->rig.settings->trace = 0;
	collect(bench);
	sl_talk_client(&bench->rig, &talk, ACK, 10);
	expect_none(bench, "switched off: nothing of what was noted before");
	bench->rig.settings->trace = NUMBER + 1;
	sl_talk_client(&bench->rig, &talk, ACK, 10);
	expect_one(bench, "switched on again: that", SL_TRACE_FORWARD, SL_COUNTER_FORWARD_TO_NODE);
}

static void test_lease(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);

	begin(bench);
	bench->filter->until_ns = sl_rig_now_ns() - 1;
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	expect_none(bench, "lease over: nothing");
	sl_rig_check(&bench->rig, bench->rig.settings->trace == 0,
		     named(bench, "lease over: the packet switched it off"), "trace is %u",
		     bench->rig.settings->trace);
	sl_rig_check(&bench->rig, talk.slot != 0, named(bench, "and was forwarded"), "slot %u",
		     talk.slot);
}

static void test_lost(struct bench *bench)
{
	struct sl_talk talk = talk_of(bench, 5000);
	uint32_t fit = SL_TRACE_RING_BYTES / (sizeof(struct sl_trace) + 8);

	begin(bench);
	for (uint32_t i = 0; i < fit + 10; i++)
		sl_talk_client(&bench->rig, &talk, ACK, 0);
	sl_rig_check(&bench->rig, sl_rig_counted(&bench->rig, SL_COUNTER_TRACE_LOST) >= 10,
		     named(bench, "a full ring loses, and counts it"), "%llu lost",
		     (unsigned long long)sl_rig_counted(&bench->rig, SL_COUNTER_TRACE_LOST));
	collect(bench);
}

int main(void)
{
	static struct bench bench;

	if (!open_bench(&bench)) {
		perror("trace maps");
		return 2;
	}
	for (bench.hook = SL_RIG_XDP; bench.hook < SL_RIG_HOOKS; bench.hook++) {
		test_open(&bench);
		test_refused(&bench);
		test_probe(&bench);
		test_known(&bench);
		test_retry(&bench);
		test_drops(&bench);
		test_guard(&bench);
		test_beacon(&bench);
		for (size_t i = 0; i < sizeof(filter_cases) / sizeof(*filter_cases); i++)
			test_filter(&bench, &filter_cases[i]);
		test_filter_answer(&bench);
		test_off(&bench);
		test_lease(&bench);
	}
	bench.hook = SL_RIG_XDP;
	test_lost(&bench);
	ring_buffer__free(bench.ring);
	return sl_rig_close(&bench.rig);
}
