/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table_race.c - CPUs at one small table at the same time: few keys, few places, few ports, so that
 * claims, reservations, moves and ends of the same flow meet. Half of the threads send through XDP,
 * half through TC. Afterwards the maps are audited (lib/audit.h): no flow is counted twice, none is
 * forgotten, no port is lost or given out twice.
 *
 *   thread N, alone on CPU N         SYN, data, FIN, RST of a few clients; SYN-ACK, data, FIN, RST
 *                                   of the nodes to whatever port the table names just then
 *   now and then                    a flow is made older (an atomic subtraction from its stamp), so
 *                                   that SYNs count as repeated and flows as over their time
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/bpf/lib/audit.h"
#include "tests/bpf/lib/talk.h"

#define THREADS_MAX 4u
#define TURNS	    20000u /* of a thread in a round */
#define TURNS_GUEST 5000u  /* where one emulator thread is all CPUs: they hardly ever meet */
#define SYN_MS	    4000u
#define L3	    14u
#define L4	    34u
#define STAMP_OF_MS 1ull /* nearly */

static uint32_t turns = TURNS;

/* How a round squeezes the table. */
struct squeeze {
	const char *description;
	uint32_t sets;
	uint32_t clients; /* keys that are used */
	uint32_t ports;
	uint32_t nodes;
	uint32_t retries;
	uint32_t ages; /* of 16 turns, those that make a flow older */
};

static const struct squeeze squeezes[] = {
	{"few keys: the ends of one flow meet", 4, 6, 64, 1, 0, 2},
	{"more keys than places: claims meet", 1, 64, 64, 1, 0, 2},
	{"more keys than places, two sets", 2, 64, 64, 1, 0, 2},
	{"hardly any ports", 4, 24, 6, 1, 0, 2},
	{"SYNs that move to other nodes", 1, 3, 32, 2, 7, 6},
	{"SYNs that move, in a full table", 1, 24, 16, 2, 7, 6},
};

/* Who holds a port just now, by what the SYN came out with. */
struct ports {
	uint32_t holders[64];
	uint32_t twice;
	uint32_t refused;
};

struct worker {
	pthread_t id;
	struct sl_rig *rig;
	struct ports *ports;
	const struct squeeze *squeeze;
	uint32_t number;
	uint64_t seed;
	uint64_t forwarded;
	struct sl_frame client; /* templates: one client's packet, one node's */
	struct sl_frame node;
};

static uint32_t draw(struct worker *worker, uint32_t below)
{
	worker->seed ^= worker->seed << 13;
	worker->seed ^= worker->seed >> 7;
	worker->seed ^= worker->seed << 17;
	return (uint32_t)((worker->seed >> 32) * below >> 32);
}

