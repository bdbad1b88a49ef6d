/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * effect.c - how soon packets obey: a changed map, and an opened breaker.
 *
 * Map update to effect: one thread sends SYNs of new clients by test run without a pause and notes
 * where they go; another changes a map. The time is from just before the change to the end of the
 * first packet from which on all obey; so it holds one test run, a few microseconds, where the
 * change acts at once. TRIALS each; bar 1 ms on the largest.
 *
 * Trip latency: node A answers SYNs by RST. After the fifth, SYNS more clients come; the packets
 * that still go to A are counted. No clock is in it.
 *
 * The network of the BPF tests (tests/bpf/lib/rig.h), so root is needed.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tests/bpf/lib/rig.h"

#define TRIALS	    25u
#define SYNS	    10000u
#define SENT_MAX    40000u /* a trial; one node has ports for some more */
#define FAILURES    5u
#define LATELY	    32u /* packets looked at before a change */
#define SETTLE_US   500u
#define BUSY_FLOWS  1000u /* on node B, so that A is preferred */
#define BAR_US	    1000.0
#define MAC_LAST_AT 5 /* last byte of the destination's MAC address: 0x0b node A, 0x0c node B */
#define PASSED	    0 /* instead of a node's last byte */
#define DROPPED	    1 /* for want of a port: says nothing about the change */

static struct sl_rig rig;
/* What the sender has seen; others read it when the sender has ended, but for `sent` and `lately`. */
static struct {
	uint32_t wanted;       /* where packets should go after the change */
	bool obeying;	       /* the last packet went there */
	uint64_t obeyed_at_ns; /* end of the first packet from which on all did */
} seen;
static _Atomic uint32_t lately[LATELY]; /* where the last packets went */
static atomic_uint_fast64_t sent;
static atomic_bool stop;

static void die(const char *what)
{
	fprintf(stderr, "effect: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- packets ------------------------------------------------------------------------------- */

static void client_frame(struct sl_frame *frame, uint32_t client)
{
	char src[32];
	struct sl_frame_spec spec = {
		.src = src,
		.dst = "192.0.2.100",
		.sport = (uint16_t)(1024 + client % 60000),
		.dport = 80,
		.seq = 1000,
		.flags = SL_FRAME_SYN,
	};

	snprintf(src, sizeof(src), "100.%u.%u.%u", 64 + (client >> 16 & 63), client >> 8 & 255,
		 client & 255);
	sl_frame_build(frame, &spec);
}

/* Sends a SYN. Returns where it went; the frame as it went is *ret_out. */
static uint32_t syn_send(uint32_t client, struct sl_frame *ret_out)
{
	struct sl_frame in;
	int verdict;

	client_frame(&in, client);
	verdict = sl_rig_xdp(&rig, &in, ret_out);
	return verdict == XDP_TX     ? ret_out->bytes[MAC_LAST_AT]
	       : verdict == XDP_PASS ? PASSED
				     : DROPPED;
}

/* The node's RST to a SYN as it arrived there. Returns where what came of it went. */
static uint32_t refuse(const struct sl_frame *syn)
{
	struct sl_frame_spec spec = {
		.src = "10.0.0.11",
		.dst = "10.0.0.2",
		.sport = 8000,
		.dport = sl_frame_sport(syn),
		.ack = 1001,
		.flags = SL_FRAME_RST | SL_FRAME_ACK,
	};
	struct sl_frame in, out;

	sl_frame_build(&in, &spec);
	return sl_rig_xdp(&rig, &in, &out) == XDP_TX ? out.bytes[MAC_LAST_AT] : PASSED;
}

static void prefer_a(void)
{
	uint32_t pool = SL_RIG_POOL4;

	sl_rig_reset(&rig);
	/* The rig writes into its own table, which the last change has perhaps replaced. */
	if (bpf_map_update_elem(rig.maglev_fd, &pool, &rig.table_fds[pool], BPF_ANY))
		die("maglev");
	sl_rig_tune(&rig, SL_TUNABLE_LOAD_BOUND, 0);
	sl_rig_tune(&rig, SL_TUNABLE_GUARD_SOURCE_RATE, 0);
	sl_rig_tune(&rig, SL_TUNABLE_GUARD_PENDING, 0);
	sl_rig_tune(&rig, SL_TUNABLE_BREAKER_OPEN_MS, SL_TUNABLE_MAX_BREAKER_OPEN_MS);
	rig.settings->nat_port_min = 1024;
	rig.settings->nat_port_max = 65535;
	rig.nodes[SL_RIG_NODE_A].weight = 1000;
	sl_rig_load(&rig, SL_RIG_NODE_B, BUSY_FLOWS);
}

/* ---- map update to effect ------------------------------------------------------------------ */

static void *send_without_pause(void *unused)
{
	static uint32_t client;
	struct sl_frame out;

	(void)unused;
	for (uint32_t i = 0; i < SENT_MAX && !atomic_load(&stop); i++) {
		uint64_t number = atomic_load(&sent);
		uint32_t went = syn_send(client++, &out);
		bool obeys = went == seen.wanted || (went == DROPPED && seen.obeying);

		if (obeys && !seen.obeying)
			seen.obeyed_at_ns = sl_rig_now_ns();
		seen.obeying = obeys;
		atomic_store(&lately[number % LATELY], went);
		atomic_store(&sent, number + 1);
	}
	atomic_store(&stop, true);
	return NULL;
}

struct change {
	const char *name;
	uint32_t before; /* where packets go */
	uint32_t after;
	void (*prepare)(void);
	void (*set)(void);
};

static void set_drain(void)
{
	__sync_fetch_and_or(&rig.nodes[SL_RIG_NODE_A].admin, SL_NODE_DRAINING);
}

static void set_tunable_memory(void)
{
	__atomic_store_n(&rig.tunables[SL_TUNABLE_FAST_LANE], 0, __ATOMIC_RELAXED);
}

/* What `bpftool map update` does. */
static void set_tunable_call(void)
{
	int fd = bpf_object__find_map_fd_by_name(rig.object, "tunables");
	uint32_t key = SL_TUNABLE_FAST_LANE;
	uint64_t value = 0;

	if (bpf_map_update_elem(fd, &key, &value, BPF_ANY))
		die("tunables");
}

/* The table is written before; what is measured is its publication. */
static int table_fd = -1;

static void prepare_table(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	uint32_t slot = SL_RIG_NODE_B;

	if (table_fd >= 0)
		close(table_fd);
	table_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", 4, 4, SL_RIG_MAGLEV_SIZE, &options);
	for (uint32_t i = 0; i < SL_RIG_MAGLEV_SIZE; i++) {
		if (table_fd < 0 || bpf_map_update_elem(table_fd, &i, &slot, BPF_ANY))
			die("inner map");
	}
}

static void set_table(void)
{
	uint32_t pool = SL_RIG_POOL4;

	if (bpf_map_update_elem(rig.maglev_fd, &pool, &table_fd, BPF_ANY))
		die("maglev");
}

static int order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void pause_us(uint32_t us)
{
	struct timespec wait = {0, (long)us * 1000};

	nanosleep(&wait, NULL);
}

/* Until SETTLE_US are over and the sender has sent some more, or all that it may. */
static void packets_wait(void)
{
	uint64_t from = atomic_load(&sent);

	do {
		pause_us(SETTLE_US);
	} while (atomic_load(&sent) < from + LATELY && !atomic_load(&stop));
}

/* Do packets go there? A few meet the other node alone when the choice looks for two. */
static bool most_go(uint32_t where)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < LATELY; i++)
		count += atomic_load(&lately[i]) == where;
	return count > LATELY / 2;
}

