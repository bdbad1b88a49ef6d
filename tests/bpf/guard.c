/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.c - who may open a flow: prefixes, buckets of sources and of services, rows for sources,
 * and the cookie that a source must return while its service is flooded. All of it at both hooks.
 *
 * Time is moved by moving what the maps remember; no test waits.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "bpf/hash.h"
#include "bpf/siphash.h"
#include "tests/bpf/lib/rig.h"

#define SYN	    SL_FRAME_SYN
#define ACK	    SL_FRAME_ACK
#define RST	    SL_FRAME_RST
#define VIP	    "192.0.2.100"
#define VIP6	    "2001:db8::100"
#define CLIENT	    "198.51.100.7"
#define OTHER	    "198.51.101.7"
#define CLIENT6	    "2001:db8:c:1::7"
#define SEQ	    0x12345678u
#define SECOND_OVER 0x7000000ull /* far over any limit that is set here */
#define GUESSES_MAX 256u

static const char *const hook_names[SL_RIG_HOOKS] = {"XDP", "TC"};

struct guard_rig {
	struct sl_rig rig;
	struct sl_source *sources;
	struct sl_service_guard *service; /* row 0: of all services of the rig */
	int prefixes_fd;
	enum sl_rig_hook hook;
	const char *name; /* of the test */
	uint16_t sport;	  /* of the last SYN */
};

static struct guard_rig guard;

static void check(bool ok, const char *what, uint64_t is)
{
	char name[160];

	snprintf(name, sizeof(name), "%s: %s: %s", hook_names[guard.hook], guard.name, what);
	sl_rig_check(&guard.rig, ok, name, "is %llu", (unsigned long long)is);
}

static void check_counted(enum sl_counter id, uint64_t expected)
{
	char what[96];
	uint64_t is = sl_rig_counted(&guard.rig, id);

	snprintf(what, sizeof(what), "%s is %llu", sl_rig_counter_name(id),
		 (unsigned long long)expected);
	check(is == expected, what, is);
}

static void *map_memory(const char *name, size_t size)
{
	int fd = bpf_object__find_map_fd_by_name(guard.rig.object, name);
	void *at =
		mmap(NULL, (size + 4095) / 4096 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || at == MAP_FAILED) {
		perror(name);
		exit(2);
	}
	return at;
}

static void prefixes_clear(void)
{
	struct sl_prefix key;

	while (!bpf_map_get_next_key(guard.prefixes_fd, NULL, &key))
		bpf_map_delete_elem(guard.prefixes_fd, &key);
}

static void prefix_add(const char *addr, uint32_t bits, uint32_t value)
{
	struct sl_prefix key = {.bits = bits, .addr = sl_frame_addr(addr)};

	if (bpf_map_update_elem(guard.prefixes_fd, &key, &value, BPF_ANY)) {
		perror("prefixes");
		exit(2);
	}
}

static void begin(const char *name)
{
	guard.name = name;
	guard.sport = 1000;
	sl_rig_reset(&guard.rig);
	prefixes_clear();
	memset(guard.sources, 0, SL_SOURCES_MAX * sizeof(*guard.sources));
	memset(guard.service, 0, sizeof(*guard.service));
	guard.rig.settings->guard_key[0] = 0x0123456789abcdefull;
	guard.rig.settings->guard_key[1] = 0xfedcba9876543210ull;
}

static struct sl_frame_spec packet(const char *src, uint16_t sport, uint8_t flags, uint32_t seq)
{
	return (struct sl_frame_spec){
		.src = src,
		.dst = strchr(src, ':') ? VIP6 : VIP,
		.sport = sport,
		.dport = 80,
		.seq = seq,
		.flags = flags,
		.hops = 57,
		.smac = SL_RIG_MAC_ROUTER,
		.dmac = {0x02, 0, 0, 0, 0, 0xa0},
	};
}

static enum sl_rig_verdict run(const struct sl_frame_spec *spec)
{
	struct sl_frame in, out;

	sl_frame_build(&in, spec);
	return sl_rig_run(&guard.rig, guard.hook, &in, &out);
}