static void put16(uint8_t *at, uint16_t value)
{
	value = htons(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

static void send_frame(struct worker *worker, const struct sl_frame *frame)
{
	struct sl_frame out;

	worker->forwarded += sl_rig_run(worker->rig, worker->number % SL_RIG_HOOKS, frame, &out) ==
			     SL_RIG_FORWARD;
}

/* Checksums of the templates do not hold after this; nobody looks at them. */
static void client_turn(struct worker *worker)
{
	static const uint8_t flags[] = {SL_FRAME_SYN, SL_FRAME_SYN, SL_FRAME_SYN,
					SL_FRAME_ACK, SL_FRAME_RST, SL_FRAME_FIN | SL_FRAME_ACK};
	uint8_t *tcp = worker->client.bytes + L4;
	uint8_t flag = flags[draw(worker, sizeof(flags))];

	put16(tcp, (uint16_t)(5000 + draw(worker, worker->squeeze->clients)));
	put32(tcp + 4,
	      SL_TALK_CLIENT_SEQ + !(flag & SL_FRAME_SYN) + (draw(worker, 4) ? 0 : 5000000));
	tcp[13] = flag;
	send_frame(worker, &worker->client);
}

/* A packet of the node that a row names, as far as two CPUs agree on it. */
static void node_turn(struct worker *worker)
{
	static const uint8_t flags[] = {SL_FRAME_SYN | SL_FRAME_ACK, SL_FRAME_SYN | SL_FRAME_ACK,
					SL_FRAME_ACK, SL_FRAME_RST | SL_FRAME_ACK,
					SL_FRAME_FIN | SL_FRAME_ACK};
	uint32_t place = draw(worker, worker->squeeze->sets * SL_FLOW_WAYS);
	const volatile struct sl_flow *flow =
		&worker->rig->flows[place / SL_FLOW_WAYS].flow[place % SL_FLOW_WAYS];
	uint8_t *ip = worker->node.bytes + L3, *tcp = worker->node.bytes + L4;
	uint32_t slot = flow->conn.node;

	if (slot == 0 || slot >= SL_RIG_NODES_MAX)
		return;
	memcpy(ip + 12, &worker->rig->nodes[slot].endpoint.addr.w[3], 4);
	put16(tcp + 2, ntohs(flow->nat_port));
	put32(tcp + 4, flow->conn.node_seq);
	put32(tcp + 8, flow->conn.next_seq);
	tcp[13] = flags[draw(worker, sizeof(flags))];
	send_frame(worker, &worker->node);
}

static void age_turn(struct worker *worker)
{
	uint32_t place = draw(worker, worker->squeeze->sets * SL_FLOW_WAYS);
	__u64 *way = &worker->rig->flows[place / SL_FLOW_WAYS].way[place % SL_FLOW_WAYS];
	uint64_t stamps = draw(worker, 8) ? 20 * STAMP_OF_MS : 10 * SYN_MS * STAMP_OF_MS;

	__sync_fetch_and_sub(way, stamps << 32);
}

static void pin(const struct worker *worker)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(worker->number, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		perror("table_race: sched_setaffinity");
}

static void *work(void *opaque)
{
	struct worker *worker = opaque;

	pin(worker);
	for (uint32_t i = 0; i < turns; i++) {
		uint32_t turn = draw(worker, 16);

		if (turn < worker->squeeze->ages)
			age_turn(worker);
		else if (turn < 11)
			client_turn(worker);
		else
			node_turn(worker);
	}
	return NULL;
}

/* A client of the thread's own: SYN, RST, SYN, RST. */
static void *work_ports(void *opaque)
{
	struct worker *worker = opaque;
	uint8_t *tcp = worker->client.bytes + L4;

	pin(worker);
	put16(tcp, (uint16_t)(5000 + worker->number));
	for (uint32_t i = 0; i < turns; i++) {
		uint32_t *holders;
		struct sl_frame out;

		tcp[13] = SL_FRAME_SYN;
		put32(tcp + 4, SL_TALK_CLIENT_SEQ);
		if (sl_rig_run(worker->rig, worker->number % SL_RIG_HOOKS, &worker->client, &out) !=
		    SL_RIG_FORWARD) {
			__sync_fetch_and_add(&worker->ports->refused, 1);
			continue;
		}
		worker->forwarded++;
		holders = &worker->ports->holders[sl_frame_sport(&out) % 64];
		if (__sync_fetch_and_add(holders, 1))
			__sync_fetch_and_add(&worker->ports->twice, 1);
		__sync_fetch_and_sub(holders, 1);
		tcp[13] = SL_FRAME_RST;
		put32(tcp + 4, SL_TALK_CLIENT_SEQ + 1);
		send_frame(worker, &worker->client);
	}
	return NULL;
}

static void templates(struct worker *worker)
{
	struct sl_talk talk = {.client = "198.51.100.7",
			       .service = "192.0.2.100",
			       .sport = 5000,
			       .dport = 80,
			       .slot = SL_RIG_NODE_A};
	struct sl_frame_spec spec = sl_talk_client_spec(&talk, SL_FRAME_SYN, 0);

	sl_frame_build(&worker->client, &spec);
	spec = sl_talk_node_spec(worker->rig, &talk, SL_FRAME_ACK, 0);
	sl_frame_build(&worker->node, &spec);
}

static void rig_for(struct sl_rig *rig, const struct squeeze *squeeze)
{
	uint32_t slots[] = {SL_RIG_NODE_A, SL_RIG_NODE_B};

	sl_rig_reset(rig);
	rig->settings->flow_sets = squeeze->sets;
	rig->settings->cpu_count = 1; /* so that CPUs meet at the same ports */
	rig->settings->nat_port_max = (uint16_t)(SL_RIG_PORT_MIN + squeeze->ports - 1);
	sl_rig_table(rig, SL_RIG_POOL4, slots, squeeze->nodes);
	sl_rig_tune(rig, SL_TUNABLE_FLOW_SYN_MS, SYN_MS);
	sl_rig_tune(rig, SL_TUNABLE_CONNECT_RETRIES, squeeze->retries);
	sl_rig_tune(rig, SL_TUNABLE_POOL_REFUSE, 0);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_SOURCE_RATE, 0);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_PENDING, 0);
	sl_rig_tune(rig, SL_TUNABLE_BREAKER_MODE, 1);
}