/* One change under packets. Returns how long it took, in ns. */
static uint64_t change_try(const struct change *change)
{
	pthread_t sender;
	uint64_t begun_ns;

	prefer_a();
	if (change->prepare)
		change->prepare();
	seen.wanted = change->after;
	seen.obeying = false;
	atomic_store(&stop, false);
	if (pthread_create(&sender, NULL, send_without_pause, NULL))
		die("thread");
	packets_wait();
	errno = 0;
	if (!most_go(change->before))
		die("packets do not go where they should before the change");
	begun_ns = sl_rig_now_ns();
	change->set();
	packets_wait();
	atomic_store(&stop, true);
	pthread_join(sender, NULL);
	errno = 0;
	if (!seen.obeying)
		die("a change had no effect");
	return seen.obeyed_at_ns > begun_ns ? seen.obeyed_at_ns - begun_ns : 0;
}

static void change_measure(const struct change *change)
{
	uint64_t times[TRIALS];
	double largest_us;

	for (uint32_t i = 0; i < TRIALS; i++)
		times[i] = change_try(change);
	qsort(times, TRIALS, sizeof(*times), order);
	largest_us = (double)times[TRIALS - 1] / 1e3;
	printf("  %-52s %7.1f us %7.1f us   bar %.0f us: %s\n", change->name,
	       (double)times[TRIALS / 2] / 1e3, largest_us, BAR_US,
	       largest_us < BAR_US ? "reached" : "missed");
}

/* ---- trip latency -------------------------------------------------------------------------- */

static void trip_measure(void)
{
	uint32_t client = 0, failures = 0, late = 0, retried = 0;
	struct sl_frame out;

	prefer_a();
	while (failures < FAILURES && client < SYNS) {
		if (syn_send(client++, &out) != 0x0b)
			continue;
		failures++;
		retried += refuse(&out) == 0x0c;
	}
	for (uint32_t i = 0; i < SYNS; i++)
		late += syn_send(client++, &out) == 0x0b;
	printf("  packets to the refusing node among %u SYNs after failure %u: %u   bar 0: %s\n",
	       SYNS, failures, late, failures == FAILURES && !late ? "reached" : "missed");
	printf("  of the %u refused SYNs sent on to the other node at once: %u\n", failures,
	       retried);
}

int main(void)
{
	static const struct change changes[] = {
		{"drain of a node (memory of `nodes`)", 0x0b, 0x0c, NULL, set_drain},
		{"tunable fast_lane.enabled (memory)", 0x0b, PASSED, NULL, set_tunable_memory},
		{"tunable fast_lane.enabled (system call)", 0x0b, PASSED, NULL, set_tunable_call},
		{"new lookup table (swap of the inner map)", 0x0b, 0x0c, prepare_table, set_table},
	};
	struct sched_param first = {.sched_priority = 1};

	sl_rig_flow_sets = SL_FLOW_SETS(SL_FLOWS_MAX_DEFAULT);
	sl_rig_open(&rig);
	(void)sched_setscheduler(0, SCHED_FIFO,
				 &first); /* both threads; else the largest is noise */
	printf("  %-52s %10s %10s\n", "map update to effect on packets", "median", "largest");
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		change_measure(&changes[i]);
	trip_measure();
	bpf_object__close(rig.object);
	return 0;
}