/* A SYN from a port that was not used yet. */
static enum sl_rig_verdict syn(const char *src)
{
	struct sl_frame_spec spec = packet(src, ++guard.sport, SYN, SEQ);

	return run(&spec);
}

/* How many of `count` SYNs of the source open a flow. */
static uint32_t opened(const char *src, uint32_t count)
{
	uint32_t before = sl_rig_flow_count(&guard.rig);

	while (count--)
		syn(src);
	return sl_rig_flow_count(&guard.rig) - before;
}

static uint32_t rows_used(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SL_SOURCES_MAX; i++)
		count += guard.sources[i].tag != 0;
	return count;
}

static void sources_age(uint64_t age_ms)
{
	for (uint32_t i = 0; i < SL_SOURCES_MAX; i++) {
		if (guard.sources[i].bucket)
			guard.sources[i].bucket -= (age_ms * 1000000 >> 20) << 32;
		if (guard.sources[i].proven_tick)
			guard.sources[i].proven_tick -= (uint32_t)(age_ms * 1000000 >> 20);
	}
}

/* ---- prefixes -------------------------------------------------------------------------------- */

static void test_prefixes(void)
{
	struct sl_frame_spec datagram;

	begin("prefixes");
	prefix_add("198.51.100.0", 96 + 24, SL_PREFIX_DENY);
	check(syn(CLIENT) == SL_RIG_DROP, "denied by a prefix", 0);
	check_counted(SL_COUNTER_DROP_DENIED, 1);
	check(syn(OTHER) == SL_RIG_FORWARD, "who is outside is not", 0);
	datagram = packet(CLIENT, 9, 0, 0);
	datagram.udp = true;
	datagram.dport = 443;
	check(run(&datagram) == SL_RIG_DROP, "the first datagram is", 0);
	check_counted(SL_COUNTER_DROP_DENIED, 2);

	prefix_add(CLIENT, 128, SL_PREFIX_ALLOW | SL_PREFIX_OF_FILE);
	check(syn(CLIENT) == SL_RIG_FORWARD, "a longer prefix allows again", 0);
	check(syn("198.51.100.8") == SL_RIG_DROP, "but nobody beside it", 0);

	prefix_add("2001:db8:c::", 48, SL_PREFIX_DENY | SL_PREFIX_OF_FILE);
	check(syn(CLIENT6) == SL_RIG_DROP, "IPv6, and the mark of the file", 0);
	check(syn("2001:db8:d::1") == SL_RIG_FORWARD, "IPv6 outside", 0);
}

static void test_established(void)
{
	struct sl_frame_spec spec;

	begin("established");
	spec = packet(CLIENT, 5000, SYN, SEQ);
	run(&spec);
	prefix_add(CLIENT, 128, SL_PREFIX_DENY);
	spec = packet(CLIENT, 5000, ACK, SEQ + 1);
	check(run(&spec) == SL_RIG_FORWARD, "a denied source's flow goes on", 0);
	spec = packet(CLIENT, 5000, SYN, SEQ);
	check(run(&spec) == SL_RIG_FORWARD, "and its SYN that is repeated", 0);
	check(syn(CLIENT) == SL_RIG_DROP, "but nothing new", 0);
}

static void test_smart(void)
{
	struct sl_frame_spec spec;

	begin("smart lane");
	spec = packet(CLIENT, 5000, SYN, SEQ);
	spec.dport = 8080;
	check(run(&spec) == SL_RIG_PASS, "a SYN passes", 0);
	check_counted(SL_COUNTER_PASS_SMART, 1);
	prefix_add(CLIENT, 128, SL_PREFIX_DENY);
	check(run(&spec) == SL_RIG_DROP, "unless it is denied", 0);
	spec.flags = ACK;
	check(run(&spec) == SL_RIG_PASS, "an established connection goes on", 0);
	prefixes_clear();
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_RATE, 1);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_BURST, 1);
	spec.flags = SYN;
	check(run(&spec) == SL_RIG_PASS, "within its rate", 0);
	check(run(&spec) == SL_RIG_DROP, "over its rate", 0);
	check_counted(SL_COUNTER_DROP_RATE_SOURCE, 1);
}

/* ---- rates ----------------------------------------------------------------------------------- */

