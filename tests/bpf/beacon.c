/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beacon.c - beacons at both hooks: what is taken in, every refusal, replay, two keys, the signals,
 * and that the load which a node tells steers choices.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/siphash.h"
#include "tests/bpf/lib/rig.h"

#define PORT	    7700
#define HOST	    "10.0.0.2" /* this host */
#define HOST6	    "fd00::2"
#define NODE_A	    "10.0.0.11"
#define NODE_B	    "10.0.0.12"
#define NODE6_A	    "fd00::11"
#define STARTED	    1700000000000000000ull
#define PAYLOAD4    (14 + 20 + 8)
#define PAYLOAD6    (14 + 40 + 8)
#define LOAD(field) (beacons.rig.loads[SL_RIG_NODE_A].field)

static const char *const hook_names[SL_RIG_HOOKS] = {"XDP", "TC"};

struct beacon_rig {
	struct sl_rig rig;
	int keys_fd;
	enum sl_rig_hook hook;
	const char *name; /* of the test */
};

static struct beacon_rig beacons;

static const struct sl_beacon_key keys[2] = {
	{.key = {0x1111, 0x2222}, .id = 1},
	{.key = {0x3333, 0x4444}, .id = 2},
};

static void check(bool ok, const char *what, uint64_t is)
{
	char name[160];

	snprintf(name, sizeof(name), "%s: %s: %s", hook_names[beacons.hook], beacons.name, what);
	sl_rig_check(&beacons.rig, ok, name, "is %llu", (unsigned long long)is);
}

static void key_set(uint32_t index, const struct sl_beacon_key *key)
{
	static const struct sl_beacon_key none;

	if (bpf_map_update_elem(beacons.keys_fd, &index, key ? key : &none, BPF_ANY)) {
		perror("beacon_keys");
		exit(2);
	}
}

static void begin(const char *name)
{
	beacons.name = name;
	sl_rig_reset(&beacons.rig);
	beacons.rig.settings->beacon_port = htons(PORT);
	key_set(0, &keys[0]);
	key_set(1, NULL);
}

/* What a test changes in the usual beacon of node A. */
struct sent {
	struct sl_beacon beacon;
	const struct sl_beacon_key *key;
	const char *src;
	const char *dst;
	uint16_t dport;
	int longer;    /* bytes of the payload more than a beacon has */
	int flip;      /* bit of the payload turned after signing, -1: none */
	bool keep_tag; /* it was signed before */
};

static struct sent usual(uint64_t sequence)
{
	return (struct sent){
		.beacon =
			{
				.magic = htonl(SL_BEACON_MAGIC),
				.version = SL_BEACON_VERSION,
				.health = SL_HEALTH_READY,
				.port = htons(8000),
				.key_id = htonl(1),
				.slots = htonl(64),
				.running = htonl(5),
				.waiting = htonl(3),
				.kv_permille = htonl(420),
				.addr = sl_frame_addr(NODE_A),
				.incarnation = htobe64(STARTED),
				.sequence = htobe64(sequence),
			},
		.key = &keys[0],
		.src = NODE_A,
		.dst = HOST,
		.dport = PORT,
		.flip = -1,
	};
}

static void sign(struct sl_beacon *beacon, const struct sl_beacon_key *key, const char *src)
{
	struct sl_beacon covered = *beacon;
	static const struct sl_addr missing;

	if (!memcmp(&covered.addr, &missing, sizeof(missing)))
		covered.addr = sl_frame_addr(src);
	beacon->tag = htobe64(sl_siphash24((const __u64 *)&covered, 8, key->key));
}

static enum sl_rig_verdict send_beacon(const struct sent *sent)
{
	struct sl_frame_spec spec = {
		.src = sent->src,
		.dst = sent->dst,
		.sport = 40001,
		.dport = sent->dport,
		.udp = true,
		.payload_len = (uint16_t)((int)sizeof(struct sl_beacon) + sent->longer),
		.smac = SL_RIG_MAC_NODE(0x0b),
		.dmac = {0x02, 0, 0, 0, 0, 0xa0},
	};
	struct sl_beacon beacon = sent->beacon;
	struct sl_frame in, out;
	uint8_t *at;