/* Lets all threads work and waits for them. Returns how many packets were forwarded. */
static uint64_t threads_run(struct sl_rig *rig, const struct squeeze *squeeze, struct ports *ports,
			    void *(*job)(void *))
{
	struct worker workers[THREADS_MAX];
	uint32_t threads = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t forwarded = 0;

	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	for (uint32_t i = 0; i < threads; i++) {
		workers[i] = (struct worker){.rig = rig,
					     .ports = ports,
					     .squeeze = squeeze,
					     .number = i,
					     .seed = 0x9e3779b97f4a7c15ull * (i + 1)};
		templates(&workers[i]);
	}
	for (uint32_t i = 0; i < threads; i++) {
		if (pthread_create(&workers[i].id, NULL, job, &workers[i])) {
			perror("table_race: pthread_create");
			exit(2);
		}
	}
	for (uint32_t i = 0; i < threads; i++) {
		pthread_join(workers[i].id, NULL);
		forwarded += workers[i].forwarded;
	}
	return forwarded;
}

static void round_run(struct sl_rig *rig, const struct squeeze *squeeze)
{
	uint64_t forwarded;
	const char *audit;

	rig_for(rig, squeeze);
	forwarded = threads_run(rig, squeeze, NULL, work);
	audit = sl_audit(rig, false);
	sl_rig_check(rig, !audit && forwarded > turns / 8, squeeze->description, "%s",
		     audit ? audit : "hardly anything was forwarded");
	printf("# %llu forwarded, opened %llu, closed %llu, expired %llu, evicted %llu, moved "
	       "%llu, "
	       "no port %llu\n",
	       (unsigned long long)forwarded,
	       (unsigned long long)sl_rig_counted(rig, SL_COUNTER_FLOW_OPENED),
	       (unsigned long long)sl_rig_counted(rig, SL_COUNTER_FLOW_CLOSED),
	       (unsigned long long)sl_rig_counted(rig, SL_COUNTER_FLOW_EXPIRED),
	       (unsigned long long)sl_rig_counted(rig, SL_COUNTER_FLOW_EVICTED),
	       (unsigned long long)sl_rig_counted(rig, SL_COUNTER_RETRY_MOVED),
	       (unsigned long long)sl_rig_counted(rig, SL_COUNTER_DROP_NO_PORT));
}

/* Fewer ports than threads, all of them taken and given back all the time. */
static void ports_run(struct sl_rig *rig)
{
	static const struct squeeze squeeze = {"one port for all", 4, 0, 1, 1, 0, 0};
	struct ports ports = {0};
	uint64_t forwarded;
	const char *audit;

	rig_for(rig, &squeeze);
	forwarded = threads_run(rig, &squeeze, &ports, work_ports);
	audit = sl_audit(rig, false);
	sl_rig_check(rig, !audit && !ports.twice && forwarded > turns / 8, squeeze.description,
		     "%s; one port for two flows: %u times", audit ? audit : "the maps hold",
		     ports.twice);
	printf("# %llu forwarded, %u SYNs found it taken\n", (unsigned long long)forwarded,
	       ports.refused);
}

int main(void)
{
	struct sl_rig rig;

	if (getenv("VMTEST_GUEST"))
		turns = TURNS_GUEST;
	sl_rig_open(&rig);
	for (size_t i = 0; i < sizeof(squeezes) / sizeof(*squeezes); i++)
		round_run(&rig, &squeezes[i]);
	ports_run(&rig);
	return sl_rig_close(&rig);
}