static void test_source_rate(void)
{
	begin("source's rate");
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_RATE, 1);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_BURST, 20);
	check(opened(CLIENT, 30) == 20, "its burst and no more", 0);
	check_counted(SL_COUNTER_DROP_RATE_SOURCE, 10);
	check(guard.service->limited == 10, "the service counts them", guard.service->limited);
	check(opened(OTHER, 5) == 5, "another source is not held back", 0);
	sources_age(5050); /* nearly a second is left for a slow machine */
	check(opened(CLIENT, 30) == 5, "five seconds and a bit at one a second", 0);
	sources_age(60000);
	check(opened(CLIENT, 30) == 20, "never more than the burst", 0);
	sources_age(40ull * 60 * 1000);
	check(opened(CLIENT, 30) == 20, "who was silent long finds all", 0);
	prefix_add(CLIENT, 128, SL_PREFIX_ALLOW);
	check(opened(CLIENT, 30) == 30, "who is allowed has no limit", 0);
}

static void test_refusals_write_nothing(void)
{
	struct sl_source before;
	uint32_t row = 0;

	begin("refusal");
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_RATE, 1);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_BURST, 1);
	opened(CLIENT, 1);
	while (row < SL_SOURCES_MAX - 1 && !guard.sources[row].tag)
		row++;
	before = guard.sources[row];
	opened(CLIENT, 100);
	check(!memcmp(&before, &guard.sources[row], sizeof(before)), "leaves the row as it is",
	      row);
}

static void test_prefix64(void)
{
	begin("IPv6");
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_RATE, 1);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_BURST, 4);
	check(opened("2001:db8:c:1::7", 3) == 3, "one address", 0);
	check(opened("2001:db8:c:1:ffff::8", 3) == 1, "another one of its /64 shares", 0);
	check(opened("2001:db8:c:2::7", 3) == 3, "the next /64 does not", 0);
	check(rows_used() == 2, "two rows", rows_used());
}

static void test_service_rate(void)
{
	char src[32];
	uint32_t flows = 0;

	begin("service's rate");
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SERVICE_RATE, 5);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SERVICE_BURST, 7);
	for (int i = 0; i < 20; i++) {
		snprintf(src, sizeof(src), "203.0.113.%d", i + 1);
		flows += opened(src, 1);
	}
	check(flows == 7, "its burst, from whomever", flows);
	check_counted(SL_COUNTER_DROP_RATE_SERVICE, 13);
	check(guard.service->limited == 13, "it counts them", guard.service->limited);
	guard.service->bucket -= (2000ull * 1000000 >> 20) << 32;
	check(opened(CLIENT, 20) == 7, "refilled", 0);
	guard.service->bucket -= (1000ull * 1000000 >> 20) << 32;
	flows = opened(CLIENT, 20);
	check(flows == 4 || flows == 5, "by its rate", flows);
}

static void test_off(void)
{
	begin("off");
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_RATE, 0);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_PENDING, 0);
	check(opened(CLIENT, 100) == 100, "all open", 0);
	check(rows_used() == 0, "no source is remembered", rows_used());
	check(!guard.service->pending && !guard.service->bucket, "nothing is counted", 0);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static uint64_t source_hash(const char *src)
{
	const __u64 *key = guard.rig.settings->guard_key;
	struct sl_addr addr = sl_frame_addr(src);
	uint64_t sum = sl_hash_nh(addr.w[0], addr.w[1], (uint32_t)key[0], (uint32_t)(key[0] >> 32));

	if (!strchr(src, ':'))
		sum += sl_hash_nh(addr.w[2], addr.w[3], (uint32_t)key[1], (uint32_t)(key[1] >> 32));
	return sl_mix64(sum ^ key[1]);
}

static struct sl_source *row_of(const char *src, bool second)
{
	uint64_t hash = source_hash(src);

	return &guard.sources[(second ? hash >> 16 : hash) & (SL_SOURCES_MAX - 1)];
}

static uint32_t tag_of(const char *src)
{
	return (uint32_t)(source_hash(src) >> 32) | 1;
}