	if (!sent->keep_tag)
		sign(&beacon, sent->key, sent->src);
	sl_frame_build(&in, &spec);
	at = in.bytes + (strchr(sent->src, ':') ? PAYLOAD6 : PAYLOAD4);
	memcpy(at, &beacon, sizeof(beacon) + (sent->longer < 0 ? (size_t)sent->longer : 0));
	if (sent->flip >= 0)
		at[sent->flip / 8] ^= (uint8_t)(1 << sent->flip % 8);
	return sl_rig_run(&beacons.rig, beacons.hook, &in, &out);
}

/* Sends it, and checks that it is dropped and counted as that, once. */
static void check_sent(const char *what, const struct sent *sent, enum sl_counter id)
{
	static const enum sl_counter all[] = {
		SL_COUNTER_DROP_BEACON,
		SL_COUNTER_DROP_BEACON_FORGED,
		SL_COUNTER_DROP_BEACON_REPLAYED,
		SL_COUNTER_DROP_BEACON_UNKNOWN,
	};
	enum sl_rig_verdict verdict;
	bool ok;

	sl_rig_count_mark(&beacons.rig);
	verdict = send_beacon(sent);
	ok = verdict == SL_RIG_DROP;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		ok &= sl_rig_counted(&beacons.rig, all[i]) == (all[i] == id);
	check(ok, what, verdict);
}

/* ---- what is taken in ------------------------------------------------------------------------ */

static void test_accepted(void)
{
	struct sent sent = usual(7);
	uint64_t before_ns = sl_rig_now_ns();

	begin("accepted");
	check_sent("is dropped and counted", &sent, SL_COUNTER_DROP_BEACON);
	check(LOAD(slots) == 64 && LOAD(running) == 5 && LOAD(waiting) == 3 &&
		      LOAD(kv_permille) == 420 && LOAD(health) == SL_HEALTH_READY,
	      "its numbers stand in the row", LOAD(running));
	check(LOAD(sequence) == 7 && LOAD(incarnation) == STARTED && LOAD(accepted) == 1,
	      "its sequence too", LOAD(sequence));
	check(LOAD(seen_ns) >= before_ns && LOAD(seen_ns) <= sl_rig_now_ns(), "its time too",
	      LOAD(seen_ns));
	check(beacons.rig.nodes[SL_RIG_NODE_A].signals[SL_SIGNAL_SUCCESS] == 0,
	      "it is no success of the breaker", 0);

	sent = usual(8);
	memset(&sent.beacon.addr, 0, sizeof(sent.beacon.addr));
	check_sent("without an address it speaks for its source", &sent, SL_COUNTER_DROP_BEACON);
	check(LOAD(sequence) == 8, "which is node A", LOAD(sequence));

	sent = usual(1);
	sent.src = NODE6_A;
	sent.dst = HOST6;
	sent.beacon.addr = sl_frame_addr(NODE6_A);
	check_sent("IPv6", &sent, SL_COUNTER_DROP_BEACON);
	check(beacons.rig.loads[SL_RIG_NODE6_A].running == 5, "its node", 0);

	sent = usual(9);
	sent.src = "10.0.0.77";
	check_sent("from another address of its host", &sent, SL_COUNTER_DROP_BEACON);
}