static uint32_t tick_now(void)
{
	return (uint32_t)(sl_rig_now_ns() >> 20);
}

static void row_set(struct sl_source *row, uint32_t tokens, uint32_t proven_tick)
{
	row->bucket = (uint64_t)tick_now() << 32 | tokens * 256;
	row->tag = 0xdead0001;
	row->proven_tick = proven_tick;
}

static void test_rows(void)
{
	struct sl_source *first = row_of(CLIENT, false), *second = row_of(CLIENT, true);

	begin("rows");
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_RATE, 1);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SOURCE_BURST, 50);
	row_set(first, 10, 0);
	opened(CLIENT, 1);
	check(first->tag == 0xdead0001 && second->tag == tag_of(CLIENT), "a free one is taken", 0);
	row_set(second, 20, 0);
	opened(CLIENT, 1);
	check(first->tag == 0xdead0001 && second->tag == tag_of(CLIENT), "the fuller bucket goes",
	      0);
	row_set(first, 30, 0);
	row_set(second, 20, 0);
	opened(CLIENT, 1);
	check(first->tag == tag_of(CLIENT), "whichever row it is in", 0);
	check((uint32_t)first->bucket == 49 * 256, "and is full for the new one",
	      (uint32_t)first->bucket);
	row_set(first, 49, tick_now() | 1);
	row_set(second, 0, 0);
	opened(CLIENT, 1);
	check(first->tag == 0xdead0001 && second->tag == tag_of(CLIENT),
	      "who is proven stays, even before one that is drained", 0);
	row_set(second, 50, tick_now() | 1);
	check(opened(CLIENT, 200) == 200, "no row, no limit", 0);
	check(first->tag == 0xdead0001 && second->tag == 0xdead0001, "both proven: both stay", 0);
	sources_age(61000);
	opened(CLIENT, 1);
	check(first->tag == tag_of(CLIENT) || second->tag == tag_of(CLIENT),
	      "an old proof protects nobody", 0);
}

/* ---- cookies --------------------------------------------------------------------------------- */

static uint64_t cookie_hash(const struct sl_frame_spec *spec, int slots_ago)
{
	struct sl_addr src = sl_frame_addr(spec->src), dst = sl_frame_addr(spec->dst);
	__u64 words[5];

	memcpy(words, &src, 16);
	memcpy(words + 2, &dst, 16);
	words[4] = (uint64_t)htons(spec->sport) << 48 | (uint64_t)htons(spec->dport) << 32 |
		   (uint32_t)((sl_rig_now_ns() >> 36) - (unsigned)slots_ago);
	return sl_siphash24(words, 5, guard.rig.settings->guard_key);
}

static uint32_t near_cookie(const struct sl_frame_spec *spec, int slots_ago)
{
	uint32_t low = (uint32_t)(cookie_hash(spec, slots_ago) >> 48);
	uint32_t cookie = (spec->seq & 0xffff0000) | low;

	return low > (spec->seq & 0xffff) ? cookie - 0x10000 : cookie;
}

static uint64_t second_now(void)
{
	return sl_rig_now_ns() >> 30;
}

/* As after more SYNs than any limit; holds for this second and the next. */
static void flood(void)
{
	guard.service->pending = second_now() << 32 | SECOND_OVER;
}

/* The answer to a SYN that must prove itself, as it should be. */
static struct sl_frame_spec answer_to(const struct sl_frame_spec *in, uint32_t cookie)
{
	struct sl_frame_spec out = *in;

	out.src = in->dst;
	out.dst = in->src;
	out.sport = in->dport;
	out.dport = in->sport;
	out.ack = cookie;
	out.flags = SYN | ACK;
	out.hops = 64;
	memcpy(out.smac, in->dmac, 6);
	memcpy(out.dmac, in->smac, 6);
	return out;
}

static void check_answer(const char *what, const struct sl_frame_spec *spec, uint32_t cookie)
{
	struct sl_frame_spec answer = answer_to(spec, cookie);
	struct sl_frame in, out, expected;
	enum sl_rig_verdict verdict;
	bool same;

	sl_frame_build(&in, spec);
	sl_frame_build(&expected, &answer);
	verdict = sl_rig_run(&guard.rig, guard.hook, &in, &out);
	same = out.len == expected.len && !memcmp(out.bytes, expected.bytes, out.len);
	check(verdict == SL_RIG_FORWARD && same, what, verdict);
	if (!same)
		sl_frame_print_difference(&out, &expected);
}

static void test_answers(void)
{
	struct sl_frame_spec spec;

	begin("cookie's answer");
	flood();
	spec = packet(CLIENT, 5000, SYN, SEQ);
	check_answer("IPv4", &spec, near_cookie(&spec, 0));
	spec.seq = 7; /* the cookie lies below 0 */
	check_answer("sequence numbers wrap", &spec, near_cookie(&spec, 0));
	spec.tcp_option_len = 20;
	spec.payload_len = 33;
	check_answer("options and payload", &spec, near_cookie(&spec, 0));
	spec.flags = SYN | 0xc0;
	check_answer("ECN is not agreed to", &spec, near_cookie(&spec, 0));
	if (guard.hook == SL_RIG_XDP) { /* a test run of TC takes no tags off */
		spec.vlan[0] = 7;
		check_answer("VLAN", &spec, near_cookie(&spec, 0));
		spec.vlan[1] = 9;
		check_answer("two tags", &spec, near_cookie(&spec, 0));
	}
	spec = packet(CLIENT6, 5000, SYN, SEQ);
	check_answer("IPv6", &spec, near_cookie(&spec, 0));
	check(sl_rig_flow_count(&guard.rig) == 0, "no flow", sl_rig_flow_count(&guard.rig));
	check(rows_used() == 0, "no row", rows_used());
	check(guard.service->cookies == sl_rig_counted(&guard.rig, SL_COUNTER_DROP_COOKIE),
	      "both counts agree", guard.service->cookies);
}

/* Any cookie of the near form is an acknowledgment that TCP refuses and conntrack takes for old. */
static void test_near(void)
{
	struct sl_frame_spec spec;
	struct sl_frame in, out;
	uint32_t wrong = 0;

	begin("near cookies");
	flood();
	srand(7);
	for (int i = 0; i < 2000; i++) {
		uint32_t ack;

		spec = packet(CLIENT, (uint16_t)(i + 1), SYN,
			      (uint32_t)rand() << 16 ^ (uint32_t)rand());
		sl_frame_build(&in, &spec);
		sl_rig_run(&guard.rig, guard.hook, &in, &out);
		memcpy(&ack, out.bytes + 14 + 20 + 8, sizeof(ack));
		wrong += spec.seq - ntohl(ack) > 0xffff;
	}
	check(wrong == 0, "lie at most 65,535 below the sequence number", wrong);
}

static enum sl_rig_verdict reset(const struct sl_frame_spec *of, uint32_t seq)
{
	struct sl_frame_spec spec = *of;

	spec.flags = RST;
	spec.seq = seq;
	spec.ack = 0;
	return run(&spec);
}

static void check_proof(const char *what, const struct sl_frame_spec *spec, uint32_t seq,
			bool right)
{
	sl_rig_count_mark(&guard.rig);
	flood();
	check(reset(spec, seq) == SL_RIG_DROP, what, 0);
	check_counted(SL_COUNTER_DROP_COOKIE_BACK, right);
	check_counted(SL_COUNTER_DROP_NO_FLOW, !right);
}