static void test_not_ours(void)
{
	struct sent sent = usual(7);

	begin("not for this host");
	sent.dst = NODE_B;
	check(send_beacon(&sent) == SL_RIG_PASS, "to another host: passes", 0);
	sent.dst = HOST;
	sent.dport = PORT + 1;
	check(send_beacon(&sent) == SL_RIG_PASS, "to another port: passes", 0);
	sent.dport = PORT;
	beacons.rig.settings->beacon_port = 0;
	check(send_beacon(&sent) == SL_RIG_PASS, "without a port for beacons: passes", 0);
	check(LOAD(seen_ns) == 0, "nothing was written", LOAD(seen_ns));
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void test_refused(void)
{
	struct sent sent;

	begin("refused");
	sent = usual(1);
	sent.longer = -1;
	check_sent("a byte short", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent.longer = 1;
	check_sent("a byte long", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent.longer = -(int)sizeof(struct sl_beacon);
	check_sent("empty", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent = usual(1);
	sent.beacon.magic = 0;
	check_sent("no beacon at all", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent = usual(1);
	sent.beacon.version++;
	check_sent("another version", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent = usual(1);
	sent.beacon.key_id = htonl(2);
	check_sent("a key that is not known", &sent, SL_COUNTER_DROP_BEACON_FORGED);
	sent = usual(1);
	sent.key = &keys[1];
	check_sent("signed by another key", &sent, SL_COUNTER_DROP_BEACON_FORGED);
	sent = usual(1);
	sent.beacon.port = htons(8001);
	check_sent("a port that is no node", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent = usual(1);
	sent.beacon.addr = sl_frame_addr("10.0.0.13");
	check_sent("an address that is no node", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent = usual(1);
	sent.beacon.health = SL_HEALTH_SICK + 1;
	check_sent("a health that is none", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent = usual(1);
	sent.beacon.kv_permille = htonl(SL_BEACON_KV_MAX + 1);
	check_sent("more than all of the KV cache", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	sent = usual(1);
	beacons.rig.nodes[SL_RIG_NODE_A].admin = 0;
	check_sent("a node that has gone", &sent, SL_COUNTER_DROP_BEACON_UNKNOWN);
	beacons.rig.nodes[SL_RIG_NODE_A].admin = SL_NODE_PRESENT;
	key_set(0, NULL);
	sent.key = &(const struct sl_beacon_key){.id = 1};
	check_sent("no key at all, signed by zeros", &sent, SL_COUNTER_DROP_BEACON_FORGED);
	check(LOAD(seen_ns) == 0 && LOAD(accepted) == 0, "nothing was written", LOAD(accepted));
}

/* Every single bit counts, whatever it is a part of. */
static void test_bits(void)
{
	uint32_t accepted = 0, dropped = 0;

	begin("any bit turned");
	for (int bit = 0; bit < (int)sizeof(struct sl_beacon) * 8; bit++) {
		struct sent sent = usual(1 + (uint64_t)bit);

		sent.flip = bit;
		dropped += send_beacon(&sent) == SL_RIG_DROP;
	}
	accepted = (uint32_t)sl_rig_counted(&beacons.rig, SL_COUNTER_DROP_BEACON);
	check(accepted == 0 && LOAD(accepted) == 0, "is taken in", accepted);
	check(dropped == sizeof(struct sl_beacon) * 8, "is dropped", dropped);
}

/* A beacon that names no address, sent again from the address of another node. */
static void test_caught(void)
{
	struct sent sent = usual(5);

	begin("caught");
	memset(&sent.beacon.addr, 0, sizeof(sent.beacon.addr));
	sign(&sent.beacon, sent.key, sent.src);
	sent.keep_tag = true;
	sent.src = NODE_B;
	check_sent("is forged", &sent, SL_COUNTER_DROP_BEACON_FORGED);
	check(beacons.rig.loads[SL_RIG_NODE_B].seen_ns == 0, "node B has said nothing", 0);
	sent.src = NODE_A;
	check_sent("from its own it is right", &sent, SL_COUNTER_DROP_BEACON);
}

/* ---- order ----------------------------------------------------------------------------------- */

static void test_replay(void)
{
	struct sent sent = usual(10);

	begin("replay");
	check_sent("the first", &sent, SL_COUNTER_DROP_BEACON);
	check_sent("the same again", &sent, SL_COUNTER_DROP_BEACON_REPLAYED);
	sent = usual(9);
	sent.beacon.running = htonl(999);
	check_sent("an older one", &sent, SL_COUNTER_DROP_BEACON_REPLAYED);
	check(LOAD(running) == 5 && LOAD(accepted) == 1, "changes nothing", LOAD(running));
	sent = usual(12);
	check_sent("one was lost", &sent, SL_COUNTER_DROP_BEACON);
	sent = usual(11);
	check_sent("and comes late", &sent, SL_COUNTER_DROP_BEACON_REPLAYED);
	sent = usual(1);
	sent.beacon.incarnation = htobe64(STARTED + 1);
	check_sent("the sender began anew", &sent, SL_COUNTER_DROP_BEACON);
	sent = usual(13);
	check_sent("one from before that", &sent, SL_COUNTER_DROP_BEACON_REPLAYED);
	sent = usual(2);
	sent.beacon.incarnation = htobe64(STARTED - 1);
	check_sent("from an earlier life", &sent, SL_COUNTER_DROP_BEACON_REPLAYED);
	sent = usual(2);
	sent.beacon.incarnation = htobe64(STARTED + 1);
	check_sent("the next", &sent, SL_COUNTER_DROP_BEACON);
}

static void test_rotation(void)
{
	struct sent old_key = usual(1), new_key = usual(2);

	begin("keys");
	new_key.key = &keys[1];
	new_key.beacon.key_id = htonl(2);
	check_sent("the new key is not known yet", &new_key, SL_COUNTER_DROP_BEACON_FORGED);
	key_set(1, &keys[1]);
	check_sent("both are active: the old one", &old_key, SL_COUNTER_DROP_BEACON);
	check_sent("both are active: the new one", &new_key, SL_COUNTER_DROP_BEACON);
	key_set(0, &keys[1]);
	key_set(1, NULL);
	old_key.beacon.sequence = htobe64(3);
	new_key.beacon.sequence = htobe64(4);
	check_sent("the old one is gone", &old_key, SL_COUNTER_DROP_BEACON_FORGED);
	check_sent("the new one in its place", &new_key, SL_COUNTER_DROP_BEACON);
}

/* ---- signals --------------------------------------------------------------------------------- */

static enum sl_breaker_state state_of(uint32_t slot)
{
	return sl_breaker_state(beacons.rig.nodes[slot].breaker);
}

static void test_sick(void)
{
	__u64 *signals = beacons.rig.nodes[SL_RIG_NODE_A].signals;
	struct sent sent;

	begin("sick");
	for (uint64_t i = 1; i <= 4; i++) {
		sent = usual(i);
		sent.beacon.health = SL_HEALTH_SICK;
		send_beacon(&sent);
	}
	check(signals[SL_SIGNAL_BEACON_SICK] == 4, "each is a failure", 0);
	check(state_of(SL_RIG_NODE_A) == SL_BREAKER_CLOSED, "four do not open the breaker", 0);
	check_sent("the same again", &sent, SL_COUNTER_DROP_BEACON_REPLAYED);
	check(signals[SL_SIGNAL_BEACON_SICK] == 4, "is none", signals[SL_SIGNAL_BEACON_SICK]);
	sent = usual(5);
	sent.beacon.health = SL_HEALTH_SICK;
	send_beacon(&sent);
	check(state_of(SL_RIG_NODE_A) == SL_BREAKER_OPEN, "the fifth does", 0);
	sent = usual(6);
	send_beacon(&sent);
	check(state_of(SL_RIG_NODE_A) == SL_BREAKER_OPEN, "ready does not close it", 0);

	begin("not sick");
	sl_rig_tune(&beacons.rig, SL_TUNABLE_BEACON_SIGNAL, 0);
	for (uint64_t i = 1; i <= 6; i++) {
		sent = usual(i);
		sent.beacon.health = SL_HEALTH_SICK;
		send_beacon(&sent);
	}
	check(signals[SL_SIGNAL_BEACON_SICK] == 0, "the tunable switches the signal off", 0);
	sl_rig_tune(&beacons.rig, SL_TUNABLE_BEACON_SIGNAL, 1);
	for (uint64_t i = 7; i <= 16; i++) {
		sent = usual(i);
		sent.beacon.health = i % 2 ? SL_HEALTH_BUSY : SL_HEALTH_DRAINING;
		send_beacon(&sent);
	}
	check(state_of(SL_RIG_NODE_A) == SL_BREAKER_CLOSED, "busy and draining are no failures", 0);
}

/* SYNs of `count` clients; how many of them went to the node. */
static uint32_t chosen(uint32_t slot, uint32_t count)
{
	uint64_t before = beacons.rig.nodes[slot].flows_opened;
	static uint16_t sport = 1000;

	while (count--) {
		struct sl_frame_spec spec = {
			.src = "198.51.100.7",
			.dst = "192.0.2.100",
			.sport = ++sport,
			.dport = 80,
			.seq = 1,
			.flags = SL_FRAME_SYN,
			.smac = SL_RIG_MAC_ROUTER,
			.dmac = {0x02, 0, 0, 0, 0, 0xa0},
		};
		struct sl_frame in, out;

		sl_frame_build(&in, &spec);
		sl_rig_run(&beacons.rig, beacons.hook, &in, &out);
	}
	return (uint32_t)(beacons.rig.nodes[slot].flows_opened - before);
}

static void beacon_age(uint64_t age_ms)
{
	LOAD(seen_ns) -= age_ms * 1000000;
}

static void test_lost(void)
{
	__u64 *signals = beacons.rig.nodes[SL_RIG_NODE_A].signals;
	struct sent sent = usual(1);

	begin("lost");
	chosen(SL_RIG_NODE_A, 50);
	check(signals[SL_SIGNAL_BEACON_LOST] == 0, "who never sent one loses none", 0);
	send_beacon(&sent);
	beacon_age(2500);
	chosen(SL_RIG_NODE_A, 50);
	check(signals[SL_SIGNAL_BEACON_LOST] == 0, "not yet", 0);
	beacon_age(1000);
	chosen(SL_RIG_NODE_A, 50);
	check(signals[SL_SIGNAL_BEACON_LOST] == 1, "a failure, once",
	      signals[SL_SIGNAL_BEACON_LOST]);
	check(LOAD(lost) == 1, "remembered", LOAD(lost));
	check(beacons.rig.nodes[SL_RIG_NODE_A].consecutive == 1, "in the row of failures", 0);
	sent = usual(2);
	send_beacon(&sent);
	check(LOAD(lost) == 0, "another beacon ends it", LOAD(lost));
	beacon_age(4000);
	sl_rig_tune(&beacons.rig, SL_TUNABLE_BEACON_SIGNAL, 0);
	chosen(SL_RIG_NODE_A, 50);
	check(signals[SL_SIGNAL_BEACON_LOST] == 1, "the tunable switches the signal off", 0);
	sent = usual(3);
	send_beacon(&sent);
	beacon_age(4000);
	sl_rig_tune(&beacons.rig, SL_TUNABLE_BEACON_SIGNAL, 1);
	chosen(SL_RIG_NODE_A, 50);
	check(signals[SL_SIGNAL_BEACON_LOST] == 2, "each silence is one",
	      signals[SL_SIGNAL_BEACON_LOST]);
}

/* Of two nodes the two candidates of a flow are the same one now and then. */
static void test_steers(void)
{
	struct sent sent = usual(1);
	uint32_t count;

	begin("steers");
	sent.beacon.running = htonl(1000);
	send_beacon(&sent);
	count = chosen(SL_RIG_NODE_A, 200);
	check(count < 40, "away from a node that is loaded", count);
	sent = usual(2);
	sent.beacon.running = 0;
	sent.beacon.waiting = 0;
	sent.beacon.health = SL_HEALTH_BUSY;
	send_beacon(&sent);
	count = chosen(SL_RIG_NODE_A, 200);
	check(count < 40, "from one that is busy", count);
	sent = usual(3);
	sent.beacon.running = 0;
	sent.beacon.waiting = 0;
	sent.beacon.kv_permille = htonl(980);
	send_beacon(&sent);
	count = chosen(SL_RIG_NODE_A, 200);
	check(count < 40, "from one whose KV cache is full", count);
	beacon_age(5000);
	count = chosen(SL_RIG_NODE_A, 200);
	check(count > 50, "but not for ever", count);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_accepted, test_not_ours, test_refused, test_bits, test_caught,
		test_replay,   test_rotation, test_sick,    test_lost, test_steers,
	};

	sl_rig_open(&beacons.rig);
	beacons.keys_fd = bpf_object__find_map_fd_by_name(beacons.rig.object, "beacon_keys");
	for (beacons.hook = 0; beacons.hook < SL_RIG_HOOKS; beacons.hook++) {
		for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
			tests[i]();
	}
	return sl_rig_close(&beacons.rig);
}