static void test_proof(void)
{
	struct sl_frame_spec spec = packet(CLIENT, 5000, SYN, SEQ), other = spec;

	begin("proof");
	flood();
	run(&spec);
	check(sl_rig_flow_count(&guard.rig) == 0, "the SYN opens nothing", 0);
	check_proof("wrong by one", &spec, near_cookie(&spec, 0) + 1, false);
	other.sport++;
	check_proof("of another port", &other, near_cookie(&spec, 0), false);
	other = packet(OTHER, 5000, SYN, SEQ);
	check_proof("of another source", &other, near_cookie(&spec, 0), false);
	check_proof("two slots old", &spec, near_cookie(&spec, 2), false);
	check(guard.service->proven == 0, "nobody is proven", guard.service->proven);
	check((guard.service->guesses & 0xffff) >= 1, "guesses are counted",
	      guard.service->guesses);
	check_proof("right", &spec, near_cookie(&spec, 0), true);
	check(guard.service->proven == 1, "one is proven", guard.service->proven);
	check(run(&spec) == SL_RIG_FORWARD && sl_rig_flow_count(&guard.rig) == 1,
	      "its repeated SYN opens the flow", 0);
	flood();
	check(opened(CLIENT, 10) == 10, "and others of the source", 0);
	check(opened(OTHER, 10) == 0, "but of no other", 0);
	sources_age(61000);
	flood();
	check(opened(CLIENT, 1) == 0, "until the proof is old", 0);
	spec = packet(CLIENT6, 5000, SYN, SEQ);
	run(&spec);
	check_proof("IPv6, the slot before", &spec, near_cookie(&spec, 1), true);
	check(opened("2001:db8:c:1::99", 1) == 1, "counts for its /64", 0);
}

static void test_proof_conditions(void)
{
	struct sl_frame_spec spec = packet(CLIENT, 5000, SYN, SEQ);
	struct sl_frame_spec with_ack = spec;

	begin("proof's conditions");
	reset(&spec, near_cookie(&spec, 0));
	check_counted(SL_COUNTER_DROP_COOKIE_BACK, 0);
	check_counted(SL_COUNTER_DROP_NO_FLOW, 1);
	flood();
	with_ack.flags = RST | ACK;
	with_ack.seq = near_cookie(&spec, 0);
	run(&with_ack);
	check_counted(SL_COUNTER_DROP_COOKIE_BACK, 0);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_PENDING, 0);
	reset(&spec, near_cookie(&spec, 0));
	check_counted(SL_COUNTER_DROP_COOKIE_BACK, 0);
	check(rows_used() == 0, "nobody is proven", rows_used());
}

static void test_far(void)
{
	struct sl_frame_spec spec = packet(CLIENT, 5000, SYN, SEQ);

	begin("far cookies");
	flood();
	for (uint32_t i = 0; i < GUESSES_MAX + 10; i++) {
		guard.service->guesses = second_now() << 32 | i;
		reset(&spec, near_cookie(&spec, 0) + 1 + i);
	}
	guard.service->guesses = second_now() << 32 | (GUESSES_MAX + 1);
	check_answer("who guesses gets 32 bits", &spec, (uint32_t)cookie_hash(&spec, 0));
	check_proof("the near form does not count", &spec, near_cookie(&spec, 0), false);
	guard.service->guesses = second_now() << 32 | (GUESSES_MAX + 1);
	check_proof("the far one does", &spec, (uint32_t)cookie_hash(&spec, 0), true);
	/* the same cookie would be the right acknowledgment: then the near form */
	spec = packet(OTHER, 5000, SYN, (uint32_t)0);
	spec.seq = (uint32_t)cookie_hash(&spec, 0) - 1;
	check_answer("never one that TCP takes", &spec, near_cookie(&spec, 0));
}

/* A proof finds room even where all rows are taken by proofs. */
static void test_proof_rows(void)
{
	struct sl_frame_spec spec = packet(CLIENT, 5000, SYN, SEQ);
	struct sl_source *first = row_of(CLIENT, false), *second = row_of(CLIENT, true);

	begin("proof's row");
	row_set(first, 50, (tick_now() - 500) | 1);
	row_set(second, 50, (tick_now() - 1000) | 1);
	check_proof("right", &spec, near_cookie(&spec, 0), true);
	check(first->tag == 0xdead0001 && second->tag == tag_of(CLIENT), "the older proof goes", 0);
}

/* ---- when a cookie is demanded --------------------------------------------------------------- */

static void handshake(uint16_t sport, uint32_t wrong)
{
	struct sl_frame_spec spec = packet(CLIENT, sport, SYN, SEQ);
	struct sl_frame in, out;
	struct sl_flow *flow;

	sl_frame_build(&in, &spec);
	sl_rig_run(&guard.rig, guard.hook, &in, &out);
	flow = sl_rig_flow(&guard.rig, sport);
	if (!flow)
		return;
	spec = (struct sl_frame_spec){
		.src = flow->conn.node == SL_RIG_NODE_A ? "10.0.0.11" : "10.0.0.12",
		.dst = "10.0.0.2",
		.sport = 8000,
		.dport = ntohs(flow->nat_port),
		.seq = 77777,
		.ack = SEQ + 1,
		.flags = SYN | ACK,
		.smac = SL_RIG_MAC_NODE(0x0b),
		.dmac = {0x02, 0, 0, 0, 0, 0xa0},
	};
	run(&spec);
	spec = packet(CLIENT, sport, ACK, SEQ + 1);
	spec.ack = 77778 + wrong;
	run(&spec);
	run(&spec);
}

/* Runs `count` handshakes within one second; what is pending after them. */
static uint64_t pending_after(uint32_t count, uint32_t wrong)
{
	uint64_t second;

	do {
		second = second_now();
		guard.service->pending = second << 32;
		for (uint32_t i = 0; i < count; i++)
			handshake(++guard.sport, wrong);
	} while (second_now() != second);
	return guard.service->pending & 0xffffffff;
}

static void test_pending(void)
{
	uint64_t pending, second;
	uint32_t flows;

	begin("pending");
	pending = pending_after(20, 0);
	check(pending == 0, "what is finished does not count", pending);
	pending = pending_after(20, 2u << 20);
	check(pending == 20, "an ACK of something else ends nothing", pending);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_PENDING, 5);
	do {
		second = second_now();
		guard.service->pending = second << 32;
		flows = opened(CLIENT, 10);
	} while (second_now() != second);
	check(flows == 5, "SYNs up to the limit open flows", flows);
	guard.service->pending = (second_now() - 1) << 32 | 6;
	check(opened(OTHER, 1) == 0, "over the limit in the last second: still demanded", 0);
	check(guard.service->pending >> 31 & 1, "and remembered", guard.service->pending);
	guard.service->pending = (second_now() - 1) << 32 | 1ull << 31 | 5;
	check(opened(OTHER, 1) == 1, "a second below the limit ends it", 0);
	guard.service->pending = (second_now() - 3) << 32 | SECOND_OVER;
	check(opened(OTHER, 1) == 1, "so does a pause", 0);
	flood();
	prefix_add("203.0.113.0", 96 + 24, SL_PREFIX_ALLOW);
	check(opened("203.0.113.9", 5) == 5, "who is allowed proves nothing", 0);
}

/* A flood of sources that are not there pushes nobody out and uses up no service's tokens. */
static void test_flood(void)
{
	char src[32];

	begin("flood");
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SERVICE_RATE, 1);
	sl_rig_tune(&guard.rig, SL_TUNABLE_GUARD_SERVICE_BURST, 10);
	for (int i = 0; i < 20000; i++) {
		flood();
		snprintf(src, sizeof(src), "%d.%d.%d.9", 11 + i % 89, i / 89 % 256, i % 251);
		syn(src);
	}
	check(sl_rig_flow_count(&guard.rig) == 0, "opens nothing", sl_rig_flow_count(&guard.rig));
	check(rows_used() == 0, "takes no row", rows_used());
	check(guard.service->bucket == 0, "takes no token", guard.service->bucket);
	check_counted(SL_COUNTER_DROP_COOKIE, 20000);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_prefixes,	 test_established,
		test_smart,	 test_source_rate,
		test_prefix64,	 test_refusals_write_nothing,
		test_off,	 test_service_rate,
		test_rows,	 test_answers,
		test_near,	 test_proof,
		test_far,	 test_proof_conditions,
		test_proof_rows, test_pending,
		test_flood,
	};

	sl_rig_open(&guard.rig);
	guard.sources = map_memory("sources", SL_SOURCES_MAX * sizeof(*guard.sources));
	guard.service = map_memory("services_guard", SL_SERVICES_MAX * sizeof(*guard.service));
	guard.prefixes_fd = bpf_object__find_map_fd_by_name(guard.rig.object, "prefixes");
	for (guard.hook = 0; guard.hook < SL_RIG_HOOKS; guard.hook++) {
		for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
			tests[i]();
	}
	return sl_rig_close(&guard.rig);
}
